"""Confidence intervals against naive twins and exact coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llmsafe.errors import InputError
from llmsafe.stats import binomial_interval, mean_interval, ratio_interval


@given(st.integers(1, 40), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_binomial_interval_matches_its_naive_twin(naive_clopper_pearson, trials, data, confidence):
    successes = data.draw(st.integers(0, trials))
    found = binomial_interval(successes, trials, confidence)
    low, high = naive_clopper_pearson(successes, trials, (1 - confidence) / 2)
    assert found.value == successes / trials
    assert found.low == pytest.approx(low, abs=1e-9)
    assert found.high == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize("rate", [0.003, 0.2, 0.5, 0.97])
@pytest.mark.parametrize("trials", [7, 50, 300])
def test_binomial_interval_covers_exactly(rate, trials):
    """The coverage summed over every outcome, not simulated."""
    covered = math.fsum(
        binom.pmf(k, trials, rate)
        for k in range(trials + 1)
        if binomial_interval(k, trials).low <= rate <= binomial_interval(k, trials).high
    )
    assert covered >= 0.95


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 10), (20, 20), (150, 200)])
def test_mean_interval_is_clopper_pearson_on_two_valued_data(successes, trials):
    values = [1.0] * successes + [0.0] * (trials - successes)
    found = mean_interval(values, 0.0, 1.0, rng=np.random.default_rng(4))
    exact = binomial_interval(successes, trials)
    width = exact.high - exact.low
    assert found.low == pytest.approx(exact.low, abs=0.04 * width)
    assert found.high == pytest.approx(exact.high, abs=0.04 * width)


def test_mean_interval_scales_and_does_not_depend_on_order():
    rng = np.random.default_rng(1)
    values = rng.beta(0.5, 3.0, size=50)
    found = mean_interval(values, 0.0, 1.0)
    assert mean_interval(values[::-1], 0.0, 1.0) == found
    scaled = mean_interval(10 * values - 3, -3.0, 7.0)
    assert scaled == pytest.approx([10 * part - 3 for part in found])
    wider = mean_interval(values, 0.0, 1.0, confidence=0.999)
    assert wider.low < found.low < found.value < found.high < wider.high


def test_ratio_interval_of_single_trials_is_the_interval_of_their_mean():
    values = [1.0] * 47 + [0.0] * 3
    assert ratio_interval(values, [1.0] * 50) == pytest.approx(mean_interval(values, 0, 1))
    # Whole clusters agree: as many observations as clusters, however many trials they hold.
    scaled = ratio_interval([40 * value for value in values], [40.0] * 50)
    assert scaled == pytest.approx(mean_interval(values, 0, 1))


def test_ratio_interval_ignores_order_and_clusters_without_trials():
    hits, trials = [3, 0, 5, 9], [4, 2, 5, 12]
    found = ratio_interval(hits, trials)
    assert found.value == 17 / 23
    assert ratio_interval([9, 0, 3, 5, 0], [12, 0, 4, 5, 2]) == found
    assert 0 < ratio_interval([4, 4], [4, 4]).low < 1 == ratio_interval([4, 4], [4, 4]).high


@pytest.mark.parametrize("clusters", [15, 100])
def test_ratio_interval_covers_where_trials_are_not_independent(clusters):
    """Half of the words of one note in five are missed together; long notes are missed more."""
    rng = np.random.default_rng(7)

    def draw(count):
        sizes = 1 + rng.geometric(0.15, count) * (1 + 4 * (rng.random(count) < 0.1))
        missed = rng.random(count) < np.where(sizes > 8, 0.3, 0.1)
        return rng.binomial(sizes, np.where(missed, 0.5, 1.0)), sizes

    hits, trials = draw(400_000)
    truth = hits.sum() / trials.sum()
    outside = naive = 0
    for _ in range(200):
        hits, trials = draw(clusters)
        found, exact = ratio_interval(hits, trials), binomial_interval(hits.sum(), trials.sum())
        outside += not found.low <= truth <= found.high
        naive += not exact.low <= truth <= exact.high
    assert outside <= 14  # 5 % of 200 is 10; more than 14 has a chance of 8 % even then
    assert naive > 20  # pretending that words are independent does not hold


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: binomial_interval(0, 0), "trials 0 must be at least 1"),
        (lambda: ratio_interval([0], [0]), "trials are 0 in every cluster"),
        (lambda: ratio_interval([2], [1]), "hits must lie between 0 and trials"),
        (lambda: ratio_interval([1, 1], [1]), "hits must lie between 0 and trials"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message  # value and rule, then the way out
