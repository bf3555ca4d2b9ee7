"""How much two independent searches missed together: capture and recapture."""

from __future__ import annotations

from llmsafe.stats.checks import check_confidence, check_count
from llmsafe.stats.intervals import Interval, binomial_interval


def missed_by_both(
    both: int, first_only: int, second_only: int, confidence: float = 0.95
) -> Interval:
    """Number of things that neither search found, if the searches are independent.

    Point: Chapman's estimate (1951), ``first_only * second_only / (both + 1)``. The second search
    found ``both`` of the first one's finds, which says how good it is; so much of what the first
    missed must it have found as well. The interval joins the uncertainty of the two steps
    (Clopper-Pearson and the inverted binomial, half of the error each), and holds its confidence
    for any size under independence and equal chances.

    Searches that fail on the same hard cases, as they mostly do, make it too small; false finds,
    which the other search does not repeat, make it too large.
    """
    for name, value in (("both", both), ("first_only", first_only), ("second_only", second_only)):
        check_count(name, value, 0)
    alpha = 1 - check_confidence(confidence)
    point = first_only * second_only / (both + 1)
    first = both + first_only
    if first == 0:
        return Interval(point, 0.0, float("inf"))
    rate = binomial_interval(both, first, 1 - alpha / 2)
    tail = alpha / 4
    low = _trials(second_only, rate.high, tail, most=False) - second_only
    high = _trials(second_only, rate.low, tail, most=True) - second_only
    return Interval(point, min(float(low), point), max(float(high), point))


def _trials(hits: int, rate: float, tail: float, *, most: bool) -> float:
    """The least or the most trials at ``rate`` that leave ``hits`` no rarer than ``tail``."""
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - slow to import

    if rate <= 0:
        return float("inf") if most else float(hits)
    if not most:
        # The distribution of trials up to the last hit is negative binomial.
        return hits + (float(stats.nbinom.ppf(tail, hits, rate)) if hits and rate < 1 else 0.0)
    return hits + float(stats.nbinom.ppf(1 - tail, hits + 1, rate))
