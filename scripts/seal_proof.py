"""A sealed corpus through the whole job, and not one clear byte of it on the disk.

    python scripts/seal_proof.py [--write]

Every step runs as users run it, in processes of its own, with home, temporary folder, library
caches and working folder in one place. A sentinel stands in every note. After the job each file
there is searched for it, for the canaries' secrets and for patients' ids; and so is every file that
any Python process of the job removes or replaces, before it goes (an audit hook, `sitecustomize`).
Controls: the search finds the sentinel in the notes before they are sealed and in a file that is
written and removed again, and the sentinel is in what training read. Takes a few minutes on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from release_proof import new_key

ROOT = Path(__file__).resolve().parents[1]
SENTINEL = "xylophagous quodlibet"
PATIENTS, STEPS = 24, 2

# Runs at the start of every Python process of the job.
HOOK = """
import os, sys

def searched(path, why):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, TypeError, ValueError):
        return
    with open(os.environ["PROOF_LOG"], "ab") as log:
        found = os.environ["PROOF_SENTINEL"].encode() in data
        log.write(f"{'FOUND' if found else 'clean'} {why} {path}\\n".encode())

def hook(event, args):
    if event == "os.remove":
        searched(args[0], "removed")
    elif event == "os.rename":
        searched(args[0], "renamed")
        searched(args[1], "replaced")

if "PROOF_LOG" in os.environ:
    sys.addaudithook(hook)
