"""Traditional script: the phrase banks are simplified, and are spelled anew as they are written.

First whole words, longest first, because a character may stand for several (`后`, `复`, `干`) and
because Taiwan and Hong Kong call some things otherwise; then the remaining characters one by one.
Identifiers never come through here: they are made in traditional characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources


def _lines(name: str) -> list[str]:
    folder = resources.files("llmsafe") / "assets" / "lexicons" / "zh"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def characters() -> Mapping[int, str]:
    """Simplified to traditional character, as `str.translate` wants it."""
    pairs = [pair for line in _lines("hant_characters") for pair in line.split()]
    return {ord(pair[0]): pair[1] for pair in pairs}


@lru_cache(maxsize=2)
def _words(place: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    table: dict[str, str] = {}
    for line in _lines("hant_words"):
        word, everywhere, *local = line.split("|")
        table[word] = local[0 if place == "tw" else 1] if local else everywhere
    longest = sorted(table, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest))), table


@lru_cache(maxsize=30_000)
def spell(text: str, place: str) -> str:
    """Literal text as it is written in `cn`, `tw` or `hk`."""
    if place == "cn":
        return text
    pattern, table = _words(place)
    return pattern.sub(lambda match: table[match[0]], text).translate(characters())
