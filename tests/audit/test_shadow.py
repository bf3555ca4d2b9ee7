"""Shadow attacks: formulas by plain loops, known distributions, real runs, and every refusal."""

import math
import random
import shutil
import statistics
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as distributions

from llmsafe.artifacts import Lineage
from llmsafe.audit.attacks import loss
from llmsafe.audit.forward import STATS, Text, TokenStats
from llmsafe.audit.scores import Row, ScoreTable, score_texts
from llmsafe.audit.shadow import (
    Shadow,
    Signals,
    check_design,
    lira,
    rmia,
    score_shadows,
    shadow_membership,
    signals_of,
)
from llmsafe.audit.target import open_target
from llmsafe.corpus import write_corpus
from llmsafe.errors import EvidenceError, InputError
from llmsafe.stats import auc

MAX = 64


def draw(rng, notes=300, shadows=12, *, effect=0.5, members=None, prefix="u", noise=0.2):
    """Notes of very different difficulty, known better by ``effect`` to those trained on them."""
    hard = -rng.exponential(2.0, notes) - 2
    truth = rng.random(notes) < 0.5 if members is None else np.full(notes, members)
    inside = rng.random((shadows, notes)) < 0.5
    inside[0], inside[1] = True, False  # every note is seen by one and left out by one
    inside[2], inside[3] = True, False
    said = hard + effect * inside + rng.normal(0, noise, inside.shape)
    target = hard + effect * truth + rng.normal(0, noise, notes)
    units = tuple(f"{prefix}{i}" for i in range(notes))
    return Signals(units, np.minimum(target, -1e-6), np.minimum(said, -1e-6), inside), truth


# --- formulas -----------------------------------------------------------------------------------


def test_lira_with_few_shadows_fits_one_variance_a_side():
    signals, _ = draw(np.random.default_rng(0), notes=15, shadows=7)
    sides = {}
    for side in (True, False):
        groups = [
            [float(v) for v, kept in zip(column, seen, strict=True) if kept == side]
            for column, seen in zip(signals.shadows.T, signals.inside.T, strict=True)
        ]
        squares = sum((v - statistics.fmean(g)) ** 2 for g in groups for v in g)
        freedom = sum(len(g) - 1 for g in groups)
        sides[side] = [statistics.fmean(g) for g in groups], math.sqrt(squares / freedom)
    (near, width), (away, spread) = sides[True], sides[False]
    offline = [(t - m) / spread for t, m in zip(signals.target, away, strict=True)]
    np.testing.assert_allclose(lira(signals, online=False), offline)
    online = [
        distributions.norm.logpdf(t, a, width) - distributions.norm.logpdf(t, b, spread)
        for t, a, b in zip(signals.target, near, away, strict=True)
    ]
    np.testing.assert_allclose(lira(signals, online=True), online)


def test_lira_with_many_shadows_gives_each_note_its_own_variance():
    signals, _ = draw(np.random.default_rng(1), notes=6, shadows=120)
    column, seen = signals.shadows[:, 2], signals.inside[:, 2]
    near, away = column[seen], column[~seen]
    wanted = distributions.norm.logpdf(
        signals.target[2], near.mean(), near.std(ddof=1)
    ) - distributions.norm.logpdf(signals.target[2], away.mean(), away.std(ddof=1))
    assert lira(signals, online=True)[2] == pytest.approx(wanted)
    offline = (signals.target[2] - away.mean()) / away.std(ddof=1)
    assert lira(signals, online=False)[2] == pytest.approx(offline)


def test_lira_does_not_see_a_constant_per_note():
    """The base model's score is one, so a difference to the base gives the same attack."""
    rng = np.random.default_rng(2)
    signals, _ = draw(rng)
    constant = rng.normal(0, 3, len(signals.units))
    moved = replace(signals, target=signals.target - constant, shadows=signals.shadows - constant)
    for online in (True, False):
        np.testing.assert_allclose(lira(moved, online=online), lira(signals, online=online))


