"""What the release gate lets out, what it keeps, and what of a release can be changed unseen.

    python scripts/release_proof.py PRIVATE_RUN CONTROL_RUN --policy hospital.yaml --work WORK

Both runs come from training, audited (`eval/canary_power.py` leaves such runs behind). The private
one is released in every form whose packages are installed (adapter, merged, 8 and 4 bits), each
attacked anew; the control is offered to the same gate. Then every file of the merged release is
changed by one byte, cut and removed, files are added, the key and the policy's date are wrong, and
`llmsafe verify` is asked each time. Writes a page with every exit code, the audits beside that of
the adapter as trained, and how far perplexity moved.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from llmsafe.artifacts import Audit
from llmsafe.cli.jobs import command_line, verb_command
from llmsafe.files import make_folder, write_text
from llmsafe.report.tables import comparison_markdown

ROOT = Path(__file__).resolve().parents[1]
FORMS = {
    "adapter": ((), None),
    "merged": (("--merge",), None),
    "int8": (("--quantise", "int8"), "torchao"),
    "int4": (("--quantise", "int4"), "bitsandbytes"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("private", type=Path, help="run with a guarantee, audited")
    parser.add_argument("control", type=Path, help="run without one, audited")
    parser.add_argument("--policy", type=Path, required=True, help="a policy file")
    parser.add_argument("--work", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "release.md")
    args = parser.parse_args()
    work = make_folder(args.work, private=True)
    keys = new_key(work, "hospital")
    steps, audits = [], [("adapter as trained", Audit.load(args.private / "release/audit.json"))]
    for form, (options, package) in FORMS.items():
        if package and importlib.util.find_spec(package) is None:
            steps.append((f"release, {form}", "not run", f"{package} is not installed"))
            continue
        folder = work / form
        made = ("release", args.private, "--policy", args.policy, "--key-file", keys[0])
        steps.append((f"release, {form}", *run(*made, *options, "--out", folder)))
        if folder.is_dir():
            audits.append((form, Audit.load(folder / "audit.json")))
            code, said = run("verify", folder, "--key", keys[1])
            steps.append((f"verify, {form}", code, said))
    offered = ("release", args.control, "--policy", args.policy, "--key-file", keys[0])
    steps.append(("release of the control", *run(*offered, "--out", work / "control")))
    old = yaml.safe_load(args.policy.read_text())
    old["expires"] = datetime.date.today() - datetime.timedelta(1)
    write_text(work / "expired.yaml", yaml.safe_dump(old))
    offered = ("release", args.private, "--policy", work / "expired.yaml", "--key-file", keys[0])
    steps.append(("release by an expired policy", *run(*offered, "--out", work / "expired")))
    other = new_key(work, "other")
    steps.append(("verify by another key", *run("verify", work / "merged", "--key", other[1])))
    tampered = list(tamper(work / "merged", work / "tampered", keys[1]))
    write_text(args.out, page(args.policy, steps, tampered, audits))
    print(f"wrote {args.out}")


def new_key(work: Path, name: str) -> tuple[Path, Path]:
    """A P-256 key pair: private (0600) and public PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = work / f"{name}.pem", work / f"{name}.pub"
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_text(private, text.decode(), private=True)
    text = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_text(public, text.decode())
    return private, public


def run(*words: object) -> tuple[str, str]:
    """Exit code of a verb, and what it says: the error, the verdict, or its last line."""
    print("$ llmsafe", *words, file=sys.stderr)
    begun = time.monotonic()
    done = subprocess.run(verb_command(*words), capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    print(f"  {done.returncode}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    said = said or done.stdout.strip().splitlines()
    telling = [line for line in said if line.startswith(("llmsafe: error", "verdict"))]
    return str(done.returncode), re.sub(r"/\S*/(?=\S)", "", (telling or said)[-1])


def tamper(release: Path, place: Path, key: Path) -> Iterator[tuple[str, str]]:
    """Every change to a release, and the exit code of `llmsafe verify`."""
    files = sorted(path.relative_to(release) for path in release.rglob("*") if path.is_file())
    for name in files:
        for change in ("one byte", "cut", "removed"):
            yield f"{name}: {change}", verdict(release, place, key, name, change)
    for name in ("notes.txt", "sub/notes.txt", ".hidden"):
        yield f"{name}: added", verdict(release, place, key, Path(name), "added")


def verdict(release: Path, place: Path, key: Path, name: Path, change: str) -> str:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(release, place)
    target = place / name
    match change:
        case "one byte":
            data = bytearray(target.read_bytes())
            data[len(data) // 2] ^= 1
            target.write_bytes(data)
        case "cut":
            target.write_bytes(target.read_bytes()[:-1])
        case "removed":
            target.unlink()
        case _:
            target.parent.mkdir(exist_ok=True)
            target.write_text("x")
    return run("verify", place, "--key", key)[0]


def page(
    policy: Path,
    steps: list[tuple[str, str, str]],
    tampered: list[tuple[str, str]],
    audits: list[tuple[str, Audit]],
) -> str:
    passed = [f"{what} ({code})" for what, code in tampered if code != "3"]
    refused = f"refuses {len(tampered) - len(passed)} with exit code 3"
    refused += f", but not: {', '.join(passed)}." if passed else "."
    lines = [
        "# What the release gate lets out",
        "",
        "Written by `scripts/release_proof.py`; do not edit.",
        "",
        f"```console\n$ {command_line()}\n```",
        "",
        "The policy:",
        "",
        f"```yaml\n{policy.read_text().strip()}\n```",
        "",
        "| step | exit code | what it says |",
        "|---|---:|---|",
        *(f"| {step} | {code} | {said.replace('|', '/')} |" for step, code, said in steps),
        "",
        f"Of a merged release with one change, {len(tampered)} of them (each file with one bit "
        "flipped, cut by one byte, removed; three files added), `llmsafe verify` " + refused,
        "",
        "Each artefact's audit beside that of the adapter as trained, by the same attacks:",
        "",
        comparison_markdown(audits).rstrip(),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
