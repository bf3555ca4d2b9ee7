"""Personal data by category: in the notes, missed by the scrubber, emitted by model and base.

A value counts as emitted when it stands in a generated text, whoever put it there; so the base's
count belongs beside it. Values are compared without case, width, accents, spaces and punctuation.
They live in memory only, as keyed digests: what is returned are counts.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from llmsafe.artifacts import PhiLeak, ScrubManifest
from llmsafe.notes import CATEGORIES, SPACELESS, PhiSpan

Detect = Callable[[str], Sequence[PhiSpan]]
"""``detect(text)``: the personal data that a scrubber sees in a text."""

_WORD = re.compile(r"[^\W_]")
_CHARACTER_SCRIPTS = re.compile(f"[{SPACELESS}]")
_LONGEST = 64  # normalised characters of a value; longer ones are compared by their beginning


@dataclass(frozen=True, repr=False)
class Labelled:
    """A note as it was before scrubbing, with its gold spans.

    ``found`` are the scrubber's spans of the same text; ``None`` when they are not known.
    """

    text: str
    gold: Sequence[PhiSpan]
    found: Sequence[PhiSpan] | None = None


def phi_leakage(
    notes: Iterable[Labelled],
    *,
    model: Sequence[str] | None = None,
    base: Sequence[str] | None = None,
    detect: Detect | None = None,
) -> list[PhiLeak]:
    """Different values of each category in ``notes``, and how many of them got where.

    A value is *missed* when, in any note, a letter or digit of it lies outside of all that the
    scrubber found. ``model`` and ``base`` are generated texts without their prompts (or with: then
    what the prompt gave away is counted for both). ``detect`` also counts the values that have the
    form of personal data in the generated texts, whether or not they are in the notes: surrogates
    and inventions. What was not given stays ``None``. In the order of the categories.
    """
    book = _Book()
    known = True
    for note in notes:
        known = known and note.found is not None
        book.add(note)
    emitted = [book.emitted(texts) if texts is not None else None for texts in (model, base)]
    looking = detect is not None
    shaped = [
        book.shaped(texts, detect) if texts is not None and detect is not None else None
        for texts in (model, base)
    ]
    names = set(book.values).union(*(counts or () for counts in shaped))
    return [
        PhiLeak(
            category=name,
            in_corpus=len(book.values.get(name, ())),
            missed_by_scrubber=len(book.missed.get(name, ())) if known else None,
            emitted_by_model=_of(emitted[0], name),
            emitted_by_base=_of(emitted[1], name),
            counted="values",
            generated_by_model=_of(shaped[0], name) if looking else None,
            generated_by_base=_of(shaped[1], name) if looking else None,
        )
        for name in _in_order(names)
    ]


def manifest_leakage(
    manifest: ScrubManifest,
    *,
    model: Sequence[str] | None = None,
    base: Sequence[str] | None = None,
    detect: Detect | None = None,
) -> list[PhiLeak]:
    """The same where no gold and no text is at hand: the places that the scrubber found.

    Whether a generated value is one of theirs cannot be told, so ``emitted_by_*`` stay ``None``
    and only what has the form of personal data is counted.
    """
    book = _Book()
    shaped = [
        book.shaped(texts, detect) if texts is not None and detect is not None else None
        for texts in (model, base)
    ]
    names = set(manifest.spans_by_category).union(*(counts or () for counts in shaped))
    return [
        PhiLeak(
            category=name,
            in_corpus=manifest.spans_by_category.get(name, 0),
            missed_by_scrubber=None,
            emitted_by_model=None,
            emitted_by_base=None,
            generated_by_model=_of(shaped[0], name),
            generated_by_base=_of(shaped[1], name),
        )
        for name in _in_order(names)
    ]


def generated_leakage(
    model: Sequence[str], base: Sequence[str] | None, detect: Detect
) -> list[PhiLeak]:
    """The same where nothing is known of the notes: what has the form of personal data."""
    book = _Book()
    ours = book.shaped(model, detect)
    theirs = book.shaped(base, detect) if base is not None else None
    return [
        PhiLeak(
            category=name,
            in_corpus=None,
            missed_by_scrubber=None,
            emitted_by_model=None,
            emitted_by_base=None,
            counted="values",
            generated_by_model=_of(ours, name),
            generated_by_base=_of(theirs, name),
        )
        for name in _in_order({*ours, *(theirs or {})})
    ]


def normal_words(text: str) -> list[str]:
    """The words of a text for comparison: letters and digits alone, without case or accents.

    A character of a script without spaces is a word of its own.
    """
    words: list[str] = []
    joined = False
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        for c in character.casefold():
            if not _WORD.match(c):
                joined = False
            elif _CHARACTER_SCRIPTS.match(c):
                words.append(c)
                joined = False
            elif joined:
                words[-1] += c
            else:
                words.append(c)
                joined = True
    return words


@dataclass(frozen=True, repr=False)
class _Book:
    """Digests of the values of each category; the key dies with the book."""

    key: bytes = field(default_factory=partial(secrets.token_bytes, 16))
    values: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])
    missed: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])

    def add(self, note: Labelled) -> None:
        for span in note.gold:
            value = note.text[span.start : span.end]
            digest = self._digest("".join(normal_words(value)))
            if digest is None:
                continue
            self.values.setdefault(span.category, set()).add(digest)
            if note.found is not None and not _covered(note.text, span, note.found):
                self.missed.setdefault(span.category, set()).add(digest)

    def emitted(self, texts: Sequence[str]) -> dict[str, int]:
        """Of each category the values that stand in one of the texts."""
        seen: set[bytes] = set()
        for text in texts:
            seen.update(d for d in map(self._digest, _stretches(normal_words(text))) if d)
        return {name: len(values & seen) for name, values in self.values.items()}

    def shaped(self, texts: Sequence[str], detect: Detect) -> dict[str, int]:
        """Of each category the different values that ``detect`` sees in the texts."""
        found: defaultdict[str, set[bytes]] = defaultdict(set)
        for text in texts:
            for span in detect(text):
                digest = self._digest("".join(normal_words(text[span.start : span.end])))
                if digest is not None:
                    found[span.category].add(digest)
        return {name: len(values) for name, values in found.items()}

    def _digest(self, value: str) -> bytes | None:
        if not value:
            return None
        shown = value[:_LONGEST].encode()
        return hashlib.blake2b(shown, digest_size=12, key=self.key).digest()


def _stretches(words: Sequence[str]) -> Iterator[str]:
    """Words in a row, joined, up to the longest value: ``555 123`` is found as ``555123``."""
    for start in range(len(words)):
        joined = ""
        for word in words[start:]:
            joined += word
            yield joined[:_LONGEST]
            if len(joined) >= _LONGEST:
                break


def _covered(text: str, span: PhiSpan, found: Sequence[PhiSpan]) -> bool:
    near = [(f.start, f.end) for f in found if f.start < span.end and f.end > span.start]
    return all(
        any(start <= place < end for start, end in near)
        for place in range(span.start, span.end)
        if _WORD.match(text[place])
    )


def _of(counts: Mapping[str, int] | None, name: str) -> int | None:
    return None if counts is None else counts.get(name, 0)


def _in_order(names: Iterable[str]) -> list[str]:
    order = {name: place for place, name in enumerate(CATEGORIES)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))
