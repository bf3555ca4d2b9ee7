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
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from llmsafe import __version__
from llmsafe.artifacts import Lineage, LineageStep, ScrubManifest
from llmsafe.corpus import Bad, open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.files import (
    CORPUS,
    LOCK,
    VAULT,
    lock_exclusively,
    make_folder,
    read_bytes,
    sha256_json,
    write_atomic,
)
from llmsafe.notes import Note
from llmsafe.scrub.detect.captures import residual
from llmsafe.scrub.detect.language import check_lang
from llmsafe.scrub.keys import Key, given_key, load_key, make_key
from llmsafe.scrub.ner import describe
from llmsafe.scrub.replace.methods import check_mask_style
from llmsafe.scrub.request import MANIFEST, PROGRESS, Request, check_request, check_spans
from llmsafe.scrub.settings import Settings
from llmsafe.scrub.shards import Report, Shard, record_row, shards
from llmsafe.scrub.tally import Progress, Tally
from llmsafe.seal.store import keep_access

QUARANTINE, KEY = "quarantine.jsonl", "scrub.key"


def _silent(done: int) -> None:
    """Report nothing."""


def scrub_corpus(request: Request, report: Report = _silent) -> ScrubManifest:
    """Scrub a corpus into ``request.output`` (``corpus/`` and ``vault/``).

    ``report`` is called with the number of notes done, some of them possibly in an earlier run.
    Quarantined notes, and records of the input that are no notes, are in
    ``vault/quarantine.jsonl``, untouched, and nowhere else; the manifest lists them, and it is for
    the caller to end with exit code 3.

    Raises:
        InputError: the input, key, columns or recognisers are wrong, or the output exists.
        EvidenceError: ``resume`` with other settings than the run before.
        SetupError: the output cannot be written.

    Finished shards are kept whatever is raised; an error that follows them says where.
    """
    from llmsafe.scrub.replace.methods import check_method

    check_request(request)
    check_spans(request)
    method = check_method(request.method)
    key = given_key(request.key_file)
    work = request.work
    with _locked(request, work):
        try:
            keep_access(request.source.path, work)
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
    from llmsafe.scrub.replace.methods import check_method

    check_request(request)
    key = given_key(request.key_file) or Key(os.urandom(32))
    settings = _settings(request, key, check_method(request.method))
    records = request.source.records(request.columns, request.limit)
    total = Tally()
    for shard in shards(records, settings, request, report):
        total += shard.tally(request.keep)
    return total


# --- work ---------------------------------------------------------------------------------------


def _settings(request: Request, key: Key, method: Any) -> Settings:
    return Settings(
        method,
        key,
        keep=request.keep,
        recognisers=request.recognisers,
        models=request.models,
        note_seconds=request.note_seconds,
        shared=request.shared,
        day_first=request.day_first,
        lang=check_lang(request.lang),
        mask_style=check_mask_style(request.mask_style),
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
    records = request.source.records(request.columns, request.limit)
    seen, done = _Seen(), sum(progress.read)
    for record in islice(records, done):
        seen.add(record, request)
    if done and seen.digest() != progress.input:
        raise _stale(request)
    report(done)
    for shard in shards(records, settings, request, lambda more: report(done + more)):
        for record in shard.records:
            seen.add(record, request)
        _write_shard(work, len(progress.read), shard, request)
        progress = Progress(
            settings=progress.settings,
            input=seen.digest(),
            read=[*progress.read, len(shard.records)],
            tally=progress.tally + shard.tally(request.keep),
        )
        progress.save(vault / PROGRESS, private=True)
    return _finish(work, request, description, progress, len(seen.patients))


class _Seen:
    """Patients, and a running digest of the records read, all their columns included."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.patients: set[str] = set()

    def add(self, record: Note | Bad, request: Request) -> None:
        self._hash.update(json.dumps(record_row(record, request), default=str).encode() + b"\n")
        if isinstance(record, Note) and record.patient_id:
            self.patients.add(record.patient_id)

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


def _describe(request: Request, key: Key) -> dict[str, Any]:
    """All that decides the output but the input, without any secret; a resumed run must agree."""
    return {
        "version": __version__,
        "method": request.method,
        "lang": request.lang,
        "day_first": request.day_first,
        "mask_style": request.mask_style,
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
        "models": [describe(model) for model in request.models],
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


def _write_shard(work: Path, number: int, shard: Shard, request: Request) -> None:
    clean = [outcome.note for outcome in shard.outcomes if outcome.note]
    [made] = write_corpus(work / "shard", clean, request.source.format, columns=request.columns)
    os.replace(made, work / CORPUS / f"part-{number:05d}{made.suffix}")
    kept = [record_row(record, request) for record, _ in shard.quarantined()]
    _write_lines(work / "pieces" / f"quarantine-{number:05d}", kept)
    if request.spans is not None:
        found = [
            {"note_id": note.note_id, "spans": [vars(span) for span in outcome.spans]}
            for note, outcome in shard.scrubbed()
        ]
        _write_lines(work / "pieces" / f"spans-{number:05d}", found)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_atomic(path, b"".join(map(_line, rows)), private=True)


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n"
    except UnicodeEncodeError:  # bytes that are no text are escaped
        return json.dumps(row, default=str).encode() + b"\n"


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
        residual=residual(tally.captures),
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
    write_atomic(target, b"".join(map(read_bytes, pieces)), private=True)


def _publish(work: Path, request: Request) -> None:
    """Make the finished folder the output; only now is an old one replaced."""
    if request.spans is not None:
        _join(work, "spans", request.spans)
    for folder in ("pieces", "shard"):
        shutil.rmtree(work / folder, ignore_errors=True)
    for folder in (CORPUS, VAULT):
        for torn in (work / folder).glob(".*"):  # what a killed run was about to write
            torn.unlink()
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
