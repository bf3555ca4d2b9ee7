"""English name lists, divided between the audiences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from llmsafe.synthetic.grammar import Audience, belongs


@dataclass(frozen=True)
class City:
    name: str
    state: str
    zip3: str


@dataclass(frozen=True)
class Lexicon:
    """Names of one audience; no name stands in the lists of both."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    last: tuple[str, ...]
    cities: tuple[City, ...]
    streets: tuple[str, ...]
    organizations: tuple[str, ...]


def _lines(name: str) -> list[str]:
    folder = resources.files("llmsafe") / "assets" / "lexicons" / "en"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _words(name: str, audience: Audience) -> tuple[str, ...]:
    words = dict.fromkeys(word for line in _lines(name) for word in line.split())
    return tuple(word for word in words if belongs(word, audience))


@lru_cache(maxsize=2)
def lexicon(audience: Audience) -> Lexicon:
    """The lists of one audience, read once."""
    cities = (City(*line.split("|")) for line in _lines("cities"))
    return Lexicon(
        female=_words("first_female", audience),
        male=_words("first_male", audience),
        last=_words("last", audience),
        cities=tuple(city for city in cities if belongs(city.name, audience)),
        streets=_words("streets", audience),
        organizations=_words("organizations", audience),
    )
