"""Which of an audit's many figures stand for it on page one and in tables.

The choice never looks at the values: picking the largest bound of several would need a correction
that a reader cannot check.
"""

from __future__ import annotations

import math

from llmsafe.artifacts import (
    Audit,
    Bound,
    Extraction,
    Membership,
    PrivacyStatement,
    TprAtFpr,
)
from llmsafe.audit.verdict import judging

OUTSIDERS = 0.01
"""The false positive rate of the plain-words sentence: 1 in 100 outsiders wrongly flagged."""


def claimed_epsilon(statement: PrivacyStatement | None) -> float | None:
    """The ε a reader may hold the training to, or ``None`` when nothing is claimed."""
    return statement.claimed if statement is not None else None


def headline_bound(audit: Audit) -> Bound | None:
    """The bound of the canary game's own attack, from one run; else the first one in the file."""
    attack = audit.canaries.attack if audit.canaries else None
    any_mechanism = [b for b in audit.bounds if b.family == "dp"]
    one_run = [b for b in any_mechanism if not over_repeated_runs(b)]
    own = (b for b in one_run if b.attack == attack)
    return next(own, next(iter(one_run or any_mechanism), None))


def repeated_bound(audit: Audit) -> Bound | None:
    """The first bound over repeated runs that holds for any mechanism."""
    return next((b for b in audit.bounds if b.family == "dp" and over_repeated_runs(b)), None)


def over_repeated_runs(bound: Bound) -> bool:
    """Whether the bound judges many runs by one canary each."""
    return bound.design == "repeated-runs"


def false_alarms(audit: Audit) -> float:
    """At most this share of audits of a correct training show any judging bound above the claim."""
    return min(1.0, sum(1 - bound.confidence for bound in judging(audit)))


def drawn_bounds(audit: Audit) -> list[Bound]:
    """The bounds, those of the headline bound's attack first: one curve a family is drawn."""
    bound = headline_bound(audit)
    attack = bound.attack if bound else None
    return sorted(audit.bounds, key=lambda b: b.attack != attack)


def canary_membership(audit: Audit) -> Membership | None:
    """The canary membership result named primary; else that of the canary game's attack."""
    attack = audit.canaries.attack if audit.canaries else None
    return _primary([m for m in audit.membership if m.population == "canaries"], attack)


def people_membership(audit: Audit) -> Membership | None:
    """The primary result on real patients, or on notes where there are no patients."""
    found = [m for m in audit.membership if m.population != "canaries"]
    return _primary([m for m in found if m.population == "patients"] or found, None)


def _primary(found: list[Membership], attack: str | None) -> Membership | None:
    by_attack = (m for m in found if m.attack == attack)
    return next((m for m in found if m.primary), next(by_attack, next(iter(found), None)))


def canary_extraction(audit: Audit) -> Extraction | None:
    """The extraction of canary secrets, which alone were planted to be looked for.

    By the likeliest words if that was tried; never one that only told them from others.
    """
    found = [e for e in _of_canaries(audit) if e.method not in ("candidates", "generated")]
    return next((e for e in found if e.method == "greedy"), next(iter(found), None))


def sampled_extraction(audit: Audit) -> Extraction | None:
    """The extraction of canary secrets by sampling."""
    return next((e for e in _of_canaries(audit) if e.method == "sampled"), None)


def generated_extraction(audit: Audit) -> Extraction | None:
    """The first comparison of generated texts with the training notes."""
    return next((e for e in audit.extraction if e.method == "generated"), None)


def _of_canaries(audit: Audit) -> list[Extraction]:
    return [e for e in audit.extraction if e.about == "canaries"]


def at_fpr(result: Membership, fpr: float = OUTSIDERS) -> TprAtFpr | None:
    """The true positive rate at a false positive rate, if there were enough outsiders for it."""
    return next((t for t in result.tpr if t.meaningful and math.isclose(t.fpr, fpr)), None)


def excess(extraction: Extraction) -> float | None:
    """Extracted share above the base model's share; ``None`` where the base was not tried.

    What a reader compares; the verdict takes less off
    (:func:`llmsafe.audit.verdict.extraction_excess`).
    """
    if extraction.base_extracted is None or not extraction.tried:
        return None
    return (extraction.extracted - extraction.base_extracted) / extraction.tried
