"""Records on their way through the pool of processes, gathered into shards."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from llmsafe.corpus import Bad, note_to_row
from llmsafe.notes import Note
from llmsafe.scrub.request import Request
from llmsafe.scrub.settings import Outcome, Settings
from llmsafe.scrub.tally import Tally, add_counts
from llmsafe.scrub.workers import Job, scrub_notes

Report = Callable[[int], None]


def record_row(record: Note | Bad, request: Request) -> dict[str, Any]:
    """A record as the quarantine keeps it."""
    return record.row() if isinstance(record, Bad) else note_to_row(record, request.columns)


@dataclass(repr=False)
class Shard:
    """Records in their order, what became of each, and the seconds since the shard before."""

    records: list[Note | Bad] = field(default_factory=list[Note | Bad])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    seconds: float = 0.0

    def tally(self, keep: tuple[str, ...]) -> Tally:
        """Its counts; ``keep`` are the further columns that stay."""
        notes = [record for record in self.records if isinstance(record, Note)]
        good = [note for note, _ in self.scrubbed()]
        spans = [span for outcome in self.outcomes for span in outcome.spans]
        dropped = {name for note in notes for name in note.extra if name not in keep}
        return Tally(
            notes=len(good),
            empty=sum(not note.text.strip() for note in notes),
            with_patient=sum(note.patient_id is not None for note in notes),
            characters=sum(len(note.text) for note in good),
            spans_by_category=add_counts(Counter(span.category for span in spans), {}),
            spans_by_source=add_counts(Counter(span.source for span in spans), {}),
            captures=add_counts(sum((Counter(o.captures) for o in self.outcomes), Counter()), {}),
            quarantined={
                record.where if isinstance(record, Bad) else record.note_id: reason
                for record, reason in self.quarantined()
            },
            dropped_columns=sorted(dropped),
            seconds=self.seconds,
        )

    def scrubbed(self) -> Iterator[tuple[Note, Outcome]]:
        """The notes that were scrubbed, as they came in, each with its outcome."""
        for record, outcome in zip(self.records, self.outcomes, strict=True):
            if outcome.note and isinstance(record, Note):
                yield record, outcome

    def quarantined(self) -> Iterator[tuple[Note | Bad, str]]:
        """The records that were not scrubbed, each with the reason."""
        for record, outcome in zip(self.records, self.outcomes, strict=True):
            if outcome.note is None:
                yield record, outcome.reason


def shards(
    records: Iterator[Note | Bad], settings: Settings, request: Request, report: Report
) -> Iterator[Shard]:
    """Scrub all notes with one pool of processes; yield the records shard by shard."""
    shard, began = Shard(), time.monotonic()
    for done, (record, outcome) in enumerate(_outcomes(records, settings, request), 1):
        shard.records.append(record)
        shard.outcomes.append(outcome)
        report(done)
        if len(shard.records) == request.shard_notes:
            shard.seconds = time.monotonic() - began
            yield shard
            shard, began = Shard(), time.monotonic()
    if shard.records:
        shard.seconds = time.monotonic() - began
        yield shard


def _outcomes(
    records: Iterator[Note | Bad], settings: Settings, request: Request
) -> Iterator[tuple[Note | Bad, Outcome]]:
    """Every record with its outcome, in order; bad ones pass the processes by."""
    waiting: deque[Note | Bad] = deque()

    def jobs() -> Iterator[Job]:
        for record in records:
            waiting.append(record)
            if isinstance(record, Note):
                yield record, request.identities.get(record.patient_id or "")

    def bad_ones() -> Iterator[tuple[Bad, Outcome]]:
        while waiting and isinstance(record := waiting[0], Bad):
            waiting.popleft()
            yield record, Outcome(None, reason=record.reason)

    for outcome in scrub_notes(jobs(), settings, request.workers):
        yield from bad_ones()
        yield waiting.popleft(), outcome
    yield from bad_ones()
