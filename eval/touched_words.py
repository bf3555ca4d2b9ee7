"""What share of the words of public text the scrubber touches, and a sample of them to judge.

    python eval/touched_words.py notes.jsonl.gz [aci-bench.csv --text-column note] \\
        --out docs/results/touched.md --sample ~/touched.txt

The texts are public and without true identifiers (MTSamples, ACI-Bench), so nearly all that is
touched is a made-up name, a date or a mistake, and only a reader can tell which. Shares go into a
table; the sample, drawn at random over words, is text of the corpora: it is written for the reader
alone and belongs in no repository. Put ``y`` or ``n`` (PHI or not) in the brackets before each line
and give the file to ``--judged``: the wrong share is counted with an exact 95 % interval.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmsafe.files import write_text
from llmsafe.notes import Note, PhiSpan
from llmsafe.stats import binomial_interval

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_VERDICT = re.compile(r"\[(?P<verdict>.)\] (?P<corpus>\S+)")


@dataclass
class Touched:
    """Counts of one corpus, and every touched word in its surroundings."""

    notes: int = 0
    words: int = 0
    quarantined: int = 0
    categories: Counter[str] = field(default_factory=Counter[str])
    seen: list[str] = field(default_factory=list[str])

    def add(self, text: str, spans: Sequence[PhiSpan]) -> None:
        self.notes += 1
        for word in _WORD.finditer(text):
            self.words += 1
            span = next((s for s in spans if s.start < word.end() and word.start() < s.end), None)
            if span is not None:
                self.categories[span.category] += 1
                self.seen.append(_shown(text, word, span))


def _shown(text: str, word: re.Match[str], span: PhiSpan) -> str:
    low, high = max(0, span.start - 60), span.end + 50
    around = text[low : word.start()] + "«" + word[0] + "»" + text[word.end() : high]
    return f"{span.category} ({span.source}): " + " / ".join(around.split("\n"))


def read_texts(path: Path, column: str) -> Iterator[str]:
    """The texts of a JSONL (also gzipped) or CSV file."""
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rt", encoding="utf-8") as file:
        if ".csv" in path.suffixes:
            for row in csv.DictReader(file):
                yield row[column]
        else:
            for line in file:
                yield json.loads(line)[column]


def touch(texts: Iterator[str]) -> Touched:
    """Scrub every text as a note of its own, without known identifiers."""
    from llmsafe.scrub.keys import Key
    from llmsafe.scrub.scrubber import build_scrubber
    from llmsafe.scrub.settings import Settings

    scrubber = build_scrubber(Settings("surrogate", Key(b"evaluation of detection only")))
    touched = Touched()
    for number, text in enumerate(texts):
        outcome = scrubber.scrub(Note(str(number), text))
        if outcome.note is None:
            touched.quarantined += 1
        else:
            touched.add(text, outcome.spans)
    return touched


def table(measured: dict[str, Touched]) -> str:
    """One row a corpus."""
    lines = ["| corpus | notes | words | touched | by category | quarantined |"]
    lines.append("|---|---:|---:|---:|---|---:|")
    for name, one in measured.items():
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in one.categories.most_common())
        share = 100 * len(one.seen) / max(1, one.words)
        lines.append(
            f"| {name} | {one.notes:,} | {one.words:,} | {share:.2f} % | {kinds} "
            f"| {one.quarantined:,} |"
        )
    return "\n".join(lines) + "\n"


def judged(path: Path) -> str:
    """The share of wrong ones among those that a reader has judged."""
    verdicts: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if (match := _VERDICT.match(line)) and match["verdict"] in "yn":
            verdicts.setdefault(match["corpus"], []).append(match["verdict"])
    lines = ["| corpus | touched words judged | wrong |", "|---|---:|---:|"]
    for name, given in verdicts.items():
        wrong = given.count("n")
        value, low, high = (100 * part for part in binomial_interval(wrong, len(given)))
        share = f"{value:.0f} % [{low:.0f}, {high:.0f}]"
        lines.append(f"| {name} | {len(given)} | {wrong} = {share} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, nargs="*", help="JSONL, gzipped JSONL or CSV")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--limit", type=int, help="notes of each corpus, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--words", type=int, default=50, help="in the sample, of each corpus")
    parser.add_argument("--sample", type=Path, help="where the sample goes; not into a repository")
    parser.add_argument("--judged", type=Path, help="a sample with the reader's verdicts")
    parser.add_argument("--out", type=Path, help="where the tables go")
    options = parser.parse_args()
    parts: list[str] = []
    if options.texts:
        measured: dict[str, Touched] = {}
        lines: list[str] = []
        for path in options.texts:
            rng = random.Random(options.seed)
            texts = list(read_texts(path, options.text_column))
            if options.limit:
                texts = rng.sample(texts, min(options.limit, len(texts)))
            name = f"{path.parent.name}/{path.name}"
            measured[name] = one = touch(iter(texts))
            drawn = rng.sample(one.seen, min(options.words, len(one.seen)))
            lines += [f"[ ] {name} {shown}" for shown in drawn]
        parts.append(table(measured))
        if options.sample:
            write_text(options.sample, "\n".join(lines) + "\n", private=True)
    if options.judged:
        parts.append(judged(options.judged))
    text = "\n".join(parts)
    print(text)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
