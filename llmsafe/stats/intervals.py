"""Confidence intervals that hold for finite samples: rates and bounded means."""

from __future__ import annotations

from collections.abc import Iterator
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
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    for weights in _weights(x.size, np.random.default_rng(0) if rng is None else rng):
        within = weights[:, :-1] @ x
        lows.append(within + weights[:, -1] * minimum)
        highs.append(within + weights[:, -1] * maximum)
    return _ends(float(x.mean()), lows, highs, tail)


def _weights(count: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Uniform draws from the simplex of ``count`` observations and one more, a block at a time."""
    rows = max(1, _BLOCK_CELLS // (count + 1))
    for start in range(0, _INTEGRATION_DRAWS, rows):
        weights = rng.standard_exponential((min(rows, _INTEGRATION_DRAWS - start), count + 1))
        yield weights / weights.sum(axis=1, keepdims=True)


def _ends(value: float, lows: list[FloatArray], highs: list[FloatArray], tail: float) -> Interval:
    low = float(np.quantile(np.concatenate(lows), tail))
    high = float(np.quantile(np.concatenate(highs), 1 - tail))
    return Interval(value, min(low, value), max(high, value))


def ratio_interval(
    hits: ArrayLike,
    trials: ArrayLike,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Interval for a rate whose trials come in clusters: sum of ``hits`` [n] over ``trials`` [n].

    For the share of words found, say, where the words of one note stand or fall together. Clusters
    are independent, trials inside them need not be; those without trials count for nothing. As
    :func:`mean_interval`, whose result it is when every cluster has one trial, with one more
    cluster at the near end, of the size of the cluster that a trial drawn at random lies in. In
    simulations with sizes that vary tenfold and rates that depend on them the lower end held its
    confidence and the upper stayed near it.

    Raises:
        InputError: no trials at all, or more hits than trials somewhere.
    """
    x, m = check_scores("hits", hits), check_scores("trials", trials)
    if x.shape != m.shape or np.any(x < 0) or np.any(x > m):
        raise InputError(
            "hits must lie between 0 and trials in every cluster: give both per cluster"
        )
    x, m = x[m > 0], m[m > 0]
    if not m.size:
        raise InputError("trials are 0 in every cluster: a rate needs at least one")
    order = np.lexsort((x, m))  # the result must not depend on the order of the clusters
    x, m = x[order], m[order]
    more = float(np.sum(m * m) / np.sum(m))
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    for weights in _weights(m.size, np.random.default_rng(0) if rng is None else rng):
        within = weights[:, :-1] @ x
        over = weights[:, :-1] @ m + weights[:, -1] * more
        lows.append(within / over)
        highs.append((within + weights[:, -1] * more) / over)
    return _ends(float(np.sum(x) / np.sum(m)), lows, highs, (1 - check_confidence(confidence)) / 2)


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
