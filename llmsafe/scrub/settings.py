"""What a scrub is told and what it answers; light, so that the parent process needs no Presidio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.detect.language import Lang
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.ner import NerModel
from llmsafe.scrub.replace.methods import MaskStyle, Method


@dataclass(frozen=True)
class Settings:
    """How to scrub; small enough to be sent to every process.

    ``keep``: further columns to keep. ``recognisers``: ``module:name`` of the user's own.
    ``models``: the user's own.
    ``note_seconds``: limit for one note. ``shared``: identifiers that belong to every note.
    ``day_first``: 3/4/2021 is 3 April. ``lang``: whose rules read the notes. ``mask_style``: of
    the method mask.
    """

    method: Method
    key: Key
    keep: tuple[str, ...] = ()
    recognisers: tuple[str, ...] = ()
    models: tuple[NerModel, ...] = ()
    note_seconds: float = 20.0
    shared: Identity | None = None
    day_first: bool = False
    lang: Lang = "auto"
    mask_style: MaskStyle = "plain"


@dataclass(frozen=True, repr=False)
class Outcome:
    """A scrubbed note and its spans (offsets of the original), or why it must be quarantined.

    ``captures`` counts which layer saw how many of them.
    """

    note: Note | None
    spans: tuple[PhiSpan, ...] = ()
    reason: str = ""
    captures: Mapping[str, int] = field(default_factory=dict[str, int])
