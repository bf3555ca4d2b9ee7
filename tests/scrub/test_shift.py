"""Moved dates: the form stays, intervals, order and weekdays stay, and no date is impossible."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmsafe.scrub.detect.en.dates import MONTHS, find_dates
from llmsafe.scrub.detect.en.ranges import find_ranges, shift_range
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity, build_matcher
from llmsafe.scrub.replace.holidays import shift_holiday
from llmsafe.scrub.replace.person import Person, date_offset
from llmsafe.scrub.replace.shift import Shift, read_date, shift_date
from llmsafe.scrub.replace.spelled import ORDINALS, ordinal_number, spell_year, year_number
from llmsafe.scrub.replace.surrogate import surrogate

NOTE = date(2021, 3, 20)
FORTNIGHT = Shift(14, NOTE, NOTE)


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("2021-03-14", "2021-03-28"), ("3/4/2021", "3/18/2021"), ("03/04/21", "03/18/21"), ("14/3/2021", "28/3/2021"),
        ("March 4th, 2021", "March 18th, 2021"), ("MAR 14 2021", "MAR 28 2021"), ("14.03.2021", "28.03.2021"),
        ("14-Mar-2021", "28-Mar-2021"), ("March 31, 2021", "April 14, 2021"), ("1ST OF MAY 2021", "15TH OF MAY 2021"),
        ("14MAY2021", "28MAY2021"), ("31-May-2021", "14-Jun-2021"), ("May 31, 2021", "June 14, 2021"),
        ("Tuesday, March 2, 2021", "Tuesday, March 16, 2021"), ("20201225", "20210108"), ("Sept 30 2020", "Oct 14 2020"),
        ("2021-03-14T08:30:00Z", "2021-03-28T08:30:00Z"), ("12/25", "01/08"), ("Dec 25th", "Jan 8th"), ("12/25/99", "01/08/00"),
        ("March fourteenth", "March twenty-eighth"), ("March fourteenth, 2019", "March twenty-eighth, 2019"),
        ("December thirtieth, nineteen ninety-nine", "January thirteenth, two thousand"),
        ("Dec twenty first, two thousand and nineteen", "Jan fourth, two thousand and twenty"),
        ("Mar 2021", "Apr 2021"), ("March '21", "April '21"), ("12/2020", "01/2021"), ("March", "April"), ("winter 2019", "spring 2020"),
    ],
)  # fmt: skip
def test_a_move_keeps_the_form(written: str, moved: str) -> None:
    assert shift_date(written, FORTNIGHT) == moved


@pytest.mark.parametrize(
    "written",
    [
        "11/23/1951", "11.23.51", "11 23 1951", "23.11.1951", "23-11-51", "1951-11-23", "19511123", "1951/11/23", "1951 11 23",
        "11231951", "Nov 23, 1951", "November 23", "NOV-23-1951", "Nov. the 23rd of '51", "23 Nov 1951", "23rd of November 51",
        "Novem 23, 1951", "23Nov1951",
    ],
)  # fmt: skip
def test_every_writing_of_a_known_date_that_is_found_is_moved(written: str) -> None:
    matcher = build_matcher(Identity("p1", dates=("1951-11-23",)))
    found = [(s.start, s.end) for s in matcher.find(written) if s.category == "DATE"]
    assert (found == [(0, len(written))]) == ("Novem " not in written)
    if found:
        moved = shift_date(written, Shift(14, date(1990, 1, 1), date(1990, 1, 1)))
        assert moved is not None
        assert re.findall(r"\d+", moved) != re.findall(r"\d+", written)
        assert re.search(r"0?7|12|dec", moved.lower())


@pytest.mark.parametrize(
    "written", ["02/30/2020", "Feb 29, 2021", "2021-06-31", "12/31/9999", "30/30/2020", "Thanksgiving", ""]
)  # fmt: skip
def test_what_is_no_date_is_not_moved(written: str) -> None:
    assert shift_date(written, Shift(371)) is None


@pytest.mark.parametrize(
    ("written", "moved"),
    [("3/4/2021", "17/4/2021"), ("03.04.2021", "17.04.2021"), ("3/14/2021", "3/28/2021"), ("2021-03-04", "2021-03-18")],
)  # fmt: skip
def test_day_first_where_the_hospital_writes_so(written: str, moved: str) -> None:
    assert shift_date(written, Shift(14, NOTE, NOTE, day_first=True)) == moved
    if moved[-4:] == "2021" and "14" not in written:
        assert shift_date(written, FORTNIGHT) != moved  # the question is a real one


# --- intervals, order, weekdays ----------------------------------------------------------------------

FORMS = (
    "%Y-%m-%d", "%m/%d/%Y", "%B %d, %Y", "%d %b %Y", "%m-%d-%y", "%b %d, '%y", "%d-%b-%Y", "%Y%m%d",
    "%A, %B %d, %Y", "%d.%m.%Y", "%d/%m/%Y", "%b %d",
)  # fmt: skip
DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))


def read(text: str, form: str, near: date) -> date:
    """What Python reads, not our own reader; the year is the one next to ``near``."""
    if "%Y" in form or "%y" in form:
        return datetime.strptime(text, form).date()
    years = (datetime.strptime(f"{text} {near.year + n}", f"{form} %Y").date() for n in (-1, 0, 1))
    return min(years, key=lambda day: abs(day - near))


@given(
    st.integers(0, 10**6), DAYS, st.lists(st.tuples(st.integers(-150, 150), st.sampled_from(FORMS)), min_size=2, max_size=6)
)  # fmt: skip
def test_intervals_order_and_weekdays_of_a_patient_stay(
    patient: int, noted: date, written: list[tuple[int, str]]
) -> None:
    person = Person(f"patient {patient}")
    days = date_offset(Key(b"k" * 32), person.scope)
    moved_note = noted + timedelta(days=days)
    old, new = [], []
    for gap, form in written:
        true = noted + timedelta(days=gap)
        assume(not ("%b" in form and 5 in (true.month, (true + timedelta(days=days)).month)))
        assume(form != "%b %d" or (true.month, true.day) != (2, 29))
        shift = Shift(days, noted, noted, day_first=form.startswith("%d"))
        moved = shift_date(true.strftime(form), shift)
        assert moved is not None
        old.append(true)
        new.append(read(moved, form, moved_note))
        assert new[-1].weekday() == true.weekday()
        assert not form.startswith("%A") or moved.startswith(f"{true:%A}")
    assert [b - a for a, b in zip(old, new, strict=True)] == [timedelta(days=days)] * len(old)
    assert sorted(range(len(old)), key=old.__getitem__) == sorted(
        range(len(new)), key=new.__getitem__
    )


def test_a_patient_whose_notes_moved_apart_would_be_seen() -> None:
    """The property above, with the offset taken per note: it must not hold."""
    key, gaps = Key(b"k" * 32), set()
    for note in range(20):
        days = date_offset(key, f"note {note}")
        gaps.add(read(shift_date("2021-03-14", Shift(days)) or "", "%Y-%m-%d", NOTE))
    assert len(gaps) > 10


@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=5, unique=True),
    st.integers(-52, 52).filter(bool),
)
def test_months_keep_their_distance_and_no_order_turns_round(months: list[int], weeks: int) -> None:
    shift = Shift(7 * weeks, NOTE, None)
    ordered = sorted(months)
    written = [f"{MONTHS[m % 12].capitalize()} {1990 + m // 12}" for m in ordered]
    moved = [datetime.strptime(shift_date(text, shift) or "", "%B %Y") for text in written]
    counts = [12 * day.year + day.month for day in moved]
    assert [b - counts[0] for b in counts] == [m - ordered[0] for m in ordered]
    assert counts[0] != 12 * (1990 + ordered[0] // 12) + ordered[0] % 12 + 1
    for m, count in zip(ordered, counts, strict=True):  # a day of an earlier month is no later
        day = date(1990 + m // 12, m % 12 + 1, 1) - timedelta(days=1)
        full = read_date(shift_date(day.isoformat(), shift) or "", shift)
        assert full is not None
        assert 12 * full.year + full.month <= count


@given(DAYS, st.integers(-700, 700), st.integers(4, 52))
def test_a_weekday_settles_the_year(day: date, gap: int, weeks: int) -> None:
    near = day + timedelta(days=gap)
    moved = shift_date(f"{day:%A}, {day:%B} {day.day}", Shift(7 * weeks, near, None))
    true = day + timedelta(weeks=weeks)
    assert moved == f"{day:%A}, {true:%B} {true.day}"


def test_a_date_without_year_is_read_next_to_its_note() -> None:
    note = date(2020, 1, 5)  # 28 December is 2019: no 29 February lies between it and 8 February
    assert shift_date("12/28", Shift(63, note, note)) == "02/29"
    assert shift_date("12/28", Shift(63, date(2020, 12, 30), None)) == "03/01"


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("March 3-5, 2021", "June 2-4, 2021"), ("3-5 March 2021", "2-4 June 2021"), ("28th to 30th of March", "27th to 29th of June"),
        ("March 31 - April 2, 2021", "June 30 - July 2, 2021"), ("MARCH 29-31, 2021", "JUNE 28-30, 2021"),
        ("March 30-31", "June 29-30"), ("May 31 to June 1, 2021", "August 30 to August 31, 2021"), ("1-2 Apr '21", "1-2 Jul '21"),
        ("3/4-3/11/2020", "6/3-6/10/2020"), ("12/28-1/3/2021", "3/29-4/4/2021"), ("2021-03-04/2021-03-11", "2021-06-03/2021-06-10"),
        ("March-April 2021", "June-July 2021"), ("January and February 2021", "April and May 2021"),
        ("Oct 1-2, 2020", "Dec 31, 2020-Jan 1, 2021"), ("2-3 October 2020", "1-2 January 2021"),
        ("April 1-2, 2021", "July 1-2, 2021"), ("March 31-April 1, 2021", "June 30-July 1, 2021"),
    ],
)  # fmt: skip
def test_a_range_moves_end_by_end(written: str, moved: str) -> None:
    done = shift_range(written, Shift(91, NOTE, NOTE))
    assert done is not None
    assert re.sub(r"\b0(?=\d[/-])", "", done) == re.sub(r"\b0(?=\d[/-])", "", moved)


@given(
    DAYS,
    st.integers(1, 20),
    st.integers(4, 52),
    st.sampled_from(["{a:%B} {a.day}-{b.day}, {a.year}", "{a.day}-{b.day} {a:%B} {a.year}"]),
)
def test_a_moved_range_is_as_long_as_before(
    first: date, length: int, weeks: int, form: str
) -> None:
    last = first + timedelta(days=length)
    assume(first.month == last.month)
    moved = shift_range(form.format(a=first, b=last), Shift(7 * weeks, first, None))
    assert moved is not None
    again = [
        s for s in (*find_ranges(moved), *find_dates(moved)) if (s.start, s.end) == (0, len(moved))
    ]
    assert again, moved
    a, b = (day + timedelta(weeks=weeks) for day in (first, last))
    assert f"{a.day}" in re.findall(r"\d+", moved)
    assert f"{b.day}" in re.findall(r"\d+", moved)
    assert f"{b:%B}" in moved
    assert f"{a:%B}" in moved
    assert f"{b.year}" in moved


def test_holidays_are_days_like_others() -> None:
    days = {"Christmas 2020": "January 8, 2021", "New Year's Eve": "January 14", "THANKSGIVING DAY 2020": "DECEMBER 10, 2020",
            "Memorial Day": "June 14", "Easter Monday": "April 19", "good friday 2019": "may 3, 2019", "Labor Day of 2019": "September 16, 2019"}  # fmt: skip
    assert {name: shift_holiday(name, FORTNIGHT) for name in days} == days
    more = {"Boxing Day": "January 9", "Palm Sunday 2021": "April 11, 2021", "Juneteenth": "July 3"}
    assert {name: shift_holiday(name, FORTNIGHT) for name in more} == more
    assert shift_holiday("Ramadan", FORTNIGHT) is None
    assert shift_holiday("Lunar New Year", FORTNIGHT) is None


def test_a_weekday_before_numbers_stays_true() -> None:
    moved = {"Wed 11/6/2013": "Wed 11/20/2013", "Sat 13/4/2021": "Sat 27/4/2021"}
    assert {day: shift_date(day, FORTNIGHT) for day in moved} == moved


def test_words_for_days_and_years_are_read_as_they_are_written() -> None:
    assert [ordinal_number(word) for word in ORDINALS] == list(range(1, 32))
    for year in range(1800, 2100):
        assert {year_number(way) for way in spell_year(year) if way} == {year}
    assert year_number("two thousand zero") is None
    assert year_number("") is None


# --- ages over 89 ------------------------------------------------------------------------------------


@given(
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(60, 120),
    st.sampled_from([-364, -28, 28, 364]),
)
def test_a_birth_date_shows_no_age_over_89_but_one(
    month: int, day: int, age: int, days: int
) -> None:
    shift = Shift(days, NOTE, NOTE)
    born = date(NOTE.year - age, month, day)
    moved = read_date(shift_date(born.isoformat(), shift) or "", Shift(0))
    assert moved is not None
    shown = (NOTE + timedelta(days=days)).year - moved.year
    if age >= 90:
        assert shown == 91  # 90 before the birthday of that year, 91 after
    else:
        assert moved == born + timedelta(days=days)


def test_a_leap_day_over_89_years_ago_stays_a_day() -> None:
    assert shift_date("2/1/1928", Shift(28, NOTE, NOTE)) == "2/28/1930"  # 29 February 1928
    assert shift_date("Monday, March 5, 1928", FORTNIGHT) is None  # no weekday fits by chance
    assert shift_date("spring 1925", FORTNIGHT) is None


@pytest.mark.parametrize(
    ("age", "after", "group"),
    [
        ("92", "-year-old", "90+"), ("93", " yo", "90+"), ("101", ".", "90+"), ("ninety-two", "-year-old man", "90+"),
        ("ninety-two", " years old", "over 89"), ("Ninety-five", " years", "Over 89"),
    ],
)  # fmt: skip
def test_ages_over_89_are_one_group(age: str, after: str, group: str) -> None:
    assert surrogate(Key(b"k" * 32), Person("p"), "AGE", age, after) == group
