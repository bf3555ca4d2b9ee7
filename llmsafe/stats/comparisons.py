"""Repeated trainings: intervals over a few seeds, differences, and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError
from llmsafe.stats.checks import check_confidence, check_count, check_number, check_scores
from llmsafe.stats.intervals import Interval


class Paired(NamedTuple):
    """Mean difference of pairs with its interval, and the p-value of there being none."""

    difference: Interval
    p_value: float
    pairs: int


def seed_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of ``values`` [n], one from each seed.

    For figures of equal trainings that differ by chance alone. It takes them for nearly normal,
    which a handful cannot show; with two or three seeds it is wide, as it should be (the bootstrap
    of three values is far too narrow: it never leaves their range). One value has no spread to
    learn from: its interval is the whole line.
    """
    x = check_scores("values", values)
    mean = float(x.mean())
    if x.size < 2:
        return Interval(mean, -math.inf, math.inf)
    half = _t_quantile(confidence, x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half)


def difference_interval(one: ArrayLike, other: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval for the difference of means of two samples [n] of equal size.

    The two-sample t interval with a pooled variance; for trainings that share no draw, so that
    there are no pairs.

    Raises:
        InputError: samples of different size, or of fewer than two.
    """
    x, y = check_scores("one", one), check_scores("other", other)
    if x.size != y.size or x.size < 2:
        raise InputError(f"samples of {x.size} and {y.size}: give two of equal size, two or more")
    spread = math.sqrt(float(x.var(ddof=1) + y.var(ddof=1)) / x.size)
    half = _t_quantile(confidence, 2 * x.size - 2) * spread
    middle = float(x.mean() - y.mean())
    return Interval(middle, middle - half, middle + half)


def paired_difference(one: ArrayLike, other: ArrayLike, confidence: float = 0.95) -> Paired:
    """Student's test of ``one`` [n] against ``other`` [n], pair by pair (same seed, same corpus).

    The p-value is two-sided. Pairs that all differ by the same amount have no spread: their
    interval is that amount, and their p-value 0 (1 where the amount is nothing).

    Raises:
        InputError: other lengths, or fewer than two pairs.
    """
    x, y = check_scores("one", one), check_scores("other", other)
    if x.size != y.size or x.size < 2:
        raise InputError(f"{x.size} and {y.size} values make no pairs: give two or more of each")
    found = seed_interval(x - y, confidence)
    error = float((x - y).std(ddof=1)) / math.sqrt(x.size)
    if error == 0:
        return Paired(found, float(found.value == 0), x.size)
    t = found.value / error
    freedom = x.size - 1
    # P[|T| > t] is a regularised incomplete beta function (Abramowitz and Stegun 26.7.1).
    tail = float(special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t)))
    return Paired(found, tail, x.size)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of a family adjusted by Holm's step-down rule, in the given order.

    Those at or under α may all be called findings: the chance of any false one is at most α,
    however the tests depend on one another. Source: Holm 1979, "A simple sequentially rejective
    multiple test procedure", Scand. J. Statist. 6.
    """
    for p in p_values:
        check_number("p-value", p, 0.0, 1.0)
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def group_privacy(epsilon: float, delta: float, size: int) -> tuple[float, float]:
    """(ε, δ) of a group of ``size`` units under a mechanism that is (ε, δ)-private for one.

    kε and δ (e^{kε} − 1)/(e^ε − 1), at most 1. Source: Vadhan 2017, "The complexity of
    differential privacy", Lemma 2.2.
    """
    epsilon = check_number("epsilon", epsilon, 0.0, math.inf)
    delta = check_number("delta", delta, 0.0, 1.0)
    size = check_count("size", size, 1)
    if size == 1 or math.isinf(epsilon):
        return epsilon, delta
    if epsilon == 0:
        return 0.0, min(1.0, size * delta)
    try:
        factor = math.expm1(size * epsilon) / math.expm1(epsilon)
    except OverflowError:
        return size * epsilon, 1.0 if delta else 0.0
    return size * epsilon, min(1.0, delta * factor)


def _t_quantile(confidence: float, freedom: int) -> float:
    return float(special.stdtrit(freedom, (1 + check_confidence(confidence)) / 2))
