"""What a run must show before anything is made of it, and what the made thing must show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmsafe.artifacts import Audit, Policy, PrivacyStatement, Verdict
from llmsafe.audit.verdict import audit_age
from llmsafe.errors import EvidenceError, PolicyError
from llmsafe.files import RELEASE
from llmsafe.privacy.check import check_run
from llmsafe.privacy.evidence import Check

NEEDED = (
    "lineage: steps follow each other",
    "lineage: adapter weights",
    "lineage: adapter configuration",
    "lineage: privacy statement",
    "lineage: split",
    "lineage: audit and its page",
    "ledger: hash chain",
    "ledger: covers the statement",
    "audit: same statement, no alarm",
    "release: names no local path",
)
"""Checks of a run that must be ok for a release; of the others an absent one may be."""


@dataclass(frozen=True)
class Parent:
    """A run that may be released: its statement, its audit, and what was checked."""

    statement: PrivacyStatement
    audit: Audit
    checks: tuple[Check, ...]


def admit(run: Path, policy: Policy) -> Parent:
    """Everything that must be there before weights are touched.

    Raises:
        InputError: ``run`` is no run folder.
        EvidenceError: statement, ledger, lineage or audit are missing or broken, or the audit is
            older than the policy allows.
        PolicyError: the statement says NOT PRIVATE; no policy allows that.
    """
    checks = check_run(run)
    named = {check.name: check for check in checks}
    bad = [c for c in checks if c.broken]
    bad += [named[name] for name in NEEDED if named[name].status != "ok" and not named[name].broken]
    if bad:
        first = bad[0]
        more = f" (and {len(bad) - 1} more: {'; '.join(c.name for c in bad[1:])})" * (len(bad) > 1)
        missing_audit = not (run / RELEASE / "audit.json").is_file()
        way = f"llmsafe audit --model {run}" if missing_audit else f"see llmsafe check {run}"
        raise EvidenceError(f"{run} is not released: {first.name}: {first.detail}{more}; {way}")
    audit = Audit.load(run / RELEASE / "audit.json")
    if policy.max_audit_age_days is not None:
        age = audit_age(audit, policy.max_audit_age_days)
        if age.status != "pass":
            raise EvidenceError(
                f"{run} is not released: {age.why}; llmsafe audit --model {run} --force"
            )
    statement = PrivacyStatement.load(run / RELEASE / "privacy.json")
    if not statement.private:
        raise PolicyError(
            f"{run} is not released: its privacy statement says NOT PRIVATE, so it gives what it "
            "learnt of patients to whoever asks well enough, whatever the policy asks; train with "
            "privacy.epsilon and a noise level of standard or secure"
        )
    return Parent(statement, audit, tuple(checks))


def refuse_unless_passed(verdict: Verdict, policy: Policy, where: str) -> None:
    """Raises PolicyError for a model that fails, EvidenceError for one that cannot be judged."""
    if verdict.status == "pass":
        return
    why = "; ".join(r for r in verdict.reasons if not r.startswith("pass: ")) or "no reason given"
    if verdict.status == "fail":
        raise PolicyError(f"{where} fails policy {policy.name!r} and is not released: {why}")
    raise EvidenceError(
        f"{where} cannot be judged by policy {policy.name!r} and is not released: {why}"
    )
