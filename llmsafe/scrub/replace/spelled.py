"""How words are written: in the case of a model; ordinals, years, numbers in words, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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


# --- numbers that are dictated ------------------------------------------------------------------

_DIGIT = rf"(?:{'|'.join(_ONES[:10])}|oh)"
_ONE = rf"(?<![^\W_])(?:{_DIGIT}|[a-z0-9])(?![^\W_])"
_SAID = re.compile(_ONE, re.IGNORECASE)
_BY_DIGIT = re.compile(rf"(?i){_ONE}(?:[\s,.-]+(?:(?:dash|hyphen)[\s,]+)?{_ONE})*")
_NUMERAL = rf"(?:{'|'.join((*_ONES, *_TENS))}|oh)"
NUMERALS = re.compile(
    rf"(?i){_NUMERAL}(?:[\s,.-]+(?:(?:dash|hyphen|and|hundred|thousand)[\s,]+)*{_NUMERAL})*"
)
"""Words for numbers in a row: "forty four twelve"."""


def spoken_digits(text: str) -> str | None:
    """The digits and letters of a number that is said one by one ("four four one two"), or
    ``None``; three words for digits make it one."""
    if not _BY_DIGIT.fullmatch(text):
        return None
    words = [word.lower() for word in _SAID.findall(text)]
    if sum(len(word) > 1 for word in words) < 3:
        return None
    return "".join("0" if word == "oh" else _digit(word) for word in words)


def _digit(word: str) -> str:
    return str(_ONES.index(word)) if word in _ONES[:10] else word.upper()


def speak_digits(digits: str, model: str) -> str:
    """``digits`` said as ``model`` is, which names as many; as they are where it does not."""
    places = list(_SAID.finditer(model))
    if len(digits) != len(places) or not digits.isalnum():
        return digits
    zero = "oh" if re.search(r"(?i)\boh\b", model) else "zero"
    out, position = "", 0
    for place, digit in zip(places, digits, strict=True):
        said = place[0]
        if digit.isdigit() and len(said) > 1:
            new = zero if digit == "0" else _ONES[int(digit)]
            new = like(said, new.capitalize() if said[0].isupper() else new)
        else:
            new = like(said + said, digit)
        out += model[position : place.start()] + new
        position = place.end()
    return out + model[position:]


def other_numerals(text: str, stream: Iterator[int]) -> str:
    """Words for numbers, each another one of its kind (digit, below twenty, tens)."""

    def another(match: re.Match[str]) -> str:
        word = match[0].lower()
        kind = _TENS if word in _TENS else _ONES[10:] if word in _ONES[10:] else _ONES[:10]
        return like(match[0], kind[next(stream) % len(kind)])

    return re.sub(rf"(?i)\b{_NUMERAL}\b", another, text)


def _plain(words: str) -> str:
    return re.sub(r"[\s-]+", " ", words.lower()).strip()
