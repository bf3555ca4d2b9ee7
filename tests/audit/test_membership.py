"""Each attack against its formula written out on plain lists, and the figures made of scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit.forward import TokenStats
from llmsafe.audit.membership import (
    attacks,
    base_difference,
    ez,
    judge_attack,
    loss,
    min_k,
    min_k_pp,
    note_membership,
    scores_by_unit,
    scores_of,
    thin,
    zlib_ratio,
)
from llmsafe.audit.scores import Row
from llmsafe.errors import EvidenceError
from llmsafe.stats import auc, roc_curve


def stats(rng, size, shift=0.0):
    logp = -rng.exponential(2.0, size).astype(np.float32) + np.float32(shift)
    return TokenStats(
        logp=np.minimum(logp, -1e-3).astype(np.float32),
        hit=rng.random(size) < 0.3,
        rank=rng.integers(0, 9, size).astype(np.int32),
        mean=-rng.exponential(2.0, size).astype(np.float32),
        std=rng.exponential(1.0, size).astype(np.float32),
    )


def row(rng, size=20, shift=0.0, role="member", unit="u", text_id="t"):
    return Row(text_id, unit, role, 50 + size, None, stats(rng, size, shift), stats(rng, size))


@pytest.mark.parametrize("size", [1, 4, 5, 37])
def test_attacks_equal_their_formulas(size):
    r = row(np.random.default_rng(size), size)
    ours = [float(v) for v in r.target.logp]
    theirs = [float(v) for v in r.base.logp]
    mean = [float(v) for v in r.target.mean]
    std = [float(v) for v in r.target.std]
    few = max(1, int(0.2 * size))
    assert loss(r) == pytest.approx(sum(ours) / size)
    assert base_difference(r) == pytest.approx((sum(ours) - sum(theirs)) / size)
    assert zlib_ratio(r) == pytest.approx(sum(ours) / r.zlib_bytes)
    assert min_k(r) == pytest.approx(sum(sorted(ours)[:few]) / few)
    z = sorted((o - m) / s for o, m, s in zip(ours, mean, std, strict=True))
    assert min_k_pp(r) == pytest.approx(sum(z[:few]) / few, rel=1e-5)
    pairs = list(zip(ours, theirs, r.target.hit, strict=True))
    zone = [o - t for o, t, hit in pairs if not hit] or [o - t for o, t, _ in pairs]
    up = sum(d for d in zone if d > 0)
    down = -sum(d for d in zone if d < 0)
    assert ez(r) == pytest.approx(math.log((up + 1e-6) / (down + 1e-6)), rel=1e-5, abs=1e-5)


def test_ez_of_a_text_without_errors_looks_at_all_tokens():
    rng = np.random.default_rng(0)
    r = row(rng)
    sure = TokenStats(r.target.logp, np.ones(20, bool), r.target.rank, r.target.mean, r.target.std)
    errs = TokenStats(r.target.logp, np.zeros(20, bool), r.target.rank, r.target.mean, r.target.std)
    a = ez(Row("t", "u", "member", 9, None, sure, r.base))
    assert a == ez(Row("t", "u", "member", 9, None, errs, r.base))


def test_every_attack_is_finite_at_the_extremes_and_higher_for_a_learned_text():
    one = np.ones(3, np.float32)
    hit = np.array([True, True, False])
    flat = TokenStats(-3 * one, hit, 0 * hit.astype(np.int32), -3 * one, 0 * one)
    learned = TokenStats(-0.01 * one, hit, 0 * hit.astype(np.int32), -0.02 * one, 0.1 * one)
    for attack in attacks(True).values():
        before = attack(Row("t", "u", "member", 9, None, flat, flat))
        after = attack(Row("t", "u", "member", 9, None, learned, flat))
        assert math.isfinite(before)
        assert after > before


def test_the_primary_attack_is_fixed_by_what_is_known_not_by_scores():
    assert next(iter(attacks(True))) == "base_difference"
    assert next(iter(attacks(False))) == "loss"
    rng = np.random.default_rng(0)
    members, others = [row(rng) for _ in range(9)], [row(rng) for _ in range(9)]
    found = note_membership(members, others, patients=False, has_base=True)
    assert [m.attack for m in found if m.primary] == ["base_difference"]


def test_attacks_on_the_base_need_one():
    r = Row("t", "u", "member", 9, None, stats(np.random.default_rng(0), 4), None)
    with pytest.raises(EvidenceError, match="base"):
        base_difference(r)
    with pytest.raises(EvidenceError, match="base"):
        ez(r)


def test_unit_scores_are_means_over_the_units_notes_and_sharper():
    rng = np.random.default_rng(0)
    rows = [row(rng, unit=f"u{i % 5}", text_id=f"t{i}") for i in range(20)]
    by_hand = [np.mean([loss(r) for r in rows if r.unit_id == f"u{unit}"]) for unit in range(5)]
    np.testing.assert_allclose(scores_by_unit(loss, rows), by_hand)

    # Many weak notes of a patient add up: 8 notes each, a shift too small for one note.
    def side(shift, role):
        return [
            row(rng, shift=shift, role=role, unit=f"{role}{i // 8}", text_id=f"{role}{i}")
            for i in range(400)
        ]

    inside, outside = side(0.35, "member"), side(0.0, "non_member")
    found = note_membership(inside, outside, patients=True, has_base=False)
    per = {m.population: m for m in found if m.attack == "loss"}
    assert per["patients"].members == 50
    assert per["notes"].members == 400
    assert per["patients"].auc.value > per["notes"].auc.value + 0.1


def test_judged_figures_and_their_meaning():
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(1, 1, 400), rng.normal(0, 1, 400)
    found = judge_attack("loss", "notes", inside, outside, primary=True)
    assert found.auc.low < auc(inside, outside) == found.auc.value < found.auc.high
    assert [(t.fpr, t.meaningful) for t in found.tpr] == [(0.1, True), (0.01, True), (0.001, False)]
    cut = np.sort(outside)[::-1][4]  # 1 % of 400: four false positives allowed
    assert found.tpr[1].tpr.value == np.mean(inside > cut)
    swapped = judge_attack("loss", "notes", outside, inside, primary=True)
    assert swapped.auc.value == pytest.approx(1 - found.auc.value)


@given(st.integers(0, 10_000), st.integers(1, 900), st.integers(1, 900))
def test_thinned_curves_are_short_and_hold_only_real_points(seed, m, n):
    rng = np.random.default_rng(seed)
    inside, outside = rng.normal(0.5, 1, m).round(2), rng.normal(0, 1, n).round(2)
    curve = roc_curve(inside, outside)
    points = thin(curve)
    real = set(zip(curve.fpr.tolist(), curve.tpr.tolist(), strict=True))
    assert len(points) <= 200
    assert set(points) <= real
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)
    assert points == sorted(points)
    # The best TPR without a false positive survives the thinning.
    assert max(t for f, t in points if f == 0) == max(t for f, t in real if f == 0)


def test_scores_of_rows_without_tokens_of_interest_never_hide():
    rng = np.random.default_rng(0)
    rows = [row(rng, size=1, text_id=str(i)) for i in range(4)]
    for attack in attacks(True).values():
        assert np.isfinite(scores_of(attack, rows)).all()
