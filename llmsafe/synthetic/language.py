"""Languages: what one must provide, and the registry.

The course of a patient is language-neutral; a language invents the identity (names and numbers of
its country) and writes the notes. To add one, write a module with a function that makes a
`Language` for an audience and name it in `_MODULES`; nothing else changes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Protocol, cast

from llmsafe.errors import InputError
from llmsafe.notes import Note
from llmsafe.synthetic.course import Course
from llmsafe.synthetic.grammar import APART, Audience
from llmsafe.synthetic.identity import Identity
from llmsafe.synthetic.knowledge import Knowledge
from llmsafe.synthetic.options import Options

_MODULES: Mapping[str, str] = {
    "en": "llmsafe.synthetic.en:load",
    "zh": "llmsafe.synthetic.zh:load",
    "zh-Hant": "llmsafe.synthetic.zh:load_traditional",
}
# The languages that have frames and names of their own for the audiences that stand apart.
APART_LANGUAGES = ("zh", "zh-Hant")


class Language(Protocol):
    """Renders courses for one audience in one language."""

    def knowledge(self) -> Knowledge:
        """The conditions this language has words for."""
        ...

    def identity(self, rng: random.Random, patient_id: str, seed: int, course: Course) -> Identity:
        """An identity that fits the course (sex, birth date)."""
        ...

    def notes(
        self, rng: random.Random, identity: Identity, course: Course, options: Options
    ) -> tuple[Note, ...]:
        """The notes of the course in order of time, gold spans in `extra["spans"]`."""
        ...


def languages() -> tuple[str, ...]:
    """The codes of the available languages."""
    return tuple(_MODULES)


@lru_cache(maxsize=16)
def language(code: str, audience: Audience) -> Language:
    """The language, loaded at first use; InputError names the available ones.

    InputError too where a language has nothing of its own for an audience that stands apart.
    """
    if code not in _MODULES:
        known = ", ".join(_MODULES)
        raise InputError(f"no synthetic notes in language {code!r}; available: {known}")
    if audience in APART and code not in APART_LANGUAGES:
        able = ", ".join(APART_LANGUAGES)
        raise InputError(
            f"no audience {audience!r} in language {code!r}; languages that have it: {able}"
        )
    module, _, function = _MODULES[code].partition(":")
    return cast("Language", getattr(import_module(module), function)(audience))
