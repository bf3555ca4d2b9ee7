"""A declared cap on the draws: how often a Poisson draw exceeds it, and the smallest cap that does.

A cap bounds memory and time of a step. A draw above it is cut to a random subset of ``cap`` units.
What that costs is in :func:`llmsafe.privacy.accountant.composed_epsilon`; it rests on the corpus
holding no more units than declared, for a larger corpus overflows more often:
:func:`llmsafe.privacy.plan.check_population` refuses such a corpus.
"""

from __future__ import annotations

import math

from llmsafe.errors import InputError
from llmsafe.privacy.accountant import LARGEST_CAP_SHARE


def overflow_probability(population: int, sampling_probability: float, cap: int | None) -> float:
    """P[Bin(population + 1, q) > cap], the chance of one draw to be cut; 0 without a cap.

    One unit more than declared, so that it holds for a full corpus and for its larger neighbour;
    it grows with the number of units, so it holds for every smaller corpus as well.

    Raises:
        InputError: a cap below one unit.
    """
    if cap is None:
        return 0.0
    if cap < 1:
        raise InputError(f"max units per step {cap} must be at least 1; leave it out for no cap")
    from scipy.stats import binom  # planning without a cap does not need scipy

    return float(binom.sf(cap, population + 1, sampling_probability))


def smallest_cap(
    population: int, sampling_probability: float, *, steps: int, delta: float, epsilon: float
) -> int:
    """The smallest cap whose cost at ``epsilon`` is at most a tenth of ``delta``.

    The cost is ``steps · overflow · (1 + e^ε)``. A cap of ``population + 1`` cuts nothing, so
    there always is one.
    """
    allowed = LARGEST_CAP_SHARE * delta / steps / (1 + math.exp(min(epsilon, 700.0)))
    low, high = 0, population + 1
    while high - low > 1:
        middle = (low + high) // 2
        if overflow_probability(population, sampling_probability, middle) <= allowed:
            high = middle
        else:
            low = middle
    return high
