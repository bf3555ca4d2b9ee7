"""Dates: every form is found, what looks like one is not, and a move keeps form and interval."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.scrub.dates import find_ages, find_dates, shift_date


def found(text: str) -> set[str]:
    return {text[s.start : s.end] for s in find_dates(text)}


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


def test_month_alone_needs_a_preposition() -> None:
    assert found("She improved in April and relapsed.") == {"April"}
    assert found("The patient may march on; he may need 5 mg.") == set()


@pytest.mark.parametrize(
    "clean",
    [
        "BP 120/80, strength 5/5, murmur 3/6, pain 7/10", "took 1/2 tab for 2-3 days",
        "diagnosed in 2021", "ratio 1.2.3", "L4-5 and C5-6-7", "GCS 15/15; visual acuity 20/40",
        "since 5/5 strength", "version 10.0.2", "Apgar 8/9", "you may 2 times a day",
        "one to two weeks ago", "3 days ago", "last Thursday",
    ],
)  # fmt: skip
def test_clinical_numbers_are_no_dates(clean: str) -> None:
    assert found(clean) == set()


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("a 92-year-old man", "92"), ("93 yo F", "93"), ("Age: 101", "101"), ("94 y.o.", "94"),
        ("ninety-two-year-old", "ninety-two"), ("aged 90", "90"), ("91F with", "91"),
    ],
)  # fmt: skip
def test_ages_over_89(text: str, age: str) -> None:
    assert [text[s.start : s.end] for s in find_ages(text)] == [age]


@pytest.mark.parametrize(
    "text",
    ["an 89-year-old", "O2 sat 95", "90+-year-old", "age 90 days", "92 years of data", "HR 98"],
)
def test_no_age(text: str) -> None:
    assert list(find_ages(text)) == []


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("2021-03-14", "2021-03-28"), ("3/4/2021", "3/18/2021"), ("03/04/21", "03/18/21"),
        ("March 4th, 2021", "March 18th, 2021"), ("MAR 14 2021", "MAR 28 2021"),
        ("14-Mar-2021", "28-Mar-2021"), ("14.03.2021", "28.03.2021"), ("March 31, 2021", "April 14, 2021"),
        ("Tuesday, March 2, 2021", "Tuesday, March 16, 2021"), ("20201225", "20210108"),
        ("2021-03-14T08:30:00Z", "2021-03-28T08:30:00Z"), ("12/25", "01/08"), ("Dec 25th", "Jan 8th"),
        ("March fourteenth", "March twenty-eighth"),
    ],
)  # fmt: skip
def test_a_move_keeps_the_form(written: str, moved: str) -> None:
    assert shift_date(written, 14, 2020) == moved


@pytest.mark.parametrize(
    "written", ["Thanksgiving", "fall of 2019", "12/31/9999", "30/30/2020", ""]
)
def test_what_cannot_be_moved_is_refused(written: str) -> None:
    assert shift_date(written, 371) is None


@given(
    st.dates(date(1930, 1, 1), date(2039, 1, 1)),
    st.integers(0, 3000),
    st.integers(-52, 52),
    st.sampled_from(["%Y-%m-%d", "%m/%d/%Y", "%B %d, %Y", "%d %b %Y", "%m-%d-%y", "%b %d, '%y"]),
)
def test_intervals_and_order_survive(first: date, gap: int, weeks: int, form: str) -> None:
    second = min(first + timedelta(days=gap), date(2039, 1, 1))
    if "%y" in form and first.year < 1940:  # two digits cannot tell 1938 from 2038
        return
    if "%b" in form and 5 in (first.month, second.month):  # May is written in full and in short
        return
    from datetime import datetime

    moved = [shift_date(d.strftime(form), 7 * weeks) for d in (first, second)]
    assert None not in moved
    read = [datetime.strptime(m or "", form).date() for m in moved]
    true = [d + timedelta(weeks=weeks) for d in (first, second)]
    if "%y" in form and not all(1969 <= d.year <= 2038 for d in true):
        return
    assert read == true
    assert read[0].weekday() == first.weekday()
