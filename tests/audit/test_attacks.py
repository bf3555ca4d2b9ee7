"""Each attack against its formula written out on plain lists, and on planted cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit.attacks import (
    WINDOWS,
    attacks,
    base_difference,
    ez,
    loss,
    min_k,
    min_k_pp,
    pool,
    wbc,
    zlib_ratio,
)
from llmsafe.audit.forward import STATS, TokenStats
from llmsafe.audit.membership import note_membership, scores_of
from llmsafe.audit.scores import Row
from llmsafe.errors import EvidenceError
from llmsafe.stats import auc


def stats_of(logp, *, hit=False, mean=-2.0, std=1.0):
    size = len(logp)
    columns = {name: np.zeros(size, np.float32) for name in STATS}
    columns["logp"] = np.asarray(logp, np.float32)
    columns["hit"] = np.broadcast_to(hit, size).astype(bool)
    columns["mean"] = np.broadcast_to(mean, size).astype(np.float32)
    columns["std"] = np.broadcast_to(std, size).astype(np.float32)
    return TokenStats(**columns)


def row_of(target, base=None, *, role="member", zlib_bytes=70, text_id="t"):
    return Row(text_id, "u", role, zlib_bytes, None, target, base)


def random_row(rng, size=20, text_id="t"):
    target, base = (
        stats_of(
            np.minimum(-rng.exponential(2.0, size), -1e-3),
            hit=rng.random(size) < 0.3,
            mean=-rng.exponential(2.0, size),
            std=rng.exponential(1.0, size),
        )
        for _ in range(2)
    )
    return row_of(target, base, zlib_bytes=50 + size, text_id=text_id)


@pytest.mark.parametrize("size", [1, 4, 5, 37])
def test_attacks_equal_their_formulas(size):
    r = random_row(np.random.default_rng(size), size)
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


@given(st.integers(1, 120), st.integers(0, 10_000))
def test_window_votes_equal_two_loops(size, seed):
    r = random_row(np.random.default_rng(seed), size)
    gain = [float(a) - float(b) for a, b in zip(r.target.logp, r.base.logp, strict=True)]
    shares = []
    for window in WINDOWS:
        width = min(window, size)
        votes = [sum(gain[at : at + width]) > 0 for at in range(size - width + 1)]
        shares.append(sum(votes) / len(votes))
    assert wbc(r) == pytest.approx(sum(shares) / len(shares), abs=1e-9)


def test_window_sizes_are_those_of_the_paper():
    assert WINDOWS == (2, 3, 4, 6, 9, 13, 18, 25, 32, 40)


def test_one_outlier_rules_the_mean_but_not_the_votes():
    base = stats_of(np.full(60, -3.0))
    learned = np.full(60, -2.8)
    learned[30] = -25.0  # one token the fine-tuned model takes for impossible
    untouched = np.full(60, -3.05)
    untouched[30] = -0.1
    member, other = (row_of(stats_of(logp), base) for logp in (learned, untouched))
    assert base_difference(member) < base_difference(other)
    assert wbc(member) > wbc(other)


def test_ez_sees_gains_where_the_model_errs_and_nothing_else():
    base = stats_of(np.full(40, -3.0))
    hits = np.arange(40) < 30
    # Everybody gains on what the model gets right; the member also on what it gets wrong.
    member = row_of(stats_of(np.where(hits, -0.5, -2.5), hit=hits), base)
    other = row_of(stats_of(np.where(hits, -0.1, -3.5), hit=hits), base)
    assert loss(member) < loss(other)
    assert base_difference(member) < base_difference(other)
    assert ez(member) > 10 > -10 > ez(other)


def test_ez_of_a_text_without_errors_looks_at_all_tokens():
    r = random_row(np.random.default_rng(0))
    sure, errs = (stats_of(r.target.logp, hit=hit) for hit in (True, False))
    assert ez(row_of(sure, r.base)) == ez(row_of(errs, r.base))


def test_min_k_pp_forgives_what_no_model_could_know():
    """A name is unlikely whoever reads it; a learned text is likelier than its place allows."""
    places = np.array([-6.0, -1.0] * 10)
    learned, fresh = places + 1.0, places - 1.0
    member, other = (row_of(stats_of(v, mean=places, std=1.0)) for v in (learned, fresh))
    assert min_k_pp(member) == pytest.approx(1.0)
    assert min_k_pp(other) == pytest.approx(-1.0)


@pytest.mark.parametrize("name", [*attacks(True)])
def test_planted_members_are_found_and_pure_noise_is_not(name):
    rng = np.random.default_rng(7)
    attack = attacks(True)[name]

    def rows(lift):
        made = []
        for _ in range(300):
            hard = rng.exponential(2.0, 40) + 0.2
            base = stats_of(-hard)
            noise = rng.normal(0, 0.3, 40)
            logp = np.minimum(-hard + noise + lift, -1e-3)
            made.append(row_of(stats_of(logp, mean=-hard, std=1.0), base))
        return scores_of(attack, made)

    null = auc(rows(0.0), rows(0.0))
    assert abs(null - 0.5) < 0.08
    # Less for attacks that see the text's own difficulty beside the lift.
    assert auc(rows(0.25), rows(0.0)) > (0.95 if name in ("base_difference", "ez", "wbc") else 0.6)


def test_every_attack_is_finite_at_the_extremes_and_higher_for_a_learned_text():
    hit = np.array([True, True, False])
    flat = stats_of([-3.0] * 3, hit=hit, mean=-3.0, std=0.0)
    learned = stats_of([-0.01] * 3, hit=hit, mean=-0.02, std=0.1)
    for attack in attacks(True).values():
        before, after = (attack(row_of(target, flat)) for target in (flat, learned))
        assert math.isfinite(before)
        assert after > before


def test_the_primary_attack_is_fixed_by_what_is_known_not_by_scores():
    assert next(iter(attacks(True))) == "base_difference"
    assert next(iter(attacks(False))) == "loss"
    rng = np.random.default_rng(0)
    members, others = ([random_row(rng) for _ in range(9)] for _ in range(2))
    found = note_membership(members, others, patients=False, has_base=True)
    assert [m.attack for m in found if m.primary] == ["base_difference"]
    assert {m.attack for m in found} == {*attacks(True)}


def test_attacks_on_the_base_need_one():
    r = row_of(stats_of([-1.0] * 4))
    for attack in (base_difference, ez, wbc):
        with pytest.raises(EvidenceError, match="base"):
            attack(r)


def test_scores_of_rows_without_tokens_of_interest_never_hide():
    rng = np.random.default_rng(0)
    rows = [random_row(rng, size=1, text_id=str(i)) for i in range(4)]
    for attack in attacks(True).values():
        assert np.isfinite(scores_of(attack, rows)).all()


def test_pooled_rows_hold_every_token_of_every_note():
    rng = np.random.default_rng(3)
    rows = [random_row(rng, size) for size in (3, 9, 1)]
    whole = pool(rows)
    for side in ("target", "base"):
        for name in STATS:
            parts = [getattr(getattr(r, side), name) for r in rows]
            found = getattr(getattr(whole, side), name)
            np.testing.assert_array_equal(found, np.concatenate(parts))
            assert found.dtype == parts[0].dtype
    assert whole.zlib_bytes == sum(r.zlib_bytes for r in rows)
    for attack in attacks(True).values():
        assert attack(pool(rows[:1])) == attack(rows[0])
    # One note without a base, and the patient has none: half a comparison is no comparison.
    assert pool([rows[0], row_of(rows[1].target)]).base is None
