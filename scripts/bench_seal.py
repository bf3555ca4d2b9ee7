"""What does sealing cost? llmsafe and openssl on the same file, in turn, and the memory of 5 GB.

    python scripts/bench_seal.py --mib 512 --rounds 5 --large-gib 5 --write

Throughput: every variant reads the same file (from the page cache) and writes to /dev/null, in a
random order within each round; ratios are taken within a round. Seconds are wall-clock; on a
shared machine CPU seconds (of the process and its children) say more. `openssl enc` has no
authenticated mode, so it is shown alone (AES-256-CTR, which protects no integrity), followed by
HMAC-SHA256 over the ciphertext (encrypt-then-MAC), and as `openssl cms` with AES-256-GCM for a
P-256 certificate, which is the nearest to what llmsafe does. `age` is measured if it is there.

Memory: `llmsafe seal` in place and a read to the end, each in a process of its own, of a small and
of a large file on the disk; the peak is that of the process, the interpreter included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
KEY = "00112233445566778899aabbccddeeff" * 2
IV = KEY[:32]
Timed = tuple[float, float]  # wall-clock and CPU seconds


# --- throughput ---------------------------------------------------------------------------------


def shell(command: str) -> Callable[[], Timed]:
    def turn() -> Timed:
        before, began = children_cpu(), time.monotonic()
        subprocess.run(["bash", "-c", f"set -eo pipefail; {command}"], check=True)
        return time.monotonic() - began, children_cpu() - before

    return turn


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(source: Path, *, seal: bool) -> Callable[[], Timed]:
    """Here, in this process: an interpreter's start is no part of the throughput."""
    from llmsafe.seal.keys import needed_key
    from llmsafe.seal.store import Sealing, opened

    key = needed_key()

    def turn() -> Timed:
        used, began = time.process_time(), time.monotonic()
        with source.open("rb") as file, open(os.devnull, "wb") as out:
            writer = Sealing(key, (key.id,)).writer(out) if seal else None
            clear = file if seal else opened(source, file)
            while block := clear.read(MIB):
                (writer or out).write(block)
            if writer:
                writer.finish()
        return time.monotonic() - began, time.process_time() - used

    return turn


def variants(work: Path, clear: Path) -> tuple[dict[str, Callable[[], Timed]], list[str]]:
    """Name to one turn; and what could not be measured."""
    from llmsafe.seal.keys import needed_key
    from llmsafe.seal.store import Sealing

    sealed = work / "sealed"
    with clear.open("rb") as file, sealed.open("wb") as out:
        writer = Sealing(needed_key(), (needed_key().id,)).writer(out)
        while block := file.read(MIB):
            writer.write(block)
        writer.finish()
    ctr = f"openssl enc -aes-256-ctr -K {KEY} -iv {IV}"
    mac = f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{KEY}"
    subprocess.run(["bash", "-c", f"{ctr} -in {clear} -out {work}/ctr"], check=True)
    found = {
        "seal: llmsafe": ours(clear, seal=True),
        "seal: openssl enc, CTR alone": shell(f"{ctr} -in {clear} > /dev/null"),
        "seal: openssl enc, CTR + HMAC": shell(f"{ctr} -in {clear} | {mac} > /dev/null"),
        "open: llmsafe": ours(sealed, seal=False),
        "open: openssl enc, CTR alone": shell(f"{ctr} -d -in {work}/ctr > /dev/null"),
        "open: openssl enc, CTR + HMAC": shell(
            f"{mac} {work}/ctr > /dev/null && {ctr} -d -in {work}/ctr > /dev/null"
        ),
    }
    missing: list[str] = []
    cms = "openssl cms -encrypt -binary -stream -outform DER -aes-256-gcm"
    try:
        subprocess.run(
            ["bash", "-c", f"cd {work} && openssl req -x509 -newkey ec -pkeyopt "
             "ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout key.pem -out cert.pem 2>/dev/null "
             f"&& {cms} -in {clear} -out cms cert.pem && openssl cms -decrypt -binary -inform DER "
             f"-in cms -inkey key.pem -recip cert.pem | cmp - {clear}"],
            check=True,
        )  # fmt: skip
        found["seal: openssl cms, GCM"] = shell(f"{cms} -in {clear} {work}/cert.pem > /dev/null")
        found["open: openssl cms, GCM"] = shell(
            f"openssl cms -decrypt -binary -inform DER -in {work}/cms -inkey {work}/key.pem "
            f"-recip {work}/cert.pem > /dev/null"
        )
    except subprocess.CalledProcessError:
        missing.append("openssl cms (this version has no AES-256-GCM there)")
    if shutil.which("age"):
        subprocess.run(["age-keygen", "-o", f"{work}/age.key"], check=True, capture_output=True)
        name = subprocess.check_output(["age-keygen", "-y", f"{work}/age.key"], text=True).strip()
        subprocess.run(["age", "-r", name, "-o", f"{work}/age", str(clear)], check=True)
        found["seal: age"] = shell(f"age -r {name} {clear} > /dev/null")
        found["open: age"] = shell(f"age -d -i {work}/age.key {work}/age > /dev/null")
    else:
        missing.append("age (not installed)")
    return found, missing


