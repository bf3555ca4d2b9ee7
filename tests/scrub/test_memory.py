"""A tagger that remembers lines decides as one that reads each note alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect import memory
from llmsafe.scrub.detect.memory import MARGIN, Memory, coarse
from llmsafe.scrub.detect.tagger import embedded_tagger, tokenise

ENGLISH = embedded_tagger("en")
LINES = [
    "# Chief Complaint", "- Cough", "", "  ", "Patient: Maria Lopez", "SEEN BY DR. OKAFOR", "a",
    "seen by mary ellis on 3/4 at kent clinic", "MRN 4415520, DOB 03/14/1951", "Plan:\tfollow up",
    "Discharged home with her son Will to 12 Oak Street, Beloit, WI 53511, in good spirits. " * 3,
    "\u738b\u533b\u751f", "word " * 300,
]  # fmt: skip
NOTES = st.lists(st.sampled_from(LINES), max_size=24).map("\n".join)


def found(text: str, shared: Memory) -> list[PhiSpan]:
    tokens, chances = shared.read(text)
    return list(ENGLISH.spans(text, tokens, chances))


def places(spans: list[PhiSpan]) -> list[tuple[object, ...]]:
    return [(s.start, s.end, s.category, round(coarse(s.score), 9)) for s in spans]


@given(st.lists(NOTES, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_note_is_read_as_if_it_were_the_first(notes: list[str]) -> None:
    shared = Memory(ENGLISH)
    for text in notes:
        tokens, chances = shared.read(text)
        alone = tokenise(text)
        assert [tokens[i] for i in range(len(tokens))] == alone
        for start, end in ((0, len(text)), (3, 9), (len(text) // 3, len(text) // 2)):
            touched = [i for i, t in enumerate(alone) if t.end > start and t.start < end]
            first, last = tokens.inside(start, end)
            assert list(range(first, last)) == touched
        assert np.abs(chances - ENGLISH.probabilities(alone)).max(initial=0) < MARGIN / 4
        assert places(found(text, shared)) == places(list(ENGLISH.find(text)))


@given(st.lists(NOTES, min_size=1, max_size=6), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_notes_that_are_looked_ahead_at_are_read_as_if_each_were_alone(
    notes: list[str], skipped: int
) -> None:
    shared = Memory(ENGLISH)
    shared.look_ahead(notes)
    for text in [*notes[skipped:], *notes]:
        tokens, chances = shared.read(text)
        alone = tokenise(text)
        assert [tokens[i] for i in range(len(tokens))] == alone
        assert np.abs(chances - ENGLISH.probabilities(alone)).max(initial=0) < MARGIN / 4
        assert places(found(text, shared)) == places(list(ENGLISH.find(text)))


def test_looking_ahead_reads_what_is_new_once_and_in_one_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, asked = Memory(ENGLISH), list[int]()
    real = type(ENGLISH).probabilities
    monkeypatch.setattr(
        type(ENGLISH), "probabilities", lambda self, t: (asked.append(len(t)), real(self, t))[1]
    )
    same = "\n".join(LINES[:9])
    notes = [f"{same}\nwith his wife Adaeze {i}\n{same}" for i in range(9)]
    shared.look_ahead(notes)
    for text in notes:
        shared.read(text)
    assert len(asked) == 1
    assert asked[0] < sum(len(tokenise(text)) for text in notes) / 2


def test_hard_notes_that_are_cut_and_mixed_are_read_as_if_each_were_the_first() -> None:
    path = Path(__file__).parents[2] / "eval" / "stress" / "en_dev.jsonl"
    lines = [
        line
        for row in path.read_text("utf-8").splitlines()
        for line in json.loads(row)["text"].split("\n")
    ]
    rng, shared, recalled = random.Random(11), Memory(ENGLISH), 0
    for _ in range(150):
        start = rng.randrange(len(lines))
        text = "\n".join(lines[start : start + rng.randrange(1, 40)])
        before = len(shared._blocks)
        assert places(found(text, shared)) == places(list(ENGLISH.find(text)))
        recalled += len(shared._blocks) == before
    assert recalled  # some of the notes were all of known blocks


def test_what_is_known_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, text = Memory(ENGLISH), "\n".join(LINES[:9] * 3)
    first = found(text, shared)
    asked: list[int] = []
    real = type(ENGLISH).probabilities
    monkeypatch.setattr(
        type(ENGLISH), "probabilities", lambda self, t: (asked.append(len(t)), real(self, t))[1]
    )
    assert found(text, shared) == first
    assert sum(asked) == 0
    changed = text.replace("Cough", "Fever", 1)
    found(changed, shared)
    assert 0 < sum(asked) < len(tokenise(text)) / 2


def test_the_same_line_means_another_thing_between_other_lines() -> None:
    shared = Memory(ENGLISH)
    one, other = "Patient:\nHope Springer\n\n", "the patient says\nHope Springer\nis a song"
    for text in (one, other, one):
        assert places(found(text, shared)) == places(list(ENGLISH.find(text)))


def test_a_chance_near_what_decides_is_read_with_its_note(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Seen by Dr. Okafor today\n"
    private = 1 - ENGLISH.probabilities(tokenise(text))[:, 0]
    monkeypatch.setattr(memory, "TRACE", float(private[0]) + MARGIN / 2)
    shared = Memory(ENGLISH)
    shared.read(text)
    assert [block is None for block in shared._blocks.values()] == [True]
    monkeypatch.setattr(memory, "TRACE", float(private[0]) + 2 * MARGIN)
    shared = Memory(ENGLISH)
    shared.read(text)
    assert [block is None for block in shared._blocks.values()] == [False]


def test_it_forgets_before_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LINES", "_BLOCKS", "_NUMBERS", "_WINDOWS"):
        monkeypatch.setattr(memory, name, 20)
    shared = Memory(ENGLISH)
    for i in range(60):
        text = f"Seen by Dr. Okafor {i}\nwith wife Adaeze {i} in Beloit, WI\n" * 3
        assert places(found(text, shared)) == places(list(ENGLISH.find(text)))
    assert all(len(lines) < 30 for lines in shared._lines)
    assert len(shared._blocks) < 30
    assert len(shared._windows) < 60
    assert len(shared._numbers) == len(shared._kinds) < 60
    assert len(shared._table) <= 256


@pytest.mark.parametrize("score", [0.7, 0.71, 0.999, 0.9994, 1.0 - 1e-5])
def test_scores_in_steps(score: float) -> None:
    assert abs(coarse(score) - score) <= 0.0051 * (1 - score)
    assert coarse(coarse(score)) == pytest.approx(coarse(score), abs=1e-12)


def test_the_surest_scores_are_alike_and_below_one() -> None:
    assert coarse(1.0) == coarse(1.0 - 1e-7) < 1.0
