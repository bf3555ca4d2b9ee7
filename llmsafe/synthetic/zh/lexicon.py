"""Chinese name lists, divided between the audiences."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from llmsafe.synthetic.draw import chance, pick
from llmsafe.synthetic.grammar import Audience, belongs
from llmsafe.synthetic.identity import Sex


@dataclass(frozen=True)
class City:
    """A mainland city: the first four digits of its resident numbers, and its telephone area."""

    code: str
    name: str
    area: str
    province: str

    @property
    def whole(self) -> str:
        """Province and city, as an address begins."""
        return f"{self.province}{self.name}市"


@dataclass(frozen=True)
class County:
    """A city or county of Taiwan (`letter` opens its identity numbers), or a part of Hong Kong."""

    name: str
    zip: str
    area: str
    letter: str
    districts: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """Surnames and given names in one script; given names by generation and sex."""

    common: tuple[str, ...]
    rare: tuple[str, ...]
    given: Mapping[str, tuple[str, ...]]

    def surname(self, rng: random.Random) -> str:
        """A common one in seven of ten."""
        return pick(rng, self.common if chance(rng, 0.7) else self.rare)

    def first(self, rng: random.Random, sex: Sex, born: int) -> str:
        """A given name of the time."""
        generation = "old" if born < 1958 else "mid" if born < 1988 else "young"
        return pick(rng, self.given[f"{generation} {sex}"])


@dataclass(frozen=True)
class Lexicon:
    """Names of one audience; no word stands in the lists of both."""

    names: Names
    nicknames: tuple[str, ...]
    cities: tuple[City, ...]
    districts: tuple[str, ...]
    roads: tuple[str, ...]
    estates: tuple[str, ...]
    towns: tuple[str, ...]
    organizations: tuple[str, ...]


@dataclass(frozen=True)
class TraditionalLexicon:
    """The same for Taiwan and Hong Kong."""

    names: Names
    taiwan: tuple[County, ...]
    hong_kong: tuple[County, ...]
    stems: Mapping[str, tuple[str, ...]]


def _lines(name: str) -> list[str]:
    folder = resources.files("llmsafe") / "assets" / "lexicons" / "zh"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _mine(words: Sequence[str], audience: Audience) -> tuple[str, ...]:
    return tuple(word for word in dict.fromkeys(words) if belongs(word, audience))


def _words(name: str, audience: Audience) -> tuple[str, ...]:
    return _mine([word for line in _lines(name) for word in line.split()], audience)


def _names(surnames: str, given: str, audience: Audience, common: int) -> Names:
    last = [word for line in _lines(surnames) for word in line.split()]
    first: dict[str, tuple[str, ...]] = {}
    for line in _lines(given):
        key, heads, tails, singles = line.split("|")
        pairs = [a + b for a in heads for b in tails if a != b]
        first[key] = _mine([*pairs, *singles], audience)
    return Names(_mine(last[:common], audience), _mine(last[common:], audience), first)


def _cities(audience: Audience) -> tuple[City, ...]:
    provinces = dict(line.split("|") for line in _lines("provinces"))
    rows = [line.split("|") for line in _lines("cities")]
    return tuple(
        City(code, name, area, provinces.get(code[:2], ""))
        for code, name, area in rows
        if belongs(name, audience)
    )


@lru_cache(maxsize=2)
def lexicon(audience: Audience) -> Lexicon:
    """The lists of one audience in simplified characters, read once."""
    return Lexicon(
        names=_names("surnames", "given", audience, 120),
        nicknames=_words("nicknames", audience),
        cities=_cities(audience),
        districts=_words("districts", audience),
        roads=_words("roads", audience),
        estates=_words("estates", audience),
        towns=_words("towns", audience),
        organizations=_words("organizations", audience),
    )


def _county(line: str, audience: Audience) -> County:
    """A row of either table; districts of the other audience are left out."""
    name, *numbers, districts = line.split("|")
    code, area, letter = numbers or ("", "", "")
    return County(name, code, area, letter, _mine(districts.split(), audience))


@lru_cache(maxsize=2)
def traditional(audience: Audience) -> TraditionalLexicon:
    """The lists of one audience in traditional characters, read once."""
    stems: dict[str, tuple[str, ...]] = {}
    for line in _lines("hant_stems"):
        name, *words = line.split()
        stems[name] = _mine(words, audience)
    taiwan = [_county(line, audience) for line in _lines("tw_places")]
    return TraditionalLexicon(
        names=_names("hant_surnames", "hant_given", audience, 60),
        taiwan=tuple(county for county in taiwan if county.districts),
        hong_kong=tuple(_county(line, audience) for line in _lines("hk_places")),
        stems=stems,
    )
