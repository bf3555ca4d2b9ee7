"""A scrub that is killed at a random moment, and what it leaves then and after ``--resume``.

Four marks stand in the records: one that is PHI, one in ordinary text, one in the ids of notes, one
in records that cannot be read. After the kill and at the end every file under the private folder is
searched for them, also as UTF-16, base64 and hexadecimal digits. The first may be nowhere, the
second in the corpus alone, the third in the file of ``--spans`` alone (its lines name the notes by
the ids they came with), the fourth in the quarantine alone.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scrub_proofs_run import Bench, Check, write_rows

SHARD = 12
PHI, TEXT, IDS, BROKEN = "Zebulonquack", "unremarkablemark", "qwxvidmark", "qwxvbrokenmark"
# Beginnings of names of files, or of the folder they are in, where a mark may be.
_DECLARED = {
    PHI: (),
    TEXT: ("corpus", "shard"),
    IDS: ("spans", ".spans"),
    BROKEN: ("quarantine", ".quarantine"),
}
METHODS, WORKERS = ("surrogate", "hash"), (1, 2)
_DEADLINE = 30.0  # seconds for the processes of a killed run to notice


def write_corpus(folder: Path, notes: int) -> Path:
    """Notes of seven patients with all the marks; every 29th record cannot be read."""
    table = [
        {"patient_id": f"p{i}", "first_name": PHI, "last_name": "Okonkwo", "mrn": f"{PHI}{i}77"}
        for i in range(7)
    ]
    write_rows(folder / "people.jsonl", table)
    lines: list[str] = []
    for i in range(notes):
        text = (
            f"{PHI} Okonkwo was seen on 3/{1 + i % 28}/2021 by Dr. {PHI.upper()}; "
            f"MRN {PHI}{i % 7}77; {TEXT} is ordinary text, case {i}."
        )
        row = {"note_id": f"{IDS}-{i}", "patient_id": f"p{i % 7}", "text": text, "ward": PHI}
        lines.append(f'{{"text": "{BROKEN}' if i % 29 == 28 else json.dumps(row))
    path = folder / "kill.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


class Kills:
    """Kills and resumes runs of one corpus, and compares them with runs that nobody killed."""

    def __init__(self, bench: Bench, notes: int) -> None:
        self.bench = bench
        self.corpus = write_corpus(bench.folder / "in", notes)
        self.shards = -(-notes // SHARD)
        self.same = Check("killed at a random moment, resumed: byte-identical")
        self.marks = Check("marked text is in no file but those declared, also right after a kill")
        self.ended = Check("no process outlives a killed run")

    def checks(self) -> list[Check]:
        return [self.same, self.marks, self.ended]

    def _options(self, method: str, workers: int, name: str) -> tuple[str, ...]:
        people = self.bench.folder / "in" / "people.jsonl"
        spans = self.bench.folder / "out" / f"spans-{name}"
        return (
            "--method", method, "--workers", str(workers), "--known-identifiers", str(people),
            "--spans", str(spans),
        )  # fmt: skip

    def whole(self, method: str, workers: int) -> tuple[dict[str, bytes], float]:
        """An uninterrupted run: its files, and how long it took."""
        name = f"whole-{method}-{workers}"
        options = self._options(method, workers, name)
        ran = self.bench.scrub(self.corpus, name, *options, shard_notes=SHARD)
        self.same.demand(ran.code == 3, f"the uninterrupted run ended with {ran.code}")
        self._look(name, f"{name}, finished")
        return self._files(name), ran.seconds

    def kill(self, method: str, workers: int, index: int, whole: dict[str, bytes],
             seconds: float, rng: random.Random) -> None:  # fmt: skip
        """One kill and what follows. Half of the moments are drawn from the whole run, half from
        the time in which shards are written."""
        name = f"killed-{method}-{workers}-{index}"
        options = self._options(method, workers, name)
        process = self.bench.start(self.corpus, name, *options, shard_notes=SHARD)
        if index % 2:
            self._await_shards(process, name, rng.randrange(self.shards), rng.random() * 0.05)
        else:
            time.sleep(rng.random() * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        moment = f"{name}, killed with {self._shards(name)} of {self.shards} shards"
        self._look(name, moment)
        finished = (self.bench.path(name) / "vault").exists()
        ran = self.bench.scrub(self.corpus, name, *options, "--resume", shard_notes=SHARD)
        # A run may be killed when its work is done: then there is nothing to resume.
        self.same.demand(ran.code == (2 if finished else 3), f"{moment}: resume gave {ran.code}")
        files = self._files(name)
        wrong = sorted(
            key for key in whole.keys() | files.keys() if whole.get(key) != files.get(key)
        )
        self.same.demand(not wrong, f"{moment}: differ: {', '.join(wrong[:5])}")
        self._look(name, f"{name}, resumed")
        self.ended.demand(_group_ends(process.pid), f"{moment}: processes still run")

    def _shards(self, name: str) -> int:
        work = self.bench.folder / "out" / f".{name}.scrub" / "corpus"
        return len(list(work.iterdir())) if work.exists() else 0

    def _await_shards(self, process: Any, name: str, count: int, further: float) -> None:
        while process.poll() is None and self._shards(name) < count:
            time.sleep(0.002)
        time.sleep(further)

    def _files(self, name: str) -> dict[str, bytes]:
        """All files of an output, and its spans; without what is a time."""
        output, spans = self.bench.path(name), self.bench.folder / "out" / f"spans-{name}"
        files = {
            str(p.relative_to(output)): p.read_bytes() for p in output.rglob("*") if p.is_file()
        }
        manifest = json.loads(files.get("vault/scrub_manifest.json", b"{}"))
        manifest.pop("seconds", None)
        files["vault/scrub_manifest.json"] = json.dumps(manifest).encode()
        return files | {"spans": spans.read_bytes() if spans.exists() else b""}

    def _look(self, name: str, moment: str) -> None:
        """Search every file but the input."""
        for path in sorted(self.bench.folder.rglob("*")):
            if not path.is_file() or path.parent == self.bench.folder / "in":
                continue
            place = path.relative_to(self.bench.folder)
            held = path.read_bytes()
            for mark, allowed in _DECLARED.items():
                declared = path.name.startswith(allowed) or path.parent.name.startswith(allowed)
                found = any(form in held for form in forms(mark))
                self.marks.demand(declared or not found, f"{moment}: {mark} in {place}")


def forms(mark: str) -> Iterator[bytes]:
    """A mark as bytes: as it is, in capitals, small, UTF-16, hexadecimal and base64."""
    for text in (mark, mark.upper(), mark.lower()):
        data = text.encode()
        yield from (data, text.encode("utf-16-le"), data.hex().encode())
        for shift in range(3):  # base64 has three ways to cut the same bytes
            coded = base64.b64encode(b"\0" * shift + data)
            yield coded[4 if shift else 0 : len(coded) - 4]


def _group_ends(group: int) -> bool:
    """Whether all processes of a group end by themselves; those that do not are ended."""
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return False


def kill_proofs(bench: Bench, kills: int, seed: int, notes: int = 240) -> list[Check]:
    """``kills`` kills in all, spread over two methods and one and two workers."""
    began, rng, proof = time.monotonic(), random.Random(seed), Kills(bench, notes)
    wholes: dict[str, dict[str, bytes]] = {}
    variants = [(method, workers) for method in METHODS for workers in WORKERS]
    for number, (method, workers) in enumerate(variants):
        whole, seconds = proof.whole(method, workers)
        first = wholes.setdefault(method, whole)
        proof.same.demand(first == whole, f"{method}: one worker and two differ")
        for index in range(number, kills, len(variants)):
            proof.kill(method, workers, index // len(variants), whole, seconds, rng)
    for check in proof.checks():
        check.seed = str(seed)
    proof.same.seconds = time.monotonic() - began
    proof.same.remark = (
        f"{kills} kills, methods {' and '.join(METHODS)}, 1 and 2 workers; {notes} records in "
        f"shards of {SHARD}; compared are corpus, manifest (without seconds), lineage, quarantine "
        "and spans"
    )
    return proof.checks()
