"""How a Chinese note is written: its own style and, sometimes, another on top; literals."""

from __future__ import annotations

import random
import re

from ..core import DIGITS, Context
from ..noise import Piece
from . import noise
from .numerals import NUMERALS, ONES
from .people import rename
from .script import traditional

_WORDED = ("NAME", "LOCATION", "ORGANIZATION", "DATE", "AGE", "EMAIL", "URL")
_WIDE = "０１２３４５６７８９"


def vary(context: Context, text: str, category: str) -> str:
    """A literal as it stands, or with other digits; a name sometimes another one, the same
    throughout a note, so that nobody learns the literals by heart."""
    rng = context.rng
    if category == "NAME":
        # Gaps may differ from place to place: what counts is who is meant.
        who = re.sub(r"\s", "", text)
        if context.tied(f"literal {who}", "", lambda context: context.rng.random() < 0.4):
            gapless = context.tied(f"name {who}", "", lambda context: rename(context, who))
            rest = iter(gapless)
            text = "".join(c if c.isspace() else next(rest) for c in text)
        return traditional(text) if context.style == "traditional" else text
    if category in _WORDED:
        return text
    for numerals, others in ((DIGITS, DIGITS), (_WIDE, _WIDE), (NUMERALS, ONES)):
        text = re.sub(f"[{numerals}]", lambda _, others=others: rng.choice(others), text)
    return text


def dress(pieces: list[Piece], style: str, rng: random.Random) -> list[Piece]:
    """A note in the way of its style, and sometimes of another."""
    if style == "traditional":
        pieces = [(traditional(text) if c else text, c) for text, c in pieces]
    elif style == "fullwidth":
        pieces = _wide(pieces, rng)
    draw = rng.random()
    if draw < 0.04:
        return noise.traditional(pieces)
    if draw < 0.07:
        return noise.full_digits(pieces)
    if draw < 0.09:
        return noise.full_width(pieces)
    if draw < 0.12:
        return noise.invisible(pieces, rng, rng.choice((0.01, 0.04)))
    if draw < 0.15:
        return noise.spaced(pieces, rng, 0.5)
    if draw < 0.16:
        return noise.spaced_lines(pieces, rng)
    if draw < 0.22:
        return noise.without_punctuation(pieces, rng)
    if draw < 0.26:
        return noise.ascii_punctuation(pieces)
    if draw < 0.32:
        return noise.one_line(pieces, rng)
    if draw < 0.36:
        return noise.wrapped(pieces, rng)
    if draw < 0.39:
        return noise.typed(pieces, rng)
    if draw < 0.44:
        return noise.scanned(pieces, rng, rng.choice((0.005, 0.02, 0.05)))
    if draw < 0.48:
        return noise.heard(pieces, rng)
    return pieces


def _wide(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """The values as wide as many of these notes are anyway."""
    draw = rng.random()
    if draw < 0.35:
        return noise.full_width(pieces)
    if draw < 0.5:
        return noise.full_digits(pieces)
    if draw < 0.65:
        return noise.invisible(pieces, rng, 0.02)
    return noise.spaced(pieces, rng, 0.4) if draw < 0.8 else pieces
