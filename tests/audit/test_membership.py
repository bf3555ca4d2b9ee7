"""From scores to figures: patients out of notes, intervals, curves, what is set aside."""

import importlib.util
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit.attacks import attacks, base_difference, ez, loss
from llmsafe.audit.forward import STATS, Text, TokenStats
from llmsafe.audit.membership import (
    hold_back,
    judge_attack,
    judge_rows,
    mean_by_unit,
    note_membership,
    scores_by_unit,
    scores_of,
    thin,
)
from llmsafe.audit.run import run_audit
from llmsafe.audit.scores import Row
from llmsafe.errors import InputError
from llmsafe.stats import auc, roc_curve


def stats(rng, size, shift=0.0):
    columns = {name: np.zeros(size, np.float32) for name in STATS}
    columns["logp"] = np.minimum(-rng.exponential(2.0, size) + shift, -1e-3).astype(np.float32)
    columns["hit"] = rng.random(size) < 0.3
    columns["std"] += 1
    return TokenStats(**columns)


def row(rng, size=20, shift=0.0, role="member", unit="u", text_id="t"):
    ours, theirs = stats(rng, size, shift), stats(rng, size)
    return Row(text_id, unit, role, 50 + size, None, ours, theirs)


def test_a_patients_notes_are_scored_as_one_text():
    rng = np.random.default_rng(0)
    rows = [row(rng, size=5 + i, unit=f"u{i % 5}", text_id=f"t{i}") for i in range(20)]
    by_hand = []
    for unit in range(5):
        own = [r.target.logp.astype(float) for r in rows if r.unit_id == f"u{unit}"]
        by_hand.append(sum(v.sum() for v in own) / sum(v.size for v in own))
    np.testing.assert_allclose(scores_by_unit(loss, rows), by_hand, rtol=1e-6)
    means = [np.mean([loss(r) for r in rows if r.unit_id == f"u{unit}"]) for unit in range(5)]
    np.testing.assert_allclose(mean_by_unit(scores_of(loss, rows), rows), means)
    assert not np.allclose(by_hand, means)


def patients_of(rng, shift, role, lengths):
    """200 patients with four notes each, of the lengths that ``lengths`` draws."""
    return [
        row(rng, int(lengths(rng)), shift, role, f"{role}{i // 4}", f"{role}{i}")
        for i in range(800)
    ]


@pytest.mark.parametrize("attack", [loss, base_difference, ez])
def test_notes_as_one_text_beat_mean_maximum_and_sum_of_notes(attack):
    rng = np.random.default_rng(1)

    def lengths(rng):
        return 4 * 2 ** (5 * rng.random())

    inside = patients_of(rng, 0.4, "member", lengths)
    outside = patients_of(rng, 0.0, "non_member", lengths)
    pooled = auc(scores_by_unit(attack, inside), scores_by_unit(attack, outside))
    sides = [scores_of(attack, side).reshape(200, 4) for side in (inside, outside)]
    for other in (np.mean, np.max, np.sum):
        assert pooled > auc(*(other(side, axis=1) for side in sides)) + 0.02


def test_notes_as_one_text_lose_nothing_when_notes_are_alike():
    rng = np.random.default_rng(2)
    inside = patients_of(rng, 0.3, "member", lambda rng: 20)
    outside = patients_of(rng, 0.0, "non_member", lambda rng: 20)
    for attack in attacks(True).values():
        pooled = auc(scores_by_unit(attack, inside), scores_by_unit(attack, outside))
        mean = auc(*(mean_by_unit(scores_of(attack, s), s) for s in (inside, outside)))
        assert pooled > mean - 0.02


def test_patients_are_told_apart_better_than_their_notes():
    rng = np.random.default_rng(0)
    inside = patients_of(rng, 0.35, "member", lambda rng: 20)
    outside = patients_of(rng, 0.0, "non_member", lambda rng: 20)
    found = note_membership(inside, outside, patients=True, has_base=False)
    assert [m.population for m in found] == ["patients"] * 4 + ["notes"] * 4
    assert [(m.attack, m.primary) for m in found[:4]] == [
        ("loss", True), ("zlib", False), ("min_k", False), ("min_k_pp", False),
    ]  # fmt: skip
    per = {m.population: m for m in found if m.attack == "loss"}
    assert (per["patients"].members, per["notes"].members) == (200, 800)
    assert per["patients"].auc.value > per["notes"].auc.value + 0.1


def test_rows_scored_otherwise_are_judged_on_patients_by_the_mean():
    rng = np.random.default_rng(4)
    rows = [row(rng, unit=f"u{i // 2}", text_id=f"t{i}") for i in range(40)]
    inside, outside = rows[:20], rows[20:]
    found = judge_rows("x", lambda rows: scores_of(loss, rows), inside, outside, patients=True)
    assert [(m.population, m.members, m.primary) for m in found] == [
        ("patients", 10, False), ("notes", 20, False),
    ]  # fmt: skip
    pairs = [np.reshape(scores_of(loss, side), (10, 2)).mean(1) for side in (inside, outside)]
    assert found[0].auc.value == auc(*pairs)


def test_held_back_units_are_whole_and_no_longer_judged():
    texts = [Text(f"t{i}", f"u{i // 3}", "non_member", "words") for i in range(30)]
    aside, rest = hold_back(texts, 4, random.Random(0))
    assert len(aside) == 12
    assert not {t.unit_id for t in aside} & {t.unit_id for t in rest}
    assert sorted(t.text_id for t in aside + rest) == sorted(t.text_id for t in texts)
    assert hold_back(texts, 4, random.Random(1))[0] != aside
    for units in (0, 10):
        with pytest.raises(InputError, match="10 units"):
            hold_back(texts, units, random.Random(0))


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


# --- eval/membership_attacks.py -----------------------------------------------------------------


@pytest.fixture
def study(monkeypatch, tmp_path):
    path = Path(__file__).resolve().parents[2] / "eval" / "membership_attacks.py"
    spec = importlib.util.spec_from_file_location("membership_attacks", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)

    def run(place):
        words = ["membership_attacks.py", str(place), "--name", "here", "--out", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", words)
        program.main()
        return (tmp_path / "membership-here.md").read_text()

    return run


def test_the_study_lists_every_attack_the_best_at_one_percent_first(study, world, target, tmp_path):
    audit = run_audit(target, tmp_path / "s.parquet")
    audit.save(tmp_path / "audit.json")
    page = study(tmp_path)
    for level, title in (("patients", "## Patients"), ("canaries", "## Canaries")):
        part = page.split(title)[1].split("\n## ")[0]
        lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
        assert len(lines) == sum(m.population == level for m in audit.membership) == 7
        best = [float(line.split("|")[6].strip(" (").split()[0]) for line in lines]
        assert best == sorted(best, reverse=True)
        assert sum("(primary)" in line for line in lines) == 1
    assert "Blind baseline" in page
    assert not any(note.text[:20] in page for note in (*world.members, *world.non_members))


def test_the_study_needs_an_audit(study, tmp_path):
    with pytest.raises(SystemExit, match=r"holds no audit\.json"):
        study(tmp_path)
