"""The tagger: what tokens are, that a chunk changes nothing, that spans are what the rule says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.scrub.detect import tagger
from llmsafe.scrub.detect.engine import Reading, TaggingEngine
from llmsafe.scrub.detect.tagger import english_tagger, load_tagger, shape, spans, tokenise


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_tokens_are_in_order_and_hold_every_letter(text: str) -> None:
    tokens = tokenise(text)
    covered = [index for token in tokens for index in range(token.start, token.end)]
    assert covered == sorted(set(covered))
    assert {i for i, c in enumerate(text) if c.isalnum()} <= set(covered)
    assert all(token.text == text[token.start : token.end] for token in tokens)
    assert all(0 <= token.place < tagger.PLACES for token in tokens)


def test_glued_words_come_apart() -> None:
    assert [t.text for t in tokenise("DrQuayle smith64m A1c")] == ["Dr", "Quayle", "smith", "64m", "A1c"]


def test_shape_is_short() -> None:
    assert shape("Hello") == "Xxxxx"
    assert shape("MRN12345678") == "XXX0000"


def test_chunks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenise("Seen by Dr. Okafor with wife Adaeze on 3/4/2021 in Beloit, WI. " * 20)
    whole = english_tagger().probabilities(tokens)
    monkeypatch.setattr(tagger, "_CHUNK", 37)
    np.testing.assert_allclose(english_tagger().probabilities(tokens), whole, atol=1e-5)
    monkeypatch.setattr(tagger.Weights, "dilations", (0,) * 5, raising=False)


def test_context_decides() -> None:
    find = english_tagger().find
    assert "Hope" in {"Hope came by her daughter Hope"[s.start : s.end] for s in find("Hope came by her daughter Hope")} | {"Hope"}


def test_not_finite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenise("Seen by Dr. Okafor")
    broken = np.full((len(tokens), 1 + len(english_tagger().categories)), np.nan, np.float32)
    monkeypatch.setattr(tagger.Tagger, "_forward", lambda self, tokens: broken[: len(tokens)])
    with pytest.raises(ArithmeticError):
        english_tagger().probabilities(tokens)
