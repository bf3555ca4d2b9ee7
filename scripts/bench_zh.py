"""How fast Chinese notes are scrubbed on one core, beside jieba's tagger in the same run.

    pip install --target /tmp/jieba jieba
    PYTHONPATH=.:/tmp/jieba python scripts/bench_zh.py --out docs/results/bench-zh.md

In each round every system in turn reads the same notes one by one, which no round before had, for
what was read once is read again faster; the first round is not counted. Given are characters a
second: the median of the rounds, the least and the most. jieba (`jieba.posseg` as it comes) cuts
words and names their kinds, persons and places among them; it finds no numbers, dates or addresses
and replaces nothing. The words of its dictionary are simplified ones.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

# One core for all of them: set before numpy is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from bench_dp_lora import machine

from llmsafe.gold import read_gold
from llmsafe.notes import Note
from llmsafe.scrub.detect.tagger import embedded_tagger
from llmsafe.scrub.detect.zh.view import chinese_view
from llmsafe.scrub.keys import Key
from llmsafe.scrub.scrubber import build_scrubber
from llmsafe.scrub.settings import Settings

SCRIPTS = {"zh": "Simplified characters", "zh-Hant": "Traditional characters"}
Read = Callable[[Note], object]
NOTES = Path(__file__).resolve().parents[1] / "eval" / "zh_phi_test.jsonl"


def systems() -> dict[str, Read]:
    """What is measured, by name."""
    scrubber = build_scrubber(Settings("surrogate", Key(b"k" * 32), lang="zh"))
    tagger = embedded_tagger("zh")
    found: dict[str, Read] = {
        "llmsafe scrub: find and replace": scrubber.scrub,
        "its tagger alone": lambda note: list(tagger.find(chinese_view(note.text).text)),
    }
    try:
        jieba, posseg = import_module("jieba"), import_module("jieba.posseg")
    except ImportError:
        print("jieba is not installed: it is left out", file=sys.stderr)
        return found
    jieba.setLogLevel(logging.CRITICAL)
    jieba.initialize()
    return {**found, "jieba.posseg": lambda note: posseg.lcut(note.text)}


def rates(
    notes: Sequence[Note], measured: Mapping[str, Read], rounds: int
) -> dict[str, list[float]]:
    """Characters a second of each system in each round."""
    found: dict[str, list[float]] = {name: [] for name in measured}
    for number in range(rounds + 1):
        mine = notes[number :: rounds + 1]
        size = sum(len(note.text) for note in mine)
        for name, read in measured.items():
            start = time.perf_counter()
            for note in mine:
                read(note)
            if number:
                found[name].append(size / (time.perf_counter() - start))
    return found


def table(notes: Sequence[Note], measured: Mapping[str, Read], rounds: int) -> str:
    """What was read and how fast."""
    size = sum(len(note.text) for note in notes)
    lines = [
        f"{len(notes)} notes, {size:,} characters, in {rounds} rounds and one before them.\n",
        "| | characters/s, median | least | most |",
        "|---|---:|---:|---:|",
    ]
    for name, speeds in rates(notes, measured, rounds).items():
        low, high = min(speeds), max(speeds)
        lines.append(f"| {name} | {statistics.median(speeds):,.0f} | {low:,.0f} | {high:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", type=Path, nargs="?", default=NOTES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    notes = [gold.note for gold in read_gold(options.notes)]
    measured = systems()
    text = (
        "# Chinese notes, characters a second on one core\n\n"
        "Written by `scripts/bench_zh.py`; do not edit. What is measured: its `--help`.\n\n"
        f"Machine: {machine('cpu', 1)}.\n"
    )
    for lang, script in SCRIPTS.items():
        mine = [note for note in notes if note.lang == lang]
        text += f"\n## {script}\n\n{table(mine, measured, options.rounds)}"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
