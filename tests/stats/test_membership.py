"""Membership figures against naive twins, scikit-learn and simulated coverage."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.stats import (
    auc,
    auc_interval,
    binomial_interval,
    non_members_needed,
    roc_curve,
    tpr_at_fpr,
)

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
def test_auc_interval_covers(shift, m, n, at_most):
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
def test_auc_interval_covers_when_few_or_nearly_all_leak(leaked, at_most):
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
    # where the cut lies is not known, so the interval holds that of a cut that is
    hits = round(best * len(members))
    _, low, high = binomial_interval(hits, len(members))
    assert found.low <= low
    assert found.high >= high


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


@pytest.mark.parametrize("grain", [0.0, 0.25])
@pytest.mark.parametrize(
    ("shift", "members", "others", "fpr"),
    [(0.0, 80, 200, 0.05), (1.0, 80, 300, 0.01), (2.5, 400, 500, 0.01), (3.5, 60, 900, 0.01)],
)
def test_tpr_interval_covers_the_rate_at_the_true_cut(shift, members, others, fpr, grain, at_most):
    """Whose place the few outsiders above it only estimate; an interval at their cut covers less.

    With a grain the scores are whole multiples of it, so that many tie.
    """
    rng = np.random.default_rng(30)
    normal = NormalDist()
    # The lowest cut above which at most ``fpr`` of outsiders score.
    cut = normal.inv_cdf(1 - fpr)
    if grain:
        cut = math.ceil((cut - grain / 2) / grain) * grain + grain / 2
    truth = 1 - normal.cdf(cut - shift)

    def scores(mean, count):
        drawn = rng.normal(mean, 1.0, count)
        return np.round(drawn / grain) * grain if grain else drawn

    runs, missed, at_its_cut = 800, 0, 0
    for _ in range(runs):
        inside, outside = scores(shift, members), scores(0.0, others)
        found = tpr_at_fpr(inside, outside, fpr)
        missed += not found.low <= truth <= found.high
        _, low, high = binomial_interval(round(found.value * members), members)
        at_its_cut += not low <= truth <= high
    assert at_most(missed, runs, 0.05)
    if shift == 2.5 and not grain:  # the control: what is exact at the estimated cut
        assert not at_most(at_its_cut, runs, 0.05)


def test_tpr_interval_is_not_needlessly_wide():
    """Noise with many outsiders: the upper end stays near the rate, so that a pass is possible."""
    rng = np.random.default_rng(31)
    found = tpr_at_fpr(rng.normal(size=1000), rng.normal(size=1000), 0.01)
    assert found.high < 0.05
    few = tpr_at_fpr(rng.normal(size=1000) + 9, rng.normal(size=300), 0.01)
    assert few.low == 0.0  # 300 may all lie under the true cut
    assert tpr_at_fpr(rng.normal(size=1000) + 9, rng.normal(size=500), 0.01).low > 0.98


def test_non_members_needed():
    assert [non_members_needed(rate) for rate in (0.001, 0.01, 0.1, 1.0)] == [3000, 300, 30, 3]
    for rate in (0.001, 0.003, 0.01, 0.07):
        # with no false positive among so many, 95 % confidence puts the FPR at or under the rate
        assert (1 - rate) ** non_members_needed(rate) <= 0.05
        assert (1 - rate) ** (0.9 * non_members_needed(rate)) > 0.05


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: auc([1.0, math.inf], [0.0]), "members holds 1 of 2 values that are not finite"),
        (lambda: roc_curve([[1.0]], [0.0]), r"member_scores has shape \(1, 1\)"),
        (lambda: tpr_at_fpr([1.0], [0.0], 1.1), "fpr 1.1"),
        (lambda: non_members_needed(0.0), "fpr 0"),
    ],
)
def test_bad_input_names_the_value_and_the_rule(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message  # value and rule, then the way out
