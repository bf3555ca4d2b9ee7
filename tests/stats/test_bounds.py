"""Bounds on epsilon against oracle values, naive twins, closed forms and simulation.

Simulations are seeded and judged with exact binomial tolerances; each has a negative control that
must fail, so that none of them passes by being blind.
"""

from __future__ import annotations

import math
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.stats import (
    dp_auc_ceiling,
    dp_tpr_ceiling,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    one_run_guesses,
    one_run_p_value,
)


@pytest.mark.parametrize(
    ("canaries", "guesses", "correct", "delta", "expected"),
    [
        (500, 100, 100, 1e-5, 3.479195),
        (500, 30, 23, 1e-5, 0.426488),
        (500, 25, 18, 1e-5, 0.146638),
        (100, 100, 100, 0, 3.492965),
        (1000, 50, 50, 0, 2.784727),
        (1, 1, 1, 0, 0.0),
        (1000, 100, 100, 1e-5, 3.465376),
        (1000, 100, 95, 1e-5, 2.165176),
        (1000, 1000, 500, 1e-5, 0.0),
        (1000, 100, 100, 1e-3, 0.809014),
        (1000, 100, 90, 1e-2, 0.0),
    ],
)
def test_one_run_oracle(canaries, guesses, correct, delta, expected):
    assert epsilon_one_run(canaries, guesses, correct, delta) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("canaries", "expected"), [(100, 2.781889), (500, 4.404769), (1000, 5.087549), (5000, 6.590358)]
)
def test_one_run_ceiling_oracle(canaries, expected):
    ceiling = epsilon_one_run_ceiling(canaries, canaries // 2, 1e-5)
    assert ceiling == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("tp", "positives", "fp", "negatives", "delta", "expected"),
    [
        (500, 1000, 10, 1000, 0, 3.242017),
        (1000, 1000, 0, 1000, 0, 5.600588),
        (50, 100, 1, 100, 0, 1.989803),
        (300, 500, 5, 500, 1e-5, 3.17663),
    ],
)
def test_clopper_pearson_oracle(tp, positives, fp, negatives, delta, expected):
    found = epsilon_clopper_pearson(tp, positives, fp, negatives, delta)
    assert found == pytest.approx(expected, abs=1e-5)


# --- the one-run bound ---------------------------------------------------------------------------


def naive_p_value(m, r, v, epsilon, delta):
    """Theorem 5.2 word for word: integer binomials, explicit loops, no logarithms."""
    q = math.exp(epsilon) / (1 + math.exp(epsilon))
    mass = [math.comb(r, k) * q**k * (1 - q) ** (r - k) for k in range(r + 1)]
    beta = math.fsum(mass[v:])
    alpha = max((math.fsum(mass[v - i : v]) / i for i in range(1, v + 1)), default=0.0)
    return min(1.0, beta + 2 * m * delta * alpha)


@st.composite
def designs(draw, largest=120):
    m = draw(st.integers(1, largest))
    r = draw(st.integers(0, m))
    v = draw(st.integers(0, r))
    delta = draw(st.sampled_from([0.0, 1e-9, 1e-5, 1e-4, 1e-3, 1e-2, 0.2, 1.0]))
    return m, r, v, delta


@given(designs(), st.floats(0, 12))
def test_p_value_matches_its_naive_twin(design, epsilon):
    m, r, v, delta = design
    expected = naive_p_value(m, r, v, epsilon, delta)
    assert one_run_p_value(m, r, v, epsilon, delta) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(designs(), st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_bound_is_the_largest_rejected_epsilon(design, confidence):
    """Against a scan of the p-value, which would also see a second region of rejection."""
    m, r, v, delta = design
    bound = epsilon_one_run(m, r, v, delta, confidence)
    for epsilon in np.linspace(0, 8, 161):
        if abs(epsilon - bound) > 1e-6:
            rejected = naive_p_value(m, r, v, epsilon, delta) < 1 - confidence
            assert rejected == (epsilon < bound)


@given(designs(largest=3000), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_bound_is_ordered(design, confidence):
    m, r, v, delta = design
    bound = epsilon_one_run(m, r, v, delta, confidence)
    assert 0.0 <= bound < math.inf
    assert bound <= epsilon_one_run_ceiling(m, r, delta, confidence) + 1e-9
    assert epsilon_one_run(m, r, max(v - 1, 0), delta, confidence) <= bound + 1e-9
    assert epsilon_one_run(m, r, v, delta, min(confidence + 0.04, 0.9999)) <= bound + 1e-9
    assert epsilon_one_run(m, r, v, min(1.0, delta * 2 + 1e-7), confidence) <= bound + 1e-9
    assert epsilon_one_run(m + 50, r, v, delta, confidence) <= bound + 1e-9


@pytest.mark.parametrize(
    "counts", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (5000, 0, 0), (5000, 5000, 0)]
)
@pytest.mark.parametrize("delta", [0.0, 1e-5, 1.0])
def test_designs_that_can_show_nothing(counts, delta):
    assert epsilon_one_run(*counts, delta) == 0.0


def test_large_designs_stay_finite_and_exact():
    assert epsilon_one_run(200_000, 200_000, 100_000, 1e-9) == 0.0
    # all right, delta 0: q^r = 0.05 has a closed form
    for m in (5_000, 200_000):
        q = 0.05 ** (1 / m)
        assert epsilon_one_run(m, m, m, 0.0) == pytest.approx(math.log(q / (1 - q)), rel=1e-9)
        bound = epsilon_one_run(m, m, int(0.6 * m), 1e-7)
        assert 0.3 < bound < math.log(0.6 / 0.4)
        assert bound < epsilon_one_run_ceiling(m, m, 1e-7) < 20
    assert one_run_p_value(5_000, 5_000, 5_000, 800.0, 1e-5) == pytest.approx(1.0)
    assert one_run_p_value(10, 10, 10, math.inf, 1e-5) == 1.0


@cache
def bound_without_delta(canaries, guesses, correct):
    return epsilon_one_run(canaries, guesses, correct, 0.0)


def randomized_response(epsilon, coins, rng):
    """Tell each coin truthfully with probability e^eps / (1 + e^eps): eps-DP, and no better."""
    truth = rng.random(coins.size) < 1 / (1 + math.exp(-epsilon))
    return np.where(truth, coins, ~coins).astype(float)


@pytest.mark.parametrize("guesses", [100, 1000])
def test_bound_on_randomized_response(guesses, at_most):
    runs, canaries = 1000, 1000
    rng = np.random.default_rng(5)
    bounds = {1.0: [], 1.6: []}
    for epsilon, found in bounds.items():
        for _ in range(runs):
            coins = rng.random(canaries) < 0.5
            correct = one_run_guesses(randomized_response(epsilon, coins, rng), coins, guesses, rng)
            found.append(bound_without_delta(canaries, guesses, correct))
    above = sum(b > 1.0 for b in bounds[1.0])
    assert at_most(above, runs, 0.05)
    # Negative control and tightness: a mechanism that really has 1.6 is caught claiming 1.
    caught = sum(b > 1.0 for b in bounds[1.6])
    assert caught > (0.99 if guesses == 1000 else 0.4) * runs
    if guesses == 1000:
        assert np.mean(bounds[1.0]) > 0.8


def test_delta_is_paid_for(at_most):
    """A mechanism that bares a coin with probability delta, else answers at random with eps = 1."""
    runs, canaries, guesses, delta = 200, 2000, 16, 0.01
    rng = np.random.default_rng(6)
    above = ignored = 0
    for _ in range(runs):
        coins = rng.random(canaries) < 0.5
        scores = randomized_response(1.0, coins, rng) - 0.5
        bare = rng.random(canaries) < delta
        scores[bare] = np.where(coins[bare], 1.0, -1.0)
        correct = one_run_guesses(scores, coins, guesses, rng)
        above += epsilon_one_run(canaries, guesses, correct, delta) > 1.0
        ignored += bound_without_delta(canaries, guesses, correct) > 1.0
    assert at_most(above, runs, 0.05)
    assert ignored > 0.5 * runs  # leaving delta out would accuse an honest mechanism


# --- bounds from error rates ---------------------------------------------------------------------


@given(
    st.integers(0, 30), st.integers(0, 30), st.data(), st.sampled_from([0.0, 1e-5, 0.05, 0.5, 1.0])
)
def test_clopper_pearson_matches_its_naive_twin(
    naive_clopper_pearson, positives, negatives, data, delta
):
    tp = data.draw(st.integers(0, positives))
    fp = data.draw(st.integers(0, negatives))
    tpr_low = naive_clopper_pearson(tp, positives, 0.025)[0] if positives else 0.0
    fpr_high = naive_clopper_pearson(fp, negatives, 0.025)[1] if negatives else 1.0
    ratios = [(tpr_low - delta) / fpr_high, (1 - fpr_high - delta) / (1 - tpr_low)]
    expected = max(0.0, math.log(max(ratios))) if max(ratios) > 0 else 0.0
    found = epsilon_clopper_pearson(tp, positives, fp, negatives, delta)
    assert found == pytest.approx(expected, abs=1e-7)
    mirrored = epsilon_clopper_pearson(negatives - fp, negatives, positives - tp, positives, delta)
    assert found == pytest.approx(mirrored, abs=1e-9)


def test_clopper_pearson_holds_its_confidence(at_most):
    rng = np.random.default_rng(8)
    runs, q = 2000, 1 / (1 + math.exp(-1))
    tp, fp = rng.binomial(300, q, runs), rng.binomial(300, 1 - q, runs)
    bounds = [
        epsilon_clopper_pearson(int(a), 300, int(b), 300, 0.0) for a, b in zip(tp, fp, strict=True)
    ]
    assert at_most(sum(b > 1.0 for b in bounds), runs, 0.05)
    assert np.mean(bounds) > 0.6


# --- what DP allows ------------------------------------------------------------------------------


def test_dp_ceiling_is_reached_by_randomized_response():
    for epsilon in (0.1, 1.0, 4.0):
        q = 1 / (1 + math.exp(-epsilon))
        assert float(dp_tpr_ceiling(1 - q, epsilon, 0.0)) == pytest.approx(q, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 30), st.floats(0, 1))
def test_dp_ceiling_solves_both_inequalities(fpr, epsilon, delta):
    """The largest grid TPR that keeps both inequalities, found by trying all."""
    ceiling = float(dp_tpr_ceiling(fpr, epsilon, delta))
    grid = np.linspace(0, 1, 20001)
    allowed = (grid <= math.exp(epsilon) * fpr + delta) & (
        1 - fpr <= math.exp(epsilon) * (1 - grid) + delta
    )
    assert 0.0 <= ceiling <= 1.0
    assert ceiling == pytest.approx(grid[allowed].max(), abs=1e-4)
    assert ceiling >= fpr - 1e-12  # guessing is always allowed


@given(st.floats(0, 12), st.floats(0, 1))
def test_dp_auc_ceiling_is_the_area_under_the_tpr_ceiling(epsilon, delta):
    # The ceiling is linear between these corners, so the trapezoids are exact.
    crossing = (1 - delta) / (1 + math.exp(epsilon))
    corners = np.array([0.0, crossing, 1 - delta, 1.0])
    area = np.trapezoid(dp_tpr_ceiling(corners, epsilon, delta), corners)
    assert dp_auc_ceiling(epsilon, delta) == pytest.approx(area, abs=1e-9)


def test_dp_auc_ceiling_edges():
    assert dp_auc_ceiling(0.0, 0.0) == 0.5
    assert dp_auc_ceiling(math.inf, 0.0) == dp_auc_ceiling(1000.0, 1e-5) == 1.0
    assert dp_auc_ceiling(8.0, 1e-5) == pytest.approx(0.999665, abs=1e-6)


def test_dp_ceiling_edges():
    fpr = np.array([0.0, 0.01, 1.0])
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, 0.0, 0.0), fpr)
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, math.inf, 1e-5), 1.0)
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, 1000.0, 1e-5), [1e-5, 1.0, 1.0])
    assert dp_tpr_ceiling(fpr[:, None], [1.0, 8.0], 1e-5).shape == (3, 2)


# --- bad input and imports -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: epsilon_one_run(10, 11, 3, 0.0), "guesses 11 must be between 0 and 10"),
        (lambda: epsilon_one_run(10, 5, 6, 0.0), "correct 6 must be between 0 and 5"),
        (lambda: epsilon_one_run(-1, 0, 0, 0.0), "canaries -1 must be at least 0"),
        (lambda: epsilon_one_run(10, 5, 2.5, 0.0), "correct 2.5 is not a whole number"),
        (lambda: epsilon_one_run(10, 5, 5, -1e-5), r"delta -1e-05 must be in \[0, 1\]"),
        (lambda: epsilon_one_run(10, 5, 5, math.nan), "delta nan"),
        (lambda: epsilon_one_run(10, 5, 5, 0.0, 0.4), r"confidence 0.4 must be in \[0.5, 1\]"),
        (lambda: epsilon_one_run(10, 5, 5, 0.0, 1.0), "confidence 1.0 certifies nothing"),
        (lambda: one_run_p_value(10, 5, 5, -1.0, 0.0), "epsilon -1"),
        (lambda: epsilon_clopper_pearson(6, 5, 0, 5, 0.0), "true_positives 6"),
        (lambda: epsilon_clopper_pearson(5, 5, 0, 5, 0.0, 1.0), r"confidence 1 must be inside"),
        (lambda: dp_tpr_ceiling([0.1, -0.1], 1.0, 0.0), r"fpr must lie in \[0, 1\]"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message  # value and rule, then the way out


def test_import_stays_light():
    heavy = ["torch", "transformers", "pandas", "scipy.stats", "matplotlib"]
    code = f"import sys, llmsafe.stats; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
