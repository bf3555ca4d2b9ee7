"""Counts of a scrub, and the record of the shards that are finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pydantic import Field

from llmsafe.artifacts import Artifact
from llmsafe.notes import UnitKind


class Tally(Artifact):
    """Counts of one shard or of all; no text and no id but those of quarantined notes (the file
    that holds it is in the vault)."""

    notes: int = 0
    empty: int = 0  # notes with no text but white space
    with_patient: int = 0
    characters: int = 0
    spans_by_category: dict[str, int] = Field(default_factory=dict[str, int])
    spans_by_source: dict[str, int] = Field(default_factory=dict[str, int])
    captures: dict[str, int] = Field(default_factory=dict[str, int])
    quarantined: dict[str, str] = Field(default_factory=dict[str, str])
    dropped_columns: list[str] = Field(default_factory=list[str])
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            notes=self.notes + other.notes,
            empty=self.empty + other.empty,
            with_patient=self.with_patient + other.with_patient,
            characters=self.characters + other.characters,
            spans_by_category=add_counts(self.spans_by_category, other.spans_by_category),
            spans_by_source=add_counts(self.spans_by_source, other.spans_by_source),
            captures=add_counts(self.captures, other.captures),
            quarantined={**self.quarantined, **other.quarantined},
            dropped_columns=sorted({*self.dropped_columns, *other.dropped_columns}),
            seconds=self.seconds + other.seconds,
        )

    def unit(self) -> UnitKind:
        """The patient as soon as any note names one, as for a training run."""
        return "patient" if self.with_patient else "note"


class Progress(Artifact):
    """Shards that are complete, under one digest of settings.

    ``input`` is the digest of the notes read so far. It does not cover those that follow: a bad
    record further on can be repaired and the run resumed.
    """

    settings: str
    input: str = ""
    # notes read per shard, quarantined ones included
    read: list[int] = Field(default_factory=list[int])
    tally: Tally = Tally()


def add_counts(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Sum by key, in key order."""
    return dict(sorted((Counter(first) + Counter(second)).items()))
