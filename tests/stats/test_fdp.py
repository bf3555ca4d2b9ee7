"""The Gaussian one-run bound against its recursion word for word, closed forms and simulation."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.optimize import brentq
from scipy.stats import norm

from llmsafe.errors import InputError
from llmsafe.stats import (
    binomial_interval,
    epsilon_one_run,
    epsilon_one_run_gdp,
    epsilon_one_run_gdp_ceiling,
    gdp_epsilon,
    mu_one_run,
    one_run_guesses,
)


def naive_refutation(m, r, v, mu, tail):
    """The recursion with both sequences written out, to the end, by scipy's normal."""
    right, wrong = [0.0] * (v + 1), [0.0] * (v + 1)
    right[v], wrong[v] = tail * v / m, tail * (r - v) / m
    for i in range(v - 1, -1, -1):
        wrong[i] = max(wrong[i + 1], special.ndtr(special.ndtri(min(right[i + 1], 1.0)) - mu))
        right[i] = right[i + 1] + i / (r - i) * (wrong[i] - wrong[i + 1])
    return right[0] + wrong[0] > r / m


@st.composite
def designs(draw, largest=60):
    m = draw(st.integers(1, largest))
    r = draw(st.integers(1, m))
    return m, r, draw(st.integers(0, r))


@settings(max_examples=40)
@given(designs(), st.sampled_from([0.5, 0.8, 0.95, 0.9999]))
def test_bound_is_the_largest_refuted_mu(design, confidence):
    """Against a scan of the naive recursion, which would also see a second region."""
    bound = mu_one_run(*design, confidence)
    for mu in np.linspace(0, 4, 17):
        if abs(mu - bound) > 1e-6:
            assert naive_refutation(*design, mu, 1 - confidence) == (mu < bound)


@pytest.mark.parametrize(
    "design", [(20_000, 20_000, 12_000), (20_000, 10_000, 9_000), (20_000, 300, 300)]
)
def test_large_designs_match_fifty_digits(design):
    """Where the recursion stops early, and where floats might have lost their digits."""
    mpmath = pytest.importorskip("mpmath")
    m, r, v = design

    def refuted(mu, tail):
        half = mpmath.mpf(1) / 2
        right, wrong = tail * v / m, tail * (r - v) / m
        for i in range(v - 1, -1, -1):
            quantile = mpmath.sqrt(2) * mpmath.erfinv(2 * right - 1)
            following = half * mpmath.erfc((mu - quantile) / mpmath.sqrt(2))
            if following <= wrong:
                return False
            right, wrong = right + i / mpmath.mpf(r - i) * (following - wrong), following
            if right + wrong > mpmath.mpf(r) / m:
                return True
        return False

    bound = mu_one_run(*design)
    with mpmath.workdps(50):
        tail = mpmath.mpf(5) / 100
        assert refuted(mpmath.mpf(bound - 1e-7), tail)
        assert not refuted(mpmath.mpf(bound + 1e-7), tail)


@given(designs(largest=2000), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_bound_is_ordered(design, confidence):
    m, r, v = design
    bound = epsilon_one_run_gdp(m, r, v, 1e-5, confidence)
    assert 0.0 <= bound < math.inf
    assert bound <= epsilon_one_run_gdp_ceiling(m, r, 1e-5, confidence) + 1e-7
    assert epsilon_one_run_gdp(m, r, max(v - 1, 0), 1e-5, confidence) <= bound + 1e-7
    assert epsilon_one_run_gdp(m, r, v, 1e-5, min(confidence + 0.04, 0.9999)) <= bound + 1e-7
    assert epsilon_one_run_gdp(m, r, v, 1e-3, confidence) <= bound + 1e-7


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (9, 4, 2)])
def test_designs_that_can_show_nothing(counts):
    assert mu_one_run(*counts) == 0.0
    assert epsilon_one_run_gdp(*counts, 1e-5) == 0.0


def test_small_designs_match_to_the_last_step():
    """All of them up to six guesses, where every step of the recursion decides somewhere."""
    found = []
    for r in range(1, 7):
        for m, v, tail in product((r, 3 * r), range(1, r + 1), (0.01, 0.2, 0.35, 0.5)):
            low, high = 0.0, 4.0
            for _ in range(24):
                middle = (low + high) / 2
                refuted = naive_refutation(m, r, v, middle, tail)
                low, high = (middle, high) if refuted else (low, middle)
            assert mu_one_run(m, r, v, 1 - tail) == pytest.approx(low, abs=1e-6)
            found.append(low)
    assert sum(mu > 0.01 for mu in found) > 30


@pytest.mark.parametrize(("mu", "delta"), [(0.1, 1e-9), (1.0, 1e-5), (4.0, 1e-2), (30.0, 1e-12)])
def test_epsilon_of_mu_solves_the_exact_curve(mu, delta):
    epsilon = gdp_epsilon(mu, delta)
    first = norm.logcdf(mu / 2 - epsilon / mu)
    second = epsilon + norm.logcdf(-mu / 2 - epsilon / mu)
    assert math.exp(first) - math.exp(second) == pytest.approx(delta, rel=1e-5)


