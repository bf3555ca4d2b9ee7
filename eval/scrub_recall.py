"""How much of the gold PHI the scrubber finds, and how much else it touches.

    python eval/scrub_recall.py GOLD.jsonl [--known-identifiers patients.csv] [--out table.md]
    python eval/scrub_recall.py --synthetic 200

GOLD holds a JSON object per line: {"text", "spans": [{"start", "end", "category"}]} and, as far as
present, note_id, patient_id and date. Recall does not ask for the right category: what counts is
that the text is gone. Per gold category:

    exact    a found span has the same borders
    overlap  a found span overlaps it
    tokens   share of its words and numbers wholly covered (titles and "of", "the" excepted)
    chars    share of its letters and digits that are covered

A gold DATE that is a bare year is left out of all of this and counted apart: HIPAA Safe Harbor
lets years stay, and so does the scrubber. A note leaks if any such token of any gold span in it is
left. A clean note has no gold span; it is touched if anything in it is found. Intervals are exact
(Clopper-Pearson, 95 %).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.identities import read_identities
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known import Identity
from llmsafe.scrub.settings import Settings

_YEAR = re.compile(r"(?:18|19|20)\d\d")
_TOKEN = re.compile(r"[^\W_]+")
_TITLES = ("dr", "mr", "mrs", "ms", "prof", "md")
_EMPTY = frozenset((*_TITLES, "of", "the", "in", "at", "and", "for", "on", "st"))


@dataclass
class Count:
    """Sums over the gold spans of one category."""

    spans: int = 0
    exact: int = 0
    overlap: int = 0
    tokens: int = 0
    tokens_found: int = 0
    chars: int = 0
    chars_found: int = 0

    def add(self, other: Count) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Score:
    """Everything measured on one corpus."""

    by_category: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    notes: int = 0
    with_gold: int = 0
    leaking: int = 0
    clean: int = 0
    clean_touched: int = 0
    quarantined: int = 0
    years: int = 0
    words: int = 0
    words_touched: int = 0
    words_touched_wrongly: int = 0
    missed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def total(self) -> Count:
        total = Count()
        for count in self.by_category.values():
            total.add(count)
        return total


def score_note(text: str, gold: Sequence[PhiSpan], found: Sequence[PhiSpan], score: Score) -> None:
    """Add one note to the score."""
    covered, marked = _mask(text, found), _mask(text, gold)
    borders = {(span.start, span.end) for span in found}
    leak = False
    for span in gold:
        tokens = [
            token
            for token in _TOKEN.finditer(text, span.start, span.end)
            if token[0].lower() not in _EMPTY
        ]
        found_tokens = [t for t in tokens if all(covered[t.start() : t.end()])]
        chars = [i for i in range(span.start, span.end) if text[i].isalnum()]
        score.by_category[span.category].add(
            Count(
                spans=1,
                exact=(span.start, span.end) in borders,
                overlap=any(covered[span.start : span.end]),
                tokens=len(tokens),
                tokens_found=len(found_tokens),
                chars=len(chars),
                chars_found=sum(covered[i] for i in chars),
            )
        )
        if len(found_tokens) < len(tokens):
            leak = True
            around = text[max(0, span.start - 30) : span.end + 20].replace("\n", " / ")
            score.missed.append((span.category, f"{text[span.start : span.end]!r} in {around!r}"))
    score.notes += 1
    score.with_gold += bool(gold)
    score.leaking += leak
    score.clean += not gold
    score.clean_touched += not gold and bool(found)
    for token in _TOKEN.finditer(text):
        touched = any(covered[token.start() : token.end()])
        score.words += 1
        score.words_touched += touched
        score.words_touched_wrongly += touched and not any(marked[token.start() : token.end()])


def _mask(text: str, spans: Iterable[PhiSpan]) -> list[bool]:
    mask = [False] * len(text)
    for span in spans:
        mask[span.start : span.end] = [True] * (span.end - span.start)
    return mask


def measure(rows: Iterable[dict[str, Any]], identities: dict[str, Identity]) -> Score:
    """Detect in every gold note, in this process."""
    from llmsafe.scrub.scrubber import build_scrubber

    scrubber = build_scrubber(Settings("tag", Key(b"evaluation of detection only")))
    score = Score()
    for number, row in enumerate(rows):
        note = Note(
            note_id=str(row.get("note_id", number)),
            text=row["text"],
            patient_id=row.get("patient_id"),
            date=row.get("date"),
        )
        began = time.perf_counter()
        outcome = scrubber.scrub(note, identities.get(note.patient_id or ""))
        score.seconds += time.perf_counter() - began
        if outcome.note is None:
            score.quarantined += 1
            continue
        gold = [PhiSpan(s["start"], s["end"], s["category"]) for s in row["spans"]]
        years = [s for s in gold if _YEAR.fullmatch(row["text"][s.start : s.end])]
        score.years += len(years)
        score_note(row["text"], [s for s in gold if s not in years], outcome.spans, score)
    return score


def interval(hits: int, trials: int) -> str:
    """``12.3 % [10.1, 14.9]``."""
    from scipy.stats import beta

    if not trials:
        return "–"
    low = beta.ppf(0.025, hits, trials - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, trials - hits) if hits < trials else 1.0
    return f"{100 * hits / trials:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def table(score: Score, name: str) -> str:
    """Markdown."""
    lines = [
        f"### {name}",
        "",
        "| category | gold | exact | overlap | tokens | chars |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows = sorted(score.by_category.items(), key=lambda item: -item[1].spans)
    for category, count in [*rows, ("**all**", score.total())]:
        shares = (
            (count.exact, count.spans),
            (count.overlap, count.spans),
            (count.tokens_found, count.tokens),
            (count.chars_found, count.chars),
        )
        cells = " | ".join(f"{100 * a / b:.1f} %" if b else "–" for a, b in shares)
        lines.append(f"| {category} | {count.spans:,} | {cells} |")
    rate = score.notes / score.seconds if score.seconds else 0.0
    wrong = f"{100 * score.words_touched_wrongly / max(1, score.words):.2f} %"
    lines += [
        "",
        f"- notes: {score.notes:,} ({score.with_gold:,} with PHI, {score.clean:,} clean); "
        f"quarantined: {score.quarantined:,}; bare years in the gold, left out: {score.years:,}",
        f"- notes with any leak: {interval(score.leaking, score.with_gold)}",
        f"- clean notes touched: {interval(score.clean_touched, score.clean)}",
        f"- words touched that are no gold PHI: {wrong} of all words; "
        f"{interval(score.words_touched_wrongly, score.words_touched)} of those touched",
        f"- rate: {rate:,.0f} notes/s in one process",
        "",
    ]
    return "\n".join(lines)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _synthetic(count: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, Identity]]:
    """Gold notes of invented patients, and their identities as a table would give them."""
    import csv
    import tempfile

    from llmsafe.synthetic import identity_table, patients

    people = list(patients(seed, count))
    rows = [
        {"note_id": n.note_id, "patient_id": n.patient_id, "date": n.date, "text": n.text}
        | {"spans": n.extra["spans"]}
        for person in people
        for n in person.notes
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "identities.csv"
        with path.open("w", newline="") as file:
            table_rows = list(identity_table(people))
            writer = csv.DictWriter(file, list(table_rows[0]))
            writer.writeheader()
            writer.writerows(table_rows)
        return rows, read_identities([path])[0]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("gold", type=Path, nargs="?")
    parser.add_argument("--known-identifiers", type=Path, nargs="*", default=[])
    parser.add_argument("--synthetic", type=int, metavar="PATIENTS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--show-missed", type=int, default=0, help="public gold only: prints text")
    options = parser.parse_args()
    tables: list[str] = []
    if options.synthetic:
        rows, identities = _synthetic(options.synthetic, options.seed)
        jobs = [("known identifiers given", identities), ("no known identifiers", {})]
        named = [(f"synthetic, {options.synthetic} patients, {name}", rows, i) for name, i in jobs]
    elif options.gold:
        identities, _ = read_identities(options.known_identifiers)
        suffix = "known identifiers given" if identities else "no known identifiers"
        named = [(f"{options.gold.name}, {suffix}", list(_read(options.gold)), identities)]
    else:
        parser.error("give a gold file or --synthetic PATIENTS")
    for name, rows, identities in named:
        score = measure(rows, identities)
        tables.append(table(score, name))
        for category, what in score.missed[: options.show_missed]:
            print(f"missed {category}: {what}", file=sys.stderr)
    text = "\n".join(tables)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
