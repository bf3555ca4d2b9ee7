"""Audit statistics: bounds on epsilon, exposure, extraction counts, ROC figures and intervals.

Everything here takes plain numbers and score arrays, needs numpy and scipy only, and is a pure
function: where chance enters, the generator is a parameter. Scores are oriented so that a
*higher* score speaks for membership. Every interval is two-sided and holds its confidence for
finite samples or says where it does not; none shrinks to a point when the data are extreme.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import NamedTuple, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError

FloatArray = NDArray[np.float64]

_INTEGRATION_DRAWS = 10_000
_BLOCK_CELLS = 2_000_000  # 16 MB of float64 at a time while integrating


class Interval(NamedTuple):
    """A point with the two ends of its confidence interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


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
    """A true positive rate with its interval, at ``score >= threshold`` and its empirical FPR."""

    value: float
    low: float
    high: float
    threshold: float
    fpr: float


# --- lower bounds on epsilon ---------------------------------------------------------------------


def epsilon_one_run(
    canaries: int, guesses: int, correct: int, delta: float, confidence: float = 0.95
) -> float:
    """Lower bound on epsilon from one training run with coin-flipped canaries.

    Each of ``canaries`` units was planted or withheld by its own fair coin; the auditor guessed
    ``guesses`` of the coins, abstained on the rest, and got ``correct`` right. Returns the largest
    epsilon whose p-value is under ``1 - confidence``, 0.0 when there is none. If the mechanism is
    (epsilon, delta)-DP, the result exceeds epsilon in at most ``1 - confidence`` of the audits,
    **provided the number of guesses was fixed without looking at these scores** (see
    :func:`one_run_guesses`). Never above :func:`epsilon_one_run_ceiling`.

    Raises InputError unless 0 <= correct <= guesses <= canaries, delta in [0, 1] and confidence
    in [0.5, 1).

    Source: Steinke, Nasr, Jagielski 2023 (arXiv 2305.08846), Theorem 5.2.
    """
    m, r, v = _one_run_counts(canaries, guesses, correct)
    delta = _number("delta", delta, 0.0, 1.0)
    confidence = _number("confidence", confidence, 0.5, 1.0)
    if confidence == 1.0:
        raise InputError("confidence 1.0 certifies nothing: give a value in [0.5, 1), e.g. 0.95")
    if v == 0:
        return 0.0
    # With delta = 0 the p-value is a binomial tail, which Clopper-Pearson inverts in closed form;
    # delta only raises it, so that epsilon also brackets the search. q and 1 - q are found apart
    # because q may round to 1.
    q = _beta_quantile(v, r - v + 1, 1 - confidence)
    complement = _beta_quantile(r - v + 1, v, confidence)
    if q <= complement:
        return 0.0
    high = math.log(q) - math.log(complement)
    if delta == 0.0:
        return high
    p_value = _p_value_function(m, r, v, delta)
    # The p-value rises with epsilon wherever it is under one half: the tail beta does, and so does
    # each window of the alpha term that can be the largest, for it lies above the binomial's mode.
    low = 0.0
    while high - low > 1e-10 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle) < 1 - confidence else (low, middle)
    return low


def epsilon_one_run_ceiling(
    canaries: int, guesses: int, delta: float, confidence: float = 0.95
) -> float:
    """The largest bound :func:`epsilon_one_run` can return for this design: every guess right.

    A ceiling under the epsilon in question means the audit could not have found a violation.
    """
    return epsilon_one_run(canaries, guesses, guesses, delta, confidence)


def one_run_p_value(
    canaries: int, guesses: int, correct: int, epsilon: float, delta: float
) -> float:
    """Upper bound on P[at least ``correct`` right guesses] under any (epsilon, delta)-DP mechanism.

    p = min(1, beta + 2 m delta alpha*), with q = e^epsilon / (1 + e^epsilon),
    beta = P[Bin(r, q) >= v] and alpha* = max over 1 <= i <= v of P[v - i <= Bin(r, q) < v] / i.
    Source: Steinke, Nasr, Jagielski 2023 (arXiv 2305.08846), Theorem 5.2.
    """
    m, r, v = _one_run_counts(canaries, guesses, correct)
    epsilon = _number("epsilon", epsilon, 0.0, math.inf)
    delta = _number("delta", delta, 0.0, 1.0)
    if v == 0 or epsilon == math.inf:
        return 1.0
    return _p_value_function(m, r, v, delta)(epsilon)


