"""Proofs that ``llmsafe scrub`` does what it promises, on real runs of the command line.

    python scripts/scrub_proofs.py --synthea synthea-fhir-10            # writes the page
    python scripts/scrub_proofs.py --notes 600 --kills 4 --out page.md   # quicker, no FHIR export

Three parts: no structured identifier of a FHIR export survives in the notes (your copy of Synthea's
bulk export), a run that is killed resumes to the same bytes and leaves nothing behind, and planted
identifiers, hostile files and faulty recognisers end cleaned or quarantined. Each search has a
negative control: on the notes before the scrub it must find what it looks for.

Exit 1 when a check fails; what failed is printed, and counted on the page.
"""

# ruff: noqa: E501 - the prose of the page

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scrub_proofs_fhir import fhir_proofs
from scrub_proofs_fuzz import fuzz_proofs
from scrub_proofs_hostile import hostile_proofs
from scrub_proofs_kill import kill_proofs
from scrub_proofs_run import Bench, Check

from llmsafe import __version__

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "scrub-proofs.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--synthea", type=Path, help="folder of a Synthea FHIR export")
    parser.add_argument("--notes", type=int, default=3000, help="notes with planted identifiers")
    parser.add_argument("--kills", type=int, default=20, help="in all, over four kinds of run")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        proofs: dict[str, Callable[[], list[Check]]] = {
            "A FHIR export": lambda: fhir_proofs(bench, args.synthea, args.seed),
            "Killed and resumed": lambda: kill_proofs(bench, args.kills, args.seed),
            "Planted identifiers": lambda: fuzz_proofs(bench, args.notes, args.seed),
            "Hostile input": lambda: hostile_proofs(bench, args.seed),
        }
        if args.synthea is None:
            del proofs["A FHIR export"]
        parts: list[tuple[str, list[Check]]] = []
        for title, prove in proofs.items():
            parts.append((title, prove()))
            for check in parts[-1][1]:
                verdict = "FAIL" if check.failures else "ok"
                print(f"{verdict:<5}{check.cases:>9,}  {check.name}", flush=True)
                for failure in check.failures[:20]:
                    print(f"       {failure[:1500]}", flush=True)
    args.out.write_text(page(parts, time.monotonic() - began))
    print(f"wrote {args.out}")
    sys.exit(1 if any(check.failures for _, several in parts for check in several) else 0)


def page(parts: Sequence[tuple[str, list[Check]]], seconds: float) -> str:
    """The page: a table for each part, and what was looked at."""
    checks = [check for _, several in parts for check in several]
    failed = sum(len(check.failures) for check in checks)
    given = shlex.join(_short(word) for word in sys.argv[1:])
    lines = [
        "# The scrubber, put to the proof",
        "",
        f"Written by `scripts/scrub_proofs.py` (llmsafe {__version__}); do not edit.",
        "",
        "```console",
        f"$ python scripts/scrub_proofs.py {given}".rstrip(),
        "```",
        "",
        f"{sum(check.cases for check in checks):,} cases, {failed:,} failures, {seconds:,.0f} s on "
        f"{os.cpu_count()} cores (load average, this run included: {os.getloadavg()[2]:.1f}). Every part but the measurement of time runs the command line as a user does, "
        "with HOME and TMPDIR in a folder of its own. A negative control makes the same search on "
        "the notes before the scrub: it must find what it looks for.",
    ]
    for title, several in parts:
        lines += ["", f"## {title}", "", ABOUT[title], ""]
        lines += ["| check | cases | failures | seconds | seed |", "|---|---:|---:|---:|---:|"]
        for check in several:
            spent = f"{check.seconds:,.0f}" if check.seconds else ""
            cells = (f"{check.cases:,}", f"{len(check.failures):,}", spent, check.seed)
            lines.append(f"| {check.name} | {' | '.join(cells)} |")
        lines.append("")
        lines += [f"- {check.name}: {check.remark}." for check in several if check.remark]
    return "\n".join(lines) + "\n"


def _short(word: str) -> str:
    """An argument without the folders of this machine."""
    return Path(word).name if "/" in word else word


ABOUT = {
    "A FHIR export": (
        "The Patient and Practitioner resources are read with `json` alone and every identifier of "
        "the patient and of the note's authors is searched for in every note of that patient, in "
        "small or large letters and with anything between its letters and digits: names in full, "
        "each name with Synthea's number and without (`Marine542`, `Marine`), maiden and mother's "
        "maiden names, streets, towns, ZIP codes, telephone numbers, identifiers of every kind, "
        "dates of birth and death in every order; of practitioners names, numbers and e-mail "
        "addresses, not the town of the surgery, which is that of many patients. One case is one "
        "form in one note. Synthea writes hardly more than given names and a date into its notes; "
        "so the same export is scrubbed again with a face sheet at the head of every note that says "
        "all that the resources know, in forms drawn at random. A name or town that the notes also "
        "use as an ordinary word, in small letters, would be searched for with a capital only; "
        "which ones are is said below. The ZIP 00000 that Synthea writes for want of one names no "
        "place and is not searched for. A date that moves onto one of the patient's true dates is no "
        "survivor, and counted."
    ),
    "Killed and resumed": (
        "`kill -9` to the command's process; half of the moments are drawn from the whole run, half "
        "from the time in which shards are written (of 12 records here, so that there are many; "
        "10,000 otherwise). Then the same command with `--resume`. Every file anywhere under "
        "output, TMPDIR and HOME is searched after the kill and at the end for four marks, also in "
        "capitals, UTF-16, hexadecimal and base64: what is PHI may be nowhere, ordinary text in "
        "`corpus/` and the shard being written, ids of notes in the file of `--spans`, records that "
        "cannot be read in the quarantine. One case of that is one mark in one file at one moment."
    ),
    "Planted identifiers": (
        "Identities of invented patients are given as known identifiers and planted into notes in "
        "disguise: alphabets of Unicode, look-alikes, accents, invisible signs, marks of direction, "
        "emoji and separators inside, broken at a line, letter by letter, foreign digits; between "
        "sentences, brackets, markup, Hebrew, Arabic, Russian, Japanese and noise of all planes. "
        "A lone name that is also an everyday word, or has under four letters, is not planted in "
        "small letters or in pieces: nothing tells it from the word then. One case is one planted "
        "identifier, or one note that must not be lost."
    ),
    "Hostile input": (
        "Every record names a known patient and must end cleaned or quarantined: a million digits, "
        "10 MB on a line, 200,000 brackets, noise of all planes, right-to-left marks, NUL, half "
        "surrogates, wrong and mixed encodings, broken lines, RTF, PDF and images as text, quotes "
        "and newlines in CSV cells, attachments that are not what they say; recognisers that raise, "
        "exit, die, crash, hang, block or swallow the alarm. Stand-ins cannot be told from names, "
        "so scrubbing twice is judged for the other methods."
    ),
}


if __name__ == "__main__":
    main()
