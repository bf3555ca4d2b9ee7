"""Days of events, and days in a row with a date."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.events import find_events, followers


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("MBSS 1/18: trace", "1/18"),
        ("ICD interrogated 12/30: no VT", "12/30"),
        ("WIC appt. 4/10, pending", "4/10"),
        ("HRCT 11/12. Refill", "11/12"),
        ("Rabies ID x2: 10/2 and", "10/2"),
        ("visit 7/23 at noon", "7/23"),
        ("time\n3/3 2300\t118", "3/3"),
        ("needlestick 2/14, source neg", "2/14"),
    ],
)
def test_dated(text: str, day: str) -> None:
    assert [text[s.start : s.end] for s in find_events(text)] == [day]


@pytest.mark.parametrize(
    "text",
    [
        "biopsy 3/12 cores positive",
        "Apgar 8/9, Katz 5/6",
        "session 4/8 done",
        "cycle 3/6 today",
        "echo 5/6 mm",
        "visit 6/12 of twelve",
        "refilled 2/3 of the bottle",
    ],
)
def test_shares_are_left(text: str) -> None:
    assert not list(find_events(text))


@pytest.mark.parametrize(
    ("text", "first", "days"),
    [
        ("seen Feb 19, 21 and 23. MBSS", "Feb 19", ["21", "23"]),
        ("given 10/2, 10/9 and 10/16", "10/2", ["10/9", "10/16"]),
        ("on May 3, 20 mg daily", "May 3", []),
        ("on May 3, 2 tablets. Pain 10/2", "May 3", []),
    ],
)
def test_in_a_row(text: str, first: str, days: list[str]) -> None:
    start = text.index(first)
    date = PhiSpan(start, start + len(first), "DATE", 0.8, "dates")
    assert [text[s.start : s.end] for s in followers(text, [date])] == days
