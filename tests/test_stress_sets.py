"""The stress sets are what their cards say: gold that fits the text, both parts, clean notes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from llmsafe.notes import CATEGORIES

FOLDER = Path(__file__).resolve().parents[1] / "eval" / "stress"


def notes_of(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("lang", "sizes"), [("en", (70, 70, 50, 50)), ("zh", (65, 40, 45, 30))])
def test_gold_fits_the_text_and_parts_are_as_described(lang, sizes):
    parts = [notes_of(f"{lang}_{part}") for part in ("dev", "unseen")]
    counts = [sum(bool(n["spans"]) is phi for n in part) for part in parts for phi in (True, False)]
    assert tuple(counts) == sizes
    both = [note for part in parts for note in part]
    assert (
        len({note["note_id"] for note in both}) == len({note["text"] for note in both}) == len(both)
    )
    styles = [{note["style"] for note in part} for part in parts]
    assert styles[0] == styles[1]
    for note in both:
        end = 0
        for span in note["spans"]:
            assert end <= span["start"] < span["end"] <= len(note["text"])
            end = span["end"]
            words = note["text"][span["start"] : span["end"]]
            assert words == words.strip()
            assert span["category"] in CATEGORIES


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_card_counts_what_is_there(lang):
    card = (FOLDER / f"{lang}.md").read_text("utf-8")
    parts = [Counter(s["category"] for n in notes_of(f"{lang}_{p}") for s in n["spans"])
             for p in ("dev", "unseen")]  # fmt: skip
    for category in parts[0] | parts[1]:
        assert f"| {category} | {parts[0][category]} | {parts[1][category]} |" in card


@pytest.mark.parametrize(
    ("name", "phi", "clean"),
    [
        ("en_more_dev", 33, 36), ("en_second_dev", 50, 50), ("en_third_dev", 40, 40),
        ("en_unseen3", 55, 45), ("zh_second_dev", 36, 36),
        ("zh_third_dev", 40, 20), ("zh_unseen3", 50, 30),
    ],
)  # fmt: skip
def test_the_later_notes_are_like_the_others_and_none_of_them(
    name: str, phi: int, clean: int
) -> None:
    more, others = notes_of(name), notes_of(f"{name[:2]}_dev")
    assert Counter(bool(note["spans"]) for note in more) == {True: phi, False: clean}
    assert {note["style"] for note in more} <= {note["style"] for note in others}
    for key in ("note_id", "text"):
        values = [note[key] for note in more]
        assert len(set(values)) == len(values)
        assert set(values).isdisjoint(note[key] for note in others)
    for note in more:
        end = 0
        for span in note["spans"]:
            assert end <= span["start"] < span["end"] <= len(note["text"])
            assert span["category"] in CATEGORIES
            end = span["end"]
            words = note["text"][span["start"] : end]
            assert words == words.strip()
