"""A corpus on disk: recognised by its path, streamed as notes, written as shards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from llmsafe.corpus import ccda, fhir, hl7v2, tables
from llmsafe.corpus.files import plain_name
from llmsafe.corpus.records import (
    Bad,
    Columns,
    Record,
    Row,
    Unreadable,
    bad,
    note_from_row,
    note_to_row,
    own_id,
)
from llmsafe.errors import InputError
from llmsafe.files import CORPUS, make_folder, sha256_files, write_atomic
from llmsafe.notes import Note

Format = Literal["jsonl", "parquet", "csv", "txt", "fhir", "hl7v2", "ccda", "hub"]
SHARD_NOTES = 10_000
_READERS: dict[Format, Callable[[Path], Iterator[Record]]] = {
    "jsonl": tables.json_objects,
    "parquet": tables.parquet_rows,
    "csv": tables.csv_rows,
    "txt": tables.txt_files,
    "fhir": fhir.fhir_notes,
    "hl7v2": hl7v2.hl7_messages,
    "ccda": ccda.ccda_notes,
}
_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".txt": "txt",
    ".ndjson": "fhir",
    ".hl7": "hl7v2",
    ".ccda": "ccda",
    ".cda": "ccda",
    ".xml": "ccda",
}
_REPEATED = "note id repeated; ids must be unique: remove the duplicate or name another --id-column"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


@dataclass(frozen=True)
class Corpus:
    """A corpus on disk (or a hub id, with no files): its format and its files in name order."""

    path: str
    format: Format
    files: tuple[Path, ...]

    def notes(self, columns: Columns | None = None, limit: int | None = None) -> Iterator[Note]:
        """Stream the notes, of which none may be bad.

        Raises:
            InputError: a missing column (those present are listed), a repeated id, an empty
                corpus, text that is no UTF-8, a note over one million characters, a bad record.
        """
        empty = True
        for record in self.records(columns, limit):
            if isinstance(record, Bad):
                raise InputError(f"{record.where}: {record.reason}")
            empty = False
            yield record
        if empty:
            raise InputError(f"{self.path} holds no note; give a corpus with at least one")

    def records(
        self, columns: Columns | None = None, limit: int | None = None
    ) -> Iterator[Note | Bad]:
        """Stream the notes, and in their place every record that cannot be read or whose id was
        there before; none is left out.

        Raises:
            InputError: a file that cannot be cut into records: it is damaged, or a CSV without a
                usable header or with a quote that does not close.
        """
        yield from islice(self._records(columns or Columns()), limit)

    def _records(self, columns: Columns) -> Iterator[Note | Bad]:
        seen: set[str] = set()
        for record in self._raw():
            try:
                notes = [note_from_row(row, columns) for row in record.rows()]
            except Unreadable as error:
                yield bad(record, str(error))
                continue
            ids = [note.note_id or own_id(note.text, seen) for note in notes]
            if seen.intersection(ids) or len(set(ids)) < len(ids):
                yield bad(record, _REPEATED)
                continue
            seen.update(ids)
            yield from map(_with_id, notes, ids)

    def _raw(self) -> Iterator[Record]:
        if self.format == "hub":
            yield from tables.hub_rows(self.path)
        else:
            for file in self.files:
                yield from _READERS[self.format](file)

    def digest(self) -> str:
        """Digest over file names and contents; a hub id is its own digest."""
        if self.format == "hub":
            return f"hub:{self.path}"
        return sha256_files(self.files)


def _with_id(note: Note, name: str) -> Note:
    return note if note.note_id else replace(note, note_id=name)


def open_corpus(path: str | Path) -> Corpus:
    """Recognise a corpus by its path; nothing is read yet.

    Raises:
        InputError: there is nothing at ``path``, or nothing in a known format.
    """
    place = Path(path)
    if not place.exists():
        if _HUB_ID.fullmatch(str(path)) and _format_of(place) is None:
            return Corpus(str(path), "hub", ())
        raise InputError(f"{path} does not exist; give a file, a folder or a hub id (owner/name)")
    if (place / CORPUS).is_dir():
        place = place / CORPUS
    files = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.is_file())
    by_format: dict[Format, list[Path]] = {}
    for file in files:
        if not file.name.startswith(".") and (kind := _format_of(file)):
            by_format.setdefault(kind, []).append(file)
    if "fhir" in by_format and place.is_dir():
        # A bulk export has one file per resource; notes are in two of them alone.
        documents = [f for f in by_format["fhir"] if f.name.startswith(fhir.DOCUMENTS)]
        by_format["fhir"] = documents or by_format["fhir"]
    if not by_format:
        known = " ".join(sorted(_SUFFIXES))
        raise InputError(f"{path} holds no corpus; known formats: {known}")
    if len(by_format) > 1:
        raise InputError(
            f"{path} mixes formats ({', '.join(sorted(by_format))}); name one file or keep one"
        )
    [(kind, chosen)] = by_format.items()
    return Corpus(str(path), kind, tuple(chosen))


def _format_of(file: Path) -> Format | None:
    plain = plain_name(file)
    kind = _SUFFIXES.get(plain.suffix.lower())
    return None if kind == "parquet" and plain is not file else kind


def written_format(kind: Format) -> Format:
    """The format in which a corpus that was read as ``kind`` is written: ``jsonl``, ``parquet`` and
    ``csv`` keep theirs, every other is read only and becomes ``jsonl``."""
    return kind if kind in tables.ENCODERS else "jsonl"


def write_corpus(
    folder: Path, notes: Iterable[Note], kind: Format = "jsonl", *, columns: Columns | None = None
) -> list[Path]:
    """Write ``notes`` as private shards ``part-00000.<kind>`` of 10,000 notes in ``folder``.

    For the format see :func:`written_format`. Columns keep the names they came with. Returns the
    files written.
    """
    columns = columns or Columns()
    kind = written_format(kind)
    make_folder(folder, private=True)
    encode = tables.ENCODERS[kind]
    written: list[Path] = []
    shard: list[Row] = []

    def flush() -> None:
        path = folder / f"part-{len(written):05d}.{kind}"
        written.append(write_atomic(path, encode(shard), private=True))
        shard.clear()

    for note in notes:
        shard.append(note_to_row(note, columns))
        if len(shard) == SHARD_NOTES:
            flush()
    if shard or not written:
        flush()
    return written
