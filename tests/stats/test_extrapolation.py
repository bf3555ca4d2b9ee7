"""Exposure by a fitted skew-normal: the fit, its tail, and that a misfit is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, skewnorm

from llmsafe.errors import InputError
from llmsafe.stats import SkewNormal, exposure_by_extrapolation

FEW = 39  # replicates: the smallest p-value is 1 / 40


@pytest.mark.parametrize("shape", [-4.0, 0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("loss", [-4.0, 10.0, 17.0, 20.0, 24.0, 40.0])
def test_tail_matches_scipy_and_goes_on_where_it_underflows(shape, loss):
    fit = SkewNormal(location=20.0, scale=3.0, shape=shape)
    bits = fit.exposure(loss)
    expected = -skewnorm.logcdf(loss, shape, 20.0, 3.0) / math.log(2)
    if expected < 20:  # beyond, scipy's difference of two numbers has too few digits
        assert bits == pytest.approx(expected, abs=1e-5)
    far = [fit.exposure(x) for x in (loss, -100.0, -1000.0)]
    assert all(math.isfinite(bits) for bits in far)
    assert far[0] < far[1] < far[2]


@pytest.mark.parametrize("shape", [-2.0, 0.0, 3.0, 20.0])
@pytest.mark.parametrize("z", [-5.0, -9.0, -30.0])
def test_far_tail_matches_many_digits(shape, z):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(30):
        decay = max(1.0, abs(z) * (1 + max(shape, 0.0) ** 2))
        ends = [z - 80 / decay * part for part in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0)]
        area = mpmath.quad(lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(shape * t), ends)
        expected = float(-mpmath.log(area, 2))
    assert SkewNormal(0.0, 1.0, shape).exposure(z) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("shape", "seed"), [(-6.0, 1), (1.0, 2), (4.0, 3)])
def test_fit_is_the_likelihood_s_maximum(shape, seed):
    losses = skewnorm.rvs(shape, 50.0, 8.0, size=400, random_state=np.random.default_rng(seed))
    fit = exposure_by_extrapolation(30.0, losses, replicates=19).fit
    ours = skewnorm.logpdf(losses, fit.shape, fit.location, fit.scale).sum()
    theirs = skewnorm.logpdf(losses, *skewnorm.fit(losses)).sum()
    assert ours >= theirs - 1e-3
    assert ours >= skewnorm.logpdf(losses, shape, 50.0, 8.0).sum()
    # units: the same secrets in other units have the same exposure
    scaled = exposure_by_extrapolation(30.0 * 7 + 1, losses * 7 + 1, replicates=19)
    assert scaled.bits == pytest.approx(fit.exposure(30.0), rel=1e-3)


def code_distribution(digits=9, grain=0.01):
    """Loss distribution of all 10^9 nine-digit secrets, by convolution on a grid of losses."""
    costs = np.round(np.random.default_rng(60).gamma(6.0, 0.5, size=(digits, 10)) / grain)
    mass = np.ones(1)
    for digit in costs.astype(int):
        step = np.bincount(digit) / 10
        mass = np.convolve(mass, step)
    return np.arange(mass.size) * grain, mass, costs.astype(int) * grain


def test_extrapolation_on_a_space_that_can_be_enumerated():
    """10^9 secrets, of which samples of 200 see seven bits: five more come out right.

    Thirteen more do not, though the fit is good: the losses have a least value, so that their far
    tail is thinner than any skew-normal's. There the extrapolation errs on the low side.
    """
    losses, mass, costs = code_distribution()

    def truth_and_estimates(bits):
        loss = float(losses[np.searchsorted(np.cumsum(mass), 2.0**-bits)])
        truth = -math.log2(mass[losses <= loss + 1e-9].sum())
        return truth, np.array([found.fit.exposure(loss) for found in samples])

    rng = np.random.default_rng(61)
    samples = []
    for _ in range(10):
        drawn = costs[np.arange(9), rng.integers(0, 10, size=(200, 9))].sum(axis=1)
        samples.append(exposure_by_extrapolation(0.0, drawn, rng, replicates=19))
    assert np.median([found.p_value for found in samples]) > 0.2
    for bits in (2.0, 6.0, 12.0):
        truth, estimates = truth_and_estimates(bits)
        assert np.mean(estimates) == pytest.approx(truth, rel=0.15)
    truth, estimates = truth_and_estimates(20.0)
    assert np.mean(estimates) < truth - 3


@pytest.mark.parametrize("kind", ["two kinds of secret", "exponential"])
def test_a_misfit_is_told(kind):
    rng = np.random.default_rng(62)
    if kind == "exponential":
        losses = rng.exponential(5.0, 500)
    else:
        losses = np.concatenate([rng.normal(40, 3, 250), rng.normal(60, 3, 250)])
    assert exposure_by_extrapolation(10.0, losses, replicates=FEW).p_value == 1 / (1 + FEW)


def test_p_value_holds_its_level_where_the_tabulated_one_sleeps(at_most):
    rng = np.random.default_rng(63)
    runs, missed = 40, 0
    ours, tabulated = [], []
    truth = -skewnorm.logcdf(38.0, 4.0, 50.0, 8.0) / math.log(2)
    for _ in range(runs):
        losses = skewnorm.rvs(4.0, 50.0, 8.0, size=100, random_state=rng)
        found = exposure_by_extrapolation(38.0, losses, rng, replicates=19)
        missed += not found.low <= truth <= found.high
        ours.append(found.p_value)
        f = found.fit
        tabulated.append(kstest(losses, skewnorm(f.shape, f.location, f.scale).cdf).pvalue)
    assert at_most(sum(p <= 0.1 for p in ours), runs, 0.1)
    assert 0.3 < np.median(ours) < 0.7
    assert at_most(missed, runs, 0.15)  # 19 replicates span about 90 %; asymptotic at best
    # Negative control: with the curve fitted to the same losses the table finds all fits splendid.
    assert np.median(tabulated) > 0.85


def test_large_samples_are_tested_on_a_part_and_repeat():
    rng = np.random.default_rng(64)
    losses = rng.normal(30.0, 4.0, 50_000)
    found = exposure_by_extrapolation(10.0, losses, replicates=19)
    assert found == exposure_by_extrapolation(10.0, losses, replicates=19)
    assert found.bits == pytest.approx(-math.log2(2.866516e-7), rel=0.05)  # Phi(-5)
    assert found.p_value > 0.05


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exposure_by_extrapolation(1.0, np.arange(49.0)), "holds 49 values, 49 of them"),
        (lambda: exposure_by_extrapolation(1.0, np.ones(99)), "holds 99 values, 1 of them"),
        (lambda: exposure_by_extrapolation(math.nan, np.arange(99.0)), "canary_loss holds 1 of 1"),
        (lambda: exposure_by_extrapolation(1.0, [math.inf] * 99), "99 of 99 values"),
        (lambda: exposure_by_extrapolation(1.0, np.arange(99.0), replicates=5), "replicates 5"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert ":" in str(caught.value)
