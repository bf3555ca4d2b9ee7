"""Moving Chinese dates by whole weeks without changing how they are written.

Numeric, 民國 and Chinese-numeral dates move and keep their form. A day alone (21号) is read next to
the dates of the note. A festival of the common calendar (国庆节, 立秋) becomes the day it falls on,
moved: 11月26日. Lunar dates and festivals that move every year (正月初二, 中秋) become ``[DATE]``:
to move them needs a lunar calendar, and to leave them would tell the offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.dates import FORMS, SOLAR
from llmsafe.scrub.detect.zh.lexicon import simplified
from llmsafe.scrub.replace.shift import ASSUMED, Shift, move_day

_DIGITS = "〇一二三四五六七八九"
_HAN_YEAR = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_DAY_ALONE = re.compile(r"(?P<d>3[01]|[12]\d|0?[1-9])[ \t]{0,2}[日号號]?")
_MONTH_ALONE = re.compile(
    r"(?P<m>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])[ \t]{0,2}月"
    r"(?P<part>[上中下]旬|[初底末中份])?"
)
_MONTH_DAY = re.compile(r"(?P<m>1[0-2]|0?[1-9])[/.](?P<d>3[01]|[12]\d|0?[1-9])")
_FOUR = re.compile(r"(?P<m>\d\d)(?P<d>\d\d)")
_YEAR_PART = re.compile(
    r"(?P<y>(?:19|20)\d\d)[ \t]{0,2}年(?P<part>[ \t]{0,2}[初底末中春夏秋冬][天季]?)"
)


def read_chinese(text: str, shift: Shift) -> date | None:
    """The day that a Chinese date means; ``None`` for what names no month."""
    match = _match(_plain(text))
    return _meant(match, shift) if match else None


def shift_chinese(text: str, shift: Shift) -> str | None:
    """``text`` moved, in the same form; ``None`` if it is in no Chinese form."""
    plain = _plain(text)
    if plain in SOLAR:
        return _festival(plain, shift)
    if year := _YEAR_PART.fullmatch(plain):
        moved = move_day(date(int(year["y"]), 7, 1), shift)
        return f"{moved.year}年{year['part'].strip()}" if moved else None
    match = _match(plain)
    meant = _meant(match, shift) if match else None
    if match is None or meant is None:
        return None
    moved = _months(meant, shift) if match.groupdict().get("d") is None else move_day(meant, shift)
    return _written(match, moved) if moved else None


def _plain(text: str) -> str:
    return simplified(normalise(text).text).strip()


def _match(plain: str) -> re.Match[str] | None:
    """The match of a form that is the whole text; the forms look around, so they are searched."""
    for _, form in FORMS:
        match = form.match(plain)
        if match and match.end() == len(plain) and match.groupdict().keys() & {"m", "d"}:
            return match
    for form in (_MONTH_ALONE, _MONTH_DAY, _FOUR, _DAY_ALONE):
        if match := form.fullmatch(plain):
            return match
    return None


def _meant(match: re.Match[str], shift: Shift) -> date | None:
    groups = {name: value for name, value in match.groupdict().items() if value}
    near = shift.near or ASSUMED
    month = han_number(groups["m"]) if "m" in groups else near.month
    day = han_number(groups["d"]) if "d" in groups else 15
    if "y" in groups or "roc" in groups:
        return _day(_year(groups, near), month, day)
    if "m" not in groups:
        around = (_day(near.year, m, day) for m in (near.month,))
        return next((d for d in around if d), None)
    found = [d for y in (near.year - 1, near.year, near.year + 1) if (d := _day(y, month, day))]
    return min(found, key=lambda d: abs((d - near).days), default=None)


def _year(groups: dict[str, str], near: date) -> int:
    if "roc" in groups:
        return 1911 + han_number(groups["roc"])
    text = groups["y"].translate(_HAN_YEAR)
    if len(text) == 4:
        return int(text)
    return 2000 + int(text) - (100 if 2000 + int(text) > near.year + 5 else 0)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _months(day: date, shift: Shift) -> date:
    months = day.year * 12 + day.month - 1 + shift.months
    return date(months // 12, months % 12 + 1, 15)


def _festival(plain: str, shift: Shift) -> str | None:
    month, day = SOLAR[plain]
    near = shift.near or ASSUMED
    meant = min(
        (date(y, month, day) for y in (near.year - 1, near.year, near.year + 1)),
        key=lambda d: abs((d - near).days),
    )
    moved = move_day(meant, shift)
    return f"{moved.month}月{moved.day}日" if moved else None


def _written(match: re.Match[str], moved: date) -> str:
    """The matched text with new numbers, each written as the old one was."""
    numbers = [v for k, v in match.groupdict().items() if v and k in ("m", "d") and v.isascii()]
    short = any(len(number) == 1 for number in numbers)
    numeric = bool(re.search(r"(?:19|20)\d\d[-/.]|[-/.](?:19|20)\d\d|^\d{6,8}$", match[0]))
    pad = any(number.startswith("0") for number in numbers) or (numeric and not short)
    new: dict[str, Callable[[str], str]] = {
        "y": lambda old: _year_like(old, moved.year),
        "roc": lambda old: like_number(old, moved.year - 1911),
        "m": lambda old: like_number(old, moved.month, pad=pad),
        "d": lambda old: like_number(old, moved.day, pad=pad),
    }
    text, base = match[0], match.start()
    edits = [
        (name, match.span(name))
        for name, value in match.groupdict().items()
        if value and name in new
    ]
    for name, (start, end) in sorted(edits, key=lambda edit: -edit[1][0]):
        text = text[: start - base] + new[name](match[name]) + text[end - base :]
    return text


def _year_like(old: str, year: int) -> str:
    digits = str(year)[-len(old) :]
    return digits if old.isascii() else "".join(_DIGITS[int(d)] for d in digits)


def like_number(old: str, number: int, *, pad: bool = False) -> str:
    """``number`` in digits, ``pad``: with a zero before a single one, or in Chinese numerals."""
    if old.isascii():
        return f"{number:02d}" if pad else str(number)
    return han_numeral(number)


def han_numeral(number: int) -> str:
    """``二十一`` for 21; up to 199."""
    if number >= 100:
        rest = number % 100
        return "一百" + (
            ""
            if not rest
            else ("零" if rest < 10 else "一" if rest < 20 else "") + han_numeral(rest)
        )
    tens, ones = divmod(number, 10)
    head = "" if not tens else "十" if tens == 1 else _DIGITS[tens] + "十"
    return head + (_DIGITS[ones] if ones or not tens else "")


def han_number(text: str) -> int:
    """The number that digits or Chinese numerals (廿一, 三十) write."""
    if text.isascii():
        return int(text)
    plain = text.replace("廿", "二十").replace("卅", "三十").replace("二十十", "二十")
    if "百" in plain:
        head, _, rest = plain.partition("百")
        return 100 * han_number(head or "一") + (
            han_number(rest.lstrip("零〇")) if rest.lstrip("零〇") else 0
        )
    if "十" in plain:
        head, _, rest = plain.partition("十")
        return 10 * (int(head.translate(_HAN_YEAR)) if head else 1) + (
            int(rest.translate(_HAN_YEAR)) if rest else 0
        )
    return int(plain.translate(_HAN_YEAR))
