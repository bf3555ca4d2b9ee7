"""Replacing spans: five methods, each a pure function of key, patient and text.

``tag``        [NAME-1], [DATE-4711]: one number per value and patient; 1 is the patient
``surrogate``  see :mod:`llmsafe.scrub.surrogate`
``mask``       ****, whatever the length
``redact``     nothing
``hash``       [NAME:9f86d081884c], keyed, the same for a value everywhere

Scrubbing a text again that was tagged, hashed or masked changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, PhiSpan
from llmsafe.scrub.keys import Key
from llmsafe.scrub.normalise import normalise
from llmsafe.scrub.surrogate import Person, mention_words, surrogate

Method = Literal["tag", "surrogate", "mask", "redact", "hash"]
METHODS: tuple[Method, ...] = get_args(Method)
# What an earlier scrub wrote; it is no PHI, so scrubbing twice changes nothing.
TAG = re.compile(rf"\[(?:{'|'.join(CATEGORIES)})(?:-\d{{1,4}}|:[0-9a-f]{{12}})?\]")


@dataclass(frozen=True, repr=False)
class Edited:
    """A text after replacement; ``edits`` are (start, end, new length) in the old text."""

    text: str
    edits: tuple[tuple[int, int, int], ...]

    def move(self, start: int, end: int) -> tuple[int, int]:
        """Where the old stretch [start, end) is now; an offset inside an edit moves to its edge."""
        return self._offset(start, at_end=False), self._offset(end, at_end=True)

    def _offset(self, offset: int, *, at_end: bool) -> int:
        shift = 0
        for start, end, length in self.edits:
            if offset <= start:
                break
            if offset < end:
                return start + shift + (length if at_end else 0)
            shift += length - (end - start)
        return offset + shift


def check_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for method in METHODS:
        if name == method:
            return method
    raise InputError(f"method {name!r} is not available; choose one of {', '.join(METHODS)}")


def replace(
    text: str, spans: Sequence[PhiSpan], method: Method, key: Key, person: Person
) -> Edited:
    """Replace disjoint, ordered ``spans``; every other character stays as it is."""
    write = _writer(method, key, person)
    pieces: list[str] = []
    edits: list[tuple[int, int, int]] = []
    position = 0
    for span in spans:
        new = write(span.category, text[span.start : span.end])
        pieces += [text[position : span.start], new]
        edits.append((span.start, span.end, len(new)))
        position = span.end
    return Edited("".join(pieces) + text[position:], tuple(edits))


def _writer(method: Method, key: Key, person: Person) -> Callable[[str, str], str]:
    match method:
        case "mask":
            return lambda category, value: "****"
        case "redact":
            return lambda category, value: ""
        case "hash":
            return lambda category, value: f"[{category}:{key.token(12, category, _plain(value))}]"
        case "tag":
            return lambda category, value: f"[{category}-{instance(key, person, category, value)}]"
        case "surrogate":
            return lambda category, value: surrogate(key, person, category, value)


def instance(key: Key, person: Person, category: str, value: str) -> int:
    """The number of a value within a patient: 1 for the patient's own name, else a keyed number
    from 2 to 9999 that is the same in every note without anything being remembered."""
    if category != "NAME":
        return 2 + key.below(9998, "instance", person.scope, category, _plain(value))
    words = [w for w in mention_words(value) if len(w) > 1]
    if words and person.own.issuperset(words):
        return 1
    for mention in sorted(person.mentions, key=lambda m: (-len(m), m)):
        longer = [w for w in mention_words(mention) if len(w) > 1]
        if set(words) <= set(longer):  # a part of a name that this note gives in full
            words = longer
            break
    return 2 + key.below(9998, "instance", person.scope, category, " ".join(sorted(words)))


def _plain(value: str) -> str:
    return re.sub(r"[\W_]+", " ", normalise(value).text).strip().lower()
