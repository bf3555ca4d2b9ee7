from __future__ import annotations

import json
import math
import random
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from llmsafe.artifacts import Canary
from llmsafe.canary import load_manifest, make_canaries, make_manifest, plant, survey
from llmsafe.errors import EvidenceError, InputError
from llmsafe.notes import Note, group_units

KINDS = ("phi", "random")


def secret(canary: Canary) -> str:
    return canary.text[canary.secret_start : canary.secret_end]


def corpus(n: int, *, patients: bool = True) -> list[Note]:
    return [
        Note(f"n{i}", f"text {i}", f"p{i // 2}" if patients else None, f"2020-01-{i % 28 + 1:02d}",
             extra={"spans": [1], "site": "a"})
        for i in range(n)
    ]  # fmt: skip


def blind_auc(texts: list[str], planted: np.ndarray, rng: np.random.Generator) -> float:
    """Cross-validated AUC of naive Bayes on character 1- to 3-grams: no model involved."""
    grams = [Counter(t[i : i + n] for n in (1, 2, 3) for i in range(len(t))) for t in texts]
    scores, fold = np.zeros(len(texts)), rng.integers(0, 4, len(texts))
    for k in range(4):
        counts = {True: Counter(), False: Counter()}
        for index in np.flatnonzero(fold != k):
            counts[bool(planted[index])].update(grams[index])
        totals = {side: sum(c.values()) for side, c in counts.items()}
        for index in np.flatnonzero(fold == k):
            scores[index] = sum(
                n * math.log((counts[True][g] + 1) * totals[False]
                             / ((counts[False][g] + 1) * totals[True]))
                for g, n in grams[index].items()
            )  # fmt: skip
    ranks = stats.rankdata(scores)
    members = planted.sum()
    return float((ranks[planted].sum() - members * (members + 1) / 2)
                 / (members * (len(texts) - members)))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_shape(kind):
    canaries = make_canaries(count=500, kind=kind, seed=1)
    for what in ("canary_id", "note_id", "patient_id", "text"):
        assert len({getattr(c, what) for c in canaries}) == 500
    assert len({secret(c) for c in canaries}) == 500
    prefixes = [c.text[: c.secret_start] for c in canaries]
    assert len(set(prefixes)) == 500
    for c in canaries:
        assert len(c.text) - c.secret_end <= 1  # the secret ends the text, but for a full stop
        assert 40 < len(c.text) < 180
        assert secret(c) not in c.text[: c.secret_start]
    assert not {c.note_id for c in canaries} & {c.patient_id for c in canaries}


def test_seed_decides_everything():
    def draw(**change):
        return make_canaries(**({"count": 50, "kind": "phi", "seed": 3} | change))

    assert draw() == draw()
    assert not {c.text for c in draw()} & {c.text for c in draw(seed=4)}
    assert not {c.note_id for c in draw()} & {c.note_id for c in draw(seed=4)}
    # The coin stream is its own: another probability leaves texts and ids as they are, and a
    # longer list begins with the shorter one.
    assert [c.text for c in draw(probability=0.9)] == [c.text for c in draw()]
    assert draw(count=80)[:50] == draw()


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_uniform(kind):
    canaries = make_canaries(count=4000, kind=kind, seed=2)
    if kind == "phi":
        # The free digits alone: the first digit of a shape may be fixed.
        columns = [[d for d in secret(c) if d.isdigit()][-6:] for c in canaries]
        symbols = 10
    else:
        columns = [secret(c).split() for c in canaries]
        symbols = 256
    for column in zip(*columns, strict=True):
        observed = list(Counter(column).values())
        observed += [0] * (symbols - len(observed))
        assert stats.chisquare(observed).pvalue > 1e-5


def test_coins_are_independent_and_fair():
    for probability in (0.5, 0.3):
        coins = np.array(
            [
                [c.planted for c in make_canaries(count=100, kind="random", seed=s,
                                                  probability=probability)]
                for s in range(200)
            ]
        )  # fmt: skip
        assert stats.binomtest(int(coins.sum()), coins.size, probability).pvalue > 1e-5
        # Number planted per run is binomial: halves of a shuffled list would have variance 0.
        spread = coins.sum(axis=1).var(ddof=1) / (100 * probability * (1 - probability))
        assert abs(spread - 1) < 5 * math.sqrt(2 / 199)
        centred = coins - probability
        for lag in (1, 2, 7):
            pairs = (centred[:, :-lag] * centred[:, lag:]).ravel()
            assert abs(pairs.mean()) < 5 * pairs.std() / math.sqrt(pairs.size)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_and_withheld_cannot_be_told_apart(kind):
    canaries = make_canaries(count=1200, kind=kind, seed=0)
    planted = np.array([c.planted for c in canaries])
    texts = [c.text for c in canaries]
    rng = np.random.default_rng(0)
    # Standard error of an AUC at 600 against 600 is 0.017.
    assert abs(blind_auc(texts, planted, rng) - 0.5) < 0.08
    # Negative control: planted texts that favour one digit (or word) a little are found out.
    tilted = [
        text + (" 7" if mark and rng.random() < 0.5 else " 4")
        for text, mark in zip(texts, planted, strict=True)
    ]
    assert blind_auc(tilted, planted, rng) > 0.65
    inside = np.array([len(t) for t in texts])
    assert stats.ks_2samp(inside[planted], inside[~planted]).pvalue > 1e-4


