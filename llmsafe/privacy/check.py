"""Is a run what it says? Lineage, ledger against statement, a second accountant, file modes.

Nothing here trusts the program that made the run: digests are taken anew, ε is computed anew, and
what cannot be verified is told as absent and never as ok.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from llmsafe.artifacts import (
    RELEASE,
    VAULT,
    Audit,
    CanaryManifest,
    Lineage,
    LineageStep,
    PrivacyStatement,
    sha256_file,
)
from llmsafe.corpus import open_corpus
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.privacy import accountant
from llmsafe.privacy.ledger import read_ledger

# ε may differ by this share between versions of the accountant.
TOLERANCE = 1e-3
# PLD rounds each step's loss up to its grid, so it may pass PRV by a little where q is tiny.
_SECOND_TOLERANCE = 0.02
_LARGEST_PLD = 100.0
_RELEASE_SUFFIXES = {".safetensors", ".json", ".md", ".html", ".svg", ".png", ".jinja", ".model"}
_VAULT_NAMES = {"ledger.jsonl", "canaries.json", "lineage.json", "metrics.jsonl", "split.json"}
_MOST_SCANNED = 256 * 2**20


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


class _Absent(Exception):
    """What is to be checked is not there; the message says what."""


def check_run(run: Path) -> list[Check]:
    """Every check of a run folder, in a fixed order; reads only.

    Raises:
        InputError: ``run`` is no folder, or neither ``release/`` nor ``vault/`` is in it.
    """
    if not run.is_dir():
        raise InputError(f"{run} is no folder; give the run folder that training wrote")
    if not ((run / RELEASE).is_dir() or (run / VAULT).is_dir()):
        raise InputError(
            f"{run} holds neither release/ nor vault/; give the run folder, not what is in it"
        )
    return list(_checks(run))


def _checks(run: Path) -> Iterator[Check]:
    release, vault = run / RELEASE, run / VAULT
    plan: list[tuple[str, bool, Callable[[], str]]] = [
        ("lineage: steps follow each other", True, lambda: _chain(vault)),
        ("lineage: corpus", False, lambda: _corpus(vault)),
        ("lineage: canaries", False, lambda: _canaries(vault)),
        ("lineage: base model", False, lambda: _base(vault, release)),
        ("lineage: adapter weights", True, lambda: _adapter(vault, release)),
        ("lineage: adapter configuration", False, lambda: _adapter_config(vault, release)),
        ("lineage: privacy statement", True, lambda: _statement_digest(vault, release)),
        ("lineage: split", False, lambda: _split(vault)),
        ("lineage: audit and its page", False, lambda: _audit_files(vault, release)),
        ("ledger: hash chain", True, lambda: _ledger(vault)),
        ("ledger: belongs to the plan", True, lambda: _ledger_plan(vault)),
        ("ledger: covers the statement", True, lambda: _ledger_statement(vault, release)),
        ("statement: consistent", True, lambda: _consistent(release)),
        ("statement: epsilon computed anew", True, lambda: _epsilon(release)),
        ("statement: second accountant", True, lambda: _second(release)),
        ("audit: same statement, no alarm", False, lambda: _audit(release)),
        ("release: holds safe files only", True, lambda: _safe_files(release)),
        ("release: names no local path", False, lambda: _no_path(release)),
        ("release: holds no canary secret", False, lambda: _no_secret(vault, release)),
        ("vault: private file modes", True, lambda: _modes(vault)),
    ]
    for name, required, question in plan:
        try:
            yield Check(name, "ok", question(), required)
        except _Absent as absent:
            yield Check(name, "absent", str(absent), required)
        except LlmsafeError as error:
            yield Check(name, "FAIL", str(error), required)


# --- lineage ------------------------------------------------------------------------------------


def _lineage(vault: Path) -> Lineage:
    return Lineage.load(_present(vault / "lineage.json"))


def _train_step(vault: Path) -> LineageStep:
    made = [step for step in _lineage(vault).steps if step.step != "audit"]
    if not made or made[-1].step != "train":
        raise EvidenceError("the lineage does not end with the training of this run and its audit")
    return made[-1]


def _chain(vault: Path) -> str:
    _train_step(vault)
    steps = _lineage(vault).steps
    for before, after in pairwise(steps):
        for what in ("corpus", "canaries"):
            made, used = before.outputs.get(what), after.inputs.get(what)
            if made is not None and used is not None and made != used:
                raise EvidenceError(
                    f"step {after.step} used another {what} ({_short(used)}) than step "
                    f"{before.step} made ({_short(made)})"
                )
    return " → ".join(step.step for step in steps)


def _corpus(vault: Path) -> str:
    step = _train_step(vault)
    path, digest = step.settings.get("corpus_path"), step.inputs.get("corpus")
    if path is None or digest is None:
        raise _Absent("the lineage names no corpus")
    try:
        found = open_corpus(str(path)).digest()
    except InputError:
        raise _Absent("the corpus is no longer at its place; its digest was not compared") from None
    return _same("corpus", found, digest)


def _canaries(vault: Path) -> str:
    digest = _train_step(vault).inputs.get("canaries")
    path = vault / "canaries.json"
    if digest in (None, "none"):
        if path.exists():
            raise EvidenceError("canaries.json lies in the vault but training recorded none")
        raise _Absent("training recorded no canaries")
    manifest = CanaryManifest.load(_present(path))
    _same("canaries.json", sha256_file(path), digest)
    return f"{len(manifest.canaries)} canaries, {_short(digest)}"


def _base(vault: Path, release: Path) -> str:
    from llmsafe.models import weights_digest

    step = _train_step(vault)
    digest, name = step.inputs.get("base"), step.settings.get("base")
    if name is None:
        name = _json(_present(release / "adapter_config.json")).get("base_model_name_or_path")
    if digest is None or not isinstance(name, str):
        raise _Absent("lineage and adapter configuration do not both name a base")
    if digest.startswith("hub:"):
        raise _Absent("the base was named by hub id; training recorded no digest of its weights")
    try:
        found = weights_digest(name)
    except (InputError, SetupError):
        raise _Absent(
            "the base model is not on this machine; its digest was not compared"
        ) from None
    if found.startswith("hub:"):
        raise _Absent("the base model is not at its place; its digest was not compared")
    return _same("base model", found, digest)


def _adapter(vault: Path, release: Path) -> str:
    recorded = _train_step(vault).outputs.get("adapter", "none")
    return _same(
        "adapter_model.safetensors",
        sha256_file(_present(release / "adapter_model.safetensors")),
        recorded,
    )


def _adapter_config(vault: Path, release: Path) -> str:
    return _recorded(_train_step(vault), "adapter_config", release / "adapter_config.json")


def _split(vault: Path) -> str:
    return _recorded(_train_step(vault), "split", vault / "split.json")


def _audit_files(vault: Path, release: Path) -> str:
    audits = [step for step in _lineage(vault).steps if step.step == "audit"]
    if not audits:
        raise _Absent("the lineage names no audit")
    page = _recorded(audits[-1], "page", release / "audit.html")
    return f"{_recorded(audits[-1], 'audit', release / 'audit.json')}, page {page}"


def _recorded(step: LineageStep, key: str, path: Path) -> str:
    """Compare a file with the digest that a step recorded of it; without one there is no answer."""
    digest = step.outputs.get(key)
    if digest is None:
        raise _Absent(f"the lineage has no digest of {path.name}")
    if not path.is_file():
        raise EvidenceError(f"{path.name} is gone, but the lineage names it; restore it")
    return _same(path.name, sha256_file(path), digest)


def _statement_digest(vault: Path, release: Path) -> str:
    recorded = _train_step(vault).outputs.get("privacy", "none")
    return _same("privacy.json", sha256_file(_present(release / "privacy.json")), recorded)


# --- ledger and statement -----------------------------------------------------------------------


def _statement(release: Path) -> PrivacyStatement:
    return PrivacyStatement.load(_present(release / "privacy.json"))


def _ledger(vault: Path) -> str:
    summary = read_ledger(_present(vault / "ledger.jsonl"))
    torn = ", one of them torn by a crash" if summary.torn else ""
    return f"{summary.charges} charges{torn}, {summary.resumes} resumes"


def _ledger_plan(vault: Path) -> str:
    summary = read_ledger(_present(vault / "ledger.jsonl"))
    return _same("plan of the ledger", summary.plan_digest, _train_step(vault).settings.get("plan"))


def _ledger_statement(vault: Path, release: Path) -> str:
    summary, statement = read_ledger(_present(vault / "ledger.jsonl")), _statement(release)
    if summary.charges != statement.steps:
        raise EvidenceError(
            f"the ledger holds {summary.charges} charges, the statement claims {statement.steps} "
            "steps"
        )
    for name in ("noise_multiplier", "sampling_probability"):
        charged, claimed = getattr(summary, name), getattr(statement, name)
        if not math.isclose(charged, claimed, rel_tol=1e-9):
            raise EvidenceError(
                f"{name} is {charged:g} in the ledger, {claimed:g} in the statement"
            )
    return f"{summary.charges} charges at noise multiplier {summary.noise_multiplier:g}"


def _consistent(release: Path) -> str:
    statement = _statement(release)
    noisy = statement.noise in ("standard", "secure") and statement.noise_multiplier > 0
    if statement.private != noisy or statement.private != (statement.epsilon is not None):
        raise EvidenceError(
            f"private is {statement.private} with noise {statement.noise!r}, noise multiplier "
            f"{statement.noise_multiplier:g} and epsilon {statement.epsilon}"
        )
    expected = statement.sampling_probability * statement.population
    if not math.isclose(expected, statement.units_per_step, rel_tol=1e-9):
        raise EvidenceError(
            f"sampling probability × population is {expected:g}, units per step "
            f"{statement.units_per_step:g}"
        )
    if not 0 < statement.delta <= 1 / statement.population:
        raise EvidenceError(f"delta {statement.delta:g} is not below 1/population")
    return f"private per {statement.unit}" if statement.private else "states that it is NOT PRIVATE"


def _epsilon(release: Path) -> str:
    statement = _statement(release)
    if statement.epsilon is None:
        return "no epsilon is claimed"
    anew = _recompute(statement, "prv")
    if statement.epsilon < anew * (1 - TOLERANCE):
        raise EvidenceError(f"epsilon {statement.epsilon:.4f} is claimed, {anew:.4f} is right")
    if statement.epsilon > anew * (1 + TOLERANCE):
        raise EvidenceError(
            f"epsilon {statement.epsilon:.4f} is claimed, {anew:.4f} follows from its settings: "
            "the statement is not of this run"
        )
    return f"claimed {statement.epsilon:.4f}, computed {anew:.4f} (prv)"


def _second(release: Path) -> str:
    statement = _statement(release)
    if statement.epsilon is None:
        return "no epsilon is claimed"
    rdp = _recompute(statement, "rdp")
    if statement.epsilon > rdp * (1 + TOLERANCE):
        raise EvidenceError(f"epsilon {statement.epsilon:.4f} is above the RDP bound {rdp:.4f}")
    if rdp > _LARGEST_PLD:
        return f"at most rdp {rdp:.4f}; too large for pld"
    try:
        pld = _recompute(statement, "pld")
    except SetupError:
        return f"at most rdp {rdp:.4f}; for an independent figure pip install llmsafe[pld]"
    if pld > statement.epsilon * (1 + _SECOND_TOLERANCE) + _SECOND_TOLERANCE:
        raise EvidenceError(f"epsilon {statement.epsilon:.4f} is claimed, PLD finds {pld:.4f}")
    return f"pld {pld:.4f}, rdp {rdp:.4f}"


def _recompute(statement: PrivacyStatement, which: accountant.Accountant) -> float:
    return accountant.epsilon(
        noise_multiplier=statement.noise_multiplier,
        sampling_probability=statement.sampling_probability,
        steps=statement.steps,
        delta=statement.delta,
        accountant=which,
    )


def _audit(release: Path) -> str:
    audit = Audit.load(_present(release / "audit.json"))
    statement = _statement(release)
    if audit.privacy != statement:
        raise EvidenceError("audit.json was made for another statement; audit the release anew")
    if statement.epsilon is not None:
        worst = max((bound.epsilon_lower for bound in audit.bounds), default=0.0)
        if worst > statement.epsilon:
            raise EvidenceError(
                f"the audit proves epsilon ≥ {worst:.3f}, above the claimed "
                f"{statement.epsilon:.3f}: the training is broken"
            )
    if audit.verdict.alarms:
        raise EvidenceError(f"the audit raised {len(audit.verdict.alarms)} alarms; read its report")
    return f"verdict {audit.verdict.status}"


def audit_status(run: Path) -> str | None:
    """The verdict of the audit in the release of a run; ``None`` without one that can be read."""
    try:
        return Audit.load(run / RELEASE / "audit.json").verdict.status
    except EvidenceError:
        return None


# --- files --------------------------------------------------------------------------------------


def _safe_files(release: Path) -> str:
    files = _files(release)
    for path in files:
        name = path.relative_to(release)
        if path.is_symlink():
            raise EvidenceError(f"{name} is a link; a release holds plain files only")
        if path.name in _VAULT_NAMES:
            raise EvidenceError(f"{name} belongs into the vault and may not leave the building")
        if path.suffix.lower() not in _RELEASE_SUFFIXES:
            raise EvidenceError(
                f"{name} is of no kind a release may hold (weights are safetensors, never pickle)"
            )
        with path.open("rb") as file:
            head = file.read(2)
        # Pickle protocol 2 and up, or the zip that torch.save writes around one.
        if head == b"PK" or (head[:1] == b"\x80" and path.suffix != ".safetensors"):
            raise EvidenceError(f"{name} holds a pickle or zip under another name; remove it")
    return f"{len(files)} files"


def _no_path(release: Path) -> str:
    config = _json(_present(release / "adapter_config.json"))
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str):
        raise _Absent("adapter_config.json names no base model")
    if (
        name.startswith(("/", ".", "~"))
        or name.count("/") > 1
        or "\\" in name
        or PureWindowsPath(name).drive
    ):
        raise EvidenceError(
            "adapter_config.json names its base model by a local path, which tells of the machine "
            "it was trained on; put the last part of it, or a hub id, there"
        )
    return f"the base is {name}"


def _no_secret(vault: Path, release: Path) -> str:
    manifest = CanaryManifest.load(_present(vault / "canaries.json"))
    secrets = [c.text[c.secret_start : c.secret_end].encode() for c in manifest.canaries]
    files = [path for path in _files(release) if path.stat().st_size <= _MOST_SCANNED]
    for path in files:
        data = path.read_bytes()
        found = sum(secret in data for secret in secrets)
        if found:
            raise EvidenceError(f"{path.name} holds the secrets of {found} canaries; remove it")
    return f"{len(secrets)} secrets sought in {len(files)} files"


def _modes(vault: Path) -> str:
    if not vault.is_dir():
        raise _Absent("no vault/")
    places = [vault, *sorted(vault.rglob("*"))]
    open_places = [p for p in places if not p.is_symlink() and p.stat().st_mode & 0o077]
    if open_places:
        names = ", ".join(str(place.relative_to(vault.parent)) for place in open_places[:3])
        more = f" and {len(open_places) - 3} more" if len(open_places) > 3 else ""
        raise EvidenceError(
            f"others may read {names}{more}; chmod -R u=rwX,go= the vault, and see who did"
        )
    return f"{len(places)} files and folders are the owner's alone"


# --- small helpers ------------------------------------------------------------------------------


def _present(path: Path) -> Path:
    if not path.is_file():
        raise _Absent(f"no {path.parent.name}/{path.name}")
    return path


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise _Absent(f"no {folder.name}/")
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        raise EvidenceError(f"{path.name} is no JSON object") from None


def _same(what: str, found: str, recorded: object) -> str:
    if found != recorded:
        raise EvidenceError(f"{what} is {_short(found)}, the lineage says {_short(str(recorded))}")
    return _short(found)


def _short(digest: str) -> str:
    return digest if len(digest) <= 24 else digest[:19] + "…"