def one_run_guesses(
    scores: ArrayLike, included: ArrayLike, guesses: int, rng: np.random.Generator
) -> int:
    """Number of right guesses when the extremes of ``scores`` are guessed and the rest is left.

    ``scores`` [canaries], higher = more likely planted; ``included`` [canaries], the coins. The
    top ceil(guesses / 2) are guessed planted, the bottom floor(guesses / 2) withheld. Equal scores
    are ordered by ``rng``, never by position: canaries listed planted-first would otherwise be
    "found" by constant scores.

    The number of guesses must be fixed beforehand (or on other scores). Picking the one with the
    best bound on the same scores is invalid: it reports epsilon > 0 on pure noise far more often
    than the confidence allows.
    """
    values = _scores("scores", scores)
    coins = np.asarray(included)
    if coins.shape != values.shape:
        raise InputError(
            f"included has shape {coins.shape} and scores {values.shape}: give one coin per score"
        )
    if not np.all((coins == 0) | (coins == 1)):
        raise InputError("included must hold booleans: True where the canary was planted")
    count = _count("guesses", guesses, 0, values.size)
    order = np.lexsort((rng.random(values.size), values))
    planted = coins.astype(bool)[order]
    bottom = count // 2
    top = count - bottom
    hits = int(np.sum(planted[values.size - top :]))
    rejections = bottom - int(np.sum(planted[:bottom]))
    return hits + rejections


def epsilon_clopper_pearson(
    true_positives: int,
    positives: int,
    false_positives: int,
    negatives: int,
    delta: float,
    confidence: float = 0.95,
) -> float:
    """Lower bound on epsilon from the error rates of one membership test with a fixed threshold.

    (epsilon, delta)-DP bounds both TPR <= e^epsilon FPR + delta and its mirror
    TNR <= e^epsilon FNR + delta. Each rate gets an exact one-sided bound at half the error
    probability; both inequalities use the same two bounds, so the larger result is covered
    without a further correction. 0.0 when neither certifies anything, empty groups included. The
    trials must be independent (many runs, or one canary a run) and the threshold must not have
    been chosen on these counts.

    Raises InputError for counts out of range, delta outside [0, 1] or confidence outside (0, 1).
    Sources: Jagielski, Ullman, Oprea 2020 (arXiv 2006.07709) for the estimator; Kairouz, Oh,
    Viswanath 2015 (arXiv 1311.0776) for the two inequalities.
    """
    n_pos = _count("positives", positives, 0)
    n_neg = _count("negatives", negatives, 0)
    tp = _count("true_positives", true_positives, 0, n_pos)
    fp = _count("false_positives", false_positives, 0, n_neg)
    delta = _number("delta", delta, 0.0, 1.0)
    tail = (1 - _confidence(confidence)) / 2
    tpr_low, fnr_high = _lower_and_complement(tp, n_pos, tail)
    tnr_low, fpr_high = _lower_and_complement(n_neg - fp, n_neg, tail)
    ratio = max((tpr_low - delta) / fpr_high, (tnr_low - delta) / fnr_high)
    return math.log(ratio) if ratio > 1.0 else 0.0


