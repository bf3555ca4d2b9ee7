"""Training notes for the PHI taggers, made from hand-written templates; see README.md."""

from __future__ import annotations

from collections.abc import Mapping

from .core import Language, Lexicon
from .en import ENGLISH
from .noise import Piece
from .notes import Note, Span, dressed, fill, labelled, notes
from .templates import Template, read_templates
from .zh import CHINESE

LANGUAGES: Mapping[str, Language] = {"en": ENGLISH, "zh": CHINESE}

__all__ = [
    "CHINESE",
    "ENGLISH",
    "LANGUAGES",
    "Language",
    "Lexicon",
    "Note",
    "Piece",
    "Span",
    "Template",
    "dressed",
    "fill",
    "labelled",
    "notes",
    "read_templates",
]
