"""Notes per second of llmsafe and of Presidio's default patterns on a corpus, in one run.

    python eval/scrub_speed.py CORPUS [--known-identifiers Patient.ndjson ...]

CORPUS is what llmsafe scrub reads. Both systems have a process for each core, and take turns over
parts of the notes. llmsafe is given the known identifiers and measured twice: as it scrubs, and
finding only, which is all that Presidio's analyzer does; its anonymizer is another package. What
Presidio stands for: eval/scrub_recall.py --help.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from scrub_systems import FINDING, SYSTEMS, rates

from llmsafe.corpus import open_corpus
from llmsafe.notes import Note
from llmsafe.scrub.known.identities import read_identities


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--known-identifiers", type=Path, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    identities, _ = read_identities(options.known_identifiers)
    notes = [note for note in open_corpus(options.corpus).records() if isinstance(note, Note)]
    jobs = [(note, identities.get(note.patient_id or "")) for note in notes]
    systems = SYSTEMS | FINDING
    speeds = rates(jobs, list(systems), options.processes, options.rounds)
    length = sum(len(note.text) for note in notes) / len(notes)
    print(f"{len(notes):,} notes of {length:,.0f} characters, {options.processes} processes\n")
    print("|  | notes/s (least, most) | notes/hour |\n| --- | ---: | ---: |")
    for system, (median, least, most) in speeds.items():
        shown = f"{median:,.0f} ({least:,.0f}, {most:,.0f})"
        print(f"| {systems[system]} | {shown} | {3600 * median:,.0f} |")
    peer = speeds["presidio"][0]
    print(
        f"\nllmsafe: {speeds['llmsafe'][0] / peer:.2f} times Presidio's patterns; "
        f"{speeds['finding'][0] / peer:.2f} times where both only find"
    )


if __name__ == "__main__":
    main()
