"""Confidence intervals against naive twins and exact coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llmsafe.errors import InputError
from llmsafe.stats import binomial_interval, mean_interval


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: binomial_interval(0, 0), "trials 0 must be at least 1"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message  # value and rule, then the way out
