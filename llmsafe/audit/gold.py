"""Notes with gold labels, as they were before scrubbing, beside what the scrubber found in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmsafe.audit.phi import Labelled
from llmsafe.corpus import Columns, open_corpus
from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, PhiSpan


def labelled(gold: str, spans: Path | None, columns: Columns | None = None) -> Iterator[Labelled]:
    """The notes of the corpus ``gold`` with their gold spans (column ``spans``).

    ``spans`` is the file that ``llmsafe scrub --spans`` wrote from the same notes.

    Raises:
        InputError: a note without gold spans, spans that are none, or notes that the scrubber's
            file does not know.
    """
    found = _found_spans(spans) if spans is not None else None
    for note in open_corpus(gold).notes(columns or Columns()):
        marked = note.extra.get("spans")
        if marked is None:
            raise InputError(f"--gold {gold}: a note has no column `spans`; give labelled notes")
        where = f"--gold {gold}, a note of {len(note.text)} characters"
        own = _spans(marked, where, len(note.text))
        seen = None
        if found is not None:
            if note.note_id not in found:
                raise InputError(
                    f"--spans {spans} does not know every note of --gold; write it by "
                    "`llmsafe scrub --spans` from the very same notes"
                )
            seen = found[note.note_id]
        yield Labelled(note.text, own, seen)


def _found_spans(path: Path) -> dict[str, list[PhiSpan]]:
    found: dict[str, list[PhiSpan]] = {}
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            row: Any = json.loads(line)
            found[row["note_id"]] = _spans(row["spans"], f"--spans {path}, line {number}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--spans {path}: {type(error).__name__}; give the file that `llmsafe scrub --spans` "
            "wrote"
        ) from None
    return found


def _spans(rows: Any, where: str, length: int | None = None) -> list[PhiSpan]:
    try:
        spans = [PhiSpan(int(s["start"]), int(s["end"]), str(s["category"])) for s in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where}: spans are objects with start, end and category") from None
    for span in spans:
        if not 0 <= span.start < span.end <= (length or span.end):
            raise InputError(f"{where}: span {span.start}:{span.end} is not inside the text")
        if span.category not in CATEGORIES:
            raise InputError(f"{where}: category {span.category!r}; choose from the list in README")
    return spans
