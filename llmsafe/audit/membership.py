"""Membership inference: from the scores of an attack to the figures it is judged by.

The attacks themselves are in :mod:`llmsafe.audit.attacks` (from the score table alone),
:mod:`llmsafe.audit.variants` (from altered texts) and :mod:`llmsafe.audit.shadow` (from other
runs). Higher means member.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

from llmsafe.artifacts import Membership, Rate, TprAtFpr
from llmsafe.audit.attacks import Attack, Scores, attacks, pool
from llmsafe.audit.forward import Text
from llmsafe.audit.scores import Row
from llmsafe.errors import InputError
from llmsafe.stats import (
    Interval,
    RocCurve,
    auc_interval,
    non_members_needed,
    roc_curve,
    tpr_at_fpr,
)

ScoreRows = Callable[[Sequence[Row]], Scores]
"""Scores of rows, one each, in their order."""
Item = TypeVar("Item", Text, Row)

FPRS = (0.1, 0.01, 0.001)
ROC_POINTS = 200


def scores_of(attack: Attack, rows: Sequence[Row]) -> Scores:
    """Scores [rows]."""
    return np.array([attack(row) for row in rows], dtype=np.float64)


def scores_by_unit(attack: Attack, rows: Sequence[Row]) -> Scores:
    """One score per privacy unit, in order of unit id: the attack on all its notes as one text."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.unit_id, []).append(row)
    return scores_of(attack, [pool(found[unit]) for unit in sorted(found)])


def mean_by_unit(scores: Scores, rows: Sequence[Row]) -> Scores:
    """The mean of ``scores`` [rows] over each unit's rows: [units], in order of unit id."""
    found: dict[str, list[float]] = {}
    for row, score in zip(rows, scores.tolist(), strict=True):
        found.setdefault(row.unit_id, []).append(score)
    return np.array([np.mean(found[unit]) for unit in sorted(found)], dtype=np.float64)


def judge_attack(
    name: str,
    population: Literal["canaries", "notes", "patients"],
    members: Scores,
    non_members: Scores,
    *,
    primary: bool,
) -> Membership:
    """AUC, TPR at fixed FPR and ROC of one attack, each with its exact or near-exact interval."""
    rates = [_tpr(members, non_members, fpr) for fpr in FPRS]
    return Membership(
        attack=name,
        population=population,
        members=members.size,
        non_members=non_members.size,
        auc=as_rate(auc_interval(members, non_members)),
        tpr=rates,
        roc=thin(roc_curve(members, non_members)),
        primary=primary,
    )


def note_membership(
    members: Sequence[Row], non_members: Sequence[Row], *, patients: bool, has_base: bool
) -> list[Membership]:
    """Every attack on notes and, if ``patients``, on patients (all notes of one as one text).

    Intervals take their rows for independent. Notes of one patient are not, so where there are
    patients their result is the one to judge by, and the one on notes is a help to the eye.
    """
    levels: list[tuple[Literal["notes", "patients"], Callable[[Attack, Sequence[Row]], Scores]]]
    levels = [("patients", scores_by_unit)] if patients else []
    levels.append(("notes", scores_of))
    return [
        judge_attack(
            name, level, score(attack, members), score(attack, non_members), primary=index == 0
        )
        for level, score in levels
        for index, (name, attack) in enumerate(attacks(has_base).items())
    ]


def judge_rows(
    name: str,
    score: ScoreRows,
    members: Sequence[Row],
    non_members: Sequence[Row],
    *,
    patients: bool,
) -> list[Membership]:
    """The figures of one way to score rows: on patients (their notes' mean), then on notes."""
    inside, outside = score(members), score(non_members)
    results = [judge_attack(name, "notes", inside, outside, primary=False)]
    if patients:
        by_patient = mean_by_unit(inside, members), mean_by_unit(outside, non_members)
        results.insert(0, judge_attack(name, "patients", *by_patient, primary=False))
    return results


def hold_back(
    items: Sequence[Item], units: int, rng: random.Random
) -> tuple[list[Item], list[Item]]:
    """Set ``units`` units with all their items aside; return (set aside, rest).

    What calibrates an attack (a prefix, a population to compare with) is taken this way from the
    non-members, so that it shares no unit with what is judged.

    Raises:
        InputError: nothing would be left to judge.
    """
    ids = sorted({item.unit_id for item in items})
    if not 1 <= units < len(ids):
        raise InputError(
            f"cannot set {units} of {len(ids)} units aside: give 1 to {len(ids) - 1}, so that "
            "some are left to judge"
        )
    aside = set(rng.sample(ids, units))
    return (
        [item for item in items if item.unit_id in aside],
        [item for item in items if item.unit_id not in aside],
    )


def as_rate(interval: Interval) -> Rate:
    """An interval as it is stored."""
    return Rate(value=interval.value, low=interval.low, high=interval.high)


def thin(curve: RocCurve) -> list[tuple[float, float]]:
    """At most 200 points of a ROC curve, dense at both ends of a logarithmic axis.

    Every point kept is a real operating point: the best TPR at no more than its FPR.
    """
    size = curve.fpr.size
    keep = np.arange(size)
    if size > ROC_POINTS:
        lowest = max(float(curve.fpr[curve.fpr > 0].min(initial=1.0)), 1e-9)
        half = ROC_POINTS // 2 - 1
        grid = np.concatenate([np.linspace(0, 1, half), np.geomspace(lowest, 1, half)])
        found = np.searchsorted(curve.fpr, grid + 1e-12, side="right") - 1
        keep = np.unique(np.concatenate([[0], found, [size - 1]]))
    return [(float(curve.fpr[i]), float(curve.tpr[i])) for i in keep]


def _tpr(members: Scores, non_members: Scores, fpr: float) -> TprAtFpr:
    found = tpr_at_fpr(members, non_members, fpr)
    rate = Rate(value=found.value, low=found.low, high=found.high)
    return TprAtFpr(fpr=fpr, tpr=rate, meaningful=non_members.size >= non_members_needed(fpr))
