"""How repetitive is a corpus? Repeated 10-grams between units, and compression.

    python scripts/corpus_stats.py --synthetic 1000 --reference PATH/notes.jsonl.gz
    python scripts/corpus_stats.py CORPUS.jsonl --reference OTHER.jsonl --words 900000

A unit is a patient where notes have a `patient_id`, else a note. The share of repeated 10-grams is
the part of a unit's word 10-grams that also stand in another unit, summed over all units. It grows
with the size of a corpus, so all corpora are cut to one number of words (`--words`, by default the
smallest corpus). The ratio is raw to compressed bytes, of xz over everything and, as the mean over
chunks of 64 kB, of zlib: near each other means equally predictable to a dictionary coder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmsafe.synthetic import patients

WORD = re.compile(r"\w+(?:[./'-]\w+)*")
CHUNK = 65_536
Unit = tuple[str, list[str]]  # identifier, texts


@dataclass(frozen=True)
class Stats:
    name: str
    units: int
    notes: int
    words: int
    distinct: int
    repeated: float
    xz: float
    zlib: float


def read_units(path: Path) -> Iterator[Unit]:
    """Units of a .jsonl or .jsonl.gz file, in file order; a patient's notes must be adjacent."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        current: Unit | None = None
        for number, line in enumerate(lines):
            row = json.loads(line)
            unit = row.get("patient_id") or row.get("note_id") or str(number)
            if current is None or current[0] != unit:
                if current is not None:
                    yield current
                current = (unit, [])
            current[1].append(row["text"])
        if current is not None:
            yield current


def synthetic_units(count: int, seed: int, audience: str) -> Iterator[Unit]:
    for patient in patients(seed, count, audience=audience):  # type: ignore[arg-type]
        yield patient.identity.patient_id, [note.text for note in patient.notes]


def words_of(text: str) -> list[str]:
    return WORD.findall(text.lower())


def cut(units: Iterable[Unit], limit: int | None) -> list[Unit]:
    """Units from the start until `limit` words are reached."""
    out: list[Unit] = []
    total = 0
    for unit in units:
        out.append(unit)
        total += sum(len(words_of(text)) for text in unit[1])
        if limit is not None and total >= limit:
            break
    return out


def repeated_share(units: list[Unit], n: int) -> float:
    """Share of the units' word n-grams that also occur in another unit; none crosses a note."""
    seen: dict[int, int] = {}  # n-gram -> its only unit so far, or -1
    counts: list[dict[int, int]] = []
    for number, (_, texts) in enumerate(units):
        mine: dict[int, int] = {}
        for text in texts:
            words = words_of(text)
            for i in range(len(words) - n + 1):
                key = hash(tuple(words[i : i + n]))
                mine[key] = mine.get(key, 0) + 1
        for key in mine:
            seen[key] = number if seen.get(key, number) == number else -1
        counts.append(mine)
    total = sum(sum(mine.values()) for mine in counts)
    repeated = sum(count for mine in counts for key, count in mine.items() if seen[key] == -1)
    return repeated / total if total else 0.0


def measure(name: str, units: list[Unit], n: int) -> Stats:
    raw = "\n\n".join(text for _, texts in units for text in texts).encode()
    words = [word for _, texts in units for text in texts for word in words_of(text)]
    chunks = [raw[i : i + CHUNK] for i in range(0, len(raw), CHUNK)]
    small = sum(len(zlib.compress(chunk, 9)) for chunk in chunks)
    return Stats(
        name=name,
        units=len(units),
        notes=sum(len(texts) for _, texts in units),
        words=len(words),
        distinct=len(set(words)),
        repeated=repeated_share(units, n),
        xz=len(raw) / len(lzma.compress(raw, preset=6)),
        zlib=len(raw) / small,
    )


def rate(count: int, seed: int) -> str:
    """Patients and notes per second of processor time, on one core, warm."""
    list(patients(seed, 50))
    begin, notes = time.process_time(), 0
    for patient in patients(seed + 1, count):
        notes += len(patient.notes)
    spent = time.process_time() - begin
    return f"{count / spent:,.0f} patients/s, {notes / spent:,.0f} notes/s (one core, {count})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", nargs="*", type=Path, help="jsonl or jsonl.gz files of notes")
    parser.add_argument("--reference", action="append", type=Path, default=[])
    parser.add_argument("--synthetic", type=int, metavar="PATIENTS", help="generate this many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--words", type=int, help="cut every corpus to this many words")
    parser.add_argument("--ngram", type=int, default=10)
    args = parser.parse_args()
    sources: list[tuple[str, list[Unit]]] = [
        (path.name, cut(read_units(path), args.words)) for path in [*args.corpus, *args.reference]
    ]
    if args.synthetic:
        for audience in ("private", "public"):
            units = synthetic_units(args.synthetic, args.seed, audience)
            sources.append((f"synthetic {audience}", cut(units, args.words)))
    if not sources:
        parser.error("nothing to measure: give a corpus, --reference or --synthetic")
    sizes = [sum(len(words_of(t)) for _, texts in units for t in texts) for _, units in sources]
    limit = args.words or min(sizes)
    print(
        f"| corpus | units | notes | words | distinct | repeated {args.ngram}-grams | xz | zlib |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, units in sources:
        s = measure(name, cut(units, limit), args.ngram)
        print(
            f"| {s.name} | {s.units:,} | {s.notes:,} | {s.words:,} | {s.distinct:,} "
            f"| {100 * s.repeated:.1f} % | {s.xz:.2f} | {s.zlib:.2f} |"
        )
    if args.synthetic:
        print(f"\n{rate(min(args.synthetic, 500), args.seed)}", file=sys.stdout)


if __name__ == "__main__":
    main()
