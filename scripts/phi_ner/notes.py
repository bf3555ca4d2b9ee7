"""Notes from templates: filled anew each time and written in some style."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from .core import Context, Language, Lexicon
from .noise import Piece
from .swap import Swap
from .templates import MARK, Template

Span = tuple[int, int, str]
"""Half-open start and end in the text, and the category."""
Note = tuple[str, list[Span]]


def fill(
    template: Template,
    language: Language,
    lexicon: Lexicon,
    rng: random.Random,
    swap: Swap | None = None,
) -> list[Piece]:
    """One note of a template; ``swap`` renews what is no PHI."""
    context = Context.start(rng, lexicon, template.style, language.date_forms)
    pieces: list[Piece] = []
    at = 0
    for mark in MARK.finditer(template.text):
        pieces.append((template.text[at : mark.start()], None))
        if mark["slot"]:
            slot = language.slots[mark["slot"]]
            pieces.append((slot.draw(context, mark["tie"]), slot.category))
        else:
            category = mark["category"]
            pieces.append((language.vary(context, mark["text"], category), category))
        at = mark.end()
    pieces.append((template.text[at:], None))
    pieces = swap(pieces, rng) if swap else pieces
    return language.dress([piece for piece in pieces if piece[0]], template.style, rng)


def labelled(pieces: Iterable[Piece]) -> Note:
    """Text and spans; white space at the ends of a value and empty values are in no span."""
    text, spans = "", list[Span]()
    for piece, category in pieces:
        inner = piece.strip()
        if category and inner:
            start = len(text) + piece.index(inner)
            spans.append((start, start + len(inner), category))
        text += piece
    return text, spans


def dressed(text: str, spans: Sequence[Span], language: Language, rng: random.Random) -> Note:
    """A note from elsewhere, its spans in order, as if it came from a template."""
    pieces: list[Piece] = []
    at = 0
    for start, end, category in spans:
        pieces += [(text[at:start], None), (text[start:end], category)]
        at = end
    pieces.append((text[at:], None))
    return labelled(language.dress([piece for piece in pieces if piece[0]], "plain", rng))


def notes(
    templates: Sequence[Template], language: Language, lexicon: Lexicon, rng: random.Random
) -> Iterator[Note]:
    """Notes without end; every template comes once before any comes again."""
    swap = language.swap(lexicon)
    while True:
        order = list(templates)
        rng.shuffle(order)
        for template in order:
            pieces = fill(template, language, lexicon, rng, swap)
            if rng.random() < 0.15:  # notes that were pasted together
                joint = rng.choice(("\n", "\n\n", " ", "\n---\n"))
                pieces += [(joint, None), *fill(rng.choice(order), language, lexicon, rng, swap)]
            yield labelled(pieces)
