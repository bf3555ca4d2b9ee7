"""Numbers in Chinese characters: written, formal and spoken."""

from __future__ import annotations

import re

from ..core import Context

SPOKEN = frozenset(("dialog", "phone"))
ONES = "零一二三四五六七八九"
_SAID = {"0": "零零零洞", "1": "幺幺幺一", "2": "二二二两", "7": "七七七拐", "9": "九九九勾"}
NUMERALS = ONES + "〇○幺洞两拐勾"
"""Characters that may stand for a digit in a literal."""


def is_spoken(context: Context) -> bool:
    """Whether the note was spoken, so that some numbers are words."""
    return context.style in SPOKEN


def by_digit(number: int | str, zero: str = "〇") -> str:
    """二〇二三: digit by digit."""
    return "".join((zero + ONES[1:])[int(c)] for c in str(number))


def counted(number: int) -> str:
    """0 to 999 as one counts: 十二, 二十一, 一百零三."""
    hundred, rest = divmod(number, 100)
    ten, one = divmod(rest, 10)
    if hundred:
        tail = f"零{ONES[one]}" if not ten and one else f"{ONES[ten]}十" if ten else ""
        return f"{ONES[hundred]}百{tail}{ONES[one] if ten and one else ''}"
    if not ten:
        return ONES[one]
    return f"{ONES[ten] if ten > 1 else ''}十{ONES[one] if one else ''}"


def said(context: Context, text: str) -> str:
    """Digits as they are read out, in groups, each speaker with his own words."""
    rng = context.rng
    table = {c: rng.choice(_SAID.get(c, ONES[int(c)])) for c in "0123456789"}
    gap = rng.choice(("", "", " ", "，"))
    out: list[str] = []
    for run in re.findall(r"[0-9]+|[^0-9]+", text):
        if run[0] not in table:
            out.append(run.replace("-", gap or " "))
            continue
        sizes = (3, 4, 4) if len(run) == 11 else (4,) * (1 + len(run) // 4)
        at = 0
        groups: list[str] = []
        for size in sizes:
            groups.append("".join(table[c] for c in run[at : at + size]))
            at += size
        out.append(gap.join(group for group in groups if group))
    return "".join(out)


def number(context: Context, text: str) -> str:
    """A number as the style has it: mostly plain, read out in talk."""
    if context.rng.random() < (0.15 if is_spoken(context) else 0.015):
        return said(context, text)
    return text
