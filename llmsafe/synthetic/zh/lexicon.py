"""Chinese name lists, divided between the audiences.

Those of the audiences `test`, `exam`, `proof`, `trial`, `final`, `blind`, `fresh`, `novel` and
`latest` stand apart, in the folders `words_test` to `words_latest` beside this file, so that
nothing that reads the other lists can come upon them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from llmsafe.synthetic.draw import chance, pick
from llmsafe.synthetic.grammar import APART, Audience, belongs
from llmsafe.synthetic.identity import Sex


def whole_city(name: str) -> str:
    """`江阴市`; a county, banner or district has its kind in its name: `桃源县`."""
    return name if name.endswith(("县", "旗", "区")) else f"{name}市"


def municipality(name: str) -> str:
    """The city that a district is in: `苏州市` of `苏州市吴中区`; else the place itself."""
    city, mark, district = name.partition("市")
    return city + mark if district.endswith("区") else whole_city(name)


@dataclass(frozen=True)
class City:
    """A mainland city, county or district: the first four digits of its resident numbers, and its
    telephone area."""

    code: str
    name: str
    area: str
    province: str
    districts: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """Province and city, as an address begins."""
        return f"{self.province}{whole_city(self.name)}"


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
    # By sex, own name and father's (or the second part): `阿依夏·买买提`, `卓玛措姆`.
    minorities: Mapping[Sex, tuple[tuple[str, str], ...]] = field(
        default_factory=dict["Sex", "tuple[tuple[str, str], ...]"]
    )
    share: float = 0.05  # of the people, who have such a name

    def surname(self, rng: random.Random) -> str:
        """A common one in seven of ten."""
        return pick(rng, self.common if chance(rng, 0.7) else self.rare)

    def first(self, rng: random.Random, sex: Sex, born: int) -> str:
        """A given name of the time."""
        generation = "old" if born < 1958 else "mid" if born < 1988 else "young"
        return pick(rng, self.given[f"{generation} {sex}"])

    def minority(self, rng: random.Random, sex: Sex) -> tuple[str, str]:
        """Both parts of a name that has no surname."""
        return pick(rng, self.minorities[sex])

    def is_minority(self, last: str) -> bool:
        """Whether this first part is of such a name."""
        return any(last == own for pairs in self.minorities.values() for own, _ in pairs)

    def minority_or(self, rng: random.Random, sex: Sex, last: str, first: str) -> tuple[str, str]:
        """The name, or now and then another without a surname, where the list has any."""
        if self.minorities and chance(rng, self.share):
            return self.minority(rng, sex)
        return last, first


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
    # Shapes of names and addresses that take the place of the usual ones.
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])

    def form(self, name: str, usual: Sequence[str]) -> Sequence[str]:
        """This audience's shapes of something, or the usual ones."""
        return self.forms.get(name) or usual


@dataclass(frozen=True)
class TraditionalLexicon:
    """The same for Taiwan and Hong Kong."""

    names: Names
    taiwan: tuple[County, ...]
    hong_kong: tuple[County, ...]
    stems: Mapping[str, tuple[str, ...]]
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])

    def form(self, name: str, usual: Sequence[str]) -> Sequence[str]:
        """This audience's shapes of something, or the usual ones."""
        return self.forms.get(name) or usual


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


@lru_cache(maxsize=16)
def lexicon(audience: Audience) -> Lexicon:
    """The lists of one audience in simplified characters, read once."""
    if audience in APART:
        return _apart_lexicon(audience)
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


@lru_cache(maxsize=16)
def traditional(audience: Audience) -> TraditionalLexicon:
    """The lists of one audience in traditional characters, read once."""
    if audience in APART:
        return _apart_traditional(audience)
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


# -- the audiences that stand apart --------------------------------------------------------------


def _apart_lines(audience: Audience, name: str) -> list[str]:
    folder = resources.files("llmsafe.synthetic.zh") / f"words_{audience}"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _apart_lists(audience: Audience, name: str) -> dict[str, tuple[str, ...]]:
    """Lines `list: word word`; the lines of one list are joined. `word*3` counts three times."""
    out: dict[str, dict[str, int]] = {}
    for line in _apart_lines(audience, name):
        key, _, words = line.partition(":")
        for entry in words.split():
            word, _, times = entry.partition("*")
            out.setdefault(key.strip(), {}).setdefault(word, int(times or 1))
    return {
        key: tuple(word for word, times in words.items() for _ in range(times))
        for key, words in out.items()
    }


def _apart_names(lists: Mapping[str, tuple[str, ...]]) -> Names:
    given = {f"{g} {s}": lists[f"{g} {s}"] for g in ("old", "mid", "young") for s in "fm"}
    minorities: dict[Sex, tuple[tuple[str, str], ...]] = {}
    sexes: tuple[Sex, ...] = ("f", "m")
    for sex in sexes:
        if f"dotted {sex}" not in lists:
            continue
        fathers = lists["dotted m"]
        # Each own name with three fathers' names.
        dotted = [
            (own, fathers[(7 * i + 5 * j + 3) % len(fathers)])
            for i, own in enumerate(lists[f"dotted {sex}"])
            for j in range(3)
        ]
        plain = [(name[:2], name[2:]) for name in lists[f"plain {sex}"]]
        minorities[sex] = tuple(pair for pair in (*dotted, *plain, *plain) if pair[0] != pair[1])
    share = int(lists.get("minority", ("5",))[0]) / 100
    return Names(lists["common"], lists["rare"], given, minorities, share)


def _forms(lists: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key[5:]: words for key, words in lists.items() if key.startswith("form ")}


def _apart_lexicon(audience: Audience) -> Lexicon:
    names, words = _apart_lists(audience, "names"), _apart_lists(audience, "stems")
    provinces = dict(line.split("|") for line in _lines("provinces")) | {"54": "西藏自治区"}
    provinces |= dict.fromkeys(("11", "12", "31", "50"), "")  # `北京市海淀区` is in no province
    cities: list[City] = []
    for line in _apart_lines(audience, "cities"):
        code, name, area, districts = line.split("|")
        cities.append(City(code, name, area, provinces[code[:2]], tuple(districts.split())))
    return Lexicon(
        names=_apart_names(names),
        nicknames=names["nicknames"],
        cities=tuple(cities),
        districts=(),
        roads=words["roads"],
        estates=words["estates"],
        towns=words["towns"],
        organizations=words["organizations"],
        forms=_forms(words),
    )


def _apart_traditional(audience: Audience) -> TraditionalLexicon:
    def county(line: str) -> County:
        name, *numbers, districts = line.split("|")
        code, area, letter = numbers or ("", "", "")
        return County(name, code, area, letter, tuple(districts.split()))

    words = _apart_lists(audience, "hant_stems")
    places = [county(line) for line in _apart_lines(audience, "hant_places")]
    return TraditionalLexicon(
        names=_apart_names(_apart_lists(audience, "hant_names")),
        taiwan=tuple(place for place in places if place.letter),
        hong_kong=tuple(place for place in places if not place.letter),
        stems={key: stems for key, stems in words.items() if not key.startswith("form ")},
        forms=_forms(words),
    )
