"""The word lists behind the recognisers, read once from the package's own files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_LOWER = re.compile(r"\b[a-z]{2,}\b")
_CAPITAL = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")


@dataclass(frozen=True, repr=False)
class Lexicon:
    """Lower-case word sets.

    ``everyday``: names that are also ordinary words. ``words``: ordinary and clinical words.
    ``capitals``: capitalised words that are no names (peoples, products). ``eponyms``: names of
    diseases, signs, scores and instruments. ``daily`` and ``brands``: more words, of everyday
    life, of which firms and places make their names, and products, makers, programs, organisms.
    """

    first: frozenset[str]
    last: frozenset[str]
    everyday: frozenset[str]
    words: frozenset[str]
    capitals: frozenset[str]
    eponyms: frozenset[str]
    daily: frozenset[str]
    brands: frozenset[str]
    nicknames: Mapping[str, tuple[str, ...]]

    def plain(self, word: str) -> bool:
        """Whether the (lower-case) word is ordinary language rather than a name."""
        return word in self.words or word in self.everyday or word in self.capitals


@cache
def english() -> Lexicon:
    """The English lexicon."""
    nicknames = {k: tuple(v) for k, v in read_json("scrub_nicknames.json").items() if k[0] != "_"}
    short = {name for names in nicknames.values() for name in names}
    return Lexicon(
        first=read_words("scrub_first.txt") | short | nicknames.keys(),
        last=read_words("scrub_last.txt"),
        everyday=read_words("scrub_everyday.txt"),
        words=read_words("scrub_words.txt"),
        daily=read_words("scrub_daily.txt"),
        capitals=read_words("scrub_capitals.txt"),
        brands=read_words("scrub_brands.txt") | read_words("scrub_things.txt"),
        eponyms=read_words("scrub_eponyms.txt"),
        nicknames=nicknames,
    )


@cache
def read_json(name: str) -> Mapping[str, Any]:
    """A JSON asset of the package."""
    return json.loads(_text(name))


@cache
def read_words(name: str) -> frozenset[str]:
    """The words of a text asset, without its comment lines."""
    lines = (line for line in _text(name).splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


@cache
def read_phrases(name: str) -> frozenset[str]:
    """The phrases of a text asset, parted by commas and line ends, without its comment lines."""
    lines = (line for line in _text(name).splitlines() if not line.startswith("#"))
    return frozenset(part.strip() for line in lines for part in line.split(",") if part.strip())


def _text(name: str) -> str:
    folder = resources.files("llmsafe") / "assets" / "lexicons"
    return (folder / name).read_text(encoding="utf-8")


def count_words(texts: Iterable[str], floor: int = 12) -> list[str]:
    """How ``scrub_words.txt`` was made: words seen ``floor`` times in lower case, and at least
    half as often as capitalised inside a sentence. Sorted."""
    lower: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for text in texts:
        lower.update(_LOWER.findall(text))
        capital.update(_CAPITAL.findall(text))
    return sorted(
        word
        for word, count in lower.items()
        if count >= floor and 2 * count >= capital[word.capitalize()]
    )
