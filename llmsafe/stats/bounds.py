"""Lower bounds on epsilon from an audit, their ceilings, and what a claim allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.stats.checks import (
    FloatArray,
    check_bound_confidence,
    check_confidence,
    check_count,
    check_number,
    check_numbers,
    check_one_run,
)
from llmsafe.stats.intervals import beta_quantile, lower_and_complement


def epsilon_one_run(
    canaries: int, guesses: int, correct: int, delta: float, confidence: float = 0.95
) -> float:
    """Lower bound on epsilon from one training run with coin-flipped canaries.

    Each of ``canaries`` units was planted or withheld by its own fair coin; the auditor guessed
    ``guesses`` of the coins, abstained on the rest, and got ``correct`` right. Returns the largest
    epsilon whose p-value is under ``1 - confidence``, 0.0 when there is none. If the mechanism is
    (epsilon, delta)-DP, the result exceeds epsilon in at most ``1 - confidence`` of the audits,
    **provided the number of guesses was fixed without looking at these scores**
    (:func:`llmsafe.stats.one_run_search` may look, and pays for it). Never above
    :func:`epsilon_one_run_ceiling`.

    Raises InputError unless 0 <= correct <= guesses <= canaries, delta in [0, 1] and confidence
    in [0.5, 1).

    Source: Steinke, Nasr, Jagielski 2023 (arXiv 2305.08846), Theorem 5.2.
    """
    m, r, v = check_one_run(canaries, guesses, correct)
    delta = check_number("delta", delta, 0.0, 1.0)
    confidence = check_bound_confidence(confidence)
    if v == 0:
        return 0.0
    # With delta = 0 the p-value is a binomial tail, which Clopper-Pearson inverts in closed form;
    # delta only raises it, so that epsilon also brackets the search. q and 1 - q are found apart
    # because q may round to 1.
    q = beta_quantile(v, r - v + 1, 1 - confidence)
    complement = beta_quantile(r - v + 1, v, confidence)
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
    m, r, v = check_one_run(canaries, guesses, correct)
    epsilon = check_number("epsilon", epsilon, 0.0, math.inf)
    delta = check_number("delta", delta, 0.0, 1.0)
    if v == 0 or epsilon == math.inf:
        return 1.0
    return _p_value_function(m, r, v, delta)(epsilon)


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
    n_pos = check_count("positives", positives, 0)
    n_neg = check_count("negatives", negatives, 0)
    tp = check_count("true_positives", true_positives, 0, n_pos)
    fp = check_count("false_positives", false_positives, 0, n_neg)
    delta = check_number("delta", delta, 0.0, 1.0)
    tail = (1 - check_confidence(confidence)) / 2
    tpr_low, fnr_high = lower_and_complement(tp, n_pos, tail)
    tnr_low, fpr_high = lower_and_complement(n_neg - fp, n_neg, tail)
    ratio = max((tpr_low - delta) / fpr_high, (tnr_low - delta) / fnr_high)
    return math.log(ratio) if ratio > 1.0 else 0.0


def dp_tpr_ceiling(fpr: ArrayLike, epsilon: ArrayLike, delta: ArrayLike) -> FloatArray:
    """The largest TPR any membership test can have at ``fpr`` under (epsilon, delta)-DP.

    min(1, e^epsilon fpr + delta, 1 - e^-epsilon (1 - delta - fpr)); arguments broadcast and the
    result has their common shape. epsilon = inf promises nothing, so its ceiling is 1.
    Source: Kairouz, Oh, Viswanath 2015 (arXiv 1311.0776), hypothesis-testing form of DP.
    """
    f, e, d = np.broadcast_arrays(
        check_numbers("fpr", fpr, 1.0),
        check_numbers("epsilon", epsilon, math.inf),
        check_numbers("delta", delta, 1.0),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        steep = np.where(np.isinf(e), 1.0, np.where(f > 0, np.exp(e) * f, 0.0) + d)
    shallow = 1.0 - np.exp(-e) * np.maximum(1.0 - d - f, 0.0)
    return np.minimum(np.minimum(steep, shallow), 1.0)


def dp_auc_ceiling(epsilon: float, delta: float) -> float:
    """The largest area under the ROC curve of any membership test under (epsilon, delta)-DP.

    The area under :func:`dp_tpr_ceiling`: 1 - (1 - delta)^2 / (1 + e^epsilon).
    """
    epsilon = check_number("epsilon", epsilon, 0.0, math.inf)
    delta = check_number("delta", delta, 0.0, 1.0)
    return 1.0 - (1.0 - delta) ** 2 * float(special.expit(-epsilon))


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
