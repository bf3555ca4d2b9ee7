"""Confidence intervals that hold for finite samples: rates and bounded means."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError
from llmsafe.stats.checks import FloatArray, check_confidence, check_count, check_scores

_INTEGRATION_DRAWS = 10_000
_BLOCK_CELLS = 2_000_000  # 16 MB of float64 at a time while integrating


class Interval(NamedTuple):
    """A point with the two ends of its confidence interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


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
    x = np.sort(check_scores("values", values))  # sorted: the result must not depend on the order
    # Exposures sit exactly on the ends of their range; allow for rounding there.
    slack = 1e-9 * max(1.0, abs(minimum), abs(maximum))
    if x[0] < minimum - slack or x[-1] > maximum + slack:
        raise InputError(
            f"values from {x[0]:g} to {x[-1]:g} leave the range [{minimum:g}, {maximum:g}]: "
            "give the range every possible value lies in"
        )
    x = np.minimum(np.maximum(x, minimum), maximum)
    tail = (1 - check_confidence(confidence)) / 2
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


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact (Clopper-Pearson) interval of a rate; never narrower than its confidence asks."""
    n = check_count("trials", trials, 1)
    k = check_count("successes", successes, 0, n)
    tail = (1 - check_confidence(confidence)) / 2
    low, _ = lower_and_complement(k, n, tail)
    _, high = lower_and_complement(n - k, n, tail)
    return Interval(k / n, low, high)


def beta_quantile(a: float, b: float, probability: float) -> float:
    return float(cast(float, special.betaincinv(a, b, probability)))


def lower_and_complement(successes: float, trials: float, tail: float) -> tuple[float, float]:
    """One-sided Clopper-Pearson lower bound of a rate, and one minus it without cancellation."""
    if successes <= 0:
        return 0.0, 1.0
    misses = trials - successes + 1
    return beta_quantile(successes, misses, tail), beta_quantile(misses, successes, 1 - tail)
