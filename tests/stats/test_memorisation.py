"""Exposure and extraction counts against oracle values, naive twins and enumerated spaces."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.stats import (
    binomial_interval,
    exposure,
    exposure_by_sampling,
    exposure_exact,
    exposure_excess,
    exposure_null_mean,
    samples_to_extract,
)


@pytest.mark.parametrize(
    ("loss", "bits"),
    [(0.5, 9.965784), (1.5, 8.965784), (9.5, 6.643856), (499.5, 1.0), (999.5, 0.0)],
)
def test_exposure_oracle(loss, bits):
    assert exposure(loss, np.arange(1, 1000)) == pytest.approx(bits, abs=1e-5)


@pytest.mark.parametrize(
    ("p_z", "p", "n"),
    [(0.01, 0.1, 11), (0.01, 0.5, 69), (0.01, 0.9, 230), (0.001, 0.5, 693), (0.1, 0.9, 22)],
)
def test_extraction_oracle(p_z, p, n):
    assert samples_to_extract(p_z, p) == n


# --- exposure ------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.integers(-1, 13),
)
def test_exposure_matches_its_naive_twin(references, loss):
    rank = 1.0
    for other in references:
        rank += 1.0 if other < loss else 0.5 if other == loss else 0.0
    expected = math.log2((len(references) + 1) / rank)
    assert exposure(loss, references) == pytest.approx(expected, abs=1e-12)
    assert 0.0 <= exposure(loss, references) <= math.log2(len(references) + 1)


def test_null_mean_is_the_average_over_all_ranks():
    for references in (1, 2, 9, 999):
        losses = np.arange(1, references + 1, dtype=float)
        every_rank = [exposure(loss, losses) for loss in np.arange(0.5, references + 1)]
        assert len(every_rank) == references + 1
        assert exposure_null_mean(references) == pytest.approx(np.mean(every_rank), abs=1e-12)
    assert exposure_null_mean(10**9) == pytest.approx(1 / math.log(2), abs=1e-6)
    assert exposure_null_mean(9) < 1.2  # the asymptote alone would be 0.26 bits off


def test_excess_covers_zero_for_canaries_never_seen(at_most):
    rng = np.random.default_rng(9)
    runs, canaries, references = 300, 20, 999
    missed = student_missed = 0
    for _ in range(runs):
        bits = [exposure(loss, rng.normal(size=references)) for loss in rng.normal(size=canaries)]
        found = exposure_excess(bits, references)
        missed += not found.low <= 0.0 <= found.high
        half = 2.093 * np.std(bits, ddof=1) / math.sqrt(canaries)  # Student's t, 19 degrees
        student_missed += abs(found.value) > half
    assert at_most(missed, runs, 0.05)
    assert student_missed > missed  # why Student's t is not used


def test_excess_of_perfect_memory_keeps_a_width():
    top = math.log2(1000)
    found = exposure_excess([top] * 10, 999)
    assert found.value == pytest.approx(top - exposure_null_mean(999))
    assert found.high == pytest.approx(found.value)
    assert 0.0 < found.low < found.value - 1.0
    assert exposure_excess([top] * 100, 999).low > found.low


# --- extraction ----------------------------------------------------------------------------------


def enough(p_z, p, n):
    """1 - (1 - p_z)^n >= p in rational arithmetic on the printed decimals."""
    return 1 - (1 - Fraction(str(p_z))) ** n >= Fraction(str(p))


@given(st.integers(1, 999), st.integers(1, 999))
def test_samples_matches_brute_force(a, b):
    p_z, p = a / 1000, b / 1000
    n = samples_to_extract(p_z, p)
    assert isinstance(n, int)
    assert enough(p_z, p, n)
    assert not enough(p_z, p, n - 1)


@pytest.mark.parametrize("p_z", [0.5, 0.1, 0.2, 0.3, 0.7, 0.9, 0.01])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_samples_at_equality(p_z, n):
    """p = 1 - (1 - p_z)^n exactly: one sample more or less would be wrong."""
    exact = 1 - (1 - Fraction(str(p_z))) ** n
    p = float(exact)
    assert Fraction(str(p)) == exact
    assert samples_to_extract(p_z, p) == n


def test_samples_for_tiny_probabilities():
    assert samples_to_extract(1e-12, 0.5) == 693147180560
    assert samples_to_extract(1e-20, 0.5) == 69314718055994530942  # 1 - 1e-20 is 1.0 in floats
    assert samples_to_extract(5e-324, 0.999) > 10**323
    assert samples_to_extract(1e-300, 3e-300) == 4  # three samples fall 3e-600 short
    assert samples_to_extract(0.3, 1e-300) == 1
    assert samples_to_extract(1.0, 0.999) == 1
    assert samples_to_extract(0.0, 0.5) == math.inf
    assert samples_to_extract(math.exp(-900), 0.5) > 10**1000  # underflow is never a small count
    assert samples_to_extract(np.float64(0.01), np.float64(0.5)) == 69


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exposure(math.nan, [1.0]), "canary_loss holds 1 of 1 values that are not finite"),
        (lambda: exposure(1.0, []), "reference_losses has shape"),
        (lambda: exposure_excess([11.0], 999), "leave the range"),
        (lambda: samples_to_extract(1.5, 0.5), "p_z 1.5"),
        (lambda: samples_to_extract(0.5, 1.0), "p 1 is met"),
        (lambda: samples_to_extract(0.5, 0.0), "p 0 is met"),
        (lambda: samples_to_extract(0.5, math.nan), "p nan"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message  # value and rule, then the way out


# --- exposure in the whole space -----------------------------------------------------------------


def code_losses():
    """Losses of all 100,000 five-digit secrets, each digit with a cost of its own."""
    costs = np.random.default_rng(50).gamma(2.0, 1.0, size=(5, 10))
    total = np.zeros(1)
    for digit in costs:
        total = (total[:, None] + digit).ravel()
    return total


@given(st.integers(1, 10**30), st.data())
def test_exact_exposure(space, data):
    rank = data.draw(st.integers(1, space))
    bits = exposure_exact(rank, space)
    assert bits == pytest.approx(math.log2(Fraction(space, rank)), abs=1e-9)
    assert 0.0 <= bits <= math.log2(space)


def test_exact_exposure_is_exposure_against_all_others():
    losses = code_losses()
    for index in (0, 777, 99_999):
        rank = 1 + int(np.sum(losses < losses[index]))
        others = np.delete(losses, index)
        assert exposure_exact(rank, losses.size) == pytest.approx(exposure(losses[index], others))
    assert exposure_exact(1.5, 2) == pytest.approx(math.log2(2 / 1.5))  # two that tie


@pytest.mark.parametrize("percentile", [0.5, 5.0, 60.0])
def test_sampled_exposure_covers_the_exact_one(at_most, percentile):
    losses = code_losses()
    canary = float(np.percentile(losses, percentile, method="lower"))
    truth = -math.log2(np.mean(losses <= canary))
    rng = np.random.default_rng(51)
    runs, missed, widths = 1000, 0, []
    for _ in range(runs):
        found = exposure_by_sampling(canary, rng.choice(losses, 1000))
        missed += not found.low <= truth <= found.high
        widths.append(found.high - found.low)
    assert at_most(missed, runs, 0.05)
    assert missed > 0.005 * runs  # not bought by width
    assert np.median(widths) < 3.0


def test_a_canary_below_every_sample_has_no_upper_end():
    samples = np.arange(1.0, 1001.0)
    found = exposure_by_sampling(0.5, samples)
    assert found.value == exposure(0.5, samples) == pytest.approx(math.log2(1001))
    assert found.high == math.inf
    assert found.low == pytest.approx(-math.log2(1 - 0.025 ** (1 / 1000)))  # the rule of three
    assert exposure_by_sampling(0.5, samples, space=10**6).high == pytest.approx(math.log2(10**6))
    # more samples show more; a single one below the canary closes the interval
    assert exposure_by_sampling(0.5, np.arange(1.0, 10_001.0)).low > found.low + 3
    assert math.isfinite(exposure_by_sampling(1.5, samples).high)


def test_sampled_exposure_edges():
    assert exposure_by_sampling(5000.0, np.arange(1000.0)).low == 0.0
    # all tie: anything is possible, and the interval says so
    tied = exposure_by_sampling(1.0, np.ones(100))
    assert (tied.low, tied.high) == (0.0, math.inf)
    assert 0.0 < tied.value < 1.1
    # the interval is the binomial one of the share, turned into bits
    found = exposure_by_sampling(9.5, np.arange(1.0, 101.0), confidence=0.9)
    share = binomial_interval(9, 100, 0.9)
    assert found.low == pytest.approx(-math.log2(share.high))
    assert found.high == pytest.approx(-math.log2(share.low))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exposure_exact(0, 10), "rank 0 must be between 1 and 10"),
        (lambda: exposure_exact(11, 10), "rank 11 must be between 1 and 10"),
        (lambda: exposure_exact(1, 0), "space 0 must be at least 1"),
        (lambda: exposure_exact(math.nan, 10), "rank nan"),
        (lambda: exposure_by_sampling(1.0, []), "shape"),
        (lambda: exposure_by_sampling(math.inf, [1.0]), "canary_loss holds 1 of 1"),
        (lambda: exposure_by_sampling(1.0, [1.0], 1.0), "confidence 1 must be inside"),
        (lambda: exposure_by_sampling(1.0, [1.0], space=0), "space 0 must be at least 1"),
    ],
)
def test_bad_exposure_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert ":" in str(caught.value)