def test_one_shadow_ranks_by_the_difference_and_cannot_be_fitted_online():
    rng = np.random.default_rng(3)
    said = -rng.exponential(1, (1, 8))
    one = Signals(tuple("abcdefgh"), -rng.exponential(1, 8), said, np.zeros((1, 8), bool))
    np.testing.assert_allclose(lira(one, online=False), one.target - one.shadows[0])
    inside = np.array([[True] * 8, [False] * 8])
    two = replace(one, shadows=np.concatenate([said, said]), inside=inside)
    with pytest.raises(EvidenceError, match="no variance"):
        lira(two, online=True)


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
@pytest.mark.parametrize("gamma", [1.0, 1.3])
def test_rmia_equals_two_loops(scale, gamma):
    rng = np.random.default_rng(4)
    signals, _ = draw(rng, notes=20, shadows=6)
    population, _ = draw(rng, notes=11, shadows=6, members=False, prefix="z")

    def ratio(s, note):
        outside = [
            math.exp(v) for v, i in zip(s.shadows[:, note], s.inside[:, note], strict=True) if not i
        ]
        inside = [
            math.exp(v) for v, i in zip(s.shadows[:, note], s.inside[:, note], strict=True) if i
        ]
        p = (statistics.fmean(outside) + statistics.fmean(inside)) / 2
        if scale is not None:
            p = ((1 + scale) * statistics.fmean(outside) + 1 - scale) / 2
        return math.exp(s.target[note]) / p

    found = rmia(signals, population, gamma=gamma, scale=scale)
    for note in range(20):
        beaten = [ratio(signals, note) / ratio(population, z) >= gamma for z in range(11)]
        assert found[note] == pytest.approx(sum(beaten) / 11)


# --- power and null -----------------------------------------------------------------------------


def test_calibration_finds_what_the_loss_cannot_and_noise_finds_nothing():
    rng = np.random.default_rng(5)
    for effect, least, most in ((0.6, 0.95, 1.0), (0.0, 0.42, 0.58)):
        signals, truth = draw(rng, effect=effect)
        population, _ = draw(rng, effect=effect, members=False, prefix="z")
        scores = {
            "offline": lira(signals, online=False),
            "online": lira(signals, online=True),
            "rmia": rmia(signals, population, scale=1.0),
        }
        for name, score in scores.items():
            assert least <= auc(score[truth], score[~truth]) <= most, name
        assert auc(signals.target[truth], signals.target[~truth]) < 0.65


def test_rmia_scores_of_outsiders_are_shares_of_outsiders():
    rng = np.random.default_rng(6)
    outsiders, _ = draw(rng, notes=400, members=False)
    population, _ = draw(rng, notes=400, members=False, prefix="z")
    score = rmia(outsiders, population, scale=1.0)
    for share in (0.1, 0.5):
        assert np.mean(score >= 1 - share) == pytest.approx(share, abs=0.06)


# --- refusals -----------------------------------------------------------------------------------


def test_a_population_that_is_judged_is_refused():
    signals, _ = draw(np.random.default_rng(0), notes=20)
    others, _ = draw(np.random.default_rng(1), notes=20, prefix="z")
    mixed = replace(others, units=("u3", *others.units[1:]))
    with pytest.raises(EvidenceError, match="1 units are judged and in RMIA's population"):
        rmia(signals, mixed)
    rmia(signals, others)


def test_notes_that_no_shadow_left_out_or_saw_are_refused():
    signals, _ = draw(np.random.default_rng(0), notes=5)
    always = replace(signals, inside=np.ones_like(signals.inside))
    with pytest.raises(EvidenceError, match="5 were trained on by every shadow"):
        lira(always, online=False)
    never = replace(signals, inside=np.zeros_like(signals.inside))
    lira(never, online=False)
    with pytest.raises(EvidenceError, match="and 5 by none"):
        lira(never, online=True)


