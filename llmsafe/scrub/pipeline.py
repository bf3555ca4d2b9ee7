"""The whole job: a corpus in, scrubbed shards out, in a folder that appears only when it is done.

Work happens in a hidden folder beside the output. Each shard is written, then recorded in a
progress file; a run that is killed goes on after the last recorded shard (``resume``), with
the same key, and gives the same bytes as one that was not. At the end it becomes the output.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from llmsafe import __version__
from llmsafe.artifacts import (
    CORPUS,
    VAULT,
    Artifact,
    Lineage,
    LineageStep,
    ScrubManifest,
    check_output,
    make_folder,
    sha256_json,
    write_atomic,
)
from llmsafe.corpus import SHARD_NOTES, Columns, Corpus, note_to_row, open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.notes import Note
from llmsafe.scrub.keys import Key, load_key, make_key
from llmsafe.scrub.known import Identity
from llmsafe.scrub.settings import Outcome, Settings
from llmsafe.scrub.workers import Job, scrub_notes

MANIFEST, PROGRESS, QUARANTINE, KEY = (
    "scrub_manifest.json",
    "scrub_progress.json",
    "quarantine.jsonl",
    "scrub.key",
)
_COLUMNS = frozenset(("note_id", "patient_id", "text", "date", "lang"))

Report = Callable[[int], None]


def _silent(done: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Request:
    """What to scrub and how; ``settings.key`` is filled in by :func:`scrub_corpus`."""

    source: Corpus
    output: Path
    columns: Columns = field(default_factory=Columns)
    method: str = "surrogate"
    lang: str = "en"
    identities: Mapping[str, Identity] = field(default_factory=dict[str, Identity])
    shared: Identity | None = None
    identities_digest: str = "none"
    key_file: Path | None = None
    keep: tuple[str, ...] = ()
    recognisers: tuple[str, ...] = ()
    note_seconds: float = 20.0
    workers: int = 1
    limit: int | None = None
    spans: Path | None = None
    resume: bool = False
    force: bool = False
    shard_notes: int = SHARD_NOTES  # and no more: it is what one file of a corpus holds


class Tally(Artifact):
    """Counts of one shard or of all; no text and no id but those of quarantined notes (the file
    that holds it is in the vault)."""

    notes: int = 0
    characters: int = 0
    spans_by_category: dict[str, int] = Field(default_factory=dict[str, int])
    spans_by_source: dict[str, int] = Field(default_factory=dict[str, int])
    quarantined: dict[str, str] = Field(default_factory=dict[str, str])
    dropped_columns: list[str] = Field(default_factory=list[str])
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            notes=self.notes + other.notes,
            characters=self.characters + other.characters,
            spans_by_category=_sum(self.spans_by_category, other.spans_by_category),
            spans_by_source=_sum(self.spans_by_source, other.spans_by_source),
            quarantined={**self.quarantined, **other.quarantined},
            dropped_columns=sorted({*self.dropped_columns, *other.dropped_columns}),
            seconds=self.seconds + other.seconds,
        )


class Progress(Artifact):
    """Shards that are complete, under one digest of settings and input."""

    settings: str
    # notes read per shard, quarantined ones included
    read: list[int] = Field(default_factory=list[int])
    tally: Tally = Tally()


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(first) + Counter(second)).items()))


def scrub_corpus(request: Request, report: Report = _silent) -> ScrubManifest:
    """Scrub a corpus into ``request.output`` (``corpus/`` and ``vault/``).

    ``report`` is called with the number of notes done, some of them possibly in an earlier run.
    Quarantined notes are in ``vault/quarantine.jsonl``, untouched, and nowhere else; the manifest
    lists them, and it is for the caller to end with exit code 3.

    Raises:
        InputError: the input, key, columns or recognisers are wrong, or the output exists.
        EvidenceError: ``resume`` with other settings than the run before.
        SetupError: the output cannot be written.
    """
    check_request(request)
    work = request.output.parent / f".{request.output.name}.scrub"
    with _locked(request, work):
        try:
            manifest = _scrub_into(work, request, report)
        except _Stale:
            raise
        except LlmsafeError:
            shutil.rmtree(work, ignore_errors=True)
            raise
        _publish(work, request)
    return manifest


def check_request(request: Request) -> None:
    """Refuse what cannot work before anything is read."""
    check_output(request.output, force=request.force)
    if request.lang not in ("en", "auto"):
        raise InputError(
            f"--lang {request.lang!r} has no recognisers yet; choose en, or auto (English; notes "
            "in Chinese characters are quarantined)"
        )
    place = Path(request.source.path)
    if (place / VAULT / "canaries.json").exists():
        raise InputError(
            f"{place} holds planted canaries, which scrubbing would change; scrub first, then plant"
        )


def preview(request: Request, report: Report = _silent) -> Tally:
    """Counts over the first notes; nothing is written."""
    from llmsafe.scrub.replace import check_method

    check_request(request)
    key = load_key(request.key_file) if request.key_file else Key(os.urandom(32))
    settings = _settings(request, key, check_method(request.method))
    notes = request.source.notes(request.columns, request.limit)
    total = Tally()
    for shard in _shards(notes, settings, request, report):
        total += shard.tally(request.keep)
    return total


# --- work ---------------------------------------------------------------------------------------


def _settings(request: Request, key: Key, method: Any) -> Settings:
    return Settings(
        method, key, request.keep, request.recognisers, request.note_seconds, request.shared
    )


def _scrub_into(work: Path, request: Request, report: Report) -> ScrubManifest:
    from llmsafe.scrub.replace import check_method

    method = check_method(request.method)
    vault = make_folder(work / VAULT, private=True)
    make_folder(work / CORPUS, private=True)
    key_path = vault / KEY
    if request.key_file:
        key = load_key(request.key_file)
    else:
        key = load_key(key_path) if key_path.exists() else make_key(key_path)
    description = _describe(request, key)
    progress = _progress(work, request, sha256_json(description))
    settings = _settings(request, key, method)
    notes = request.source.notes(request.columns, request.limit)
    patients: set[str] = set()
    done = sum(progress.read)
    for note in islice(notes, done):
        patients.update([note.patient_id] if note.patient_id else [])
    report(done)
    for shard in _shards(notes, settings, request, lambda more: report(done + more)):
        patients.update(note.patient_id for note in shard.notes if note.patient_id)
        _write_shard(work, len(progress.read), shard, request)
        progress = Progress(
            settings=progress.settings,
            read=[*progress.read, len(shard.notes)],
            tally=progress.tally + shard.tally(request.keep),
        )
        progress.save(vault / PROGRESS, private=True)
    return _finish(work, request, description, progress, len(patients))


def _describe(request: Request, key: Key) -> dict[str, Any]:
    """All that decides the output, without any secret; a resumed run must agree with it."""
    return {
        "version": __version__,
        "input": request.source.digest(),
        "method": request.method,
        "lang": request.lang,
        "columns": {
            "text": request.columns.text,
            "id": request.columns.id,
            "patient": request.columns.patient,
            "date": request.columns.date,
        },
        "known_identifiers": request.identities_digest,
        "key": key.fingerprint(),
        "keep_columns": list(request.keep),
        "recognisers": list(request.recognisers),
        "limit": request.limit,
        "shard_notes": request.shard_notes,
        "spans": request.spans is not None,
    }


def _progress(work: Path, request: Request, digest: str) -> Progress:
    path = work / VAULT / PROGRESS
    if not path.exists():
        return Progress(settings=digest)
    progress = Progress.load(path)
    if progress.settings != digest:
        raise _Stale(
            f"cannot resume {request.output}: input, key or settings differ from the interrupted "
            "run; repeat its options, or drop --resume to begin anew"
        )
    return progress


class _Stale(EvidenceError):
    """A resume that does not fit; the interrupted work is kept."""


@dataclass(repr=False)
class _Shard:
    """Notes in their order, what became of each, and the seconds since the shard before."""

    notes: list[Note] = field(default_factory=list[Note])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    seconds: float = 0.0

    def tally(self, keep: tuple[str, ...]) -> Tally:
        good = [note for note, outcome in self.pairs() if outcome.note]
        spans = [span for outcome in self.outcomes for span in outcome.spans]
        dropped = {name for note in self.notes for name in note.extra if name not in keep}
        return Tally(
            notes=len(good),
            characters=sum(len(note.text) for note in good),
            spans_by_category=_sum(Counter(span.category for span in spans), {}),
            spans_by_source=_sum(Counter(span.source for span in spans), {}),
            quarantined={note.note_id: o.reason for note, o in self.pairs() if o.note is None},
            dropped_columns=sorted(dropped),
            seconds=self.seconds,
        )

    def pairs(self) -> Iterator[tuple[Note, Outcome]]:
        yield from zip(self.notes, self.outcomes, strict=True)


def _shards(
    notes: Iterator[Note], settings: Settings, request: Request, report: Report
) -> Iterator[_Shard]:
    """Scrub all notes with one pool of processes; yield them shard by shard."""
    waiting: deque[Note] = deque()

    def jobs() -> Iterator[Job]:
        for note in notes:
            waiting.append(note)
            yield note, request.identities.get(note.patient_id) if note.patient_id else None

    shard, began = _Shard(), time.monotonic()
    for done, outcome in enumerate(scrub_notes(jobs(), settings, request.workers), 1):
        shard.notes.append(waiting.popleft())
        shard.outcomes.append(outcome)
        report(done)
        if len(shard.notes) == request.shard_notes:
            shard.seconds = time.monotonic() - began
            yield shard
            shard, began = _Shard(), time.monotonic()
    if shard.notes:
        shard.seconds = time.monotonic() - began
        yield shard


def _write_shard(work: Path, number: int, shard: _Shard, request: Request) -> None:
    clean = [outcome.note for outcome in shard.outcomes if outcome.note]
    [made] = write_corpus(work / "shard", clean, request.source.format, columns=request.columns)
    os.replace(made, work / CORPUS / f"part-{number:05d}{made.suffix}")
    bad = [note_to_row(note, request.columns) for note, o in shard.pairs() if o.note is None]
    _write_lines(work / "pieces" / f"quarantine-{number:05d}", bad)
    if request.spans is not None:
        found = [
            {"note_id": note.note_id, "spans": [vars(span) for span in outcome.spans]}
            for note, outcome in shard.pairs()
            if outcome.note
        ]
        _write_lines(work / "pieces" / f"spans-{number:05d}", found)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomic(path, lines.encode(), private=True)


# --- the end ------------------------------------------------------------------------------------


def _finish(
    work: Path, request: Request, description: dict[str, Any], progress: Progress, patients: int
) -> ScrubManifest:
    tally, vault = progress.tally, work / VAULT
    output = open_corpus(work)
    manifest = ScrubManifest(
        method=request.method,
        lang=request.lang,
        settings={**description, "dropped_columns": tally.dropped_columns},
        input_digest=description["input"],
        output_digest=output.digest(),
        notes=tally.notes,
        patients=patients,
        characters=tally.characters,
        spans_by_category=tally.spans_by_category,
        spans_by_source=tally.spans_by_source,
        quarantined=list(tally.quarantined),
        seconds=round(tally.seconds, 3),
    )
    manifest.save(vault / MANIFEST, private=True)
    if tally.quarantined:
        _join(work, "quarantine", vault / QUARANTINE)
        reasons = json.dumps(tally.quarantined, indent=2, ensure_ascii=False) + "\n"
        write_atomic(vault / "quarantine_reasons.json", reasons.encode(), private=True)
    _lineage(request, manifest, description).save(vault / "lineage.json", private=True)
    return manifest


def _lineage(request: Request, manifest: ScrubManifest, description: dict[str, Any]) -> Lineage:
    before = Path(request.source.path) / VAULT / "lineage.json"
    lineage = Lineage.load(before) if before.exists() else Lineage()
    return lineage.then(
        LineageStep(
            step="scrub",
            version=__version__,
            inputs={"corpus": manifest.input_digest},
            outputs={"corpus": manifest.output_digest},
            settings={k: v for k, v in description.items() if k not in ("version", "input")},
        )
    )


def _join(work: Path, kind: str, target: Path) -> None:
    pieces = sorted((work / "pieces").glob(f"{kind}-*"))
    write_atomic(target, b"".join(piece.read_bytes() for piece in pieces), private=True)


def _publish(work: Path, request: Request) -> None:
    """Make the finished folder the output; only now is an old one replaced."""
    if request.spans is not None:
        _join(work, "spans", request.spans)
    (work / VAULT / PROGRESS).unlink()
    for folder in ("pieces", "shard"):
        shutil.rmtree(work / folder, ignore_errors=True)
    (work / ".lock").unlink(missing_ok=True)
    if request.output.exists():
        shutil.rmtree(request.output)
    os.replace(work, request.output)


@contextmanager
def _locked(request: Request, work: Path) -> Generator[None]:
    """Hold the work folder alone; begin it anew unless resuming."""
    make_folder(work, private=True)
    with (work / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another scrub is writing {request.output}; wait for it or choose another output"
            ) from None
        if not request.resume:
            for entry in work.iterdir():
                if entry.name != ".lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield
