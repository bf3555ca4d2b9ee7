"""How much of the gold PHI the scrubber finds, and how much else it touches, beside Presidio.

    python eval/scrub_recall.py GOLD [--known-identifiers patients.csv] [--out table.md]
    python eval/scrub_recall.py --synthetic 200

GOLD is jsonl with a column spans, a folder of BRAT (.txt and .ann) or of i2b2-2014 XML; see
llmsafe/gold.py. With a column style, figures are also given for each style. Presidio stands for its
default pattern recognisers over a blank spaCy pipeline: nothing is downloaded. Both see each note
in turn; for speed, with a process for each core, in rounds that alternate, llmsafe finds and
replaces while Presidio only finds. What is counted: eval/scrub_score.py. Intervals are 95 %: exact
(Clopper-Pearson) for shares of notes; for spans, words and letters a note is one observation.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from scrub_score import (
    MEASURES,
    Gold,
    NoteScore,
    clean_touched,
    clean_words_touched,
    in_scope,
    leaking,
    precision,
    rate,
    recall,
    score_note,
    unknown_types,
)
from scrub_systems import SYSTEMS, build, rates

from llmsafe.gold import GoldNote, read_gold
from llmsafe.notes import PhiSpan
from llmsafe.scrub.known.identities import read_identities
from llmsafe.scrub.known.matcher import Identity
from llmsafe.stats import Interval
from llmsafe.synthetic.grammar import Audience

Identities = dict[str, Identity]


@dataclass
class Measured:
    """Scores of one system, note by note; notes it quarantined are not scored."""

    scores: list[NoteScore] = field(default_factory=list)
    quarantined: int = 0
    missed: list[str] = field(default_factory=list)
    speed: tuple[float, float, float] | None = None


def measure(
    golds: Sequence[Gold], identities: Identities, systems: Sequence[str]
) -> dict[str, Measured]:
    """Every system on every note in turn, in this process."""
    finders = {system: build(system) for system in systems}
    measured = {system: Measured() for system in systems}
    for gold in golds:
        note = gold.note.note
        for system, find in finders.items():
            found, result = find(note, identities.get(note.patient_id or "")), measured[system]
            if found is None:
                result.quarantined += 1
                continue
            result.scores.append(score_note(gold, found))
            result.missed += [_shown(note.text, span) for span in result.scores[-1].leaked]
    return measured


def _shown(text: str, span: PhiSpan) -> str:
    around = text[max(0, span.start - 30) : span.end + 20].replace("\n", " / ")
    return f"{span.category}: {text[span.start : span.end]!r} in {around!r}"


# --- tables -------------------------------------------------------------------------------------


def cell(interval: Interval | None) -> str:
    """``12.3 % [10.1, 14.9]``."""
    if interval is None:
        return "–"
    value, low, high = (100 * part for part in interval)
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def overview(measured: dict[str, Measured], processes: int) -> str:
    """One row a measure, one column a system."""
    every = list(measured.values())
    rows = [["notes with any leak", *(cell(leaking(m.scores)) for m in every)]]
    for name, side in (("recall", recall), ("precision", precision)):
        rows += [
            [f"{name}, {what}", *(cell(rate(m.scores, side, what)) for m in every)]
            for what in MEASURES
        ]
    rows += [
        ["notes without PHI touched", *(cell(clean_touched(m.scores)) for m in every)],
        ["words in them touched", *(cell(clean_words_touched(m.scores)) for m in every)],
        ["notes quarantined", *(f"{m.quarantined:,}" for m in every)],
    ]
    if all(m.speed for m in every):
        name = f"notes/s, {processes} process{'es' if processes > 1 else ''} (least, most)"
        shown = ("{:,.0f} ({:,.0f}, {:,.0f})".format(*m.speed) for m in every if m.speed)
        rows.append([name, *shown])
    return markdown(["", *(SYSTEMS[system] for system in measured)], rows)


def by_category(measured: Measured, system: str) -> str:
    """One row a category, most frequent first."""
    scores = measured.scores
    spans = Counter[str]()
    for score in scores:
        spans.update({name: count.trials["spans"] for name, count in score.recall.items()})
    found = {name for score in scores for name in score.precision}
    rows = [
        [
            name,
            f"{spans[name]:,}",
            cell(leaking(scores, name)),
            *(cell(rate(scores, recall, what, name)) for what in MEASURES),
            cell(rate(scores, precision, "tokens", name)),
        ]
        for name in [*(n for n, _ in spans.most_common()), *sorted(found - spans.keys())]
    ]
    header = [SYSTEMS[system], "gold", "notes with a leak"]
    return markdown([*header, *(f"recall, {what}" for what in MEASURES), "precision, tokens"], rows)


def by_style(measured: dict[str, Measured]) -> str:
    """One row a style; nothing where the gold has no such column."""
    rows: list[list[str]] = []
    for style in sorted({score.style for m in measured.values() for score in m.scores} - {""}):
        row = [style]
        for m in measured.values():
            scores = [score for score in m.scores if score.style == style]
            row += [f"{len(scores):,}", cell(leaking(scores))]
            row += [cell(rate(scores, recall, "tokens")), cell(clean_touched(scores))]
        rows.append(row)
    columns = ("notes", "with any leak", "recall, tokens", "notes without PHI touched")
    header = ["style", *(f"{SYSTEMS[s]}: {c}" for s in measured for c in columns)]
    return markdown(header, rows) if rows else ""


def remarks(golds: Sequence[Gold]) -> str:
    """What the gold holds and what of it is not counted."""
    having = sum(bool(gold.note.spans) for gold in golds)
    lines = [f"- notes: {len(golds):,} ({having:,} with PHI, {len(golds) - having:,} without)"]
    left_out: Counter[str] = sum((gold.left_out for gold in golds), Counter())
    for title, counts in (
        ("not counted, for Safe Harbor lets them stay", left_out),
        ("of a type that no table maps, counted under its name", unknown_types(golds)),
    ):
        if counts:
            shown = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
            lines.append(f"- {title}: {shown}")
    return "\n".join(lines) + "\n"


def section(
    title: str, golds: Sequence[Gold], identities: Identities, options: argparse.Namespace
) -> str:
    """Measure and write everything about one gold standard."""
    measured = measure(golds, identities, options.systems)
    if options.processes:
        jobs = [(gold.note.note, identities.get(gold.note.note.patient_id or "")) for gold in golds]
        speeds = rates(jobs, options.systems, options.processes, options.rounds)
        for system, speed in speeds.items():
            measured[system].speed = speed
    for system, result in measured.items():
        for what in result.missed[: options.show_missed]:
            print(f"{system} missed {what}", file=sys.stderr)
    tables = [by_category(result, system) for system, result in measured.items()]
    parts = [f"### {title}\n", overview(measured, options.processes), remarks(golds), *tables]
    return "\n".join(part for part in [*parts, by_style(measured)] if part)


# --- gold ---------------------------------------------------------------------------------------


def synthetic(
    count: int, seed: int, audience: Audience = "private"
) -> tuple[list[GoldNote], Identities]:
    """Gold notes of invented patients, and their identities as a table would give them."""
    from llmsafe.corpus import write_corpus
    from llmsafe.synthetic import identity_table, patients

    people = list(patients(seed, count, audience=audience))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "identities.csv"
        with table.open("w", newline="") as file:
            rows = list(identity_table(people))
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        notes = Path(folder) / "notes"
        write_corpus(notes, (note for person in people for note in person.notes))
        return list(read_gold(notes)), read_identities([table])[0]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gold", type=Path, nargs="?")
    parser.add_argument("--known-identifiers", type=Path, nargs="*", default=[])
    parser.add_argument("--synthetic", type=int, metavar="PATIENTS")
    parser.add_argument(
        "--audience",
        choices=get_args(Audience),
        default="private",
        help="whose names and phrases the invented notes have; the English tagger never saw public",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="first notes only")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--processes", type=int, default=cores, help="for speed; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3, help="of the measurement of speed")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--show-missed", type=int, default=0, help="public gold only: prints text")
    options = parser.parse_args()
    if options.synthetic:
        notes, identities = synthetic(options.synthetic, options.seed, options.audience)
        name = f"synthetic, {options.synthetic} patients, {options.audience} names and phrases"
        jobs = [(f"{name}, known identifiers given", identities), (f"{name}, none given", {})]
    elif options.gold:
        notes = list(read_gold(options.gold))
        identities, _ = read_identities(options.known_identifiers)
        known = "known identifiers given" if identities else "no known identifiers"
        place = options.gold.resolve()
        name = "/".join(place.parts[-2:]) if place.is_dir() else place.name
        jobs = [(f"{name}, {known}", identities)]
    else:
        parser.error("give a gold file or folder, or --synthetic PATIENTS")
    golds = [in_scope(note) for note in notes[: options.limit]]
    text = "\n".join(section(title, golds, known, options) for title, known in jobs)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
