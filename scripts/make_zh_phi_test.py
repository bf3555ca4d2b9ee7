"""Make the fixed Chinese test releases, in eval, and print the tables of their cards.

    python scripts/make_zh_phi_test.py [OUTPUT.jsonl] [--identities TABLE.csv]
    python scripts/make_zh_phi_test.py --audience latest [OUTPUT.jsonl] [--identities TABLE.csv]
    python scripts/make_zh_phi_test.py dev.jsonl --audience public --seed 7     to develop on

The first, zh_phi_test.jsonl, is of the `private` half of names, places and phrases; the others,
zh_phi_test2.jsonl to zh_phi_test10.jsonl, of the audiences `test`, `exam`, `proof`, `trial`,
`final`, `blind`, `fresh`, `novel` and `latest`, which have names and frames of their own. A tagger
that is to be tested on one has not seen its audience; the embedded one has seen all but `fresh`,
`novel` and `latest`. At most two notes of a patient, and as many of each kind as the quota says, a
third of them with an identifier that is rare. The same code gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from llmsafe.notes import CATEGORIES, Note
from llmsafe.synthetic import Patient, identity_table, patients
from llmsafe.synthetic.grammar import AUDIENCES
from llmsafe.synthetic.zh.notes import KINDS

SEED = 20_261_127
PEOPLE = 400
QUOTA = {"zh": 29, "zh-Hant": 7}  # notes of each kind
RARE = ("AGE", "VEHICLE", "IP", "BIOMETRIC", "FAX", "DEVICE", "ACCOUNT")
PER_PATIENT = 2
EVAL = Path(__file__).resolve().parents[1] / "eval"
# Where each audience's release goes; `public` has none.
OUTPUTS = {
    "private": EVAL / "zh_phi_test.jsonl",
    "test": EVAL / "zh_phi_test2.jsonl",
    "exam": EVAL / "zh_phi_test3.jsonl",
    "proof": EVAL / "zh_phi_test4.jsonl",
    "trial": EVAL / "zh_phi_test5.jsonl",
    "final": EVAL / "zh_phi_test6.jsonl",
    "blind": EVAL / "zh_phi_test7.jsonl",
    "fresh": EVAL / "zh_phi_test8.jsonl",
    "novel": EVAL / "zh_phi_test9.jsonl",
    "latest": EVAL / "zh_phi_test10.jsonl",
}


def chosen(people: Sequence[Patient], lang: str) -> list[Note]:
    """A third of each kind from notes with a rare identifier, the rest as they come."""
    seen = Counter(note.extra["kind"] for patient in people for note in patient.notes)
    picked: dict[str, Note] = {}
    kinds: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for quota, rare in ((QUOTA[lang] // 3, True), (QUOTA[lang], False)):
        for patient in people:
            # The rarer kinds first: a patient's places are not for what there is plenty of.
            for note in sorted(patient.notes, key=lambda note: seen[note.extra["kind"]]):
                kind, who = note.extra["kind"], patient.identity.patient_id
                fits = kinds[kind] < quota and taken[who] < PER_PATIENT
                if fits and note.note_id not in picked and (has_rare(note) or not rare):
                    picked[note.note_id] = note
                    kinds[kind] += 1
                    taken[who] += 1
    return [picked[note_id] for note_id in sorted(picked)]


def has_rare(note: Note) -> bool:
    return any(span["category"] in RARE for span in note.extra["spans"])


def row(note: Note) -> dict[str, Any]:
    return {
        "note_id": note.note_id,
        "patient_id": note.patient_id,
        "kind": note.extra["kind"],
        "lang": note.lang,
        "date": note.date,
        "text": note.text,
        "spans": note.extra["spans"],
    }


def tables(rows: Iterable[dict[str, Any]]) -> str:
    """Notes and spans by kind, and spans by category, as Markdown."""
    notes: Counter[tuple[str, str]] = Counter()
    spans: Counter[tuple[str, str]] = Counter()
    categories: Counter[tuple[str, str]] = Counter()
    for one in rows:
        lang = one["lang"]
        notes[one["kind"], lang] += 1
        spans[one["kind"], lang] += len(one["spans"])
        categories.update((span["category"], lang) for span in one["spans"])
    one, two = QUOTA
    head = "| | simplified | traditional |\n|---|---:|---:|\n"
    kinds = "".join(
        f"| {kind} | {notes[kind, one]} ({spans[kind, one]}) | "
        f"{notes[kind, two]} ({spans[kind, two]}) |\n"
        for kind in KINDS
    )
    kinds += f"| all | {total(notes, one)} ({total(spans, one)}) | "
    kinds += f"{total(notes, two)} ({total(spans, two)}) |\n"
    found = [c for c in CATEGORIES if categories[c, one] + categories[c, two]]
    rest = "".join(f"| {c} | {categories[c, one]} | {categories[c, two]} |\n" for c in found)
    return f"{head}{kinds}\n{head}{rest}"


def total(counts: Counter[tuple[str, str]], lang: str) -> int:
    return sum(count for (_, its), count in counts.items() if its == lang)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--identities", type=Path, help="write the patients' identity table too")
    parser.add_argument("--audience", choices=AUDIENCES, default="private")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    output: Path | None = options.output or OUTPUTS.get(options.audience)
    if output is None:
        parser.error(f"audience {options.audience} has no release; name the file to write")
    people = {
        lang: list(patients(options.seed, PEOPLE, lang=lang, audience=options.audience))
        for lang in QUOTA
    }
    rows = [row(note) for lang in QUOTA for note in chosen(people[lang], lang)]
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
    output.write_text("".join(lines), encoding="utf-8")
    print(tables(rows))
    if options.identities:
        of_notes = {one["patient_id"] for one in rows}
        table = identity_table(p for lang in QUOTA for p in people[lang])
        write_table(options.identities, (one for one in table if one["patient_id"] in of_notes))


def write_table(path: Path, table: Iterable[dict[str, str | None]]) -> None:
    rows = list(table)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
