"""Moving dates by whole weeks without changing how they are written.

All dates of a patient move by one number of days, so order and intervals stay, and a weekday named
beside a date stays true. What names no day moves by whole months (a season by whole seasons), the
same number for a patient: months keep their distance from each other, and no date that comes later
in the notes comes earlier afterwards. Times of day stay.

A date that shows an age over 89 moves into the one year that shows 90 or 91 (45 CFR
164.514(b)(2)(i)(C)): such ages are a single group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from llmsafe.scrub.detect.en.dates import FORMS, MONTHS, PARTS
from llmsafe.scrub.replace.spelled import (
    ORDINALS,
    like,
    ordinal_number,
    ordinal_suffix,
    year_like,
    year_number,
)

# Where nothing says when a note was written. A leap year: 29 February can be read.
ASSUMED = date(2024, 7, 1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEASONS = ("spring", "summer", "fall", "winter")
_MONTHLY = tuple(f for f in (*FORMS, *PARTS) if {"m", "mon"} & f.pattern.groupindex.keys())
_WEEKDAY = re.compile(rf"(?i){'|'.join(WEEKDAYS)}")
_SEASON = re.compile(r"(?i)(?P<season>spring|summer|fall|autumn|winter)(?P<gap>\D+)(?P<y>\d{4})$")


@dataclass(frozen=True)
class Shift:
    """How the dates of a note move, and how they are read.

    ``days``: whole weeks. ``near``: a date of the note, next to which a date without a year or with
    two digits of it is read. ``noted``: when the note was written, from which ages follow.
    ``day_first``: 3/4/2021 is 3 April.
    """

    days: int
    near: date | None = None
    noted: date | None = None
    day_first: bool = False

    @property
    def months(self) -> int:
        """Whole months by which a date without a day moves; never none."""
        return round(self.days / 30.4375) or (1 if self.days > 0 else -1)

    @property
    def seasons(self) -> int:
        """Whole seasons by which a season moves; never none."""
        return round(self.days / 91.3125) or (1 if self.days > 0 else -1)


@dataclass(frozen=True)
class _Reading:
    """A text read as a date: the match, which group holds what, and the day meant (the 15th where
    none is named)."""

    match: re.Match[str]
    groups: dict[str, str]
    meant: date

    def text(self, key: str) -> str:
        return self.match[self.groups[key]]

    @property
    def whole(self) -> bool:
        """Whether it names a day."""
        return "d" in self.groups or "word" in self.groups


@lru_cache(maxsize=1024)  # the date of a note stands in it, too
def shift_date(text: str, shift: Shift) -> str | None:
    """``text``, a whole date in one of the forms, moved and written in the same form.

    ``None`` for what cannot be moved: a holiday, a date that is none (30 February), the year 9999.
    """
    if match := _SEASON.search(text):
        return _shift_season(text, match, shift)
    reading = _read(text, shift)
    moved = _move(reading, shift) if reading else None
    return _render(text, reading, moved) if reading and moved else None


def read_date(text: str, shift: Shift) -> date | None:
    """The day that a date in one of the forms means, or the middle of its month."""
    reading = _read(text, shift)
    return reading.meant if reading else None


def move_day(day: date, shift: Shift) -> date | None:
    """A day moved; ``None`` where no calendar has the result."""
    try:
        return _grouped(day, day + timedelta(days=shift.days), shift)
    except OverflowError:
        return None


# --- reading ------------------------------------------------------------------------------------


def _read(text: str, shift: Shift) -> _Reading | None:
    for form in _MONTHLY:
        match = form.pattern.fullmatch(text)
        if match is None:
            continue
        groups = _groups(match, shift.day_first)
        meant = _meant(text, match, groups, shift)
        if meant is not None:
            return _Reading(match, groups, meant)
    return None


def _groups(match: re.Match[str], day_first: bool) -> dict[str, str]:
    """Which group holds y, m, d, mon, ord, word and year: those that the text has."""
    found = [name for name, value in match.groupdict().items() if value and name != "s"]
    groups = {name[0] if name in ("y2", "m2", "d2") else name: name for name in found}
    if day_first and "m" in groups and "d" in groups:
        month, day = groups["m"], groups["d"]
        iso = "y" in groups and match.start(groups["y"]) < match.start(month)
        if not iso and match.start(month) < match.start(day) and int(match[day]) <= 12:
            groups |= {"m": day, "d": month}
    return groups


def _meant(text: str, match: re.Match[str], groups: dict[str, str], shift: Shift) -> date | None:
    value = {key: match[name] for key, name in groups.items()}
    month = month_number(value["mon"]) if "mon" in value else int(value["m"])
    day = int(value.get("d", 15))
    if "word" in value:
        day = ordinal_number(value["word"])
    near = shift.near or ASSUMED
    if "y" in value:
        year = _full_year(value["y"], near)
    elif "year" in value:
        year = year_number(value["year"])
        if year is None:
            return None
    else:
        return _nearest(month, day, near, _weekday(text))
    return _day(year, month, day)


def month_number(name: str) -> int:
    """1 for "Jan" or "january"."""
    return next(i for i, month in enumerate(MONTHS, 1) if month.startswith(name[:3].lower()))


def _full_year(written: str, near: date) -> int:
    """Two digits name the latest such year up to three years after the note."""
    year = int(written)
    if len(written) > 2:
        return year
    latest = near.year + 3
    return latest - (latest - year) % 100


def _nearest(month: int, day: int, near: date, weekday: int | None) -> date | None:
    """The day of that name next to ``near``; the next one that falls on the weekday, if one in the
    years around does."""
    days = [d for n in range(-4, 5) if (d := _day(near.year + n, month, day))]
    days.sort(key=lambda d: abs(d - near))
    fit = [d for d in days[:5] if d.weekday() == weekday]
    return (fit or days or [None])[0]


def _weekday(text: str) -> int | None:
    match = _WEEKDAY.match(text)
    return WEEKDAYS.index(match[0].lower()) if match else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


# --- moving -------------------------------------------------------------------------------------


def _move(reading: _Reading, shift: Shift) -> date | None:
    if reading.whole:
        moved = move_day(reading.meant, shift)
        grouped = moved and moved != reading.meant + timedelta(days=shift.days)
        return None if grouped and _weekday(reading.match[0]) is not None else moved
    year, month = divmod(12 * reading.meant.year + reading.meant.month - 1 + shift.months, 12)
    moved = _day(year, month + 1, 15)
    return _grouped(reading.meant, moved, shift) if moved else None


def _grouped(true: date, moved: date, shift: Shift) -> date:
    """``moved``, or the same day of the year of those aged 90 and more."""
    if shift.noted is None or true.year > shift.noted.year - 90:
        return moved
    year = (shift.noted + timedelta(days=shift.days)).year - 91
    return _day(year, moved.month, moved.day) or date(year, 2, 28)


def _shift_season(text: str, match: re.Match[str], shift: Shift) -> str | None:
    if shift.noted and int(match["y"]) <= shift.noted.year - 90:
        return None
    name = match["season"].lower().replace("autumn", "fall")
    count = 4 * int(match["y"]) + SEASONS.index(name) + shift.seasons
    new = like(match["season"], SEASONS[count % 4].capitalize())
    return f"{text[: match.start()]}{new}{match['gap']}{count // 4:04d}"


# --- writing ------------------------------------------------------------------------------------


def _render(text: str, reading: _Reading, moved: date) -> str:
    """Write ``moved`` over the groups of the match, each in the style it had."""
    new: dict[str, str] = {}
    numbers = [reading.text(key) for key in ("m", "d") if key in reading.groups]
    padded = any(number.startswith("0") for number in numbers)
    short = any(len(number) == 1 for number in numbers)
    pad = padded or not (short or "mon" in reading.groups)
    for key, value in (("m", moved.month), ("d", moved.day)):
        new[key] = f"{value:02d}" if pad else str(value)
    for key in reading.groups:
        match key:
            case "y":
                digits = len(reading.text("y"))
                new[key] = f"{moved.year:04d}" if digits == 4 else f"{moved.year % 100:02d}"
            case "mon":
                new[key] = month_like(reading.match, moved.month)
            case "ord":
                new[key] = like(reading.text(key), ordinal_suffix(moved.day))
            case "word":
                new[key] = like(reading.text(key), ORDINALS[moved.day - 1].capitalize())
            case "year":
                new[key] = like(reading.text(key), year_like(moved.year, reading.text(key)))
            case _:
                pass
    out, position = "", 0
    places = [(*reading.match.span(name), new[key]) for key, name in reading.groups.items()]
    for start, end, value in sorted(places):
        out += text[position:start] + value
        position = end
    return out + text[position:]


def month_like(match: re.Match[str], month: int) -> str:
    """The name of a month in full or in short, as in the group ``mon`` of ``match``.

    May is both: it is short where the forms of its neighbours are (14-May-2021, 14MAY21).
    """
    written, name = match["mon"], MONTHS[month - 1]
    tight = match.string[: match.start("mon")][-1:] in tuple("0123456789-/")
    if written.lower() not in MONTHS or (written.lower() == "may" and tight):
        name = name[:4] if name == "september" and len(written) == 4 else name[:3]
    return like(written, name.capitalize())
