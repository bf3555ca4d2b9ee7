"""Whose note it is, and the words that names are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.shift import Shift

# A word of a name. The s of a possessive is none, and neither is what joins a double name.
NAME_WORD = re.compile(r"(?!(?<=\w['’])[sS](?![^\W_]))[^\W_]+(?:['’](?![sS](?![^\W_]))[^\W_]+)*")
PARTICLES = frozenset(
    ("de", "del", "della", "la", "los", "las", "da", "dos", "di", "du", "le", "van", "der", "den",
     "von", "bin", "ibn", "al", "el", "ter")
)  # fmt: skip
# Only what is no name of anybody: a word that is kept by mistake would be a leak.
TITLES = frozenset(("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "md", "rn", "phd"))
SUFFIX = re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?$")


def date_offset(key: Key, scope: str) -> int:
    """Days by which a patient's dates move: 4 to 52 whole weeks, back or forth."""
    weeks = 4 + key.below(49, "date weeks", scope)
    return 7 * weeks * (1 if key.below(2, "date sign", scope) else -1)


@dataclass(frozen=True, repr=False)
class Person:
    """Whose note it is: the scope of consistency, what may never appear, how dates move.

    ``own`` and ``avoid`` are words of names in lower case: the patient's, and all that a stand-in
    may not be. ``taken`` are letters and digits of known identifiers, which no stand-in may equal.
    ``mention`` is not empty where every mention is drawn anew. ``lang``: whether the note is in
    Chinese, too.
    """

    scope: str
    own: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    female: bool | None = None
    shift: Shift = field(default_factory=lambda: Shift(0))
    mentions: tuple[str, ...] = ()  # names found in this note or known of the patient, as written
    roles: Mapping[str, str] = field(default_factory=dict[str, str])  # word -> given or family
    mention: str = ""
    lang: str = "en"

    @property
    def draw(self) -> tuple[str, str]:
        """What a stand-in belongs to, beside the value that it stands for."""
        return self.scope, self.mention


def mention_words(text: str) -> list[str]:
    """The words of a name as they are compared: normalised, lower case, without titles."""
    words = (word.lower() for word in NAME_WORD.findall(normalise(text).text))
    return [word for word in words if word not in TITLES]


@lru_cache(maxsize=4096)
def roles(mentions: tuple[str, ...]) -> Mapping[str, str]:
    """Given or family, for each word of names that have several: "Last, First" or "First Last".

    What a hyphen joins has one role: both halves of "Fenwick-Jones" are family.
    """
    found: dict[str, str] = {}
    for mention in mentions:
        before, comma, after = SUFFIX.sub("", normalise(mention).text).partition(",")
        given, family = (after, before) if comma and mention_words(after) else ("", before)
        first, rest = _units(given), _units(family)
        if not first and len(rest) > 1:
            first, rest = rest[:-1], rest[-1:]
        if first and rest:
            for role, units in (("given", first), ("family", rest)):
                for word in (word for unit in units for word in unit):
                    found.setdefault(word, role)
    return found


def _units(text: str) -> list[list[str]]:
    """The words of a name, those that hyphens join together, without particles and initials."""
    units = (mention_words(unit) for unit in re.split(r"[^\w'’-]+", text))
    kept = ([w for w in unit if len(w) > 1 and w not in PARTICLES] for unit in units)
    return [unit for unit in kept if unit]
