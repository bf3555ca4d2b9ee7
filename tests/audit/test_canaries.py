"""The canary game holds its level on noise, finds a planted leak, and shows planted mistakes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from llmsafe.artifacts import Canary, CanaryManifest
from llmsafe.audit.canaries import (
    _reference_error,
    canary_exposures,
    canary_membership,
    measure_exposure,
    one_run_bounds,
    secret_loss,
    summary,
)
from llmsafe.audit.forward import TokenStats
from llmsafe.audit.scores import Row
from llmsafe.stats import epsilon_one_run, epsilon_one_run_ceiling, exposure


def row(losses, role, text_id, *, gain=0.0, tail=0.0, secret=(2, 6)):
    """A canary of seven scored tokens whose secret is tokens 2 to 5."""
    logp = -np.array([1.0, 1.0, *losses, 1.0 + tail], np.float32)
    logp[2:6] += np.float32(gain)
    size = logp.size
    stats = TokenStats(
        logp,
        np.zeros(size, bool),
        np.ones(size, np.int32),
        logp - 1,
        np.ones(size, np.float32),
        logp,
    )
    base = replace(stats, logp=logp - np.float32(gain))
    return Row(text_id, text_id, role, 40, secret, stats, base)


def game(rng, count, gain=0.0):
    planted, withheld = [], []
    for index in range(count):
        losses = rng.exponential(2.0, 4) + 0.01
        if rng.random() < 0.5:
            planted.append(row(losses, "planted", f"c{index}", gain=gain))
        else:
            withheld.append(row(losses, "withheld", f"c{index}"))
    return planted, withheld


def manifest(count):
    canaries = [
        Canary(
            canary_id=f"c{i}", patient_id=f"p{i}", note_id=f"n{i}", planted=True, text="abc",
            secret_start=0, secret_end=2,
        )
        for i in range(count)
    ]  # fmt: skip
    return CanaryManifest(
        manifest_id="m", kind="k", lang="en", seed=0, probability=0.5, corpus_digest="d",
        canaries=canaries,
    )  # fmt: skip


def bounds(planted, withheld, **how):
    return one_run_bounds({"a": planted}, {"a": withheld}, **how)


def test_bound_on_noise_is_rarely_above_zero():
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(1000):
        coins = rng.random(200) < 0.5
        scores = rng.normal(size=200)
        bound = bounds(scores[coins], scores[~coins], delta=1e-5, rng=rng)[0]
        claimed += bound.epsilon_lower > 0
    assert claimed / 1000 <= 0.05


def test_choosing_the_guesses_on_the_scores_would_lie():
    """Negative control: the rule that this module refuses reports ε > 0 on noise far too often."""
    from llmsafe.stats import one_run_guesses

    rng = np.random.default_rng(0)
    lied = 0
    for _ in range(300):
        coins = rng.random(200) < 0.5
        scores = rng.normal(size=200)
        lied += any(
            epsilon_one_run(200, r, one_run_guesses(scores, coins, r, rng), 1e-5) > 0
            for r in range(10, 200, 10)
        )
    assert lied / 300 > 0.1


def test_constant_scores_prove_nothing():
    rng = np.random.default_rng(0)
    found = [bounds(np.zeros(100), np.zeros(100), delta=1e-5, rng=rng) for _ in range(50)]
    for index in (0, 1):
        assert np.mean([one[index].epsilon_lower > 0 for one in found]) < 0.1


def test_perfect_scores_reach_the_ceiling_and_swapped_ones_nothing():
    rng = np.random.default_rng(0)
    high, low = rng.normal(9, 1, 250), rng.normal(0, 1, 250)
    bound = bounds(high, low, delta=1e-5, rng=rng)[0]
    assert (bound.canaries, bound.guesses, bound.correct) == (500, 250, 250)
    assert bound.epsilon_lower == bound.ceiling
    # Two numbers of guesses are tried, each at half of the 5 %.
    assert [point.guesses for point in bound.curve] == [62, 250]
    assert bound.choices == 2
    assert bound.ceiling == epsilon_one_run_ceiling(500, 250, 1e-5, 0.975)
    assert bound.ceiling < epsilon_one_run_ceiling(500, 250, 1e-5, 0.95)
    assert [b.epsilon_lower for b in bounds(
        low, high, delta=1e-5, rng=rng
    )] == [0, 0]  # fmt: skip


def test_the_gaussian_family_proves_more_and_says_what_it_assumes():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(2, 1, 500), rng.normal(0, 1, 500)
    plain, gaussian = bounds(inside, outside, delta=1e-5, rng=rng)
    assert (plain.family, gaussian.family) == ("dp", "gaussian")
    assert 0 < plain.epsilon_lower < gaussian.epsilon_lower <= gaussian.ceiling
    assert "Gaussian" in gaussian.assumption
    guessed = [[(p.guesses, p.correct) for p in b.curve] for b in (plain, gaussian)]
    assert guessed[0] == guessed[1]


def test_the_grid_of_guesses_depends_on_the_number_of_canaries_alone():
    rng = np.random.default_rng(0)
    for shift in (0.0, 5.0):
        inside, outside = rng.normal(shift, 1, 600), rng.normal(0, 1, 400)
        for bound in bounds(inside, outside, delta=1e-5, rng=rng):
            assert [point.guesses for point in bound.curve] == [31, 125, 500]
            best = max(bound.curve, key=lambda point: point.epsilon_lower)
            assert bound.epsilon_lower == best.epsilon_lower
            assert bound.ceiling == max(point.ceiling for point in bound.curve)


def test_the_attack_is_chosen_and_paid_for():
    """The best of three attacks, each at a third: right on noise, near the best one on a leak."""
    rng = np.random.default_rng(5)
    claimed = 0
    for _ in range(2000):
        noise = [{n: rng.normal(size=100) for n in "abc"} for _ in range(2)]
        claimed += one_run_bounds(*noise, delta=1e-5, rng=rng)[0].epsilon_lower > 0
    assert claimed / 2000 <= 0.05
    inside = {"a": rng.normal(size=500), "b": rng.normal(4, 1, 500), "c": rng.normal(1, 1, 500)}
    outside = {name: rng.normal(size=500) for name in "abc"}
    bound, _ = one_run_bounds(inside, outside, delta=1e-5, rng=rng)
    alone, _ = bounds(inside["b"], outside["b"], delta=1e-5, rng=rng)
    assert (bound.attack, bound.choices) == ("b", 9)
    assert 0.9 * alone.epsilon_lower < bound.epsilon_lower < alone.epsilon_lower


def test_summary_counts_every_canary_once():
    rng = np.random.default_rng(0)
    thrice = manifest(70).model_copy(update={"copies": 3})
    found = summary(thrice, rng.normal(size=30), rng.normal(size=40), attack="a")
    assert found.copies == 3
    assert sum(found.scores.planted) == found.planted == 30
    assert sum(found.scores.withheld) == found.withheld == 40
    assert len(found.scores.edges) == len(found.scores.planted) + 1
    same = summary(manifest(5), np.ones(3), np.ones(2), attack="a")  # no spread at all
    assert (sum(same.scores.planted), sum(same.scores.withheld)) == (3, 2)


def test_membership_on_canaries_starts_with_the_attack_of_the_game():
    planted, withheld = game(np.random.default_rng(0), 60, gain=1.0)
    found = canary_membership(planted, withheld, has_base=True)
    assert found[0].primary
    assert [m.population for m in found] == ["canaries"] * len(found)
    assert found[0].auc.low > 0.5


# --- exposure -----------------------------------------------------------------------------------


def test_the_curve_of_exposure_is_the_share_with_at_least_so_many_bits():
    planted, withheld = game(np.random.default_rng(3), 300, gain=1.0)
    found = measure_exposure(planted, withheld)
    bits = np.array([exposure(secret_loss(p), [secret_loss(w) for w in withheld]) for p in planted])
    assert len(found.curve) <= 200
    assert found.curve[0][1] == 1.0
    for level, share in found.curve:
        assert share == pytest.approx(np.mean(bits >= level))
    assert canary_exposures(planted, withheld) == {
        p.text_id: pytest.approx(b) for p, b in zip(planted, bits, strict=True)
    }


def test_secret_loss_is_the_sum_over_the_secret_alone():
    base = row([1.0, 2.0, 3.0, 4.0], "planted", "c")
    assert secret_loss(base) == pytest.approx(10.0)
    # What follows the secret does not count, what is in it does.
    assert secret_loss(row([1, 2, 3, 4], "planted", "c", tail=5.0)) == pytest.approx(10.0)
    # Planted bug: a range one token off reads another number.
    assert secret_loss(row([1, 2, 3, 4], "planted", "c", secret=(1, 5))) != pytest.approx(10.0)


def test_exposure_of_a_known_ranking():
    planted = [row([0.1] * 4, "planted", "a"), row([2.0] * 4, "planted", "b")]
    withheld = [row([float(k)] * 4, "withheld", f"w{k}") for k in (1, 3, 5)]
    found = measure_exposure(planted, withheld)
    # Ranks 1 and 2 of |R| = 4: log2 4 - log2 1 = 2 and log2 4 - log2 2 = 1 bit.
    assert found.mean_bits == pytest.approx(1.5)
    assert (found.max_bits, found.ceiling_bits) == (2.0, 2.0)
    assert found.null_mean_bits == pytest.approx(np.mean([2 - math.log2(r) for r in range(1, 5)]))
    assert found.excess_bits.value == pytest.approx(found.mean_bits - found.null_mean_bits)


def test_secrets_cut_off_are_left_out_and_none_is_no_exposure():
    planted = [row([1] * 4, "planted", "a"), row([1] * 4, "planted", "b", secret=None)]
    withheld = [row([2] * 4, "withheld", "w")]
    assert measure_exposure(planted, withheld).canaries == 1
    assert measure_exposure(planted[1:], withheld) is None
    assert measure_exposure(planted, []) is None


def test_exposure_excess_covers_zero_on_noise_although_references_are_shared():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(150):
        planted, withheld = game(rng, 80)
        excess = measure_exposure(planted, withheld).excess_bits
        covered.append(excess.low <= 0 <= excess.high)
    assert np.mean(covered) >= 0.93


def test_the_error_from_shared_references_is_the_jackknife_done_by_hand():
    rng = np.random.default_rng(0)
    losses, references = rng.integers(0, 9, 12) / 2, rng.integers(0, 9, 20) / 2  # many ties
    means = [
        np.mean([exposure(float(x), np.delete(references, j)) for x in losses]) for j in range(20)
    ]
    by_hand = math.sqrt(19 / 20 * np.sum((means - np.mean(means)) ** 2))
    assert _reference_error(losses, references) == pytest.approx(by_hand)


def test_exposure_sees_a_leak_and_grows_with_it():
    found = []
    for gain in (0.0, 0.5, 1.5):
        planted, withheld = game(np.random.default_rng(3), 200, gain=gain)
        found.append(measure_exposure(planted, withheld).excess_bits)
    assert found[0].low < 0 < found[0].high
    assert found[2].low > 0.5
    assert found[0].value < found[1].value < found[2].value
