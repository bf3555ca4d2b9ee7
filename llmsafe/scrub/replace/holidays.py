"""Holidays as days of the calendar, so that they move with all other dates of a patient."""

from __future__ import annotations

import re
from datetime import date, timedelta

from llmsafe.scrub.detect.en.dates import MONTHS
from llmsafe.scrub.replace.shift import ASSUMED, Shift, move_day
from llmsafe.scrub.replace.spelled import like

# What its name holds -> month and day; month, weekday and the how manieth (-1: the last); or days
# after Easter alone.
_NAMED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("christmas eve", (12, 24)),
    ("boxing", (12, 26)),
    ("juneteenth", (6, 19)),
    ("groundhog", (2, 2)),
    ("flag day", (6, 14)),
    ("canada day", (7, 1)),
    ("bastille", (7, 14)),
    ("guy fawkes|bonfire", (11, 5)),
    ("anzac", (4, 25)),
    ("remembrance|armistice", (11, 11)),
    ("all saints", (11, 1)),
    ("all souls|muertos", (11, 2)),
    ("kwanzaa", (12, 26)),
    ("christmas", (12, 25)),
    ("xmas", (12, 25)),
    ("year.s eve", (12, 31)),
    ("(?<!chinese )(?<!lunar )new year", (1, 1)),
    ("halloween", (10, 31)),
    ("valentine", (2, 14)),
    ("independence|july", (7, 4)),
    ("veteran", (11, 11)),
    ("patrick", (3, 17)),
    ("cinco", (5, 5)),
    ("thanksgiving", (11, 3, 4)),
    ("memorial", (5, 0, -1)),
    ("labor", (9, 0, 1)),
    ("mother", (5, 6, 2)),
    ("father", (6, 6, 3)),
    ("mlk", (1, 0, 3)),
    ("president", (2, 0, 3)),
    ("columbus|indigenous", (10, 0, 2)),
    ("mardi gras", (-47,)),
    ("ash wednesday", (-46,)),
    ("palm sunday", (-7,)),
    ("good friday", (-2,)),
    ("easter monday", (1,)),
    ("easter", (0,)),
    ("pentecost", (49,)),
    ("whit monday", (50,)),
)
_RULES = tuple((re.compile(name), rule) for name, rule in _NAMED)
_YEAR = re.compile(r" (?:of )?(?P<y>(?:18|19|20)\d\d)$")


def shift_holiday(text: str, shift: Shift) -> str | None:
    """A holiday as the day to which it moves: "Christmas 2020" becomes "January 8, 2021".

    ``None`` for what is no holiday of the table, such as those of a lunar calendar.
    """
    name = text.lower()
    rule = next((rule for pattern, rule in _RULES if pattern.search(name)), None)
    if rule is None:
        return None
    year = _YEAR.search(text)
    near = shift.near or ASSUMED
    years = [int(year["y"])] if year else range(near.year - 1, near.year + 2)
    days = [_day(rule, y) for y in years]
    moved = move_day(min(days, key=lambda day: abs(day - near)), shift)
    if moved is None:
        return None
    written = like(text, f"{MONTHS[moved.month - 1].capitalize()} {moved.day}")
    return written + (f", {moved.year:04d}" if year else "")


def _day(rule: tuple[int, ...], year: int) -> date:
    match rule:
        case (after,):
            return _easter(year) + timedelta(days=after)
        case (month, day):
            return date(year, month, day)
        case _:
            return _weekday(year, *rule)


def _weekday(year: int, month: int, weekday: int, number: int) -> date:
    """The ``number``-th such weekday of a month; -1 is the last."""
    if number < 0:
        end = date(year, month + 1, 1) - timedelta(days=1)
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _easter(year: int) -> date:
    """Western Easter (Meeus, Jones and Butcher: the anonymous Gregorian algorithm)."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), g = divmod(b, 4), (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    n = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * n) // 451
    month, day = divmod(h + n - 7 * m + 114, 31)
    return date(year, month, day + 1)