def measure(mib: int, rounds: int, work: Path) -> tuple[dict[str, list[Timed]], list[str]]:
    clear = work / "clear"
    block = random.Random(0).randbytes(4 * MIB)
    with clear.open("wb") as file:
        for _ in range(mib // 4):
            file.write(block)
    turns, missing = variants(work, clear)
    times: dict[str, list[Timed]] = {name: [] for name in turns}
    order, rng = list(turns), random.Random(1)
    for name in order:  # unmeasured: caches and branch predictors
        turns[name]()
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            times[name].append(turns[name]())
    return times, missing


# --- memory -------------------------------------------------------------------------------------

CHILD = """
import json, re, sys, time
from pathlib import Path
from llmsafe.files import open_file
from llmsafe.seal.keys import needed_key
from llmsafe.seal.tree import seal_path
path, what = Path(sys.argv[1]), sys.argv[2]
began, length = time.monotonic(), 0
if what == "seal":
    seal_path(path, needed_key())
elif what == "read":
    with open_file(path) as file:
        while block := file.read(1 << 20):
            length += len(block)
# Not ru_maxrss: that begins with what the parent held when it forked.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([length, time.monotonic() - began, peak]))
"""


def memory(size: int, work: Path) -> list[tuple[str, float, float]]:
    """(what, seconds, peak MiB) of a file of ``size`` bytes on the disk."""
    path = work / "large"
    with path.open("wb") as file:
        file.truncate(size)
    found: list[tuple[str, float, float]] = []
    for what in ("nothing", "seal", "read"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path), what], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stderr)
        length, seconds, peak = json.loads(done.stdout)
        if what == "read" and length != size:
            sys.exit(f"read {length} of {size} bytes")
        found.append((what, seconds, peak))
    path.unlink()
    return found


# --- the page -----------------------------------------------------------------------------------


def spread(values: list[float], form: str = ".2f") -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}}–{max(values):{form}}]"


def render(
    arguments: argparse.Namespace,
    times: dict[str, list[Timed]],
    missing: list[str],
    large: dict[int, list[tuple[str, float, float]]],
) -> str:
    lines = [
        "# What sealing costs", "",
        "Written by `scripts/bench_seal.py`; do not edit. `--help` says what is compared.", "",
        "```console", f"$ python scripts/bench_seal.py --mib {arguments.mib} --rounds "
        f"{arguments.rounds} --large-gib {arguments.large_gib} --write", "```", "",
        f"Machine: {platform.machine()}, {os.cpu_count()} CPU, shared with other work. python "
        f"{platform.python_version()}, cryptography {version('cryptography')}, "
        f"{subprocess.check_output(['openssl', 'version'], text=True).strip()}.", "",
        f"A file of {arguments.mib} MiB; medians of {arguments.rounds} interleaved rounds, lowest "
        "to highest in brackets. × is llmsafe's speed over the variant's, within a round.", "",
        "| variant | MB/s, wall | MB/s, CPU | llmsafe ×, wall | llmsafe ×, CPU |",
        "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    megabytes = arguments.mib * MIB / 1e6
    for name, seconds in sorted(times.items(), key=lambda item: (item[0][:4] == "open", item[0])):
        own = times[f"{name[:4]}: llmsafe"]
        cells = [spread([megabytes / s[which] for s in seconds], ",.0f") for which in (0, 1)]
        cells += [
            spread([s[which] / o[which] for s, o in zip(seconds, own, strict=True)])
            for which in (0, 1)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Not measured: {'; '.join(missing) or 'nothing'}.", "", "## Memory", ""]
    lines += [
        "| file | what | seconds | peak, MiB | above the interpreter |",
        "|---|---|---:|---:|---:|",
    ]
    for size, rows in large.items():
        file, start = f"{size / (1 << 30):g} GiB", rows[0][2]
        lines += [
            f"| {file} | {what} | {seconds:.1f} | {peak:.0f} | {peak - start:.0f} |"
            for what, seconds, peak in rows
        ]
    lines += ["", "`seal` includes reading, fsync and overwriting the old blocks.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=512, help="size of the file to time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large-gib", type=int, default=5, help="size of the file for memory")
    parser.add_argument("--write", action="store_true", help="write docs/results/bench-seal.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-seal-") as folder:
        work = Path(folder)
        made = subprocess.run(
            [sys.executable, "-m", "llmsafe", "key", "new", str(work / "seal.key")], check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert made.returncode == 0
        os.environ["LLMSAFE_SEAL_KEY_FILE"] = str(work / "seal.key")
        times, missing = measure(arguments.mib, arguments.rounds, work)
        large = {size: memory(size, work) for size in (64 * MIB, arguments.large_gib << 30)}
    page = render(arguments, times, missing, large)
    print(page)
    if arguments.write:
        (ROOT / "docs" / "results" / "bench-seal.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
