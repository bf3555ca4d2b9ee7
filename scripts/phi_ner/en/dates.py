"""Dates, and ages of 90 and more."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Mapping, Sequence

from ..core import Context, Slots
from .spoken import MONTHS, ONES, is_spoken, ordinal_words, say_date, say_year, suffixed, words_of

SLOTS = Slots()
SLOTS.listed("DATE", "holiday")
WEEKDAYS = tuple(calendar.day_name)
FORMS = (
    "{m}/{d}/{y}",
    "{mm}/{dd}/{y}",
    "{m}/{d}/{yy}",
    "{mm}/{dd}/{yy}",
    "{m}-{d}-{yy}",
    "{mm}-{dd}-{y}",
    "{m}.{d}.{yy}",
    "{d}.{m}.{y}",
    "{d}/{m}/{yy}",
    "{y}-{mm}-{dd}",
    "{month} {d}, {y}",
    "{mon} {d}, {y}",
    "{mon}. {d} {y}",
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{d}-{mon}-{y}",
    "{dd}{MON}{y}",
    "{dd}{MON}{yy}",
    "{month} {nth}, {y}",
    "{month} {nth} {y}",
    "the {nth} of {month} {y}",
    "{m} {d} {yy}",
    "{m} / {d} / {yy}",
    "{wd} {m}/{d}/{yy}",
    "{weekday}, {month} {d}, {y}",
    "{y}/{mm}/{dd}",
    "{mon} {d} '{yy}",
)
"""A writer mostly keeps to one of them."""
SHORT_FORMS = (
    "{m}/{d}",
    "{m}/{d}",
    "{m}/{d}",
    "{mm}/{dd}",
    "{m}-{d}",
    "{mm}-{dd}",
    "{month} {d}",
    "{mon} {d}",
    "{mon}. {d}",
    "{d} {month}",
    "{d} {mon}",
    "{month} {nth}",
    "{mon} {nth}",
    "the {nth} of {month}",
    "{d}{MON}",
    "{nth} {mon}",
    "{m}.{d}",
)
MONTH_YEAR_FORMS = (
    "{month} {y}",
    "{month} {y}",
    "{mon} {y}",
    "{month} of {y}",
    "{month}, {y}",
    "{m}/{y}",
    "{mm}/{y}",
    "{mon} '{yy}",
    "{m}/{yy}",
    "{mon}-{yy}",
)
AFTER_WEEKDAY = (
    "{m}/{d}",
    "{m}/{d}",
    "the {nth}",
    "{month} {d}",
    "{mon} {d}",
    "{d} {mon}",
    "{nth}",
)


def _parts(day: datetime.date) -> Mapping[str, object]:
    """What the forms are made of."""
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    return {
        "d": day.day,
        "dd": f"{day.day:02d}",
        "nth": suffixed(day.day),
        "m": day.month,
        "mm": f"{day.month:02d}",
        "month": month,
        "mon": month[:3],
        "MON": month[:3].upper(),
        "y": day.year,
        "yy": f"{day.year % 100:02d}",
        "weekday": weekday,
        "wd": weekday[:3],
    }


def some_day(context: Context, years: Sequence[int] = ()) -> datetime.date:
    """A day of some of the years, or of about the year of the note."""
    rng = context.rng
    year = rng.choice(years) if years else context.year + rng.choice((0, 0, 0, 0, -1, -2))
    return datetime.date(year, 1, 1) + datetime.timedelta(days=rng.randrange(365))


def _write(context: Context, day: datetime.date) -> str:
    if is_spoken(context) and context.rng.random() < 0.75:
        return say_date(context, day, year=True)
    return FORMS[context.form(len(FORMS))].format_map(_parts(day))


@SLOTS.value("DATE", "date")
def date(context: Context) -> str:
    """Day, month and year."""
    return _write(context, some_day(context))


@SLOTS.value("DATE", "dob")
def dob(context: Context) -> str:
    """A day of birth."""
    return _write(context, some_day(context, range(1926, 2024)))


@SLOTS.value("DATE", "date_short")
def date_short(context: Context) -> str:
    """Day and month."""
    day = some_day(context)
    if is_spoken(context) and context.rng.random() < 0.75:
        return say_date(context, day, year=False)
    return context.rng.choice(SHORT_FORMS).format_map(_parts(day))


@SLOTS.value("DATE", "weekday_date")
def weekday_date(context: Context) -> str:
    """Weekday and date."""
    rng, day = context.rng, some_day(context)
    name = WEEKDAYS[day.weekday()]
    longer = name[:4] if name[0] == "T" else name[:3]
    weekday = rng.choice((name, name[:3], f"{name[:3]}.", longer))
    tail = rng.choice(AFTER_WEEKDAY).format_map(_parts(day))
    return f"{weekday}{rng.choice((' ', ' ', ', '))}{tail}"


@SLOTS.value("DATE", "month_year")
def month_year(context: Context) -> str:
    """Month and year."""
    day = some_day(context)
    if is_spoken(context) and context.rng.random() < 0.6:
        return f"{MONTHS[day.month - 1]} {say_year(context, day.year)}"
    return context.rng.choice(MONTH_YEAR_FORMS).format_map(_parts(day))


@SLOTS.value("DATE", "month")
def month(context: Context) -> str:
    """A month alone."""
    name = context.rng.choice(MONTHS)
    return name if context.rng.random() < 0.8 else name[:3]


@SLOTS.value("DATE", "day")
def day(context: Context) -> str:
    """A day of the month alone."""
    number = context.rng.randrange(1, 32)
    if is_spoken(context) and context.rng.random() < 0.8:
        return ordinal_words(number)
    return suffixed(number)


@SLOTS.value("DATE", "iso")
def iso(context: Context) -> str:
    """2019-08-22."""
    return some_day(context).isoformat()


@SLOTS.value("DATE", "stamp")
def stamp(context: Context) -> str:
    """20190822143015."""
    rng, day = context.rng, some_day(context)
    clock = f"{rng.randrange(24):02d}{rng.randrange(60):02d}"
    date, seconds = f"{day:%Y%m%d}", f"{rng.randrange(60):02d}"
    return rng.choice((f"{date}{clock}", f"{date}{clock}{seconds}", date, f"{date}T{clock}"))


@SLOTS.value("AGE", "age90")
def age90(context: Context) -> str:
    """90 to 108."""
    return str(context.rng.choice((*range(90, 100), *range(90, 109))))


@SLOTS.value("AGE", "age90_words")
def age90_words(context: Context) -> str:
    """Ninety-two, one hundred and three."""
    rng = context.rng
    age = rng.choice((*range(90, 100), *range(90, 105)))
    if age < 100:
        words = words_of(age)
    elif age == 100:
        words = "one hundred"
    else:
        words = f"one hundred {rng.choice(('', 'and '))}{ONES[age - 100]}"
    return words.replace("-", " ") if rng.random() < 0.3 else words