def test_shadow_splits_that_give_the_targets_split_away_are_refused():
    rng = np.random.default_rng(7)
    signals, truth = draw(rng)
    check_design(signals, truth)
    for same in (truth, ~truth):
        inside = signals.inside.copy()
        inside[0] = same
        with pytest.raises(EvidenceError, match="tell the target's members apart"):
            check_design(replace(signals, inside=inside), truth)


def rows_saying(scores, members):
    """One row a note whose mean log-probability is as given."""
    rows = []
    for index, (value, inside) in enumerate(zip(scores, members, strict=True)):
        columns = {name: np.zeros(4, np.float32) for name in STATS} | {
            "logp": np.full(4, value, np.float32)
        }
        role = "member" if inside else "non_member"
        rows.append(Row(f"t{index}", f"u{index}", role, 9, None, TokenStats(**columns), None))
    return rows


@pytest.mark.parametrize("leak", [False, True])
def test_membership_by_shadows_finds_nothing_in_noise_and_refuses_a_known_split(leak):
    rng = np.random.default_rng(8)
    signals, truth = draw(rng, effect=0.0)
    rows = rows_saying(signals.target, truth)
    shadows = []
    for said, seen in zip(signals.shadows, signals.inside, strict=True):
        inside = truth if leak and not shadows else seen
        chosen = frozenset(unit for unit, kept in zip(signals.units, inside, strict=True) if kept)
        shadows.append(Shadow(chosen, ScoreTable(tuple(rows_saying(said, truth)), MAX)))
    sides = [[r for r in rows if r.role == role] for role in ("member", "non_member")]
    if leak:
        with pytest.raises(EvidenceError, match="tell the target's members apart"):
            shadow_membership(*sides, shadows, patients=False, rng=random.Random(0))
        return
    found = shadow_membership(*sides, shadows, patients=False, rng=random.Random(0))
    assert [m.attack for m in found] == ["lira_offline", "lira_online", "rmia"]
    assert all(m.auc.low < 0.5 < m.auc.high for m in found)


@pytest.mark.parametrize(
    "change",
    [
        {"target": np.zeros(4)},
        {"inside": np.zeros((3, 5), bool)},
        {"shadows": np.zeros((0, 5)), "inside": np.zeros((0, 5), bool)},
        {"target": np.full(5, np.nan)},
    ],
)
def test_signals_that_do_not_fit_are_refused(change):
    good = {
        "units": tuple("abcde"),
        "target": np.zeros(5),
        "shadows": np.zeros((2, 5)),
        "inside": np.zeros((2, 5), bool),
    }
    Signals(**good)
    with pytest.raises(InputError):
        Signals(**{**good, **change})


def test_rmia_refuses_what_is_no_probability():
    signals, _ = draw(np.random.default_rng(0), notes=5)
    other, _ = draw(np.random.default_rng(1), notes=5, prefix="z")
    for bad in ({"gamma": 0.0}, {"scale": 1.5}):
        with pytest.raises(InputError, match="RMIA with"):
            rmia(signals, other, **bad)
    with pytest.raises(InputError, match="none above 0"):
        rmia(replace(signals, target=signals.target + 100), other)


# --- real runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """A target and four shadows on one corpus and base, each with a split of its own."""
    root = tmp_path_factory.mktemp("shadows")
    notes = tiny.make_notes(40, seed=9, prefix="p")
    tokenizer = tiny.make_tokenizer(root / "base", [note.text for note in notes])
    tiny.make_model(root / "base")
    write_corpus(root / "corpus" / "corpus", notes)
    world = tiny.World(root, root / "base", root, root / "corpus", tiny.make_manifest(4, seed=0),
                       (), ())  # fmt: skip
    patients = sorted({note.patient_id for note in notes})
    found = []
    for number in range(5):
        chosen = set(random.Random(number).sample(patients, 20))
        sides = [tuple(n for n in notes if (n.patient_id in chosen) is s) for s in (True, False)]
        adapter = tiny.lora(root / "base", seed=number)
        train = [tiny.encode_note(tokenizer, note.text, MAX)[0] for note in sides[0]]
        tiny.fit(adapter, train, steps=30, rate=2e-2)
        own = replace(world, members=sides[0], non_members=sides[1])
        found.append(tiny.write_run(own, root / f"run{number}", adapter, epsilon=None))
    return found


