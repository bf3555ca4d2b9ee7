"""Ranges of dates whose ends share what only one of them says: found whole, moved end by end.

"March 3-5, 2021", "3-5 March 2021", "3/4-3/11/2020", "May 30 - June 2, 2021", "March to May 2021".
An end that lacks month or year takes it from the other; what they no longer share is written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.dates import MONTH, WEEKDAY, near_months
from llmsafe.scrub.detect.windows import find_in, windows
from llmsafe.scrub.replace.shift import Shift, month_like, move_day, read_date, shift_date
from llmsafe.scrub.replace.spelled import like, ordinal_suffix

_TO = r"(?:\s?[-–—]\s?|\s(?:to|through|thru|until|till)\s)"
_SEP = rf"(?P<sep>{_TO}|\s(?:and|&)\s)"
_N = r"(?:0?[1-9]|[12]\d|3[01])(?!\d)"
_ORD = r"(?:st|nd|rd|th)?"
_Y4 = r"(?:18|19|20)\d\d"
_YEAR = rf"(?:,?\s(?:of\s)?'?{_Y4}|,?\s?'\d\d)"
_MON = MONTH.replace("?P<mon>", "?:") + r"\.?"
_END = r"(?!\w|[.,/-]?\d|:\d|\s?%)"
_NUMBERS = rf"{_N}[/.]{_N}(?:[/.](?:{_Y4}|\d\d)(?!\d))?"
_MONTH_DAY = rf"{WEEKDAY}{_MON}\s{_N}{_ORD}{_YEAR}?"
_DAY_MONTH = rf"{_N}{_ORD}[\s-](?:of\s)?{_MON}{_YEAR}?"
_DAYS = rf"(?P<d1>{_N})(?P<o1>{_ORD})(?P<sep>{_TO})(?P<d2>{_N})(?P<o2>{_ORD})"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# Two days of one month.
_ONE_MONTH = (
    _pattern(rf"(?<!\w)(?P<before>{WEEKDAY}){MONTH}(?P<gap>\.?\s){_DAYS}(?P<y>{_YEAR})?{_END}"),
    _pattern(
        rf"(?<![\w/.-])(?P<before>){_DAYS}(?P<gap>[\s-](?:of\s)?){MONTH}\.?(?P<y>{_YEAR})?(?!\w)"
    ),
)
# Two dates, or two months.
_TWO_ENDS = (
    _pattern(rf"(?<![\w/.-])(?P<left>{_NUMBERS}){_SEP}(?P<right>{_NUMBERS})(?![\w/-]|\.\d)"),
    _pattern(rf"(?<!\w)(?P<left>{_MONTH_DAY}){_SEP}(?P<right>{_MONTH_DAY}){_END}"),
    _pattern(rf"(?<![\w/.-])(?P<left>{_DAY_MONTH}){_SEP}(?P<right>{_DAY_MONTH})(?!\w)"),
    _pattern(rf"(?<!\w)(?P<left>{_MON})(?P<sep>{_TO}|\s(?:and|&)\s|\s?/\s?)(?P<right>{_MON},?\s{_Y4})(?!\w)"),
    _pattern(rf"(?<![\d/.-])(?P<left>{_Y4}-\d\d-\d\d)(?P<sep>{_TO}|/|\.\.)(?P<right>{_Y4}-\d\d-\d\d)(?![\d-])"),
)  # fmt: skip
# The end of a date in numbers, and the beginning of another.
_HINT_NUMBERS = _pattern(rf"[/.-]\d{{1,4}}(?:{_TO}|\s(?:and|&)\s|/|\.\.)\d")
_HAS_YEAR = re.compile(rf"{_Y4}|'\d\d|[/.]\d{{1,2}}[/.]\d")
_LEAD = re.compile(
    r"(?i)\b(?:from|between|admi\w{3,7}|dates?|hospitali[sz]ed|inpatient|stay(?:ed)?)\W{1,3}$"
)
_ONWARD = re.compile(r"(?i)th(?:ru|rough)|til")
_WORDS = frozenset(("may", "march", "mar"))  # verbs, unless capital or year says otherwise
_ANY = Shift(0)


def find_ranges(text: str) -> Iterator[PhiSpan]:
    """Ranges that make sense: both ends are dates, and the first is not after the second."""
    months, numbers = near_months(text, 40, 80), windows(text, _HINT_NUMBERS, 16, 32)
    for pattern in (*_ONE_MONTH, *_TWO_ENDS):
        for match in find_in(pattern, text, months if "jan" in pattern.pattern else numbers):
            if _sense(match, text):
                yield PhiSpan(*match.span(), "DATE", 0.97)


def shift_range(text: str, shift: Shift) -> str | None:
    """A range in one of the forms, moved; ``None`` for anything else."""
    for pattern in _ONE_MONTH:
        if (match := pattern.fullmatch(text)) and (ends := _days(match, shift)):
            moved = [move_day(day, shift) for day in ends]
            return _one_month(match, moved[0], moved[1]) if moved[0] and moved[1] else None
    for pattern in _TWO_ENDS:
        if match := pattern.fullmatch(text):
            left, right = _near(match, shift)
            ends = shift_date(match["left"], left), shift_date(match["right"], right)
            return f"{ends[0]}{match['sep']}{ends[1]}" if ends[0] and ends[1] else None
    return None


def _sense(match: re.Match[str], text: str) -> bool:
    groups = match.groupdict()
    if "left" not in groups:
        ends = _days(match, _ANY)
        spoken = match["mon"].lower() in _WORDS and not match["mon"][0].isupper()
        return ends is not None and ends[0] <= ends[1] and not (spoken and not match["y"])
    left, right = _near(match, _ANY)
    first, last = read_date(match["left"], left), read_date(match["right"], right)
    if first is None or last is None or first > last:
        return False
    if _HAS_YEAR.search(match[0]) or match["left"][0].isupper():
        return True
    if _ONWARD.search(match["sep"]):
        return True
    # "from 3/5 to 4/5" is a strength as often as a stay.
    scale = re.split(r"[/.]", match["left"])[1:] == re.split(r"[/.]", match["right"])[1:]
    return not scale and _LEAD.search(text[max(0, match.start() - 20) : match.start()]) is not None


def _near(match: re.Match[str], shift: Shift) -> tuple[Shift, Shift]:
    """How the ends are read: the one without a year next to the other."""
    left, right = match["left"], match["right"]
    if _HAS_YEAR.search(left) and not _HAS_YEAR.search(right):
        return shift, replace(shift, near=read_date(left, shift) or shift.near)
    return replace(shift, near=read_date(right, shift) or shift.near), shift


def _days(match: re.Match[str], shift: Shift) -> tuple[date, date] | None:
    """First and last day of a range inside one month."""
    year = re.search(r"'?\d+", match["y"] or "")
    tail = f", {year[0]}" if year else ""
    first = read_date(f"{match['mon']} {match['d1']}{tail}", shift)
    last = read_date(f"{match['mon']} {match['d2']}{tail}", shift)
    return (first, last) if first and last else None


def _one_month(match: re.Match[str], first: date, last: date) -> str:
    """Write a range over its old form; each end gets a month, and a year, once they differ."""
    month_first = match.start("mon") < match.start("d1")
    same = (first.year, first.month) == (last.year, last.month)

    def end(day: date, number: str, month: bool) -> str:
        digits = f"{day.day:02d}" if match[number].startswith("0") else str(day.day)
        ordinal = match["o" + number[1]]
        digits += like(ordinal, ordinal_suffix(day.day)) if ordinal else ""
        name = month_like(match, day.month)
        if not month:
            return digits
        return f"{name}{match['gap']}{digits}" if month_first else f"{digits}{match['gap']}{name}"

    def year(day: date) -> str:
        written = match["y"] or ""
        short = "'" in written and not re.search(_Y4, written)
        return re.sub(r"\d+", f"{day.year % 100:02d}" if short else f"{day.year:04d}", written)

    left = end(first, "d1", month_first or not same)
    right = end(last, "d2", not month_first or not same)
    left += year(first) if first.year != last.year else ""
    return f"{match['before']}{left}{match['sep']}{right}{year(last)}"
