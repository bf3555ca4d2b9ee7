"""The whole job: a corpus in, scrubbed shards out, in a folder that appears only when it is done.

Work happens in a hidden folder beside the output. Each shard is written, then recorded in a
progress file; a run that is killed or fails goes on after the last recorded shard (``resume``),
with the same key, and gives the same bytes as one that was not. At the end it becomes the output.
"""

from __future__ import annotations

import hashlib
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

from llmsafe import __version__
from llmsafe.artifacts import Lineage, LineageStep, ScrubManifest
from llmsafe.corpus import note_to_row, open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.files import (
    CORPUS,
    LOCK,
    VAULT,
    lock_exclusively,
    make_folder,
    sha256_json,
    write_atomic,
)
from llmsafe.notes import Note
from llmsafe.scrub.keys import Key, given_key, load_key, make_key
from llmsafe.scrub.request import MANIFEST, PROGRESS, Request, check_request, check_spans
from llmsafe.scrub.settings import Outcome, Settings
from llmsafe.scrub.tally import Progress, Tally, add_counts
from llmsafe.scrub.workers import Job, scrub_notes

QUARANTINE, KEY = "quarantine.jsonl", "scrub.key"

Report = Callable[[int], None]


def _silent(done: int) -> None:
    """Report nothing."""


def scrub_corpus(request: Request, report: Report = _silent) -> ScrubManifest:
    """Scrub a corpus into ``request.output`` (``corpus/`` and ``vault/``).

    ``report`` is called with the number of notes done, some of them possibly in an earlier run.
    Quarantined notes are in ``vault/quarantine.jsonl``, untouched, and nowhere else; the manifest
    lists them, and it is for the caller to end with exit code 3.

    Raises:
        InputError: the input, key, columns or recognisers are wrong, or the output exists.
        EvidenceError: ``resume`` with other settings than the run before.
        SetupError: the output cannot be written.

    Finished shards are kept whatever is raised; an error that follows them says where.
    """
    from llmsafe.scrub.replace import check_method

    check_request(request)
    check_spans(request)
    method = check_method(request.method)
    key = given_key(request.key_file)
    work = request.work
    with _locked(request, work):
        try:
            key = key or _own_key(work)
            manifest = _scrub_into(work, request, _settings(request, key, method), report)
            _publish(work, request)
        except _Stale:
            raise
        except LlmsafeError as error:
            if not (work / VAULT / PROGRESS).exists():
                shutil.rmtree(work, ignore_errors=True)
                raise
            raise type(error)(
                f"{error}; finished shards are kept in {work}; go on with --resume"
            ) from error
    return manifest


def preview(request: Request, report: Report = _silent) -> Tally:
    """Counts over the first notes; nothing is written."""
    from llmsafe.scrub.replace import check_method

    check_request(request)
    key = given_key(request.key_file) or Key(os.urandom(32))
    settings = _settings(request, key, check_method(request.method))
    notes = request.source.notes(request.columns, request.limit)
    total = Tally()
    for shard in _shards(notes, settings, request, report):
        total += shard.tally(request.keep)
    return total


# --- work ---------------------------------------------------------------------------------------


def _settings(request: Request, key: Key, method: Any) -> Settings:
    return Settings(
        method,
        key,
        keep=request.keep,
        recognisers=request.recognisers,
        note_seconds=request.note_seconds,
        shared=request.shared,
        day_first=request.day_first,
    )


def _own_key(work: Path) -> Key:
    """The key of the interrupted run, or a new one; it ends in the vault of the output."""
    path = work / VAULT / KEY
    return load_key(path) if path.exists() else make_key(path)


def _scrub_into(work: Path, request: Request, settings: Settings, report: Report) -> ScrubManifest:
    vault = make_folder(work / VAULT, private=True)
    make_folder(work / CORPUS, private=True)
    description = _describe(request, settings.key)
    progress = _progress(work, request, sha256_json(description))
    notes = request.source.notes(request.columns, request.limit)
    patients: set[str] = set()
    seen, done = _Seen(), sum(progress.read)
    for note in islice(notes, done):
        patients.update([note.patient_id] if note.patient_id else [])
        seen.add(note, request)
    if done and seen.digest() != progress.input:
        raise _stale(request)
    report(done)
    for shard in _shards(notes, settings, request, lambda more: report(done + more)):
        for note in shard.notes:
            patients.update([note.patient_id] if note.patient_id else [])
            seen.add(note, request)
        _write_shard(work, len(progress.read), shard, request)
        progress = Progress(
            settings=progress.settings,
            input=seen.digest(),
            read=[*progress.read, len(shard.notes)],
            tally=progress.tally + shard.tally(request.keep),
        )
        progress.save(vault / PROGRESS, private=True)
    return _finish(work, request, description, progress, len(patients))


class _Seen:
    """Running digest of the notes read, all their columns included."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, note: Note, request: Request) -> None:
        row = note_to_row(note, request.columns)
        self._hash.update(json.dumps(row, default=str).encode() + b"\n")

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


def _describe(request: Request, key: Key) -> dict[str, Any]:
    """All that decides the output but the input, without any secret; a resumed run must agree."""
    return {
        "version": __version__,
        "method": request.method,
        "lang": request.lang,
        "day_first": request.day_first,
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
    try:
        progress = Progress.load(path)
    except EvidenceError as error:
        raise _Stale(f"{error}, or drop --resume to begin anew") from error
    if progress.settings != digest:
        raise _stale(request)
    return progress


class _Stale(EvidenceError):
    """A resume that does not fit; the interrupted work is kept."""


def _stale(request: Request) -> _Stale:
    return _Stale(
        f"cannot resume {request.output}: input, key or settings differ from the interrupted "
        "run; repeat its options, or drop --resume to begin anew"
    )


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
            empty=sum(not note.text.strip() for note in self.notes),
            with_patient=sum(note.patient_id is not None for note in self.notes),
            characters=sum(len(note.text) for note in good),
            spans_by_category=add_counts(Counter(span.category for span in spans), {}),
            spans_by_source=add_counts(Counter(span.source for span in spans), {}),
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
    description = {"input": request.source.digest(), **description}
    output = open_corpus(work)
    manifest = ScrubManifest(
        method=request.method,
        lang=request.lang,
        settings={
            **description,
            "dropped_columns": tally.dropped_columns,
            "unit": tally.unit(),
            "empty_notes": tally.empty,
        },
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
    for folder in ("pieces", "shard"):
        shutil.rmtree(work / folder, ignore_errors=True)
    if request.output.exists():
        shutil.rmtree(request.output)
    (work / VAULT / PROGRESS).unlink()
    (work / LOCK).unlink(missing_ok=True)
    os.replace(work, request.output)


@contextmanager
def _locked(request: Request, work: Path) -> Generator[None]:
    """Hold the work folder alone; begin it anew unless there are shards to resume."""
    make_folder(work, private=True)
    with (work / LOCK).open("w") as lock:
        try:
            lock_exclusively(lock.fileno(), work)
        except InputError:
            raise InputError(
                f"another scrub is writing {request.output}; wait for it or choose another output"
            ) from None
        if not (request.resume and (work / VAULT / PROGRESS).exists()):
            for entry in work.iterdir():
                if entry.name != LOCK:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield
