"""llmsafe.stats against oracle values, deliberately naive twins, closed forms and simulation.

Simulations are seeded and judged with exact binomial tolerances; each has a negative control that
must fail, so that none of them passes by being blind.
"""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llmsafe.errors import InputError
from llmsafe.stats import (
    auc,
    auc_interval,
    binomial_interval,
    dp_tpr_ceiling,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    exposure,
    exposure_excess,
    exposure_null_mean,
    mean_interval,
    non_members_needed,
    one_run_guesses,
    one_run_p_value,
    roc_curve,
    samples_to_extract,
    tpr_at_fpr,
)


def at_most(events: int, trials: int, rate: float) -> bool:
    """Consistent with a true rate of at most ``rate`` (fails one honest test in 10,000)."""
    return events <= binom.ppf(0.9999, trials, rate)


# --- oracle values -------------------------------------------------------------------------------


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


def noise_audits(audits, canaries, seed):
    rng = np.random.default_rng(seed)
    for _ in range(audits):
        yield rng.normal(size=canaries), rng.random(canaries) < 0.5, rng


def test_null_simulation_holds_the_level():
    audits, canaries, guesses = 2000, 200, 60
    found = 0
    for scores, coins, rng in noise_audits(audits, canaries, seed=11):
        correct = one_run_guesses(scores, coins, guesses, rng)
        found += bound_without_delta(canaries, guesses, correct) > 0
    assert at_most(found, audits, 0.05)
    assert found > 0.01 * audits  # the test is not simply asleep


def test_choosing_the_guesses_on_the_same_scores_breaks_the_level():
    """Negative control: the selection that the documentation forbids."""
    audits, canaries = 1000, 200
    found = 0
    for scores, coins, rng in noise_audits(audits, canaries, seed=12):
        found += any(
            bound_without_delta(canaries, g, one_run_guesses(scores, coins, g, rng)) > 0
            for g in range(10, canaries + 1, 10)
        )
    assert not at_most(found, audits, 0.10)


def randomized_response(epsilon, coins, rng):
    """Tell each coin truthfully with probability e^eps / (1 + e^eps): eps-DP, and no better."""
    truth = rng.random(coins.size) < 1 / (1 + math.exp(-epsilon))
    return np.where(truth, coins, ~coins).astype(float)


@pytest.mark.parametrize("guesses", [100, 1000])
def test_bound_on_randomized_response(guesses):
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


def test_delta_is_paid_for():
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


def test_guesses_take_the_extremes():
    scores = [5.0, 4.0, 3.0, 2.0, 1.0]
    coins = [True, False, True, False, False]
    rng = np.random.default_rng(0)
    # top ceil(g/2) guessed planted, bottom floor(g/2) guessed withheld
    assert [one_run_guesses(scores, coins, g, rng) for g in range(6)] == [0, 1, 2, 2, 3, 4]


def test_ties_tell_nothing():
    coins = np.arange(400) < 200  # the listing order that leaks through a stable sort
    rng = np.random.default_rng(3)
    correct = [one_run_guesses(np.zeros(400), coins, 100, rng) for _ in range(400)]
    # hypergeometric: mean 50, sd of one draw below 5
    assert abs(np.mean(correct) - 50) < 4 * 5 / math.sqrt(len(correct))
    naive = np.argsort(-np.zeros(400), kind="stable")
    assert coins[naive[:50]].all()  # what position would have "found"


# --- bounds from error rates ---------------------------------------------------------------------


def naive_clopper_pearson(successes, trials, tail):
    """Both ends by bisection on explicitly summed binomial tails."""

    def tail_sum(p, ks):
        return math.fsum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in ks)

    def solve(rising, ks):
        low, high = 0.0, 1.0
        for _ in range(80):
            middle = (low + high) / 2
            if (tail_sum(middle, ks) < tail) == rising:
                low = middle
            else:
                high = middle
        return low

    low = solve(True, range(successes, trials + 1)) if successes else 0.0
    high = solve(False, range(successes + 1)) if successes < trials else 1.0
    return low, high


@given(st.integers(1, 40), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_binomial_interval_matches_its_naive_twin(trials, data, confidence):
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


@given(
    st.integers(0, 30), st.integers(0, 30), st.data(), st.sampled_from([0.0, 1e-5, 0.05, 0.5, 1.0])
)
def test_clopper_pearson_matches_its_naive_twin(positives, negatives, data, delta):
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


def test_clopper_pearson_holds_its_confidence():
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


def test_dp_ceiling_edges():
    fpr = np.array([0.0, 0.01, 1.0])
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, 0.0, 0.0), fpr)
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, math.inf, 1e-5), 1.0)
    np.testing.assert_allclose(dp_tpr_ceiling(fpr, 1000.0, 1e-5), [1e-5, 1.0, 1.0])
    assert dp_tpr_ceiling(fpr[:, None], [1.0, 8.0], 1e-5).shape == (3, 2)


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


def test_excess_covers_zero_for_canaries_never_seen():
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


# --- membership ----------------------------------------------------------------------------------

score_lists = st.lists(st.integers(0, 9), min_size=1, max_size=25)


def naive_auc(members, non_members):
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in members for b in non_members)
    return wins / (len(members) * len(non_members))


@given(score_lists, score_lists)
def test_auc_matches_its_naive_twin(members, non_members):
    area = auc(members, non_members)
    assert area == pytest.approx(naive_auc(members, non_members), abs=1e-12)
    assert area == pytest.approx(1 - auc(non_members, members), abs=1e-12)
    found = auc_interval(members, non_members)
    assert found.value == area
    assert 0.0 <= found.low <= area <= found.high <= 1.0
    assert found.high > found.low


@given(score_lists, score_lists)
def test_roc_matches_its_naive_twin(members, non_members):
    curve = roc_curve(members, non_members)
    thresholds = sorted(set(members) | set(non_members), reverse=True)
    assert curve.thresholds.tolist() == [math.inf, *thresholds]
    for fpr, tpr, threshold in zip(curve.fpr, curve.tpr, curve.thresholds, strict=True):
        assert tpr == pytest.approx(sum(s >= threshold for s in members) / len(members))
        assert fpr == pytest.approx(sum(s >= threshold for s in non_members) / len(non_members))
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    steps = np.diff(curve.fpr) * (curve.tpr[1:] + curve.tpr[:-1]) / 2
    assert steps.sum() == pytest.approx(auc(members, non_members), abs=1e-12)


def test_auc_matches_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 50, 300), rng.integers(0, 40, 400)
    labels = np.r_[np.ones(300), np.zeros(400)]
    expected = metrics.roc_auc_score(labels, np.r_[members, others])
    assert auc(members, others) == pytest.approx(expected, abs=1e-12)


def test_auc_interval_at_separation_is_exact():
    """AUC 1: the lower end is that of min(m, n) disjoint pairs, all won."""
    for m, n in ((1, 1), (10, 10), (10, 500), (500, 10)):
        found = auc_interval(np.arange(m) + 1000.0, np.arange(n))
        assert found.value == found.high == 1.0
        assert found.low == pytest.approx(0.025 ** (1 / min(m, n)), abs=1e-9)
        mirrored = auc_interval(np.arange(n), np.arange(m) + 1000.0)
        assert (mirrored.low, mirrored.value) == (0.0, 0.0)
        assert mirrored.high == pytest.approx(1 - found.low, abs=1e-9)


def delong_interval(members, non_members):
    """DeLong's normal interval from placements counted pair by pair."""
    wins = (members[:, None] > non_members) + 0.5 * (members[:, None] == non_members)
    a, b = wins.mean(axis=1), wins.mean(axis=0)
    half = 1.96 * math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    return wins.mean() - half, wins.mean() + half


NORMAL_SHIFT_AUC = {0.0: 0.5, 1.0: 0.760250, 3.5: 0.993335}  # Phi(shift / sqrt 2)


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.5])
@pytest.mark.parametrize(("m", "n"), [(15, 15), (100, 100), (20, 300)])
def test_auc_interval_covers(shift, m, n):
    rng = np.random.default_rng(21)
    runs, truth = 400, NORMAL_SHIFT_AUC[shift]
    missed = delong_missed = 0
    width = delong_width = 0.0
    for _ in range(runs):
        members, others = rng.normal(shift, 1, m), rng.normal(0, 1, n)
        found = auc_interval(members, others)
        missed += not found.low <= truth <= found.high
        low, high = delong_interval(members, others)
        delong_missed += not low <= truth <= high
        width += found.high - found.low
        delong_width += high - low
    assert at_most(missed, runs, 0.05)
    if shift == 0.0:  # not bought by width: near DeLong's where DeLong's is good
        assert width < 1.15 * delong_width
    if shift == 3.5:
        assert not at_most(delong_missed, runs, 0.05)


@pytest.mark.parametrize("leaked", [0.1, 0.98])
def test_auc_interval_covers_when_few_or_nearly_all_leak(leaked):
    """A share of members stands far out, the rest look like strangers."""
    rng = np.random.default_rng(22)
    runs, truth = 500, leaked + (1 - leaked) / 2
    missed = 0
    for _ in range(runs):
        members = rng.normal(size=60) + 100.0 * (rng.random(60) < leaked)
        found = auc_interval(members, rng.normal(size=60))
        missed += not found.low <= truth <= found.high
    assert at_most(missed, runs, 0.05)


