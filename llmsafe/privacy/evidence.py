"""What the checks of a run share: the answer to one question, and where the evidence lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llmsafe.artifacts import Lineage, LineageStep, PrivacyStatement
from llmsafe.errors import EvidenceError
from llmsafe.files import RELEASE, VAULT, read_bytes, read_text, sha256_json
from llmsafe.privacy.ledger import LedgerSummary


@dataclass(frozen=True)
class Check:
    """One question and its answer. ``required`` evidence that is absent breaks the run."""

    name: str
    status: Literal["ok", "FAIL", "absent"]
    detail: str
    required: bool

    @property
    def broken(self) -> bool:
        """Whether this alone makes the run unfit to be relied on."""
        return self.status == "FAIL" or (self.status == "absent" and self.required)


class Absent(Exception):
    """What is to be checked is not there; the message says what."""


def read_lineage(vault: Path) -> Lineage:
    return Lineage.load(present(vault / "lineage.json"))


def train_step(vault: Path) -> LineageStep:
    later = ("audit", "release")
    made = [step for step in read_lineage(vault).steps if step.step not in later]
    if not made or made[-1].step != "train":
        raise EvidenceError(
            "the lineage does not end with the training of this run, its audit and its releases"
        )
    return made[-1]


def planned_settings(step: LineageStep, summary: LedgerSummary) -> dict[str, Any] | None:
    """The plan in the lineage, proven by its digest in the ledger; ``None`` when it has none.

    Raises:
        EvidenceError: it is not the plan that the ledger was opened for.
    """
    planned = step.settings.get("planned")
    if planned is not None and sha256_json(planned) != summary.plan_digest:
        raise EvidenceError("the settings of the plan in the lineage are not those of the ledger")
    return planned


def read_statement(release: Path) -> PrivacyStatement:
    return PrivacyStatement.load(present(release / "privacy.json"))


def present(path: Path) -> Path:
    if not path.is_file():
        raise Absent(f"no {path.parent.name}/{path.name}")
    return path


def files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise Absent(f"no {folder.name}/")
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def read_object(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(read_bytes(path)))
    except (ValueError, TypeError):
        raise EvidenceError(f"{path.name} is no JSON object") from None


def same(what: str, found: str, recorded: object) -> str:
    if found != recorded:
        raise EvidenceError(f"{what} is {short(found)}, the lineage says {short(str(recorded))}")
    return short(found)


def short(digest: str) -> str:
    return digest if len(digest) <= 24 else digest[:19] + "…"


def traces_of_training(run: Path) -> list[str]:
    """Names of what only a run that was charged leaves; its ledger is made before any of them."""
    left = (run / VAULT / "metrics.jsonl", run / VAULT / "checkpoints", run / RELEASE)
    return [path.name for path in left if path.exists()]


def steps_seen(vault: Path) -> int:
    """The highest step that the metrics of a run tell of; 0 without any."""
    path = vault / "metrics.jsonl"
    highest = 0
    for line in read_text(path).splitlines() if path.is_file() else ():
        try:
            highest = max(highest, int(json.loads(line)["step"]))
        except (ValueError, TypeError, KeyError):
            continue  # torn by a crash
    return highest
