"""First stage of a study: any corpus as jsonl, with what the later stages need to find in it.

    python -m llmsafe.study.prepare NOTES OUTPUT --label kind

Each note gets a number of its own (column ``study_id``), which goes through the scrubber unchanged
where its ids do not; the patient's id moves to the column ``person``, so that a cell may take the
patient or the note for the unit. With ``--label`` a first line says what kind of note it is; gold
spans move with the text. ``labels.json`` lists the kinds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from llmsafe.artifacts import Artifact
from llmsafe.cli.common import run_program
from llmsafe.corpus import Columns, open_corpus, write_corpus
from llmsafe.errors import InputError
from llmsafe.files import CORPUS, VAULT, staged_folder
from llmsafe.notes import Note

STUDY_ID, PERSON = "study_id", "person"
LABELS = "labels.json"
MOST_LABELS = 12
_LEAST_SHARE = 0.02
COLUMNS = Columns(patient=PERSON)


class Labels(Artifact):
    """``vault/labels.json``: the kinds of notes that are told apart, the most frequent first."""

    labels: list[str]
    notes: int


def header(label: str) -> str:
    """The first line of a note of this kind."""
    return f"Note type: {label}.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notes")
    parser.add_argument("output", type=Path)
    parser.add_argument("--label")
    for column in ("text", "id", "patient", "date"):
        default = "text" if column == "text" else None
        parser.add_argument(f"--{column}-column", dest=column, default=default)
    args = parser.parse_args()
    columns = Columns(args.text, args.id, args.patient, args.date)
    prepare(args.notes, args.output, columns, args.label)
    print(f"wrote {args.output}")


def prepare(notes: str, output: Path, columns: Columns, label: str | None) -> Labels:
    """Write the prepared corpus of ``notes``; replaces an earlier one.

    Raises:
        InputError: no notes, or none with a label.
    """
    source, counts = open_corpus(notes), Counter[str]()
    if label is not None:
        counts.update(word for note in source.notes(columns) if (word := _word(note, label)))
        if not counts:
            raise InputError(f"no note has a word in column {label!r}; name another label")
    common = [w for w, n in counts.most_common(MOST_LABELS) if n >= _LEAST_SHARE * counts.total()]
    total = 0

    def prepared() -> Iterator[Note]:
        nonlocal total
        for total, note in enumerate(source.notes(columns), start=1):
            yield _prepared(note, total, _word(note, label) if label else None)

    with staged_folder(output, force=True) as stage:
        write_corpus(stage / CORPUS, prepared(), "jsonl", columns=COLUMNS)
        found = Labels(labels=common, notes=total)
        found.save(stage / VAULT / LABELS, private=True)
    return found


def _word(note: Note, label: str) -> str | None:
    value = note.extra.get(label)
    return " ".join(str(value).split())[:40] or None if value is not None else None


def _prepared(note: Note, number: int, word: str | None) -> Note:
    first = header(word) if word else ""
    extra: dict[str, Any] = {STUDY_ID: f"n{number}"}
    spans = note.extra.get("spans")
    if isinstance(spans, list):
        extra["spans"] = [
            {**span, "start": span["start"] + len(first), "end": span["end"] + len(first)}
            for span in cast("list[dict[str, Any]]", spans)
        ]
    return replace(note, text=first + note.text, extra=extra)


if __name__ == "__main__":
    run_program("prepare", main)
