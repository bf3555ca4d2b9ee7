"""Lower bounds on epsilon from one run, for mechanisms with a Gaussian trade-off curve.

Sharper than the bound for any (epsilon, delta)-DP mechanism because more is assumed: the claim
that is refuted is "some Gaussian mechanism with sensitivity-to-noise ratio mu hides as much".
Whoever prints such a bound must print that assumption with it.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import cast

from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError
from llmsafe.stats.checks import check_bound_confidence, check_number, check_one_run

_PRECISION = 1e-9  # of mu, which is of order one
_MU_LIMIT = 80.0  # Phi(-80 + z) is zero in floats for every z a probability has


def epsilon_one_run_gdp(
    canaries: int, guesses: int, correct: int, delta: float, confidence: float = 0.95
) -> float:
    """Lower bound on epsilon at ``delta`` from one run, if the mechanism is Gaussian in shape.

    :func:`mu_one_run` turned into epsilon by the exact Gaussian curve. If the mechanism is
    mu-GDP, the result exceeds its epsilon at ``delta`` in at most ``1 - confidence`` of the
    audits, provided the number of guesses was fixed without looking at these scores. Of a
    mechanism with another curve it says less: that no mu-GDP claim with a smaller epsilon holds.
    Never above :func:`epsilon_one_run_gdp_ceiling`.

    Raises InputError unless 0 <= correct <= guesses <= canaries, delta in (0, 1] and confidence
    in [0.5, 1).

    Source: Mahloujifar, Melis, Chaudhuri 2025 (arXiv 2410.22235), Algorithm 3.
    """
    check_delta(delta)
    return gdp_epsilon(mu_one_run(canaries, guesses, correct, confidence), delta)


def epsilon_one_run_gdp_ceiling(
    canaries: int, guesses: int, delta: float, confidence: float = 0.95
) -> float:
    """The largest bound :func:`epsilon_one_run_gdp` can return for this design: all right."""
    return epsilon_one_run_gdp(canaries, guesses, guesses, delta, confidence)


def mu_one_run(canaries: int, guesses: int, correct: int, confidence: float = 0.95) -> float:
    """The largest mu such that mu-GDP is refuted by ``correct`` right guesses; 0.0 when none is.

    The number of guesses must have been fixed without looking at these scores, as for
    :func:`llmsafe.stats.epsilon_one_run`. The bound does not depend on delta.
    """
    m, r, v = check_one_run(canaries, guesses, correct)
    tail = 1 - check_bound_confidence(confidence)
    low, high = 0.0, 1.0
    if not _refuted(m, r, v, low, tail):
        return 0.0
    while high < _MU_LIMIT and _refuted(m, r, v, high, tail):
        low, high = high, 2 * high
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if _refuted(m, r, v, middle, tail) else (low, middle)
    return low


def gdp_epsilon(mu: float, delta: float) -> float:
    """Epsilon at ``delta`` of a mu-GDP mechanism: the exact curve, no bound of it.

    Solves delta = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu); 0.0 where delta
    alone covers the mechanism. Raises InputError for delta 0, where no epsilon is finite.

    Sources: Balle and Wang 2018 (arXiv 1805.06530), Theorem 8; Dong, Roth, Su 2019
    (arXiv 1905.02383), Corollary 2.13.
    """
    delta = check_delta(delta)
    mu = check_number("mu", mu, 0.0, math.inf)
    if math.erf(mu / math.sqrt(8)) <= delta:  # delta at epsilon 0 is 2 Phi(mu / 2) - 1
        return 0.0
    if mu == math.inf:
        return math.inf
    wanted = math.log(delta)
    # Phi(-x) <= e^(-x^2 / 2) makes the first term alone at most delta at the upper end.
    low, high = 0.0, mu * mu / 2 + mu * math.sqrt(-2 * wanted)
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_delta(mu, middle) > wanted else (low, middle)
    return low


def check_delta(delta: float) -> float:
    if float(delta) == 0.0:
        raise InputError("delta 0 has no finite epsilon under GDP: give a delta in (0, 1]")
    return check_number("delta", delta, 0.0, 1.0)


def _log_delta(mu: float, epsilon: float) -> float:
    planted = float(cast(float, special.log_ndtr(mu / 2 - epsilon / mu)))
    withheld = float(cast(float, special.log_ndtr(-mu / 2 - epsilon / mu)))
    excess = epsilon + withheld - planted  # log of the second term over the first, below 0
    return planted + math.log1p(-math.exp(excess)) if excess < 0.0 else -math.inf


def _refuted(m: int, r: int, v: int, mu: float, tail: float) -> bool:
    """Whether mu-GDP makes v or more of r right guesses less likely than ``tail``.

    With p_j the chance of exactly j right guesses, let a_i = sum over j >= i of j p_j / m and
    b_i = sum over j >= i of (r - j) p_j / m. GDP bounds the chance that a canary is guessed right
    by that of guessing it wrong, Phi^-1(a_{i+1}) <= Phi^-1(b_i) + mu, and both grow by p_i alone:
    a_i - a_{i+1} = i / (r - i) (b_i - b_{i+1}). Suppose P[right >= v] = ``tail``; the smallest
    a and b that go with it follow downwards from i = v, where they are ``tail`` v / m and
    ``tail`` (r - v) / m. Their sum is P[right >= i] r / m, so if it passes r / m the supposition
    was wrong and the probability is smaller. Once b stops growing it has stopped for good. So
    either end comes after a few standard deviations of steps, not after v of them.
    """
    quantile = NormalDist().inv_cdf
    size = max(m, 1)
    right, wrong, whole = tail * v / size, tail * (r - v) / size, r / size
    for i in range(v - 1, -1, -1):
        # erfc, not 1 + erf: probabilities of 1e-10 and below must keep their digits
        following = math.erfc((mu - quantile(right)) / math.sqrt(2)) / 2
        if following <= wrong:
            return False
        right += i / (r - i) * (following - wrong)
        wrong = following
        if right + wrong > whole:
            return True
    return False