@given(
    score_lists,
    score_lists,
    st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda percent: percent / 100)),
)
def test_tpr_at_fpr_matches_its_naive_twin(members, non_members, target):
    best = 0.0
    for cut in [*sorted(set(members) | set(non_members)), math.inf]:
        false = sum(s >= cut for s in non_members) / len(non_members)
        if false <= target:
            best = max(best, sum(s >= cut for s in members) / len(members))
    found = tpr_at_fpr(members, non_members, target)
    assert found.value == best
    assert found.fpr <= target
    assert found.low <= found.value <= found.high
    # the reported threshold reproduces both rates
    assert found.value == sum(s >= found.threshold for s in members) / len(members)
    assert found.fpr == sum(s >= found.threshold for s in non_members) / len(non_members)
    hits = round(best * len(members))
    assert (found.low, found.high) == binomial_interval(hits, len(members))[1:]


def test_tpr_at_fpr_edges():
    scores = np.arange(100.0)
    assert tpr_at_fpr(scores + 0.5, scores, 0.29).fpr == 0.29  # 0.29 * 100 < 29 in floats
    nothing = tpr_at_fpr(scores - 1, scores, 0.0)
    assert (nothing.value, nothing.threshold, nothing.low) == (0.0, math.inf, 0.0)
    assert nothing.high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert tpr_at_fpr(scores, scores, 1.0).value == 1.0
    assert tpr_at_fpr(np.zeros(5), np.zeros(50), 0.5).value == 0.0  # ties are one step
    low_precision = np.float32([0.1, 0.2, 0.3])
    cut = tpr_at_fpr(low_precision, low_precision, 0.4).threshold
    assert (low_precision >= np.float32(cut)).sum() == 1


def test_tpr_interval_covers_the_rate_at_its_cut():
    rng = np.random.default_rng(30)
    runs, missed = 1000, 0
    for _ in range(runs):
        members, others = rng.exponential(3.0, 80), rng.exponential(1.0, 200)
        found = tpr_at_fpr(members, others, 0.05)
        barrier = np.sort(others)[-11]  # ten of 200 lie above it
        missed += not found.low <= math.exp(-barrier / 3.0) <= found.high
    assert at_most(missed, runs, 0.05)


def test_non_members_needed():
    assert [non_members_needed(rate) for rate in (0.001, 0.01, 0.1, 1.0)] == [3000, 300, 30, 3]
    for rate in (0.001, 0.003, 0.01, 0.07):
        # with no false positive among so many, 95 % confidence puts the FPR at or under the rate
        assert (1 - rate) ** non_members_needed(rate) <= 0.05
        assert (1 - rate) ** (0.9 * non_members_needed(rate)) > 0.05


# --- bad input -----------------------------------------------------------------------------------


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
        (lambda: binomial_interval(0, 0), "trials 0 must be at least 1"),
        (lambda: exposure(math.nan, [1.0]), "canary_loss holds 1 of 1 values that are not finite"),
        (lambda: exposure(1.0, []), "reference_losses has shape"),
        (lambda: exposure_excess([11.0], 999), "leave the range"),
        (lambda: samples_to_extract(1.5, 0.5), "p_z 1.5"),
        (lambda: samples_to_extract(0.5, 1.0), "p 1 is met"),
        (lambda: samples_to_extract(0.5, 0.0), "p 0 is met"),
        (lambda: samples_to_extract(0.5, math.nan), "p nan"),
        (lambda: auc([1.0, math.inf], [0.0]), "members holds 1 of 2 values that are not finite"),
        (lambda: roc_curve([[1.0]], [0.0]), r"member_scores has shape \(1, 1\)"),
        (lambda: tpr_at_fpr([1.0], [0.0], 1.1), "fpr 1.1"),
        (lambda: non_members_needed(0.0), "fpr 0"),
        (lambda: dp_tpr_ceiling([0.1, -0.1], 1.0, 0.0), r"fpr must lie in \[0, 1\]"),
        (lambda: one_run_guesses([1.0, 2.0], [True], 1, np.random.default_rng()), "included has"),
        (lambda: one_run_guesses([1.0], [2], 1, np.random.default_rng()), "hold booleans"),
        (lambda: one_run_guesses([1.0], [True], 2, np.random.default_rng()), "guesses 2 must be"),
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