@pytest.fixture(scope="module")
def target_of_runs(runs):
    return open_target(runs[0], device="cpu")


@pytest.fixture(scope="module")
def texts(target_of_runs, tiny):
    members = set(target_of_runs.evidence.split.members)
    return [
        Text(n.note_id, n.patient_id, "member" if n.patient_id in members else "non_member", n.text)
        for n in tiny.make_notes(40, seed=9, prefix="p")
    ]


def test_shadow_runs_are_scored_and_sharpen_the_loss(runs, target_of_runs, texts, tmp_path):
    table = score_texts(target_of_runs, texts, tmp_path / "s.parquet", max_tokens=MAX)
    shadows = score_shadows(target_of_runs, runs[1:], texts, tmp_path, max_tokens=MAX)
    assert len(list(tmp_path.glob("scores.shadow-*.parquet"))) == 4
    one = open_target(runs[3], device="cpu")
    direct = score_texts(one, texts, tmp_path / "one.parquet", max_tokens=MAX)
    again = {row.text_id: row for row in shadows[2].table.rows}
    for row in direct.rows:
        np.testing.assert_array_equal(row.target.logp, again[row.text_id].target.logp)
    members, others = table.of("member"), table.of("non_member")
    signals = signals_of([*members, *others], shadows, by_unit=False)
    assert signals.inside[2].tolist() == [
        r.unit_id in set(one.evidence.split.members) for r in [*members, *others]
    ]
    found = shadow_membership(members, others, shadows, patients=True, rng=random.Random(0))
    assert {m.population for m in found} == {"patients", "notes"}
    by = {m.attack: m for m in found if m.population == "notes"}
    assert {*by} >= {"lira_offline", "rmia"}
    plain = auc([loss(r) for r in members], [loss(r) for r in others])
    assert by["lira_offline"].auc.value > max(plain, 0.9)
    # One who was in every shadow cannot be judged; a quarter of the held-out is RMIA's to compare.
    left = ~signals.inside.all(axis=0)
    assert not left.all()
    assert by["lira_offline"].members == left[: len(members)].sum()
    assert by["lira_offline"].non_members == left[len(members) :].sum()
    assert by["rmia"].members == by["lira_offline"].members
    assert by["rmia"].non_members < by["lira_offline"].non_members - 5
    assert by["lira_online"].members < by["lira_offline"].members
    per_patient = signals_of(members, shadows, by_unit=True)
    assert per_patient.target.size == 20 == len(set(per_patient.units))


def test_a_shadow_must_be_another_run_on_the_same_corpus_and_base(
    runs, target_of_runs, texts, tmp_path
):
    def score(*shadows, texts=texts):
        score_shadows(target_of_runs, shadows, texts, tmp_path, max_tokens=MAX)

    elsewhere = shutil.copytree(runs[1], tmp_path / "elsewhere")
    lineage = Lineage.load(elsewhere / "vault" / "lineage.json")
    lineage.steps[0].inputs["corpus"] = "sha256:" + "0" * 64
    lineage.save(elsewhere / "vault" / "lineage.json", private=True)
    with pytest.raises(InputError, match="no shadow runs"):
        score()
    with pytest.raises(EvidenceError, match="weights of the target or of another shadow"):
        score(runs[0])
    with pytest.raises(EvidenceError, match="weights of the target or of another shadow"):
        score(runs[1], runs[1])
    with pytest.raises(EvidenceError, match="another corpus"):
        score(elsewhere)
    with pytest.raises(EvidenceError, match="no split and lineage"):
        score(shutil.copytree(runs[1] / "release", tmp_path / "adapter"))
    stranger = Text("x", "stranger", "non_member", "words")
    with pytest.raises(EvidenceError, match="names the unit of 1 texts neither"):
        score(runs[1], texts=[*texts, stranger])
