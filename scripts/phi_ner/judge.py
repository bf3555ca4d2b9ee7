"""Notes as a tagger sees them, and how much of what is PHI in them it finds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmsafe.gold import read_gold
from llmsafe.notes import CATEGORIES, FOREIGN_TYPES
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.tagger import Token, tokenise
from llmsafe.scrub.detect.zh.view import chinese_view

from .core import Language
from .notes import Note

Tagged = tuple[list[Token], list[int]]
"""Tokens and the number of the tag of each."""


def tags_of(language: Language) -> list[str]:
    """The categories that notes of a language have."""
    return [name for name in CATEGORIES if name in language.categories]


def tagged(note: Note, tags: Sequence[str]) -> Tagged:
    """Tokens of the view and the tag of each: 0, or 1 + the number of its category."""
    text, spans = note
    view = chinese_view(text) if "RESIDENT_ID" in tags else normalise(text)
    tokens = tokenise(view.text)
    numbers = [0] * len(tokens)
    at = 0
    for number, token in enumerate(tokens):
        start, _ = view.span(token.start, token.end)
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at < len(spans) and spans[at][0] <= start:
            numbers[number] = 1 + tags.index(spans[at][2])
    return tokens, numbers


@dataclass(frozen=True)
class Checked:
    name: str
    notes: list[Tagged]


def foreign(path: Path, tags: Sequence[str]) -> Checked:
    """Gold notes that the tagger is judged on."""
    notes: list[Tagged] = []
    for gold in read_gold(path):
        text, spans = gold.note.text, []
        for span in sorted(gold.spans, key=lambda s: s.start):
            category = FOREIGN_TYPES.get(span.category, span.category)
            ages = [int(n) for n in re.findall(r"\d+", text[span.start : span.end])]
            if category in tags and not (category == "AGE" and ages and max(ages) < 90):
                spans.append((span.start, span.end, category))
        notes.append(tagged((text, spans), tags))
    return Checked(path.parent.name + "/" + path.stem, notes)


Rates = tuple[float, float, float, float]
"""Recall and precision of letters and digits, share of clean notes touched, F1."""


def rates(
    check: Checked, private: Sequence[np.ndarray], thresholds: Sequence[float]
) -> list[Rates]:
    """:data:`Rates` per threshold, from each token's chance of being PHI."""
    lengths = [
        np.array([(t.end - t.start) * t.text[0].isalnum() for t in tokens])
        for tokens, _ in check.notes
    ]
    golds = [np.array(tags) > 0 for _, tags in check.notes]
    found: list[Rates] = []
    for threshold in thresholds:
        hit = total = picked = touched = clean = 0
        for chance, length, gold in zip(private, lengths, golds, strict=True):
            taken = (chance >= threshold) & (length > 0)
            hit += int(length[taken & gold].sum())
            total += int(length[gold].sum())
            picked += int(length[taken].sum())
            if not gold.any():
                clean += 1
                touched += bool(taken.any())
        recall, precision = hit / max(1, total), hit / max(1, picked)
        f1 = 2 * recall * precision / max(1e-9, recall + precision)
        found.append((recall, precision, touched / max(1, clean), f1))
    return found
