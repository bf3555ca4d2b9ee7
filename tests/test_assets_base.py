"""The embedded base model: loads offline, stays small, reads and writes text, has learnt it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

BASE = Path(__file__).resolve().parent.parent / "llmsafe" / "assets" / "base-en"

# Written for this test; in no training source.
PARAGRAPH = (
    "The patient is a 58-year-old man with a history of hypertension and type 2 diabetes who "
    "presents to the emergency department with two days of shortness of breath and a productive "
    "cough. He denies chest pain, nausea or vomiting. On examination his blood pressure is 142/86, "
    "pulse 98 and oxygen saturation 93 percent on room air. There are crackles at the right lung "
    "base. A chest x-ray shows a right lower lobe infiltrate. He was started on intravenous "
    "antibiotics and admitted to the medical floor for further treatment. His home medications "
    "were continued and he will follow up with his primary care physician after discharge."
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BASE, local_files_only=True)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(
        BASE, dtype=torch.float32, local_files_only=True
    ).eval()


def bits_per_character(model: Any, tokenizer: Any, text: str) -> float:
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].double()
    chosen = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])
    return -float(chosen.sum()) / math.log(2) / len(text)


def test_size_and_files() -> None:
    files = {path.name for path in BASE.iterdir()}
    assert files == {
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in BASE.iterdir()) <= 6e6


def test_loads_as_a_float32_llama(model: Any) -> None:
    assert isinstance(model, LlamaForCausalLM)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    # Half precision is for the disk alone: a caller who names no dtype gets float32 too.
    assert AutoModelForCausalLM.from_pretrained(BASE).dtype == torch.float32


def test_special_tokens(tokenizer: Any, model: Any) -> None:
    ids = [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    assert ids == [0, 1, 2]
    for config in (model.config, model.generation_config):
        assert [config.pad_token_id, config.bos_token_id, config.eos_token_id] == ids
    assert len(tokenizer) == model.config.vocab_size
    encoded = tokenizer("Fever.").input_ids
    assert encoded[0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id not in encoded


@pytest.mark.parametrize(
    "text",
    [
        PARAGRAPH,
        "  two  spaces,\ttab\n\n\nlines\r\nand CRLF  ",
        "患者张伟，男，58岁，因“咳嗽、气促2天”入院。身份证号：110101196503071234",
        "naïve café — µg/dL ≥ 5 °C 🩺",
        "",
    ],
)
def test_round_trip(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert not set(ids) & {0, 1, 2}


def test_every_digit_is_its_own_token(tokenizer: Any) -> None:
    for text in ("MRN 4820193365", "555-0142", "12/03/2024 07:45", "A1c7x99"):
        tokens = tokenizer.convert_ids_to_tokens(
            tokenizer(text, add_special_tokens=False).input_ids
        )
        assert all(sum(c.isdigit() for c in token) <= 1 for token in tokens)
        assert all(len(token.lstrip("Ġ")) == 1 for token in tokens if any(map(str.isdigit, token)))


def test_offsets_point_into_the_text(tokenizer: Any) -> None:
    encoded = tokenizer(PARAGRAPH, return_offsets_mapping=True, add_special_tokens=False)
    assert "".join(PARAGRAPH[a:b] for a, b in encoded["offset_mapping"]) == PARAGRAPH


def test_it_has_learnt_clinical_text(model: Any, tokenizer: Any) -> None:
    bits = bits_per_character(model, tokenizer, PARAGRAPH)
    torch.manual_seed(0)
    untrained = LlamaForCausalLM(AutoConfig.from_pretrained(BASE)).eval()
    control = bits_per_character(untrained, tokenizer, PARAGRAPH)
    assert bits < 1.3
    assert control > 2.5  # the threshold is one that random weights fail


def test_word_order_matters_to_it(model: Any, tokenizer: Any) -> None:
    """Not a table of word frequencies: the same words in another order cost clearly more."""
    words = PARAGRAPH.split()
    shuffled = " ".join(
        words[i]
        for i in torch.randperm(len(words), generator=torch.Generator().manual_seed(0)).tolist()
    )
    ordered = bits_per_character(model, tokenizer, PARAGRAPH)
    assert bits_per_character(model, tokenizer, shuffled) > ordered + 0.3


def test_it_generates_words_and_can_stop(model: Any, tokenizer: Any) -> None:
    prompt = tokenizer("The patient denies", return_tensors="pt")
    out = model.generate(**prompt, max_new_tokens=40, do_sample=False)
    text = tokenizer.decode(out[0, prompt.input_ids.shape[1] :], skip_special_tokens=True)
    assert sum(c.isalpha() or c.isspace() for c in text) / len(text) > 0.8
    # A text that is over makes the end token far likelier than the middle of a sentence does.
    ids = tokenizer([PARAGRAPH, PARAGRAPH[: PARAGRAPH.index("chest pain") + 5]]).input_ids
    with torch.no_grad():
        ends = [torch.log_softmax(model(torch.tensor([i])).logits[0, -1], -1)[2] for i in ids]
    assert ends[0] > ends[1] + math.log(10)


def test_card_says_where_it_comes_from() -> None:
    card = (BASE / "README.md").read_text(encoding="utf-8")
    for word in ("CC BY", "Evidence Inference", "MedQuAD", "OpenStax", "ACI-BENCH", "PriMock57",
                 "bits a character", "pretrain_base.py", "seed"):  # fmt: skip
        assert word in card
    assert "$" not in card  # no placeholder left
    assert json.loads((BASE / "config.json").read_text())["max_position_embeddings"] == 512
