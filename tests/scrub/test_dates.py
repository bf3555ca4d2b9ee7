"""Dates and ages over 89: every form is found, and what looks like one is not."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.dates import find_ages, find_bare, find_dates
from llmsafe.scrub.detect.en.ranges import find_ranges


def found(text: str) -> set[str]:
    return {text[s.start : s.end] for s in (*find_dates(text), *find_ranges(text))}


@pytest.mark.parametrize(
    "written",
    [
        "2021-03-14", "2021-03-14T08:30:00Z", "03/14/2021", "3/14/21", "03-14-2021", "14/03/2021",
        "3.14.2021", "March 14, 2021", "march 14th, 2021", "MAR 14 2021", "Mar. 14, '21",
        "14 March 2021", "14th of March 2021", "14-Mar-2021", "14MAR2021", "March 2021",
        "Sept. 2021", "03/2021", "March 14th", "14 March", "Jan 20th '23", "20210314",
        "Tuesday, March 2, 2021", "fall of 2019", "Christmas Eve", "Thanksgiving 2020",
        "March fourteenth, two thousand nineteen", "the 3rd of May",
    ],
)  # fmt: skip
def test_a_date_is_found_whole(written: str) -> None:
    assert written in found(f"She was seen on {written}; all well.")


@pytest.mark.parametrize("written", ["3/14", "08/22", "11/6"])
def test_month_and_day_count_where_the_words_say_so(written: str) -> None:
    assert written in found(f"Seen on {written}.")


@pytest.mark.parametrize("weekday", ["Tue", "Tues.", "Tuesday,", "Monday", "Fri"])
def test_a_weekday_before_month_and_day_says_so_too(weekday: str) -> None:
    assert f"{weekday} 3/4" in found(f"Back in clinic {weekday} 3/4.")


@pytest.mark.parametrize(
    "written",
    ["Sun 8/4/19", "Wed 11/6/2013", "Sat 13/4/2021", "Mon. 14 March", "tues the 6th", "Friday 21st",
     "20210705T2212", "Boxing Day", "Palm Sunday 2021", "Rosh Hashanah", "Juneteenth"],
)  # fmt: skip
def test_weekdays_belong_to_their_dates_and_more_holidays_are_dates(written: str) -> None:
    assert written in found(f"Came in {written}, well.")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("vomiting that began 2/20 and", "2/20"), ("in the ER the night of 9-30 with", "9-30"),
        ("Hep B given 08-12.", "08-12"), ("missed school 10/3 through 10/9.", "10/3 through 10/9"),
    ],
)  # fmt: skip
def test_more_words_say_that_a_pair_is_a_date(text: str, date: str) -> None:
    assert date in found(text)


def test_a_pair_of_which_no_score_is_made_and_days_of_a_stay_ask_the_tagger() -> None:
    bare = {"Placed 5/17; left.": ["5/17"], "28th: no fever. 30th: home.": ["28th", "30th"]}
    for text, dates in bare.items():
        assert [text[s.start : s.end] for s in find_bare(text)] == dates
    for clean in ("PHQ-9 12/27, MMSE 11/30", "BP 9/50", "5/17 inch", "4th: none", "12/17%"):
        assert list(find_bare(clean)) == []


@pytest.mark.parametrize(
    "written",
    [
        "March 3-5, 2021", "March 3rd to 5th", "3-5 March 2021", "28th to 30th of March", "Mar. 3 – 5 '21",
        "3/4-3/11/2020", "3/4/2021 to 3/6", "3/4/2021-3/11/2021", "13/4-15/4/2021", "12/28-1/3/2021",
        "May 30 - June 2, 2021", "30 May - 2 June 2021", "Feb 27 - Mar 2", "March-April 2021", "Jan/Feb 2021",
        "January through March 2021", "2021-03-04/2021-03-11", "Dec 30, 2020 through Jan 2, 2021",
    ],
)  # fmt: skip
def test_a_range_is_found_whole(written: str) -> None:
    assert written in found(f"In hospital {written}; all well.")


def test_month_alone_needs_a_preposition() -> None:
    assert found("She improved in April and relapsed.") == {"April"}
    assert found("The patient may march on; he may need 5 mg.") == set()


@pytest.mark.parametrize(
    "clean",
    [
        "BP 120/80, strength 5/5, murmur 3/6, pain 7/10", "took 1/2 tab for 2-3 days",
        "diagnosed in 2021", "ratio 1.2.3", "L4-5 and C5-6-7", "GCS 15/15; visual acuity 20/40",
        "since 5/5 strength", "version 10.0.2", "Apgar 8/9", "you may 2 times a day",
        "one to two weeks ago", "3 days ago", "last Thursday", "strength 3/5-4/5", "from 3/5 to 4/5",
        "sat 6/10 pain", "Mon 120/80, Fri 5/5 strength", "EID card", "the boxing match",
        "pain 3/10-5/10", "BP 120/80-130/90", "she may 3-5 times", "1/2 to 3/4 strength", "L3-4 and T1-2",
    ],
)  # fmt: skip
def test_clinical_numbers_are_no_dates(clean: str) -> None:
    assert found(clean) == set()


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("a 92-year-old man", "92"), ("93 yo F", "93"), ("Age: 101", "101"), ("94 y.o.", "94"),
        ("Pt is 101! BP 148/66", "101"), ("he was 93.", "93"), ("Mom is 94 and lives alone", "94"),
        ("ninety-two-year-old", "ninety-two"), ("aged 90", "90"), ("91F with", "91"),
    ],
)  # fmt: skip
def test_ages_over_89(text: str, age: str) -> None:
    assert [text[s.start : s.end] for s in find_ages(text)] == [age]


@pytest.mark.parametrize(
    "text",
    [
        "an 89-year-old",
        "O2 sat 95",
        "90+-year-old",
        "Age: 90+",
        "over 89 years old",
        "age 90 days",
        "92 years of data",
        "HR 98",
    ],
)
def test_no_age(text: str) -> None:
    assert list(find_ages(text)) == []


def test_a_share_of_cores_is_no_date() -> None:
    assert not found("8/12 cores positive, Gleason 7")
    assert found("seen on 8/12 by her doctor") == {"8/12"}
    assert found("Returned 8/12 cores reviewed") == {"8/12"}
    assert found("seen 8/12 biopsy done") == {"8/12"}


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("COMPARISON: 2/3 (at the clinic)", "2/3"), ("total knee arthroplasty, 3/6.", "3/6"),
        ("trouble that began around 1/4. Pressure", "1/4"), ("COMPARISON: 4/5, stable", "4/5"),
        ("strength compared to 4/5 strength", None), ("pain began around 7/10.", None), ("around 1/4 cup", None), ("valve repair, 3/6 systolic", None), ("repair, 3/6 sutures", None), ("compared to 4/5 on exam", None),
        ("began around 1/4 cup daily", None),
    ],
)  # fmt: skip
def test_a_day_as_a_fraction_is_told_by_what_stands_before(text: str, date: str | None) -> None:
    found = {text[s.start : s.end] for s in find_dates(text)}
    assert found == ({date} if date else set())
