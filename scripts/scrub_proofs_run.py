"""What the proofs of scripts/scrub_proofs.py share: the command line, and reading text strictly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEY = "5a" * 32
# The command itself, but with shards small enough that a run of seconds has many.
_SMALL_SHARDS = """
import sys
import llmsafe.corpus, llmsafe.corpus.source
llmsafe.corpus.SHARD_NOTES = llmsafe.corpus.source.SHARD_NOTES = int(sys.argv.pop(1))
from llmsafe.cli.main import main
main()
"""


@dataclass
class Check:
    """One row of the page. ``failures`` says what went wrong, a line each; empty is a pass."""

    name: str
    cases: int = 0
    failures: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    seed: str = "–"
    remark: str = ""

    def demand(self, holds: bool, otherwise: str) -> None:
        """Count a case, and keep what is wrong if it does not hold."""
        self.cases += 1
        if not holds:
            self.failures.append(otherwise)


@dataclass(frozen=True)
class Ran:
    """What a run said."""

    code: int
    said: str
    seconds: float


class Bench:
    """Runs ``llmsafe scrub`` with HOME and TMPDIR in a folder of its own, so that every file a run
    leaves anywhere can be looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("home", "tmp", "in", "out"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.key = folder / "key"
        self.key.write_text(KEY)
        self.key.chmod(0o600)

    def path(self, name: str) -> Path:
        """Where the output of that name is."""
        return self.folder / "out" / name

    def start(
        self, source: Path, name: str, *options: str, shard_notes: int | None = None
    ) -> subprocess.Popen[bytes]:
        """The command, started in a process group of its own."""
        begin = ["-c", _SMALL_SHARDS, str(shard_notes)] if shard_notes else ["-m", "llmsafe"]
        command = [
            sys.executable, *begin, "scrub", str(source), str(self.path(name)),
            "--key-file", str(self.key), *options,
        ]  # fmt: skip
        paths = [str(ROOT), str(self.folder / "in"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def scrub(self, source: Path, name: str, *options: str, shard_notes: int | None = None) -> Ran:
        """The command, run to its end."""
        began = time.monotonic()
        code = self.start(source, name, *options, shard_notes=shard_notes).wait(timeout=600)
        return Ran(code, self.said(name), time.monotonic() - began)

    def said(self, name: str) -> str:
        """All that the last run of that name wrote to the terminal."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a jsonl output, in order."""
        parts = sorted((self.path(name) / "corpus").iterdir())
        lines = (line for part in parts for line in part.read_bytes().split(b"\n") if line)
        return [json.loads(line) for line in lines]

    def quarantined(self, name: str) -> dict[str, str]:
        """Reason by record."""
        path = self.path(name) / "vault" / "quarantine_reasons.json"
        return json.loads(path.read_text()) if path.exists() else {}


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A jsonl file of those rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# --- reading text strictly ----------------------------------------------------------------------

# Written for the search alone, not taken from the scrubber: letters that look like others.
_LOOK = str.maketrans(
    dict(zip("авеіјкмнорстухԁѕһԛԝ", "abeijkmhopctyxdshqw", strict=True))
    | dict(zip("αβεικνορτυχγηω", "abeikvoptuxynw", strict=True))
    | dict(zip("ɑıøđłðɡ", "aiodldg", strict=True))
    | {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)  # fmt: skip


def folded(text: str) -> str:
    """Small Latin letters and ASCII digits as far as a reader would see them; nothing invisible."""
    out: list[str] = []
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        digit = unicodedata.decimal(character, None)
        out.append(character if digit is None else str(digit))
    return "".join(out).casefold().translate(_LOOK)


def loose(value: str, gap: str = r"[^a-z0-9]{0,3}") -> str:
    """A pattern for the letters and digits of a value with anything else between them."""
    return gap.join(character for character in folded(value) if character.isalnum())


def alone(pattern: str) -> str:
    """The pattern where it is not a part of a longer word or number."""
    return (
        rf"(?:(?<![a-z])(?=[a-z])|(?<![0-9])(?=[0-9])){pattern}"
        r"(?:(?<=[a-z])(?![a-z])|(?<=[0-9])(?![0-9]))"
    )


_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip


def date_pattern(iso: str) -> str:
    """A pattern for a day in any written form, month and day in either order."""
    year, month, day = iso[:10].split("-")
    m, d, y = rf"0?{int(month)}", rf"0?{int(day)}", rf"(?:{year}|'?{year[2:]})"
    name = _MONTHS[int(month) - 1]
    word = rf"{name[:3]}(?:{name[3:4]}|{name[3:]})?\.?" if name[3:] else name
    gap = r"[\s./,_-]{1,3}"
    ordinal = rf"{d}\s?(?:st|nd|rd|th)?"
    forms = (
        rf"{m}{gap}{d}{gap}{y}", rf"{d}{gap}{m}{gap}{y}", rf"{year}{gap}{m}{gap}{d}",
        rf"{year}{month}{day}", rf"{month}{day}{year}", rf"{day}{month}{year}",
        rf"{word}[\s-]{{0,3}}(?:the )?{ordinal}(?:[\s,-]{{0,3}}(?:of )?{y})?",
        rf"{ordinal}[\s-]{{0,3}}(?:of )?{word}(?:[\s,-]{{0,3}}{y})?",
    )  # fmt: skip
    return rf"(?<![a-z0-9])(?:{'|'.join(forms)})(?![a-z0-9])"


def any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """One pattern for all of them."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
