"""How words are written: in the case of a model; ordinals and years in words, both ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

_UNITS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
ORDINALS: Sequence[str] = (
    *_UNITS, "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth",
    "seventeenth", "eighteenth", "nineteenth", "twentieth", *(f"twenty-{unit}" for unit in _UNITS),
    "thirtieth", "thirty-first",
)  # fmt: skip
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def like(model: str, word: str) -> str:
    """``word`` in capitals or small letters where ``model`` is; else as it is."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word.lower() if model.islower() else word


def ordinal_number(word: str) -> int:
    """The day that an ordinal names ("twenty first" or "twenty-first" is 21)."""
    return 1 + ORDINALS.index(word.lower().replace(" ", "-"))


def ordinal_suffix(day: int) -> str:
    """st, nd, rd or th."""
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def year_number(words: str) -> int | None:
    """The year from 1800 to 2099 that the words name, or ``None``."""
    return _years().get(_plain(words))


def year_like(year: int, model: str) -> str:
    """``year`` in words, in the style of ``model`` where it has that style."""
    old = year_number(model)
    styles = [_plain(way) for way in spell_year(old)] if old else []
    ways = spell_year(year)
    return (ways[styles.index(_plain(model))] if styles else "") or ways[0]


def spell_year(year: int) -> tuple[str, str, str]:
    """A year in three styles: "nineteen ninety-eight", "two thousand nineteen", "two thousand and
    nineteen"; a style that the year does not have is empty."""
    century, rest = divmod(year, 100)
    tail = _number(rest) if rest > 9 else (f"oh {_number(rest)}" if rest else "hundred")
    if not 2000 <= year < 2100:
        return f"{_number(century)} {tail}", "", ""
    if not rest:
        return "two thousand", "two thousand", "two thousand"
    words = _number(rest)
    return f"{_number(century)} {tail}", f"two thousand {words}", f"two thousand and {words}"


@cache
def _years() -> dict[str, int]:
    return {_plain(way): year for year in range(1800, 2100) for way in spell_year(year) if way}


def _number(value: int) -> str:
    if value < 20:
        return _ONES[value]
    tens, ones = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def _plain(words: str) -> str:
    return re.sub(r"[\s-]+", " ", words.lower()).strip()
