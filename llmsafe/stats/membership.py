"""Membership scores to figures: ROC, AUC, TPR at a fixed FPR, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError
from llmsafe.stats.checks import FloatArray, check_confidence, check_number, check_scores
from llmsafe.stats.intervals import Interval, lower_and_complement


@dataclass(frozen=True)
class RocCurve:
    """Operating points from (0, 0) to (1, 1), each array of shape [points].

    Point k flags an example as a member when ``score >= thresholds[k]``; ``thresholds[0]`` is inf.
    """

    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True)
class TprAtFpr:
    """A true positive rate at ``score >= threshold`` and its empirical FPR.

    The interval is that of the rate at the target FPR, wherever its true threshold lies.
    """

    value: float
    low: float
    high: float
    threshold: float
    fpr: float


def roc_curve(member_scores: ArrayLike, non_member_scores: ArrayLike) -> RocCurve:
    """Empirical ROC curve; equal scores move together, as one (possibly diagonal) step."""
    members = np.sort(check_scores("member_scores", member_scores))
    others = np.sort(check_scores("non_member_scores", non_member_scores))
    cuts = np.unique(np.concatenate([members, others]))[::-1]
    tpr = 1.0 - np.searchsorted(members, cuts, side="left") / members.size
    fpr = 1.0 - np.searchsorted(others, cuts, side="left") / others.size
    return RocCurve(
        fpr=np.concatenate([[0.0], fpr]),
        tpr=np.concatenate([[0.0], tpr]),
        thresholds=np.concatenate([[math.inf], cuts]),
    )


def auc(members: ArrayLike, non_members: ArrayLike) -> float:
    """P[member score > non-member score] + half of P[equal]: the area under the ROC curve."""
    won, _ = _placements(members, non_members)
    return float(won.mean())


def auc_interval(members: ArrayLike, non_members: ArrayLike, confidence: float = 0.95) -> Interval:
    """The AUC with an interval that holds its confidence in small samples and at AUC = 1.

    DeLong's normal interval has no width at perfect separation and covers too rarely near it. Here
    DeLong's variance V only sets an effective number of trials AUC (1 - AUC) / V for a
    Clopper-Pearson interval. That number is kept at or above min(m, n), since the variance never
    exceeds AUC (1 - AUC) / min(m, n) whatever the distributions, and at or below 3mn / (m + n),
    its value for continuous scores that tell nothing. So at AUC = 1 the lower end is that of
    min(m, n) disjoint pairs all won, which is exact. Simulated coverage at 95 % is 95 to 100 % from
    ten examples a side up. Examples must be independent: near-duplicates narrow it wrongly.

    Sources: DeLong, DeLong, Clarke-Pearson 1988; van Dantzig 1951 for the variance bound.
    """
    won, lost = _placements(members, non_members)
    m, n = won.size, lost.size
    area = float(won.mean())
    fewest = min(m, n)
    trials = float(fewest)
    if fewest > 1:
        variance = float(won.var(ddof=1) / m + lost.var(ddof=1) / n)
        if variance > 0.0:
            trials = min(max(area * (1 - area) / variance, fewest), 3 * m * n / (m + n))
    tail = (1 - check_confidence(confidence)) / 2
    low, _ = lower_and_complement(area * trials, trials, tail)
    _, high = lower_and_complement((1 - area) * trials, trials, tail)
    return Interval(area, min(low, area), max(high, area))


def tpr_at_fpr(
    members: ArrayLike, non_members: ArrayLike, fpr: float, confidence: float = 0.95
) -> TprAtFpr:
    """The largest TPR whose empirical FPR is at most ``fpr``, with an interval of the true one.

    The interval is of the TPR at the cut whose *true* FPR is ``fpr``. Where that cut lies is not
    known: how many non-members score above it is binomial, which puts it between two of their
    scores. The upper end is the Clopper-Pearson bound of the members above the lower of the two,
    the lower end that of the members above the higher one, each with its share of the error
    probability (Bonferroni), so it covers whatever the distributions are, with ties too. With few
    non-members the higher cut is infinite and the lower end 0; see :func:`non_members_needed`.

    ``threshold`` is the smallest flagged score, inf when nothing is flagged; ``fpr`` of the result
    is the empirical one, <= the target.
    """
    inside = check_scores("members", members)
    outside = np.sort(check_scores("non_members", non_members))[::-1]
    target = check_number("fpr", fpr, 0.0, 1.0)
    allowed = math.floor(target * outside.size)
    if (allowed + 1) / outside.size <= target:  # 0.29 * 100 is 28.999999999999996
        allowed += 1
    barrier = float(outside[allowed]) if allowed < outside.size else -math.inf
    flagged = inside[inside > barrier]
    false = outside[outside > barrier]
    value = flagged.size / inside.size
    low, high = _tpr_ends(inside, outside, target, (1 - check_confidence(confidence)) / 2)
    threshold = float(min(flagged.min(initial=math.inf), false.min(initial=math.inf)))
    share = false.size / outside.size
    return TprAtFpr(value, min(low, value), max(high, value), threshold, share)


def _tpr_ends(
    inside: FloatArray, outside: FloatArray, fpr: float, tail: float
) -> tuple[float, float]:
    """Ends of the interval of TPR(t), P[outside > t] = ``fpr``; ``outside`` [n] falls.

    Of n non-members Bin(n, fpr) score above t, fewer or more only where scores tie. At most half
    of ``tail`` goes to where t lies; what a whole number of scores leaves of it is not wasted.
    """
    n = outside.size
    counts = np.arange(n + 1)
    at_most: FloatArray = special.bdtr(counts, n, fpr)
    # More than ``most`` above t, or fewer than ``fewest``, would be too rare to happen.
    most = int(np.argmax(1 - at_most <= tail / 2))
    fewest = int(np.searchsorted(at_most, tail / 2, side="right"))
    spent_high = max(0.0, 1 - float(at_most[most]))
    spent_low = float(at_most[fewest - 1]) if fewest else 0.0
    lower_cut = float(outside[most]) if most < n else -math.inf
    higher_cut = float(outside[fewest - 1]) if fewest else math.inf
    hits, misses = int((inside > higher_cut).sum()), int((inside <= lower_cut).sum())
    low, _ = lower_and_complement(hits, inside.size, tail - spent_low)
    _, high = lower_and_complement(misses, inside.size, tail - spent_high)
    return low, high


def non_members_needed(fpr: float) -> int:
    """The fewest non-members for which a TPR at this FPR means something: 3 / fpr.

    The rule of three: with fewer, even no false positive at all does not show at 95 % confidence
    that the FPR is as low as asked. 0.1 % needs 3000.
    """
    target = check_number("fpr", fpr, 0.0, 1.0)
    if target == 0.0:
        raise InputError("fpr 0 can be shown by no number of non-members: give a rate above 0")
    return math.ceil(3 / target)


def _placements(members: ArrayLike, non_members: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Per member the share of non-members it beats, per non-member the share that beats it."""
    inside = check_scores("members", members)
    outside = check_scores("non_members", non_members)

    def beats(scores: FloatArray, others: FloatArray) -> FloatArray:
        ranked = np.sort(others)
        below = np.searchsorted(ranked, scores, side="left")
        not_above = np.searchsorted(ranked, scores, side="right")
        return (below + not_above) / (2.0 * others.size)

    return beats(inside, outside), 1.0 - beats(outside, inside)