def dp_tpr_ceiling(fpr: ArrayLike, epsilon: ArrayLike, delta: ArrayLike) -> FloatArray:
    """The largest TPR any membership test can have at ``fpr`` under (epsilon, delta)-DP.

    min(1, e^epsilon fpr + delta, 1 - e^-epsilon (1 - delta - fpr)); arguments broadcast and the
    result has their common shape. epsilon = inf promises nothing, so its ceiling is 1.
    Source: Kairouz, Oh, Viswanath 2015 (arXiv 1311.0776), hypothesis-testing form of DP.
    """
    f, e, d = np.broadcast_arrays(
        _numbers("fpr", fpr, 1.0),
        _numbers("epsilon", epsilon, math.inf),
        _numbers("delta", delta, 1.0),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        steep = np.where(np.isinf(e), 1.0, np.where(f > 0, np.exp(e) * f, 0.0) + d)
    shallow = 1.0 - np.exp(-e) * np.maximum(1.0 - d - f, 0.0)
    return np.minimum(np.minimum(steep, shallow), 1.0)


# --- exposure and extraction ---------------------------------------------------------------------


def exposure(canary_loss: float, reference_losses: ArrayLike) -> float:
    """Exposure of a canary in bits: log2 |R| - log2 rank, R = the references and the canary.

    ``reference_losses`` [references] are losses of secrets drawn like the canary's and never
    planted (lower = better remembered, sums over tokens). The rank counts a tie as half. The most
    exposed canary has log2 |R| bits, the least 0; a canary never seen has
    :func:`exposure_null_mean` on average.
    Source: Carlini et al. 2019 (arXiv 1802.08232), exposure by sampled references.
    """
    references = _scores("reference_losses", reference_losses)
    loss = float(_scores("canary_loss", [canary_loss])[0])
    below = int(np.sum(references < loss))
    ties = int(np.sum(references == loss))
    return math.log2(references.size + 1) - math.log2(1 + below + ties / 2)


def exposure_null_mean(references: int) -> float:
    """Mean exposure in bits of a canary the model never saw, against ``references`` secrets.

    Its rank is uniform on 1..|R|, |R| = references + 1, so the mean is log2 |R| - log2(|R|!) / |R|;
    it grows to 1 / ln 2 = 1.4427 bits, from below. Ties make the truth a little smaller.
    """
    size = _count("references", references, 1) + 1
    return (math.log(size) - math.lgamma(size + 1) / size) / math.log(2)


def exposure_excess(
    exposures: ArrayLike,
    references: int,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Mean exposure in bits above that of canaries never seen, with its interval.

    ``exposures`` [canaries], each against ``references`` secrets. The interval is
    :func:`mean_interval` on [0, log2 |R|], shifted. It treats canaries as independent; when all
    are ranked among the *same* references, have several times more references than canaries.
    """
    top = math.log2(_count("references", references, 1) + 1)
    mean = mean_interval(exposures, 0.0, top, confidence, rng)
    null = exposure_null_mean(references)
    return Interval(mean.value - null, mean.low - null, mean.high - null)


def mean_interval(
    values: ArrayLike,
    minimum: float,
    maximum: float,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Interval for the mean of independent ``values`` [n] known to lie in [minimum, maximum].

    The Bayesian bootstrap with one more observation at the near end of the range: for the lower
    end at ``minimum``, for the upper at ``maximum``. On two-valued data it *is* Clopper-Pearson;
    otherwise it is conservative in every case known, though that is a conjecture. Unlike Student's
    t it keeps a width when all values agree, and holds for a handful of skewed ones.

    ``rng`` draws integration points, not data; left out, they are the same at every call.
    Sources: Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the
    mean of a nonnegative variable"; Learned-Miller and Thomas 2019 (arXiv 1905.06208).
    """
    x = np.sort(_scores("values", values))  # sorted: the result must not depend on the order
    # Exposures sit exactly on the ends of their range; allow for rounding there.
    slack = 1e-9 * max(1.0, abs(minimum), abs(maximum))
    if x[0] < minimum - slack or x[-1] > maximum + slack:
        raise InputError(
            f"values from {x[0]:g} to {x[-1]:g} leave the range [{minimum:g}, {maximum:g}]: "
            "give the range every possible value lies in"
        )
    x = np.minimum(np.maximum(x, minimum), maximum)
    tail = (1 - _confidence(confidence)) / 2
    rng = np.random.default_rng(0) if rng is None else rng
    rows = max(1, _BLOCK_CELLS // (x.size + 1))
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    for start in range(0, _INTEGRATION_DRAWS, rows):
        draws = min(rows, _INTEGRATION_DRAWS - start)
        weights = rng.standard_exponential((draws, x.size + 1))
        weights /= weights.sum(axis=1, keepdims=True)
        within = weights[:, :-1] @ x
        lows.append(within + weights[:, -1] * minimum)
        highs.append(within + weights[:, -1] * maximum)
    value = float(x.mean())
    low = float(np.quantile(np.concatenate(lows), tail))
    high = float(np.quantile(np.concatenate(highs), 1 - tail))
    return Interval(value, min(low, value), max(high, value))


def samples_to_extract(p_z: float, p: float) -> int | float:
    """The smallest n with 1 - (1 - p_z)^n >= p: samples to see a secret with probability p.

    ``p_z`` in [0, 1] is the chance that one sample emits the secret, ``p`` in (0, 1). Exact: the
    arguments are read as the decimals they print as, so (0.1, 0.19) gives 2, and p_z may be as
    small as 5e-324. Only ``p_z == 0`` (also: a probability that underflowed) has no such n and
    returns ``math.inf``, which orders after every count. Raises InputError outside those ranges.
    Source: Hayes et al. 2024 (arXiv 2410.19482), (n, p)-discoverable extraction.
    """
    p_z = _number("p_z", p_z, 0.0, 1.0)
    p = _number("p", p, 0.0, 1.0)
    if p in (0.0, 1.0):
        raise InputError(f"p {p:g} is met by no sample or never: give a probability inside (0, 1)")
    if p_z == 0.0:
        return math.inf
    if p_z == 1.0:
        return 1
    single, wanted = Decimal(repr(p_z)), Decimal(repr(p))
    small = -wanted.adjusted()
    with localcontext() as context:
        context.prec = 60 - single.adjusted() + small  # 1 - p_z exact, the ratio to 1e-58
        ratio = (1 - wanted).ln() / (1 - single).ln()
        nearest = ratio.to_integral_value()
        if abs(ratio - nearest) < Decimal(10) ** -(50 + small):
            return int(nearest)  # equality: the logarithms' last digit must not add a sample
        return int(ratio.to_integral_value(rounding=ROUND_CEILING))


# --- membership: ROC, AUC, TPR at a fixed FPR ----------------------------------------------------


def roc_curve(member_scores: ArrayLike, non_member_scores: ArrayLike) -> RocCurve:
    """Empirical ROC curve; equal scores move together, as one (possibly diagonal) step."""
    members = np.sort(_scores("member_scores", member_scores))
    others = np.sort(_scores("non_member_scores", non_member_scores))
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
    tail = (1 - _confidence(confidence)) / 2
    low, _ = _lower_and_complement(area * trials, trials, tail)
    _, high = _lower_and_complement((1 - area) * trials, trials, tail)
    return Interval(area, min(low, area), max(high, area))


def tpr_at_fpr(
    members: ArrayLike, non_members: ArrayLike, fpr: float, confidence: float = 0.95
) -> TprAtFpr:
    """The largest TPR whose empirical FPR is at most ``fpr``, with an exact interval.

    The cut depends on the non-members alone, so given it the members are independent trials and
    the Clopper-Pearson interval of the TPR *at this cut* is exact. How well the cut's own FPR is
    known is another matter: see :func:`non_members_needed`. ``threshold`` is the smallest flagged
    score, inf when nothing is flagged; ``fpr`` of the result is the empirical one, <= the target.
    """
    inside = _scores("members", members)
    outside = np.sort(_scores("non_members", non_members))[::-1]
    target = _number("fpr", fpr, 0.0, 1.0)
    allowed = math.floor(target * outside.size)
    if (allowed + 1) / outside.size <= target:  # 0.29 * 100 is 28.999999999999996
        allowed += 1
    barrier = float(outside[allowed]) if allowed < outside.size else -math.inf
    flagged = inside[inside > barrier]
    false = outside[outside > barrier]
    rate = binomial_interval(flagged.size, inside.size, confidence)
    threshold = float(min(flagged.min(initial=math.inf), false.min(initial=math.inf)))
    return TprAtFpr(rate.value, rate.low, rate.high, threshold, false.size / outside.size)


def non_members_needed(fpr: float) -> int:
    """The fewest non-members for which a TPR at this FPR means something: 3 / fpr.

    The rule of three: with fewer, even no false positive at all does not show at 95 % confidence
    that the FPR is as low as asked. 0.1 % needs 3000.
    """
    target = _number("fpr", fpr, 0.0, 1.0)
    if target == 0.0:
        raise InputError("fpr 0 can be shown by no number of non-members: give a rate above 0")
    return math.ceil(3 / target)


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact (Clopper-Pearson) interval of a rate; never narrower than its confidence asks."""
    n = _count("trials", trials, 1)
    k = _count("successes", successes, 0, n)
    tail = (1 - _confidence(confidence)) / 2
    low, _ = _lower_and_complement(k, n, tail)
    _, high = _lower_and_complement(n - k, n, tail)
    return Interval(k / n, low, high)


# --- parts ---------------------------------------------------------------------------------------


def _beta_quantile(a: float, b: float, probability: float) -> float:
    return float(cast(float, special.betaincinv(a, b, probability)))


def _lower_and_complement(successes: float, trials: float, tail: float) -> tuple[float, float]:
    """One-sided Clopper-Pearson lower bound of a rate, and one minus it without cancellation."""
    if successes <= 0:
        return 0.0, 1.0
    misses = trials - successes + 1
    return _beta_quantile(successes, misses, tail), _beta_quantile(misses, successes, 1 - tail)


def _p_value_function(m: int, r: int, v: int, delta: float) -> Callable[[float], float]:
    """epsilon -> p-value of v >= 1 right guesses; what does not depend on epsilon is done once."""
    k = np.arange(v - 1, -1, -1, dtype=np.float64)
    log_choose = cast(
        FloatArray,
        special.gammaln(r + 1.0) - special.gammaln(k + 1.0) - special.gammaln(r - k + 1.0),
    )
    widths = np.arange(1, v + 1)

    def p_value(epsilon: float) -> float:
        q = 1.0 / (1.0 + math.exp(-epsilon))
        beta = float(cast(float, special.betainc(v, r - v + 1, q)))
        # log(1 - q) = log q - epsilon stays finite where 1 - q would round to zero
        log_q = -math.log1p(math.exp(-epsilon))
        below = np.exp(log_choose + r * log_q - (r - k) * epsilon)  # P[Bin(r, q) = k]
        alpha = float(np.max(np.cumsum(below) / widths))
        return min(1.0, beta + 2.0 * m * delta * alpha)

    return p_value


def _placements(members: ArrayLike, non_members: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Per member the share of non-members it beats, per non-member the share that beats it."""
    inside = _scores("members", members)
    outside = _scores("non_members", non_members)

    def beats(scores: FloatArray, others: FloatArray) -> FloatArray:
        ranked = np.sort(others)
        below = np.searchsorted(ranked, scores, side="left")
        not_above = np.searchsorted(ranked, scores, side="right")
        return (below + not_above) / (2.0 * others.size)

    return beats(inside, outside), 1.0 - beats(outside, inside)


def _one_run_counts(canaries: int, guesses: int, correct: int) -> tuple[int, int, int]:
    m = _count("canaries", canaries, 0)
    r = _count("guesses", guesses, 0, m)
    return m, r, _count("correct", correct, 0, r)


def _count(name: str, value: SupportsIndex, low: int, high: int | None = None) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} {value!r} is not a whole number: give a count") from None
    if number < low or (high is not None and number > high):
        rule = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InputError(f"{name} {number} must be {rule}: check the counts given")
    return number


def _number(name: str, value: float, low: float, high: float) -> float:
    number = float(value)
    if not low <= number <= high:  # also refuses NaN
        raise InputError(f"{name} {number:g} must be in [{low:g}, {high:g}]: give such a number")
    return number


def _confidence(value: float) -> float:
    number = float(value)
    if not 0.0 < number < 1.0:
        raise InputError(f"confidence {number:g} must be inside (0, 1): give e.g. 0.95")
    return number


def _numbers(name: str, values: ArrayLike, high: float) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.all((array >= 0.0) & (array <= high)):
        raise InputError(f"{name} must lie in [0, {high:g}] everywhere: correct or drop the rest")
    return array


def _scores(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}: give a flat, non-empty array")
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(
            f"{name} holds {bad} of {array.size} values that are not finite: "
            "fix the score that makes them; dropping them would bias the audit"
        )
    return array