def test_plant_keeps_notes_and_adds_each_planted_canary_once():
    notes, canaries = corpus(60), make_canaries(count=40, kind="phi", seed=5)
    out = list(plant(iter(notes), canaries, random.Random(1)))
    ids = {c.note_id: c for c in canaries}
    assert [n for n in out if n.note_id not in ids] == notes
    added = [n for n in out if n.note_id in ids]
    assert sorted(n.note_id for n in added) == sorted(c.note_id for c in canaries if c.planted)
    for note in added:
        canary = ids[note.note_id]
        assert (note.text, note.patient_id) == (canary.text, canary.patient_id)
        assert note.date.startswith("2020-01-")
        assert note.extra == {"spans": [], "site": None}
    kind, units = group_units(out)
    assert kind == "patient"
    patients = {c.patient_id for c in canaries if c.planted}
    assert [len(u.notes) for u in units if u.unit_id in patients] == [1] * len(added)
    surveyed = survey(notes, canaries)
    assert out == list(plant(iter(notes), canaries, random.Random(1), surveyed=surveyed))


def test_a_corpus_without_patients_stays_one():
    canaries = make_canaries(count=20, kind="phi", seed=5)
    kind, units = group_units(plant(corpus(30, patients=False), canaries, random.Random(1)))
    assert kind == "note"
    planted = {c.note_id for c in canaries if c.planted}
    assert planted <= {u.unit_id for u in units}


def test_places_are_uniform():
    notes, canaries = corpus(9), make_canaries(count=200, kind="random", seed=0)
    ids = {c.note_id for c in canaries}
    gaps: Counter[int] = Counter()
    firsts: Counter[str] = Counter()
    for seed in range(40):
        gap, first = 0, None
        for note in plant(notes, canaries, random.Random(seed)):
            if note.note_id in ids:
                gaps[gap] += 1
                first = first or note.note_id
            else:
                gap += 1
        firsts[first] += 1
    assert stats.chisquare([gaps[g] for g in range(10)]).pvalue > 1e-5
    assert max(firsts.values()) < 8  # the order of the canaries says nothing


def test_taken_ids_are_refused_withheld_ones_too():
    canaries = make_canaries(count=20, kind="phi", seed=5)
    for planted in (True, False):
        taken = next(c for c in canaries if c.planted is planted)
        for note in (Note(taken.note_id, "x"), Note("free", "x", patient_id=taken.patient_id)):
            with pytest.raises(InputError, match="choose another --seed"):
                list(plant([*corpus(3), note], canaries, random.Random(0)))
    with pytest.raises(InputError, match="no note"):
        list(plant([], canaries, random.Random(0)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "bird"}, "unknown"),
        ({"count": 0}, "at least 1"),
        ({"probability": 0.0}, "between 0 and 1"),
        ({"probability": 1.0}, "between 0 and 1"),
        ({"lang": "xx"}, "choose from en"),
    ],
)
def test_bad_arguments_are_named(change, words):
    with pytest.raises(InputError, match=words):
        make_canaries(**({"count": 5, "kind": "phi", "seed": 0} | change))


def test_manifest_names_its_draw(tmp_path):
    settings = {"kind": "phi", "lang": "en", "probability": 0.5, "corpus_digest": "sha256:0"}
    canaries = make_canaries(count=10, kind="phi", seed=0)
    manifest = make_manifest(canaries, seed=0, **settings)
    path = manifest.save(tmp_path / "canaries.json", private=True)
    assert load_manifest(path) == manifest
    other = make_manifest(make_canaries(count=10, kind="phi", seed=1), seed=1, **settings)
    assert other.manifest_id != manifest.manifest_id
    data = json.loads(path.read_text())
    data["canaries"][3]["planted"] = not data["canaries"][3]["planted"]
    path.write_text(json.dumps(data))
    with pytest.raises(EvidenceError, match="was changed"):
        load_manifest(path)
    for odd in ({"probability": float("nan")}, {"probability": 1.0}, {"copies": 0}):
        path.write_text(json.dumps({**manifest.model_dump(), **odd}))
        with pytest.raises(EvidenceError, match="cannot be"):
            load_manifest(path)


def test_copies_are_patients_of_their_own_with_the_same_text():
    canaries = make_canaries(count=20, kind="phi", seed=3)
    notes = list(plant(corpus(30), canaries, random.Random(1), copies=3))
    manifest = make_manifest(
        canaries, kind="phi", seed=3, probability=0.5, lang="en", corpus_digest="d", copies=3
    )
    by_text = Counter(note.text for note in notes)
    planted = [c for c in canaries if c.planted]
    assert {by_text[c.text] for c in planted} == {3}
    assert not any(by_text[c.text] for c in canaries if not c.planted)
    places = {place for c in planted for place in manifest.places(c)}
    assert len(places) == 3 * len(planted)
    assert places <= {(note.patient_id, note.note_id) for note in notes}
    assert manifest.places(planted[0])[0] == (planted[0].patient_id, planted[0].note_id)
    # One copy is what it always was, to the byte.
    assert list(plant(corpus(30), canaries, random.Random(1), copies=1)) == list(
        plant(corpus(30), canaries, random.Random(1))
    )


def test_an_id_of_a_copy_that_is_taken_is_refused():
    canaries = make_canaries(count=5, kind="phi", seed=3)
    taken = Note(f"{canaries[0].note_id}-2", "text", "p")
    survey([taken], canaries)
    with pytest.raises(InputError, match="also that of a canary"):
        survey([taken], canaries, copies=2)
