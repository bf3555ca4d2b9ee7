"""The tagger: tokens, chunks, spans by hand, fail closed, and that it read context at all."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from llmsafe.errors import InputError
from llmsafe.scrub.detect import tagger
from llmsafe.scrub.detect.engine import Reading, TaggerRecogniser, TaggingEngine
from llmsafe.scrub.detect.tagger import embedded_tagger, load_tagger, shape, spans, tokenise

ENGLISH = embedded_tagger("en")
CATEGORIES = ("NAME", "DATE", "AGE", "OTHER_ID")


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_tokens_are_in_order_and_hold_every_letter(text: str) -> None:
    tokens = tokenise(text)
    covered = [index for token in tokens for index in range(token.start, token.end)]
    assert covered == sorted(set(covered))
    assert {i for i, c in enumerate(text) if c.isalnum()} <= set(covered)
    assert all(token.text == text[token.start : token.end] for token in tokens)
    assert all(0 <= token.place < tagger.PLACES for token in tokens)


def test_glued_words_come_apart_and_chinese_ones_too() -> None:
    assert [t.text for t in tokenise("DrQuayle smith64m A1c")] == [
        *("Dr", "Quayle", "smith", "64m", "A1c")
    ]
    assert [t.key for t in tokenise("王医生a")] == [
        *("    王医生a ", "   王医生a  ", "  王医生a   ", "a")
    ]


def test_shape_is_short() -> None:
    assert (shape("Hello"), shape("MRN12345678")) == ("Xxxxx", "XXX0000")


def found(text: str, chances: list[dict[str, float]]) -> list[tuple[str, str]]:
    """Spans of ``text`` when each token has these chances of the categories."""
    rows = [[1 - sum(c.values()), *(c.get(name, 0.0) for name in CATEGORIES)] for c in chances]
    tokens = tokenise(text)
    assert len(tokens) == len(rows)
    made = spans(text, tokens, np.array(rows, np.float32), CATEGORIES, 0.5, 0.1)
    return [(text[s.start : s.end], s.category) for s in made]


NO: dict[str, float] = {}


def test_a_doubtful_neighbour_belongs_to_a_sure_token() -> None:
    sure, doubtful = {"NAME": 0.9}, {"DATE": 0.2}
    assert found("Ann Li saw", [sure, doubtful, NO]) == [("Ann Li", "NAME")]
    assert found("Ann Li saw", [doubtful, doubtful, NO]) == []
    assert found("Ann saw Li", [sure, NO, doubtful]) == [("Ann", "NAME")]


def test_categories_part_spans_and_signs_do_not() -> None:
    name, day = {"NAME": 0.9}, {"DATE": 0.9}
    assert found("Li, Ann May", [name, NO, name, day]) == [("Li, Ann", "NAME"), ("May", "DATE")]


@pytest.mark.parametrize(
    ("text", "category", "stays"),
    [
        ("2012", "DATE", True),
        ("48/60", "DATE", True),
        ("20/25", "DATE", True),
        ("4/26", "DATE", False),
        ("26/4", "DATE", False),
        ("89", "AGE", True),
        ("90", "AGE", False),
        ("ninety", "AGE", False),
        ("sixty", "AGE", True),
    ],
)
def test_what_can_be_no_date_and_no_age_over_89_stays(
    text: str, category: str, stays: bool
) -> None:
    assert found(text, [{category: 0.9} for _ in tokenise(text)]) == (
        [] if stays else [(text, category)]
    )


def test_a_number_takes_what_is_glued_to_it() -> None:
    text = "tag BIO-77120-RI."
    chances = [{"OTHER_ID": 0.9} if t.text == "77120" else NO for t in tokenise(text)]
    assert found(text, chances) == [("BIO-77120-RI", "OTHER_ID")]
    text = "HPI\n77120"
    assert found(text, [NO, NO, {"OTHER_ID": 0.9}]) == [("77120", "OTHER_ID")]


def test_no_number_is_left_at_the_end_of_a_name() -> None:
    assert [t.text for t in tokenise("PATID5421")] == ["PATID", "5421"]
    assert found("PATID5421", [{"NAME": 0.9}, NO]) == [("PATID5421", "NAME")]
    assert found("smith64m", [{"NAME": 0.9}, NO]) == [("smith", "NAME")]


def test_chunks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenise("Seen by Dr. Okafor with wife Adaeze on 3/4/2021 in Beloit, WI. " * 20)
    whole = ENGLISH.probabilities(tokens)
    monkeypatch.setattr(tagger, "CHUNK", 37)
    np.testing.assert_allclose(ENGLISH.probabilities(tokens), whole, atol=1e-5)


def test_nothing_in_nothing() -> None:
    assert list(ENGLISH.find("")) == []
    assert ENGLISH.probabilities([]).shape == (
        0,
        1 + len(ENGLISH.categories),
    )


@pytest.mark.parametrize(
    ("text", "word", "private"),
    [
        ("Her aunt Hope came by with lunch.", "Hope", True),
        ("Plan: hope to discharge home in the morning.", "hope", False),
        ("wife ramesha cooks less rice now", "ramesha", True),
        ("Babinski down-going, no clonus.", "Babinski", False),
        ("works nights at rock county mill", "mill", True),
        ("D/c'd to home w/ walker.", "walker", False),
    ],
)
def test_context_decides(text: str, word: str, private: bool) -> None:
    at = text.index(word)
    hit = any(s.start <= at < s.end for s in ENGLISH.find(text))
    assert hit == private


def test_not_finite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenise("Seen by Dr. Okafor")
    broken = np.full((len(tokens), 1 + len(ENGLISH.categories)), np.nan, np.float32)
    monkeypatch.setattr(tagger.Tagger, "_forward", lambda self, tokens: broken)
    with pytest.raises(ArithmeticError):
        ENGLISH.probabilities(tokens)


def test_reading_answers_for_any_stretch() -> None:
    reading = TaggingEngine(ENGLISH, "en").process_text("Seen by Dr. Okafor today", "en")
    assert isinstance(reading, Reading)
    assert reading.chance(12, 18) > 0.5 > reading.chance(0, 7)
    assert reading.chance(100, 110) == 0.0


def test_the_recogniser_wants_its_own_engine() -> None:
    with pytest.raises(TypeError):
        TaggerRecogniser(ENGLISH, "en").analyze("Dr. Okafor", [], None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(str(resources.files("llmsafe") / "assets" / "phi-ner-en"), tmp_path / "tagger")
    return tmp_path / "tagger"


def test_a_damaged_tagger_is_refused(folder: Path) -> None:
    load_tagger(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="no PHI tagger"):
        load_tagger(folder)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("dilations", [1] * 9, "bias.5 of shape None"),
        ("dilations", [1, 2], r"bias.2 of shape \(\d+,\), its config.json asks for None"),
        ("categories", ["NAME"], "asks for .*2"),
        ("hashed_rows", 1024, "table"),
        ("lists", ["words", "first"], "table"),
    ],
)
def test_arrays_that_are_not_what_the_config_asks_for_are_refused(
    folder: Path, key: str, value: object, words: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(InputError, match=words):
        load_tagger(folder)


def test_a_word_of_a_list_that_does_not_exist_is_refused(folder: Path) -> None:
    with (folder / "lexicon.tsv").open("a") as lexicon:
        lexicon.write("zebulon\t99\n")
    with pytest.raises(InputError, match="names list 99, its config"):
        load_tagger(folder)


def test_a_bias_that_numpy_would_broadcast_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"out_bias": np.zeros(1, np.float16)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"out_bias of shape \(1,\)"):
        load_tagger(folder)


def by_definition(text: str) -> np.ndarray:
    """The chances of each token, as the formulas say it: nothing is kept from word to word."""
    weights, tokens = ENGLISH.weights, tokenise(text)
    made = []
    for token in tokens:
        rows = ENGLISH.features.rows(token.key)
        summed = sum(w * weights.table[row].astype(np.float64) for row, w in rows)
        made.append(summed @ weights.project + weights.place[token.place])
    x = np.array(made)
    for layer, gap in enumerate(weights.dilations):
        edge = np.zeros((gap, x.shape[1]))
        left, right = np.vstack([edge, x])[: len(x)], np.vstack([x, edge])[gap:]
        new = np.hstack([left, x, right]) @ weights.kernels[layer] + weights.biases[layer]
        x = x + np.maximum(new, 0)
        spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        x = (x - x.mean(axis=1, keepdims=True)) / spread
        x = x * weights.scales[layer] + weights.shifts[layer]
    logits = np.exp(x @ weights.out + weights.out_bias)
    return logits / logits.sum(axis=1, keepdims=True)


TEXTS = (
    "患者顾新民，63岁，BP 150/90，由 Ann Wu 陪同。\n主治：石主任",
    "患者",
    "Ann",
    "a b",
    "Dr. Bell saw\nhim",
    "seen by MARY ELLIS on 3/4 at Kent Clinic, " * 5,
)


@pytest.mark.parametrize("text", TEXTS)
def test_the_forward_pass_is_what_the_formulas_say(text: str) -> None:
    chances = ENGLISH.probabilities(tokenise(text))
    assert np.abs(chances - by_definition(text)).max() < 1e-5


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_bit_depends_on_what_was_read_before(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(texts: list[str]) -> dict[str, bytes]:
        fresh = dataclasses.replace(embedded_tagger(language))
        return {text: fresh.probabilities(tokenise(text)).tobytes() for text in texts}

    other = " ".join(f"word{i}" for i in range(300))  # more than there are rows at first
    alone = {text: read([text])[text] for text in (*TEXTS, other)}
    assert read([other, *TEXTS]) == alone
    monkeypatch.setattr(tagger, "_KNOWN", -2 * tagger.CHUNK)  # forget everything each time
    assert read([*TEXTS, other]) == alone
