"""What the statistical tests share: an exact binomial tolerance and a naive interval."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom


def _at_most(events: int, trials: int, rate: float) -> bool:
    return events <= binom.ppf(0.9999, trials, rate)


def _naive_clopper_pearson(successes, trials, tail):
    """Both ends by bisection on explicitly summed binomial tails."""

    def tail_sum(p, ks):
        return math.fsum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in ks)

    def solve(rising, ks):
        low, high = 0.0, 1.0
        for _ in range(80):
            middle = (low + high) / 2
            if (tail_sum(middle, ks) < tail) == rising:
                low = middle
            else:
                high = middle
        return low

    low = solve(True, range(successes, trials + 1)) if successes else 0.0
    high = solve(False, range(successes + 1)) if successes < trials else 1.0
    return low, high


@pytest.fixture(scope="session")
def at_most():
    """Consistent with a true rate of at most ``rate`` (fails one honest test in 10,000)."""
    return _at_most


@pytest.fixture(scope="session")
def naive_clopper_pearson():
    return _naive_clopper_pearson
