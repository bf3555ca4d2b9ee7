"""Intervals over seeds, paired tests, Holm and group privacy, against scipy and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from llmsafe.errors import InputError
from llmsafe.stats import (
    difference_interval,
    group_privacy,
    holm,
    paired_difference,
    seed_interval,
)

ONE, OTHER = np.array([1.0, 1.2, 0.9]), np.array([1.4, 1.1, 1.35])


def test_the_interval_over_seeds_is_students():
    found = seed_interval(ONE, 0.9)
    expected = reference.t.interval(0.9, 2, ONE.mean(), reference.sem(ONE))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.value == pytest.approx(ONE.mean())


def test_one_seed_says_nothing_of_the_spread():
    assert seed_interval([3.0]) == (3.0, -math.inf, math.inf)


def test_the_interval_over_seeds_keeps_its_confidence():
    rng = np.random.default_rng(0)
    hits = sum(
        found.low <= 0 <= found.high
        for found in (seed_interval(rng.normal(size=3)) for _ in range(2000))
    )
    assert 1865 <= hits <= 1935  # 0.95 of 2000, three and a half deviations


def test_a_difference_without_pairs():
    expected = reference.ttest_ind(ONE, OTHER).confidence_interval(0.95)
    found = difference_interval(ONE, OTHER)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    with pytest.raises(InputError, match="equal size"):
        difference_interval(ONE, OTHER[:2])


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_paired_difference(size):
    rng = np.random.default_rng(size)
    one, other = rng.normal(size=size), rng.normal(0.5, size=size)
    expected = reference.ttest_rel(one, other)
    found = paired_difference(one, other)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(interval))
    assert found.pairs == size


def test_pairs_without_spread():
    assert paired_difference([1.0, 2.0], [0.5, 1.5]).p_value == 0
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p_value == 1
    with pytest.raises(InputError, match="pairs"):
        paired_difference([1.0], [2.0])


def test_holm_is_the_closed_test_by_bonferroni():
    """p adjusted = the largest Bonferroni p over all intersections that hold the hypothesis."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        values = rng.uniform(size=4) ** 2
        families = [
            subset for size in range(1, 5) for subset in itertools.combinations(range(4), size)
        ]
        expected = [
            max(
                min(1.0, len(family) * min(values[i] for i in family))
                for family in families
                if index in family
            )
            for index in range(4)
        ]
        assert holm(values.tolist()) == pytest.approx(expected)
    assert holm([]) == []
    with pytest.raises(InputError):
        holm([1.2])


def test_group_privacy_is_the_chain_of_neighbours():
    epsilon, delta = 0.7, 1e-6
    total, carried = 0.0, 0.0
    for size in range(1, 6):
        # P[M(D)] ≤ e^ε (…) + δ, applied once more
        total, carried = total + epsilon, math.exp(epsilon) * carried + delta
        assert group_privacy(epsilon, delta, size) == pytest.approx((total, carried))
    assert group_privacy(0.0, 1e-6, 3) == pytest.approx((0.0, 3e-6))
    assert group_privacy(8.0, 1e-5, 64) == (512.0, 1.0)
    assert group_privacy(math.inf, 1e-5, 4) == (math.inf, 1e-5)
    assert group_privacy(300.0, 1e-5, 64)[1] == 1.0
