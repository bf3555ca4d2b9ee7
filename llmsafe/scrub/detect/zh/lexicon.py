"""The Chinese word lists, read once from the package's own files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from llmsafe.scrub.detect.lexicon import read_words

_UNITS = ("特别行政区", "自治州", "自治县", "自治旗", "地区", "市", "盟", "县", "縣", "区", "旗")


@dataclass(frozen=True, repr=False)
class Lexicon:
    """Word sets; single characters are strings of one.

    ``ambiguous``: characters that are more often a word than a surname.
    ``given``: characters that given names are made of; ``parts``: those and single surnames.
    ``frequent`` and ``seen``: two characters that often, or now and then, meet in prose.
    ``words``: clinical and ordinary words that
    begin with or hold a surname. ``telling``: given and whole names that are ordinary words too.
    ``foreign``: characters that names of other peoples are written with.
    ``elements``: what names of Tibetans and Mongolians are put together of.
    """

    single: frozenset[str]
    compound: frozenset[str]
    ambiguous: frozenset[str]
    given: frozenset[str]
    parts: frozenset[str]
    given_names: frozenset[str]
    telling: frozenset[str]
    foreign: frozenset[str]
    other_names: frozenset[str]
    elements: frozenset[str]
    nicknames: frozenset[str]
    provinces: frozenset[str]
    cities: frozenset[str]
    districts: frozenset[str]
    words: frozenset[str]
    frequent: frozenset[str]
    seen: frozenset[str]

    def plain(self, word: str) -> bool:
        """Whether the word is ordinary language, even if it could be a name."""
        return word in self.words or word in self.telling

    def starts_word(self, text: str, start: int) -> bool:
        """Whether an ordinary word of two to six characters begins at ``start``."""
        return any(text[start : start + n] in self.words for n in range(2, 7))


@cache
def chinese() -> Lexicon:
    """The Chinese lexicon."""
    everyday = _words("surnames_everyday")
    surnames = _words("surnames") | everyday
    cities = _words("cities")
    other = _words("other_names")
    given = frozenset("".join(_words("given")))
    return Lexicon(
        single=frozenset(name for name in surnames if len(name) == 1),
        compound=frozenset(name for name in surnames if len(name) > 1),
        ambiguous=everyday | _words("grammar"),
        given=given,
        parts=given | {name for name in surnames if len(name) == 1},
        given_names=_words("given_names"),
        telling=_words("given_words"),
        foreign=frozenset("".join(_words("transliterated"))),
        other_names=other | {part for name in other for part in name.split("·") if len(part) > 1},
        elements=_words("name_elements"),
        nicknames=_words("nicknames"),
        provinces=_words("provinces"),
        cities=cities | {short for short in map(without_unit, cities) if len(short) > 1},
        districts=_words("districts"),
        words=_words("words") | _words("blocked"),
        frequent=_words("pairs_frequent"),
        seen=_words("pairs_seen"),
    )


def _words(name: str) -> frozenset[str]:
    return frozenset(map(simplified, read_words(f"scrub_zh/{name}.txt")))


@cache
def _table() -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in read_words("scrub_zh/simplified.txt")}


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, one for one, so that offsets stay."""
    return text if text.isascii() else text.translate(_table())


def split_words(text: str) -> frozenset[str]:
    """A set of words written in one string."""
    return frozenset(text.split())


def without_unit(place: str) -> str:
    """``石家庄`` for ``石家庄市``; a place of two characters is left as it is."""
    for unit in _UNITS:
        if place.endswith(unit) and len(place) - len(unit) > 1:
            return place.removesuffix(unit)
    return place
