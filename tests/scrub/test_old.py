"""Ages over 89 of relatives, in words, in columns; days of what was done; and other numbers."""

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.dates import find_ages, find_dates
from llmsafe.scrub.detect.en.tables import find_cells


def ages(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_ages(text)]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("Lives with his father Khalid, 91, healthy", "91"),
        ("sister 93 A&W", "93"),
        ("MGF 101, alive", "101"),
        ("mother d. 95; brother well", "95"),
        ("and an uncle, 93.", "93"),
        ("PGM lived to 99", "99"),
        ("92yoF with CHF", "92"),
        ("CC: 94/F c CP", "94"),
        ("lived to be one hundred and two", "one hundred and two"),
        ("She turned ninety-three", "ninety-three"),
    ],
)
def test_ages_over_89(text: str, age: str) -> None:
    assert set(ages(text)) == {age}


@pytest.mark.parametrize(
    "text",
    [
        "Mother weighs 93. Sister's sat 94%. Father 88, uncle 70.",
        "BP 94/60. mother 92 kg; wife 95 days ago",
        "turned ninety degrees; lost one hundred pounds; at one hundred percent",
    ],
)
def test_other_numbers_are_no_ages(text: str) -> None:
    assert ages(text) == []


def test_the_column_of_ages() -> None:
    text = "ROOM | NAME | AGE | HR\n31 | Lo, Wing | 93 | 96\n32 | Abdi, H | 34 | 99\n"
    assert [text[s.start : s.end] for s in find_cells(text) if s.category == "AGE"] == ["93"]


def test_a_heading_of_age_alone_makes_no_table() -> None:
    text = "AGE | HR | BP\n93 | 96 | 120/80\n"
    assert list(find_cells(text)) == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Prior 11/2 neg", "11/2"),
        ("abscess, lanced 7/3", "7/3"),
        ("stent 7/4, extubated 2/9", "7/4"),
        ("weak after New Year, better", "New Year"),
    ],
)
def test_days_of_what_was_done(text: str, day: str) -> None:
    assert day in [text[s.start : s.end] for s in find_dates(text)]


def test_what_was_done_and_a_score() -> None:
    text = "Prior 3/5 strength. Drained 1/2. Inserted 2/3 of the way. A new year of care."
    assert list(find_dates(text)) == []
