"""Is a run what it says? Lineage, ledger against statement, a second accountant, file modes.

Nothing here trusts the program that made the run: digests are taken anew, ε is computed anew, and
what cannot be verified is told as absent and never as ok.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from llmsafe.artifacts import Audit, PrivacyStatement, Split
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.files import RELEASE, VAULT
from llmsafe.privacy import accountant, check_files, check_lineage
from llmsafe.privacy.evidence import (
    Absent,
    Check,
    planned_settings,
    present,
    read_statement,
    same,
    train_step,
)
from llmsafe.privacy.ledger import read_ledger
from llmsafe.privacy.truncation import overflow_probability

# ε may differ by this share between versions of the accountant.
TOLERANCE = 1e-3


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
        ("lineage: steps follow each other", True, lambda: check_lineage.chain(vault)),
        ("lineage: corpus", False, lambda: check_lineage.corpus(vault)),
        ("lineage: canaries", False, lambda: check_lineage.canaries(vault)),
        ("lineage: base model", False, lambda: check_lineage.base(vault, release)),
        ("lineage: adapter weights", True, lambda: check_lineage.adapter(vault, release)),
        (
            "lineage: adapter configuration",
            False,
            lambda: check_lineage.adapter_config(vault, release),
        ),
        ("lineage: privacy statement", True, lambda: check_lineage.statement(vault, release)),
        ("lineage: split", False, lambda: check_lineage.split(vault)),
        ("lineage: audit and its page", False, lambda: check_lineage.audit_files(vault, release)),
        ("ledger: hash chain", True, lambda: _ledger(vault)),
        ("ledger: belongs to the plan", True, lambda: _ledger_plan(vault)),
        ("ledger: covers the statement", True, lambda: _ledger_statement(vault, release)),
        ("statement: consistent", True, lambda: _consistent(release)),
        ("statement: epsilon computed anew", True, lambda: _epsilon(release)),
        ("statement: second accountant", True, lambda: _second(release)),
        ("statement: corpus fits the cap", True, lambda: _cap(vault, release)),
        ("audit: same statement, no alarm", False, lambda: _audit(release)),
        ("release: holds safe files only", True, lambda: check_files.safe_files(release)),
        ("release: names no local path", False, lambda: check_files.no_path(release)),
        ("release: holds no canary secret", False, lambda: check_files.no_secret(vault, release)),
        ("vault: private file modes", True, lambda: check_files.modes(vault)),
        ("access: policy and log", False, lambda: check_files.access(run)),
    ]
    for name, required, question in plan:
        try:
            yield Check(name, "ok", question(), required)
        except Absent as absent:
            yield Check(name, "absent", str(absent), required)
        except LlmsafeError as error:
            yield Check(name, "FAIL", str(error), required)


def _ledger(vault: Path) -> str:
    summary = read_ledger(present(vault / "ledger.jsonl"))
    torn = ", one of them torn by a crash" if summary.torn else ""
    return f"{summary.charges} charges{torn}, {summary.resumes} resumes"


def _ledger_plan(vault: Path) -> str:
    summary, step = read_ledger(present(vault / "ledger.jsonl")), train_step(vault)
    planned_settings(step, summary)
    return same("plan of the ledger", summary.plan_digest, step.settings.get("plan"))


def _ledger_statement(vault: Path, release: Path) -> str:
    summary, statement = read_ledger(present(vault / "ledger.jsonl")), read_statement(release)
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
    statement = read_statement(release)
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
    statement = read_statement(release)
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
    statement = read_statement(release)
    if statement.epsilon is None:
        return "no epsilon is claimed"
    rdp = _recompute(statement, "rdp")
    if statement.epsilon > rdp * (1 + TOLERANCE):
        raise EvidenceError(f"epsilon {statement.epsilon:.4f} is above the RDP bound {rdp:.4f}")
    if rdp > accountant.LARGEST_PLD:
        return f"at most rdp {rdp:.4f}; too large for pld"
    try:
        pld = _recompute(statement, "pld")
    except SetupError:
        return f"at most rdp {rdp:.4f}; for an independent figure pip install llmsafe[pld]"
    if pld > statement.epsilon * (1 + accountant.SECOND_TOLERANCE) + accountant.SECOND_TOLERANCE:
        raise EvidenceError(f"epsilon {statement.epsilon:.4f} is claimed, PLD finds {pld:.4f}")
    return f"pld {pld:.4f}, rdp {rdp:.4f}"


def _cap(vault: Path, release: Path) -> str:
    statement = read_statement(release)
    if statement.max_units_per_step is None:
        return "draws have no cap"
    units = len(Split.load(present(vault / "split.json")).members)
    if units > statement.population:
        raise EvidenceError(
            f"max units per step {statement.max_units_per_step:,} is accounted for at most "
            f"{statement.population:,} {statement.unit}s, and more were trained on"
        )
    return f"at most {statement.max_units_per_step:,} units of {statement.population:,}"


def _recompute(statement: PrivacyStatement, which: accountant.Accountant) -> float:
    return accountant.epsilon(
        noise_multiplier=statement.noise_multiplier,
        sampling_probability=statement.sampling_probability,
        steps=statement.steps,
        delta=statement.delta,
        accountant=which,
        overflow=overflow_probability(
            statement.population, statement.sampling_probability, statement.max_units_per_step
        ),
    )


def _audit(release: Path) -> str:
    audit = Audit.load(present(release / "audit.json"))
    statement = read_statement(release)
    if audit.privacy != statement:
        raise EvidenceError("audit.json was made for another statement; audit the release anew")
    if audit.breaking:
        worst = max(bound.epsilon_lower for bound in audit.breaking)
        raise EvidenceError(
            f"the audit proves epsilon ≥ {worst:.3f}, above the claimed "
            f"{statement.claimed:.3f}: the training is broken"
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
