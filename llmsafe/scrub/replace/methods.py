"""Replacing spans: eight methods, each a pure function of key, patient, note and text.

``surrogate``  a stand-in that reads like the real thing, one per value and patient
``random``     a stand-in drawn anew for every mention: a name that was missed hides among them
``instance``   [NAME-1], [DATE-47113]: one number per value and patient; 1 is the patient
``tag``        [NAME]
``mask``       ****, whatever the length; or, where rules prescribe it, the classic Chinese form
               that shows a part (张*, 138****5678): :mod:`.zh.masks`
``redact``     nothing
``hash``       [NAME:9f86d081884c], keyed, the same for a value everywhere. Whoever has the key can
               hash every possible date or number and look: only as safe as the key
``encrypt``    [NAME:v1.3f9a01bc.…], which a key holder can turn back (:mod:`.tokens`)

Dates move by the patient's offset under ``random`` too, since intervals are what notes are about.
Scrubbing again a text that was tagged, numbered, hashed, masked, redacted or encrypted changes
nothing (:mod:`llmsafe.scrub.scrubber` looks again, up to five times, to make sure). That cannot
hold for stand-ins: what tells a scrubber that a name is one tells everybody, so it takes stand-ins
for names, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any, Literal, get_args

from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, PhiSpan
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.person import Person, mention_words
from llmsafe.scrub.replace.surrogate import surrogate
from llmsafe.scrub.replace.tokens import seal
from llmsafe.scrub.replace.zh.masks import classic_mask
from llmsafe.scrub.replace.zh.names import HAN, whole_name

Method = Literal["surrogate", "random", "instance", "tag", "mask", "redact", "hash", "encrypt"]
METHODS: tuple[Method, ...] = get_args(Method)
STAND_INS: frozenset[Method] = frozenset(("surrogate", "random"))
"""Methods whose output nobody can tell from notes."""
MaskStyle = Literal["plain", "classic"]
MASK_STYLES: tuple[MaskStyle, ...] = get_args(MaskStyle)
# What an earlier scrub wrote; it is no PHI, so scrubbing twice changes nothing.
TAG = re.compile(rf"\[(?:{'|'.join(CATEGORIES)})(?:-\d{{1,5}}|:[0-9a-f]{{12}})?\]")


@dataclass(frozen=True, repr=False)
class Edited:
    """A text after replacement; ``edits`` are (start, end, new length) in the old text."""

    text: str
    edits: tuple[tuple[int, int, int], ...]

    def move(self, start: int, end: int) -> tuple[int, int]:
        """Where the old stretch [start, end) is now; an offset inside an edit moves to its edge."""
        return self._offset(start, at_end=False), self._offset(end, at_end=True)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the new text was in the old; of a replacement that it touches, it
        takes in the whole."""
        low, high, shift = None, None, 0
        for old, old_end, length in self.edits:
            new = old + shift
            if low is None and start < new + length:
                low = min(start - shift, old)
            if high is None and end <= new:
                high = end - shift
            if high is None and end <= new + length:
                high = old_end
            shift += length - (old_end - old)
        low = start - shift if low is None else low
        return low, end - shift if high is None else high

    def _offset(self, offset: int, *, at_end: bool) -> int:
        shift = 0
        for start, end, length in self.edits:
            if offset <= start:
                break
            if offset < end:
                return start + shift + (length if at_end else 0)
            shift += length - (end - start)
        return offset + shift


def move_spans(extra: Mapping[str, Any], edited: Edited) -> dict[str, Any]:
    """Further columns of a note; gold ``spans`` among them move with its text."""
    if not isinstance(extra.get("spans"), list):
        return dict(extra)
    return {**extra, "spans": [_moved(span, edited) for span in extra["spans"]]}


def _moved(span: Any, edited: Edited) -> Any:
    start, end = edited.move(int(span["start"]), int(span["end"]))
    return {**span, "start": start, "end": end}


def check_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for method in METHODS:
        if name == method:
            return method
    raise InputError(f"method {name!r} is not available; choose one of {', '.join(METHODS)}")


def check_mask_style(name: str) -> MaskStyle:
    """The style of that name.

    Raises:
        InputError: there is none.
    """
    for style in MASK_STYLES:
        if name == style:
            return style
    raise InputError(f"--mask-style {name!r} does not exist; choose {' or '.join(MASK_STYLES)}")


def replace(
    text: str,
    spans: Sequence[PhiSpan],
    method: Method,
    key: Key,
    person: Person,
    note_id: str,
    mask_style: MaskStyle = "plain",
) -> Edited:
    """Replace disjoint, ordered ``spans``; every other character stays as it is.

    ``note_id`` is the id under which the note is published.
    """
    write = _writer(method, key, person, note_id, mask_style)
    pieces: list[str] = []
    edits: list[tuple[int, int, int]] = []
    position = 0
    for span in spans:
        new = write(text, span)
        pieces += [text[position : span.start], new]
        edits.append((span.start, span.end, len(new)))
        position = span.end
    return Edited("".join(pieces) + text[position:], tuple(edits))


def _writer(
    method: Method, key: Key, person: Person, note_id: str, mask_style: MaskStyle
) -> Callable[[str, PhiSpan], str]:
    def write(text: str, span: PhiSpan) -> str:
        category, value = span.category, text[span.start : span.end]
        match method:
            case "surrogate":
                return surrogate(key, person, category, value, text[span.end : span.end + 1])
            case "random":
                anew = changed(person, mention=f"{note_id} {span.start}")
                return surrogate(key, anew, category, value, text[span.end : span.end + 1])
            case "instance":
                return f"[{category}-{instance(key, person, category, value)}]"
            case "tag":
                return f"[{category}]"
            case "mask":
                return classic_mask(category, value) if mask_style == "classic" else "****"
            case "redact":
                return ""
            case "hash":
                return f"[{category}:{key.token(12, category, _plain(value))}]"
            case "encrypt":
                return seal(key, note_id, category, value)

    return write


def instance(key: Key, person: Person, category: str, value: str) -> int:
    """The number of a value within a patient: 1 for the patient's own name, else a keyed number
    from 2 to 99999 that is the same in every note without anything being remembered (of 30 values,
    two share a number once in 200 patients)."""
    if category != "NAME":
        return 2 + key.below(99998, "instance", person.scope, category, _plain(value))
    if HAN.search(value):
        value = whole_name(person, value)
    words = [w for w in mention_words(value) if len(w) > 1 or HAN.search(w)]
    if words and person.own.issuperset(words):
        return 1
    for mention in sorted(person.mentions, key=lambda m: (-len(m), m)):
        longer = [w for w in mention_words(mention) if len(w) > 1 or HAN.search(w)]
        if set(words) <= set(longer):  # a part of a name that is given in full elsewhere
            words = longer
            break
    return 2 + key.below(99998, "instance", person.scope, category, " ".join(sorted(words)))


def _plain(value: str) -> str:
    return re.sub(r"[\W_]+", " ", normalise(value).text).strip().lower()
