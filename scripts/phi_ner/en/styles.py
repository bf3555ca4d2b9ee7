"""How an English note is written: its own style and, sometimes, another on top; literals."""

from __future__ import annotations

import random
import re

from .. import noise
from ..core import DIGITS, Context
from ..noise import Piece
from .spoken import SPOKEN

_WORDED = ("NAME", "LOCATION", "ORGANIZATION", "DATE", "AGE", "EMAIL", "URL")
_LONE = ("caps", "lower", "asr", "ocr", "hl7")
"""Styles that take no other on top."""


def vary(context: Context, text: str, category: str) -> str:
    """A literal as it stands, or with other digits; a name of one word sometimes another one, so
    that nobody learns the literals by heart."""
    rng = context.rng
    if category not in _WORDED:
        return re.sub(r"\d", lambda _: rng.choice(DIGITS), text)
    if category == "NAME" and text.isalpha() and len(text) > 2 and rng.random() < 0.4:
        made = context.pick(rng.choice(("first_common_word", "last_common_word", "nick")))
        return made.upper() if text.isupper() else made.lower() if text.islower() else made
    return text


def dress(pieces: list[Piece], style: str, rng: random.Random) -> list[Piece]:
    """A note in the way of its style, and sometimes of another."""
    if style == "caps":
        pieces = noise.capitals(pieces)
    elif style in ("lower", "asr"):
        pieces = noise.lower(pieces)
    elif style == "ocr":
        pieces = noise.scanned(pieces, rng, rng.choice((0.01, 0.03, 0.06)))
    elif style == "typo":
        pieces = noise.typos(pieces, rng, 0.02)
    draw = rng.random()
    if style in _LONE:
        return noise.one_line(pieces, rng) if draw < 0.05 else pieces
    if draw < 0.10:
        pieces = noise.lower(pieces)
        return noise.without_punctuation(pieces, rng) if rng.random() < 0.6 else pieces
    if draw < 0.18:
        return noise.capitals(pieces)
    if draw < 0.26:
        return noise.scanned(pieces, rng, rng.choice((0.005, 0.02, 0.05)))
    if draw < 0.30:
        return noise.lower_values(pieces, rng)
    if draw < 0.33:
        return noise.typos(pieces, rng, 0.02)
    if draw < 0.38:
        return noise.wrapped(pieces, rng)
    if draw < 0.43 and style not in SPOKEN:
        return noise.one_line(pieces, rng)
    if draw < 0.46:
        return noise.without_punctuation(pieces, rng)
    return pieces