def test_epsilon_of_mu_matches_an_accountant():
    accounting = pytest.importorskip("dp_accounting")
    for mu in (0.2, 1.0, 2.5):
        for delta in (1e-8, 1e-5, 1e-2):
            expected = accounting.get_epsilon_gaussian(1 / mu, delta)
            assert gdp_epsilon(mu, delta) == pytest.approx(expected, abs=1e-6)


def test_epsilon_of_mu_edges():
    assert gdp_epsilon(0.0, 1e-9) == 0.0
    assert gdp_epsilon(0.01, 0.5) == 0.0
    assert gdp_epsilon(5.0, 1.0) == 0.0
    assert gdp_epsilon(math.inf, 1e-5) == math.inf
    # delta at epsilon 0 is erf(mu / sqrt 8): just above and just under it
    edge = math.erf(1 / math.sqrt(8))
    assert gdp_epsilon(1.0, edge * 1.001) == 0.0
    assert 0.0 < gdp_epsilon(1.0, edge * 0.999) < 0.01


@cache
def mu_bound(m, r, v):
    return mu_one_run(m, r, v)


def gaussian_sum(mu, coins, rng):
    """Each canary a unit vector of its own in a noisy sum: mu-GDP, and no better."""
    return coins + rng.normal(scale=1 / mu, size=coins.size)


@pytest.mark.parametrize(("guesses", "sides"), [(250, "both"), (500, "both"), (40, "top")])
def test_bound_on_the_gaussian_mechanism(at_most, guesses, sides):
    runs, canaries, claimed = 1000, 500, 0.5
    rng = np.random.default_rng(17)
    bounds = {claimed: [], 8 * claimed: []}
    for mu, found in bounds.items():
        for _ in range(runs):
            coins = rng.random(canaries) < 0.5
            scores = gaussian_sum(mu, coins, rng)
            right = one_run_guesses(scores, coins, guesses, rng, sides=sides)
            found.append(mu_bound(canaries, guesses, right))
    assert at_most(sum(b > claimed for b in bounds[claimed]), runs, 0.05)
    assert np.mean(bounds[claimed]) > 0.02  # not asleep
    # Negative control: with an eighth of the noise that was claimed, the claim is refuted.
    assert sum(b > claimed for b in bounds[8 * claimed]) > 0.99 * runs


def lucky_accuracy(mu, share):
    """How often a coin may be told right in a share of the runs under mu-GDP.

    A mechanism that with chance ``share`` tells each coin truthfully with probability q, and else
    nothing, has the trade-off curve x + share (2q - 1) between corners at share (1 - q) and
    1 - share q. The luck is common to all canaries, which GDP of each of them allows. The curve
    touches the Gaussian one in its corners if Phi^-1(share q) = Phi^-1(share (1 - q)) + mu.
    """
    return brentq(lambda q: norm.ppf(share * q) - norm.ppf(share * (1 - q)) - mu, 0.5, 1 - 1e-12)


def test_bound_is_tight_and_safe_when_canaries_share_their_luck(at_most):
    """The mechanism the recursion is made for: most of the allowed 5 % are used."""
    runs, canaries, mu = 2000, 2000, 1.0
    rng = np.random.default_rng(18)

    def right_guesses(share):
        q = lucky_accuracy(mu, share)
        for _ in range(runs):
            coins = rng.random(canaries) < 0.5
            truth = rng.random(canaries) < (q if rng.random() < share else 0.5)
            yield one_run_guesses(np.where(truth, coins, ~coins), coins, canaries, rng)

    above = sum(mu_bound(canaries, canaries, right) > mu for right in right_guesses(0.032))
    assert at_most(above, runs, 0.05)
    assert above > 0.02 * runs
    # Negative control: the bound that takes the guesses for independent trials is exceeded.
    independent = sum(
        2 * norm.ppf(binomial_interval(right, canaries, 0.9).low) > mu
        for right in right_guesses(0.1)
    )
    assert not at_most(independent, runs, 0.05)


def test_assuming_the_shape_sharpens_the_bound():
    for m, r, v in ((500, 250, 200), (5000, 500, 480), (1000, 500, 500)):
        sharper = epsilon_one_run_gdp(m, r, v, 1e-5)
        assert sharper > 1.3 * epsilon_one_run(m, r, v, 1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: epsilon_one_run_gdp(10, 11, 3, 1e-5), "guesses 11 must be between 0 and 10"),
        (lambda: epsilon_one_run_gdp(10, 5, 3, 0.0), "delta 0 has no finite epsilon"),
        (lambda: epsilon_one_run_gdp(10, 5, 3, 1.5), r"delta 1.5 must be in \[0, 1\]"),
        (lambda: mu_one_run(10, 5, 6), "correct 6 must be between 0 and 5"),
        (lambda: mu_one_run(10, 5, 5, 1.0), "confidence 1.0 certifies nothing"),
        (lambda: gdp_epsilon(-1.0, 1e-5), "mu -1 must be in"),
        (lambda: gdp_epsilon(math.nan, 1e-5), "mu nan"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert ":" in str(caught.value)
