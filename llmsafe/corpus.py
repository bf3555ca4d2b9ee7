"""Reading and writing corpora: jsonl, parquet, csv, a folder of txt, FHIR ndjson, a hub id.

Text formats may be gzipped (``notes.jsonl.gz``).

A corpus path may also be a folder that ``scrub``, ``canary`` or ``synth`` made (its ``corpus/``
subfolder is read). Nothing is cached; a malformed record is refused by file and line number,
never by its content.
"""

from __future__ import annotations

import base64
import binascii
import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from llmsafe.errors import InputError, SetupError
from llmsafe.files import CORPUS, make_folder, sha256_files, write_atomic
from llmsafe.notes import Note

Format = Literal["jsonl", "parquet", "csv", "txt", "fhir", "hub"]
SHARD_NOTES = 10_000
MAX_CHARACTERS = 1_000_000
_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".txt": "txt",
    ".ndjson": "fhir",
}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what. ``None`` lets ``id``, ``patient`` and ``date`` be absent."""

    text: str = "text"
    id: str | None = None
    patient: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class Corpus:
    """A corpus on disk (or a hub id, with no files): its format and its files in name order."""

    path: str
    format: Format
    files: tuple[Path, ...]

    def notes(self, columns: Columns | None = None, limit: int | None = None) -> Iterator[Note]:
        """Stream the notes.

        Raises:
            InputError: a missing column (those present are listed), a repeated id, an empty
                corpus, text that is no UTF-8, a note over one million characters, a bad record.
        """
        columns = columns or Columns()
        seen: set[str] = set()
        for number, (where, row) in enumerate(self._rows()):
            if limit is not None and number >= limit:
                break
            note = _note_from_row(row, columns, where)
            if not note.note_id:
                note = replace(note, note_id=_own_id(note.text, seen))
            if note.note_id in seen:
                raise InputError(
                    f"{where}: note id repeated (note {number + 1}); ids must be unique: "
                    "remove the duplicate or name another --id-column"
                )
            seen.add(note.note_id)
            yield note
        if not seen:
            raise InputError(f"{self.path} holds no note; give a corpus with at least one")

    def digest(self) -> str:
        """Digest over file names and contents; a hub id is its own digest."""
        if self.format == "hub":
            return f"hub:{self.path}"
        return sha256_files(self.files)

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        match self.format:
            case "hub":
                yield from _hub_rows(self.path)
            case "fhir":
                yield from _each_file(self.files, _fhir_rows)
            case "jsonl":
                yield from _each_file(self.files, _jsonl_rows)
            case "csv":
                yield from _each_file(self.files, _csv_rows)
            case "txt":
                yield from _each_file(self.files, _txt_rows)
            case "parquet":
                yield from _each_file(self.files, _parquet_rows)


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
        # A bulk export has one file per resource; notes are in DocumentReference alone.
        documents = [f for f in by_format["fhir"] if f.name.startswith("DocumentReference")]
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
    plain = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    kind = _SUFFIXES.get(plain.suffix.lower())
    return None if kind == "parquet" and plain is not file else kind


def write_corpus(
    folder: Path, notes: Iterable[Note], kind: Format = "jsonl", *, columns: Columns | None = None
) -> list[Path]:
    """Write ``notes`` as private shards ``part-00000.<kind>`` of 10,000 notes in ``folder``.

    ``jsonl``, ``parquet`` and ``csv`` keep their format; every other input becomes ``jsonl``.
    Columns keep the names they came with. Returns the files written.
    """
    columns = columns or Columns()
    kind = kind if kind in ("parquet", "csv") else "jsonl"
    make_folder(folder, private=True)
    encode = _ENCODERS[kind]
    written: list[Path] = []
    shard: list[dict[str, Any]] = []

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


def note_to_row(note: Note, columns: Columns | None = None) -> dict[str, Any]:
    """A note as a flat row: known fields under the names of ``columns``, others as they are."""
    columns = columns or Columns()
    row: dict[str, Any] = {
        columns.id or "note_id": note.note_id,
        columns.patient or "patient_id": note.patient_id,
        columns.text: note.text,
        columns.date or "date": note.date,
        "lang": note.lang,
    }
    return row | dict(note.extra)


# --- one row ------------------------------------------------------------------------------------


def _own_id(text: str, taken: Collection[str]) -> str:
    """An id for a note that came without one, from its text alone.

    Never from its place in the corpus: the id decides whether the note is held out, and a patient
    who is added or removed must not move the notes that follow in or out of training.
    """
    base = name = f"note-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    copies = 1
    while name in taken:
        copies += 1
        name = f"{base}-{copies}"
    return name


def _note_from_row(row: dict[str, Any], columns: Columns, where: str) -> Note:
    rest = dict(row)

    def take(name: str | None, default: str) -> Any:
        if name is None:
            return rest.pop(default, None)
        if name not in rest:
            raise InputError(
                f"{where}: no column {name!r}; columns present: {', '.join(sorted(row)) or 'none'}"
            )
        return rest.pop(name)

    text = take(columns.text, columns.text)
    if not isinstance(text, str):
        raise InputError(
            f"{where}: column {columns.text!r} is {type(text).__name__}, not text; "
            "name the right --text-column"
        )
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{where}: a note of {len(text):,} characters; the limit is {MAX_CHARACTERS:,}: "
            "split it or leave it out"
        )
    if "\x00" in text:
        raise InputError(f"{where}: binary content (NUL character); convert it to text first")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where}: half a surrogate pair, which is no text; mend the encoding")
    note_id = take(columns.id, "note_id")
    patient = take(columns.patient, "patient_id")
    date = take(columns.date, "date")
    lang = rest.pop("lang", None)
    return Note(
        note_id=str(note_id) if _present(note_id) else "",
        text=text,
        patient_id=str(patient) if _present(patient) else None,
        date=str(date)[:10] if _present(date) else None,
        lang=str(lang) if _present(lang) else None,
        extra=rest,
    )


def _present(value: Any) -> bool:
    return value is not None and value != ""


# --- formats ------------------------------------------------------------------------------------

_Rows = Iterator[tuple[str, dict[str, Any]]]


def _each_file(files: tuple[Path, ...], rows: Callable[[Path], _Rows]) -> _Rows:
    for file in files:
        try:
            yield from rows(file)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or "damaged or not gzip"
            raise InputError(f"cannot read {file}: {why}") from error


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            where = f"{path.name}:{number}"
            if line.strip():
                yield where, _decode(line, where)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _read(path: Path) -> str:
    with _open(path) as file:
        return _decode(file.read(), path.name)


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: not UTF-8 (byte {error.start}); convert the file to UTF-8 first"
        ) from None


def _json_rows(path: Path) -> _Rows:
    for where, line in _lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{where}: no JSON (column {error.colno}); one object a line"
            ) from None
        if not isinstance(row, dict):
            raise InputError(f"{where}: a JSON {type(row).__name__}, not an object")
        yield where, cast("dict[str, Any]", row)


def _jsonl_rows(path: Path) -> _Rows:
    yield from _json_rows(path)


def _csv_rows(path: Path) -> _Rows:
    text = io.StringIO(_read(path), newline="")
    csv.field_size_limit(10 * MAX_CHARACTERS)
    try:
        for number, row in enumerate(csv.DictReader(text, strict=True), 2):
            if None in row:
                raise InputError(f"{path.name}:{number}: more cells than the header has columns")
            yield f"{path.name}:{number}", dict(row)
    except csv.Error as error:
        raise InputError(f"{path.name}: bad CSV: {error}; quote cells that hold newlines") from None


def _txt_rows(path: Path) -> _Rows:
    yield path.name, {"note_id": Path(path.name.removesuffix(".gz")).stem, "text": _read(path)}


def _parquet_rows(path: Path) -> _Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield path.name, row
    except (pa.ArrowInvalid, pa.ArrowException) as error:
        raise InputError(
            f"{path.name}: no readable parquet file ({type(error).__name__})"
        ) from None


def _fhir_rows(path: Path) -> _Rows:
    """DocumentReference resources with text/plain attachments; the subject is the patient."""
    for where, resource in _json_rows(path):
        if resource.get("resourceType") != "DocumentReference":
            continue
        for part, content in enumerate(cast("list[dict[str, Any]]", resource.get("content", []))):
            attachment = cast("dict[str, Any]", content.get("attachment", {}))
            if "data" not in attachment:
                continue
            if not str(attachment.get("contentType", "text/plain")).startswith("text/plain"):
                continue
            try:
                data = base64.b64decode(attachment["data"], validate=True)
            except (binascii.Error, TypeError):
                raise InputError(f"{where}: attachment is not base64") from None
            name = resource.get("id")
            reference = str(
                cast("dict[str, Any]", resource.get("subject", {})).get("reference", "")
            )
            yield (
                where,
                {
                    "note_id": name and (f"{name}-{part}" if part else name),
                    "patient_id": reference.rsplit("/", 1)[-1].removeprefix("urn:uuid:") or None,
                    "date": resource.get("date"),
                    "text": _decode(data, where),
                },
            )


def _hub_rows(name: str) -> _Rows:
    """Stream a hub data set; streaming leaves no clear copy in a cache folder."""
    from datasets import load_dataset  # pyright: ignore[reportUnknownVariableType]

    repository, _, revision = name.partition("@")
    try:
        rows = load_dataset(repository, split="train", streaming=True, revision=revision or None)
    except Exception as error:
        raise SetupError(
            f"cannot load data set {repository} from the hub ({type(error).__name__}); "
            "work offline from a local file, or check name and network"
        ) from error
    for row in rows:
        yield repository, dict(cast("dict[str, Any]", row))


def _encode_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _encode_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _encode_parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


_ENCODERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": _encode_jsonl,
    "csv": _encode_csv,
    "parquet": _encode_parquet,
}
