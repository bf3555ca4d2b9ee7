"""Rules that may look at the scores: what they choose, what it costs, and that it is covered."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from llmsafe.errors import InputError
from llmsafe.stats import (
    binomial_interval,
    clopper_pearson_search,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    epsilon_one_run_gdp,
    error_grid,
    guess_grid,
    one_run_guesses,
    one_run_search,
    one_run_sweep,
)


def test_guesses_take_the_extremes():
    scores = [5.0, 4.0, 3.0, 2.0, 1.0]
    coins = [True, False, True, False, False]
    rng = np.random.default_rng(0)
    # top ceil(g/2) guessed planted, bottom floor(g/2) guessed withheld
    assert [one_run_guesses(scores, coins, g, rng) for g in range(6)] == [0, 1, 2, 2, 3, 4]
    top = [one_run_guesses(scores, coins, g, rng, sides="top") for g in range(6)]
    assert top == [0, 1, 1, 2, 2, 2]


def test_ties_tell_nothing():
    coins = np.arange(400) < 200  # the listing order that leaks through a stable sort
    rng = np.random.default_rng(3)
    correct = [one_run_guesses(np.zeros(400), coins, 100, rng) for _ in range(400)]
    # hypergeometric: mean 50, sd of one draw below 5
    assert abs(np.mean(correct) - 50) < 4 * 5 / math.sqrt(len(correct))
    naive = np.argsort(-np.zeros(400), kind="stable")
    assert coins[naive[:50]].all()  # what position would have "found"


# --- the one-run sweep ---------------------------------------------------------------------------


@given(
    st.integers(1, 300),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([0.2, 1.0]),
    st.sampled_from(["both", "top"]),
    st.sampled_from(["dp", "gdp"]),
    st.integers(0, 99),
)
def test_sweep_is_each_fixed_bound_at_its_share_of_the_error(
    m, shift, leaking, sides, family, seed
):
    draws = np.random.default_rng(seed)
    coins = draws.random(m) < 0.5
    scores = np.round(draws.normal(size=m) + shift * (coins & (draws.random(m) < leaking)), 1)
    grid = sorted({max(1, m // 12), max(1, m // 3), m})
    bound = epsilon_one_run if family == "dp" else epsilon_one_run_gdp
    rng = np.random.default_rng(seed)
    sweep = one_run_sweep(scores, coins, 1e-4, 0.9, rng, grid, sides=sides, family=family)
    for one, guesses in zip(sweep, grid, strict=True):
        # the same seed breaks ties the same way
        right = one_run_guesses(scores, coins, guesses, np.random.default_rng(seed), sides=sides)
        each = 1 - 0.1 / len(grid)
        assert (one.guesses, one.correct, one.choices) == (guesses, right, len(grid))
        assert one.epsilon_lower == bound(m, guesses, right, 1e-4, each)
        assert one.epsilon_lower <= one.ceiling == bound(m, guesses, guesses, 1e-4, each)
    rng = np.random.default_rng(seed)
    best = one_run_search(scores, coins, 1e-4, 0.9, rng, grid, sides=sides, family=family)
    assert best.epsilon_lower == max(one.epsilon_lower for one in sweep)
    assert best.ceiling == max(one.ceiling for one in sweep)
    assert (best.guesses, best.correct) in {(one.guesses, one.correct) for one in sweep}


def test_one_choice_costs_nothing():
    rng = np.random.default_rng(1)
    coins = rng.random(300) < 0.5
    scores = coins + rng.normal(size=300)
    fixed = one_run_search(scores, coins, 1e-5, 0.95, np.random.default_rng(2), [150])
    right = one_run_guesses(scores, coins, 150, np.random.default_rng(2))
    assert fixed.epsilon_lower == epsilon_one_run(300, 150, right, 1e-5)
    assert fixed.ceiling == epsilon_one_run_ceiling(300, 150, 1e-5)
    assert fixed.choices == 1
    doubled = one_run_search(scores, coins, 1e-5, 0.95, rng, [150, 150])
    assert doubled.choices == 1  # the same test twice is one test


@pytest.mark.parametrize(
    ("canaries", "grid"),
    [
        (1, (1,)),
        (2, (1,)),
        (100, (50,)),
        (128, (64, 16)),
        (1000, (500, 125, 31)),
        (20_000, (10_000, 2500, 625, 156, 39)),
    ],
)
def test_default_grid_depends_on_the_design_alone(canaries, grid):
    assert guess_grid(canaries) == grid


def quantiles(n):
    """A normal sample without luck: its quantiles at (i + 1/2) / n."""
    return norm.ppf((np.arange(n) + 0.5) / n)


def test_sweep_gains_more_than_it_costs():
    """The figures that guess_grid quotes, on quantiles instead of luck."""
    n = 10_000
    scores = quantiles(n)
    coins = np.repeat([True, False], n)
    rng = np.random.default_rng(0)

    def bound(shift, grid):
        shifted = np.concatenate([scores + shift, scores])
        return one_run_search(shifted, coins, 1e-6, 0.95, rng, grid).epsilon_lower

    assert bound(1.0, None) > 1.79 * bound(1.0, [n])
    assert bound(100.0, None) > 0.93 * bound(100.0, [n])


def randomized_response(epsilon, coins, rng):
    truth = rng.random(coins.size) < 1 / (1 + math.exp(-epsilon))
    return np.where(truth, coins, ~coins) + 0.001 * rng.random(coins.size)


def test_search_is_covered_at_a_true_epsilon(at_most):
    """Not only on noise: the best of the grid exceeds the true 1.0 in at most 5 % of the audits."""
    runs, canaries = 500, 400
    rng = np.random.default_rng(31)
    bound = cache(epsilon_one_run)
    grid = [200, 50, 12]
    above = uncorrected = 0
    for _ in range(runs):
        coins = rng.random(canaries) < 0.5
        scores = randomized_response(1.0, coins, rng)
        above += one_run_search(scores, coins, 0.0, 0.95, rng, grid).epsilon_lower > 1.0
        uncorrected += any(
            bound(canaries, g, one_run_guesses(scores, coins, g, rng), 0.0) > 1.0
            for g in range(10, canaries + 1, 10)
        )
    assert at_most(above, runs, 0.05)
    assert not at_most(uncorrected, runs, 0.05)


# --- repeated runs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trials", "grid"), [(1, (0,)), (2, (0, 1)), (9, (0, 1, 4)), (10_000, (0, *4 ** np.arange(7)))]
)
def test_error_grid_depends_on_the_design_alone(trials, grid):
    assert error_grid(trials) == tuple(int(k) for k in grid)


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([0.0, 3.0, 8.0]),
    st.sampled_from([0.0, 1e-3]),
    st.integers(0, 99),
)
def test_search_over_thresholds_matches_its_naive_twin(inside, outside, shift, delta, seed):
    """Every try by counting, ties and all."""
    draws = np.random.default_rng(seed)
    positives = np.round(draws.normal(shift, 2.0, inside)).tolist()
    negatives = np.round(draws.normal(0.0, 2.0, outside)).tolist()
    above, below = error_grid(len(negatives)), error_grid(len(positives))
    each = 1 - 0.2 / (len(above) + len(below))
    bounds = [0.0]
    for k in above:
        cut = sorted(negatives, reverse=True)[k]
        hits = sum(p > cut for p in positives)
        bounds.append(epsilon_clopper_pearson(hits, len(positives), k, len(negatives), delta, each))
    for k in below:
        cut = sorted(positives)[k]
        false = sum(n >= cut for n in negatives)
        hits = len(positives) - k
        bounds.append(
            epsilon_clopper_pearson(hits, len(positives), false, len(negatives), delta, each)
        )
    found = clopper_pearson_search(positives, negatives, delta, 0.8)
    assert found.epsilon_lower == pytest.approx(max(bounds), abs=1e-12)
    assert found.epsilon_lower <= found.ceiling
    assert found.choices == len(above) + len(below)
    if found.epsilon_lower > 0:  # the threshold reproduces the counts up to ties
        assert sum(p >= found.threshold for p in positives) >= found.true_positives
        assert sum(n >= found.threshold for n in negatives) <= found.false_positives


def test_perfect_separation_reaches_the_ceiling():
    inside, outside = np.arange(500) + 1000.0, np.arange(500.0)
    found = clopper_pearson_search(inside, outside, 1e-5)
    assert (
        found.epsilon_lower == found.ceiling > 0.8 * epsilon_clopper_pearson(500, 500, 0, 500, 1e-5)
    )


@pytest.mark.parametrize("errors", [0, 3, 40])
def test_a_threshold_by_rank_costs_nothing(at_most, errors):
    """Above the (k+1)-th largest of n the true rate passes the Clopper-Pearson bound of k errors
    in 5 % of the draws: not more, and hardly less."""
    runs, n = 4000, 100
    rng = np.random.default_rng(41)
    rates = 1 - np.sort(rng.random((runs, n)))[:, n - 1 - errors]
    passed = int(np.sum(rates > binomial_interval(errors, n, 0.9).high))
    assert at_most(passed, runs, 0.05)
    assert not at_most(passed, runs, 0.03)


def test_thresholds_are_covered_on_the_laplace_mechanism(at_most):
    """One unit, 200 runs with and without it, epsilon 1 at *every* cut: where choosing pays most.

    At 80 %, since two bounds together are cautious and would hide the control at 95 %.
    """
    runs, n = 400, 200
    rng = np.random.default_rng(42)
    above = chosen = 0
    bounds = []
    for _ in range(runs):
        inside, outside = rng.laplace(1.0, 1.0, n), rng.laplace(0.0, 1.0, n)
        bounds.append(clopper_pearson_search(inside, outside, 0.0, 0.8).epsilon_lower)
        above += bounds[-1] > 1.0
        chosen += best_at_any_cut(inside, outside, 0.8) > 1.0
    assert at_most(above, runs, 0.2)
    assert np.mean(bounds) > 0.5
    assert not at_most(chosen, runs, 0.2)  # negative control: the best cut as if the only one


def best_at_any_cut(inside, outside, confidence):
    n = inside.size
    cuts = np.concatenate([inside, outside])
    hits = n - np.searchsorted(np.sort(inside), cuts)
    false = n - np.searchsorted(np.sort(outside), cuts)
    return max(
        epsilon_clopper_pearson(int(a), n, int(b), n, 0.0, confidence)
        for a, b in set(zip(hits, false, strict=True))
    )


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rng: one_run_guesses([1.0, 2.0], [True], 1, rng), "included has"),
        (lambda rng: one_run_guesses([1.0], [2], 1, rng), "hold booleans"),
        (lambda rng: one_run_guesses([1.0], [True], 2, rng), "guesses 2 must be"),
        (lambda rng: one_run_search([1.0], [True], 0.0, 0.95, rng, []), "grid is empty"),
        (lambda rng: one_run_search([1.0], [True], 0.0, 0.95, rng, [0]), "guesses 0 must be"),
        (lambda rng: one_run_search([1.0], [True], 0.0, 1.0, rng), "confidence 1.0 certifies"),
        (lambda rng: one_run_search([math.nan], [True], 0.0, 0.95, rng), "scores holds 1 of 1"),
        (lambda rng: clopper_pearson_search([1.0], [1.0], 0.0, grid=[1]), "grid 1 must be"),
        (lambda rng: clopper_pearson_search([1.0], [1.0], 0.0, grid=[]), "grid is empty"),
        (lambda rng: clopper_pearson_search([], [1.0], 0.0), "positive_scores has shape"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call(np.random.default_rng(0))
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message
