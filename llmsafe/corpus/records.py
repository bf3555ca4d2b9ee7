"""One record of a corpus: how it becomes notes, and what it is when it does not.

A reader cuts a file into :class:`Record` s without understanding them. ``rows`` parses one and
raises :class:`Unreadable` when it cannot: the record is then a :class:`Bad` one, which a scrub
quarantines and every other verb refuses. No reason holds a word of the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from llmsafe.errors import InputError
from llmsafe.notes import Note

MAX_CHARACTERS = 1_000_000
KEPT_BYTES = 64 * 1024  # a bad record up to this size is copied into the quarantine

Row = dict[str, Any]


class Unreadable(InputError):
    """A record that is no note; the message is the rule it breaks, without file, line or text."""


@dataclass(frozen=True, repr=False)
class Record:
    """``raw`` is what stands at ``where`` (file and line), its bytes or a row that never was bytes;
    ``rows`` parses it."""

    where: str
    raw: bytes | Row
    rows: Callable[[], Iterable[Row]]


@dataclass(frozen=True, repr=False)
class Bad:
    """A record that cannot be read; ``raw`` is empty when it was larger than 64 KiB."""

    where: str
    reason: str
    raw: bytes
    size: int

    def __repr__(self) -> str:
        return f"Bad(<{self.size} bytes>)"

    def row(self) -> Row:
        """For a quarantine file. Bytes that are not UTF-8 are lone surrogates in ``raw``, as
        Python's ``surrogateescape`` writes and reads them; a large record stays in its file."""
        raw = self.raw.decode(errors="surrogateescape") if self.raw or not self.size else None
        return {"record": self.where, "bytes": self.size, "raw": raw}


def bad(record: Record, reason: str) -> Bad:
    """What a record that breaks the rule ``reason`` is."""
    raw = record.raw
    if isinstance(raw, dict):
        raw = json.dumps(raw, default=str, ensure_ascii=False).encode(errors="surrogatepass")
    return Bad(record.where, reason, raw if len(raw) <= KEPT_BYTES else b"", len(raw))


# --- a row and a note ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    """Which columns hold what. ``None`` lets ``id``, ``patient`` and ``date`` be absent."""

    text: str = "text"
    id: str | None = None
    patient: str | None = None
    date: str | None = None


def note_from_row(row: Row, columns: Columns) -> Note:
    """The note of a row; ``note_id`` is empty where the row has none.

    Raises:
        Unreadable: a named column is missing (those present are listed), the text is no text, is
            longer than one million characters, or is RTF or PDF.
    """
    rest = dict(row)

    def take(name: str | None, default: str) -> Any:
        if name is None:
            return rest.pop(default, None)
        if name not in rest:
            raise Unreadable(
                f"no column {name!r}; columns present: {', '.join(sorted(row)) or 'none'}"
            )
        return rest.pop(name)

    text = take(columns.text, columns.text)
    if not isinstance(text, str):
        raise Unreadable(
            f"column {columns.text!r} is {type(text).__name__}, not text; "
            "name the right --text-column"
        )
    check_text(text)
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


def check_text(text: str) -> None:
    """Refuse what no recogniser can be trusted to read.

    Raises:
        Unreadable: too long, binary, RTF or PDF, or not valid Unicode.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(
            f"a note of {len(text):,} characters; the limit is {MAX_CHARACTERS:,}: "
            "split it or leave it out"
        )
    if "\x00" in text:
        raise Unreadable("binary content (NUL character); convert it to text first")
    if text.lstrip("\ufeff \t\r\n").startswith(("{\\rtf", "%PDF-")):
        # Control words inside a name would hide it from every recogniser.
        raise Unreadable("RTF or PDF, not plain text; convert it first")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable("half a surrogate pair, which is no text; mend the encoding") from None


def note_to_row(note: Note, columns: Columns | None = None) -> Row:
    """A note as a flat row: known fields under the names of ``columns``, others as they are."""
    columns = columns or Columns()
    row: Row = {
        columns.id or "note_id": note.note_id,
        columns.patient or "patient_id": note.patient_id,
        columns.text: note.text,
        columns.date or "date": note.date,
        "lang": note.lang,
    }
    return row | dict(note.extra)


def own_id(text: str, taken: Collection[str]) -> str:
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


def _present(value: Any) -> bool:
    return value is not None and value != ""