"""


class Job:
    """Commands in one closed place."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.removed = place.parent / f"{place.name}.removed"
        for name in ("home", "tmp", "cache", "work", "keys", "hook"):
            (place / name).mkdir(parents=True)
        (place / "hook" / "sitecustomize.py").write_text(HOOK)
        paths = [str(place / "hook"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        self.environment = os.environ | {
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "HF_HOME": str(place / "cache"),
            "XDG_CACHE_HOME": str(place / "cache"),
            "MPLCONFIGDIR": str(place / "cache"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PROOF_LOG": str(self.removed),
            "PROOF_SENTINEL": SENTINEL,
            "LLMSAFE_SEAL_KEY_FILE": str(place / "keys" / "seal.key"),
            "LLMSAFE_ACCESS_REASON": "proof",
        }
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, *command: str, expected: Iterable[int] = (0,)) -> str:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.place / "work",
            env=self.environment,
            capture_output=True,
            text=True,
        )
        self.seconds[name] = time.monotonic() - began
        if done.returncode not in expected:
            sys.exit(f"{name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        if SENTINEL in done.stdout + done.stderr:
            sys.exit(f"{name} printed the sentinel")
        return done.stdout

    def llmsafe(self, name: str, *arguments: str, expected: Iterable[int] = (0,)) -> str:
        return self(name, "-m", "llmsafe", *arguments, expected=expected)


def search(place: Path, wanted: Iterable[bytes]) -> tuple[list[Path], int]:
    """Files under ``place`` that hold one of the byte strings, and how many were looked at."""
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    wanted = list(wanted)
    found = [path for path in files if any(one in path.read_bytes() for one in wanted)]
    return found, len(files)


def write_notes(path: Path) -> None:
    rows = [
        {
            "note_id": f"note-{patient}-{visit}",
            "patient_id": f"qqpatient{patient:04d}",
            "date": "2021-03-02",
            "text": f"Seen for {SENTINEL} in week {visit}, dose {patient + visit} mg, stable. " * 2,
        }
        for patient in range(PATIENTS)
        for visit in range(2)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def prove(place: Path) -> dict[str, object]:
    """Run the job; what was searched and found."""
    job, work = Job(place), place / "work"
    job.llmsafe("key", "key", "new", str(place / "keys" / "seal.key"))
    write_notes(work / "notes.jsonl")
    if search(place, [SENTINEL.encode()])[0] != [work / "notes.jsonl"]:
        sys.exit("the search does not find the sentinel in clear notes")
    job(
        "control",
        "-c",
        "import os; open('x', 'w').write(os.environ['PROOF_SENTINEL']); os.remove('x')",
    )
    if b"FOUND removed x" not in job.removed.read_bytes():
        sys.exit("the search does not see files that are removed")
    job.llmsafe("seal", "seal", "notes.jsonl")
    job.removed.unlink()  # it saw the clear notes being replaced by sealed ones

    job.llmsafe("scrub", "scrub", "notes.jsonl", "scrubbed", "--workers", "1")
    job.llmsafe("canary", "canary", "scrubbed", "corpus", "--count", "20")
    job(
        "train", str(ROOT / "recipes" / "dp_lora.py"), "data.corpus=corpus", "output=run",
        "model.lora_rank=2", "data.max_tokens=64", "data.held_out=0.2", "privacy.delta=1e-3",
        f"privacy.population={PATIENTS + 10}", "train.units_per_step=8", f"train.steps={STEPS}",
        "train.checkpoint_every=1",
    )  # fmt: skip
    job.llmsafe("audit", "audit", "--model", "run", "--also", "lowercase", "--generate", "8")
    job.llmsafe("audit again", "audit", "--model", "run", "--from-scores", "--force")
    job.llmsafe("check", "check", "run")
    signing, public = new_key(place / "keys", "signing")
    # What leaks is not the question here: a policy that every private run passes.
    (work / "any.yaml").write_text("name: any\nmax_claimed_epsilon: 1000\n")
    job.llmsafe(
        "release", "release", "run", "--policy", "any.yaml", "--merge", "--key-file", str(signing)
    )
    job.llmsafe("verify", "verify", "run-release", "--key", str(public))
    lines = (
        json.loads(job.llmsafe("access", "access", "run", "--json"))["log"]
        if (work / "run" / "access.json").exists()
        else []
    )

    clear = job(
        "read", "-c",
        "from llmsafe.corpus import open_corpus; from llmsafe.artifacts import CanaryManifest\n"
        "from pathlib import Path; import json, os\n"
        "notes = list(open_corpus('corpus').notes())\n"
        "kept = sum(os.environ['PROOF_SENTINEL'] in n.text for n in notes)\n"
        "c = CanaryManifest.load(Path('run/vault/canaries.json')).canaries\n"
        "print(json.dumps([kept, [x.text[x.secret_start:x.secret_end] for x in c], "
        "sorted({n.patient_id for n in notes})]))",
    )  # fmt: skip
    kept, secrets, patients = json.loads(clear)
    if kept != 2 * PATIENTS:
        sys.exit(f"only {kept} notes that training read hold the sentinel: it proves nothing")
    wanted = [SENTINEL.encode(), b"qqpatient", *(one.encode() for one in [*secrets, *patients])]
    found, looked = search(place, wanted)
    removed = job.removed.read_text().splitlines()
    return {
        "found": [str(path.relative_to(place)) for path in found]
        + [line for line in removed if line.startswith("FOUND")],
        "files": looked,
        "removed": len(removed),
        "wanted": len(wanted),
        "log": len(lines),
        "seconds": job.seconds,
        "clear": sorted(
            str(path.relative_to(work)) for path in (work / "run").rglob("*")
            if path.is_file() and not path.read_bytes().startswith((b"llmsafe\0", b"llmsafe-lines"))
        ),
    }  # fmt: skip


def render(said: dict[str, object]) -> str:
    seconds: dict[str, float] = said["seconds"]  # type: ignore[assignment]
    found = said["found"]
    rows = "\n".join(f"| {name} | {value:.1f} |" for name, value in seconds.items())
    clear = "\n".join(f"- `{name}`" for name in said["clear"])  # type: ignore[attr-defined]
    return f"""# A sealed corpus through the whole job

Made by `python scripts/seal_proof.py --write`: {PATIENTS} patients, {2 * PATIENTS} notes with a
sentinel in each, sealed; then scrub, canary, training ({STEPS} steps), audit (with generation),
audit from its scores, check, release (merged, signed), verify, each in processes of its own.

Searched for {said["wanted"]} strings (the sentinel, the canaries' secrets, patients' ids before and
after scrubbing): **{len(found)} found** in {said["files"]:,} files that were there at the end
(working folder, home, temporary folder, library caches), and for the sentinel in
{said["removed"]:,} files that were removed, renamed or replaced on the way.

Clear in the run folder, as meant:

{clear}

| step | seconds |
| --- | ---: |
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/results/seal-proof.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seal-proof-") as folder:
        said = prove(Path(folder) / "place")
    page = render(said)
    print(page)
    if arguments.write:
        (ROOT / "docs" / "results" / "seal-proof.md").write_text(page)
    if said["found"]:
        sys.exit(f"FOUND in clear: {said['found']}")


if __name__ == "__main__":
    main()
