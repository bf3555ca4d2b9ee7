"""The embedded base models: load offline, stay small, read and write text, have learnt it."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from llmsafe.synthetic import patients

ASSETS = Path(__file__).resolve().parent.parent / "llmsafe" / "assets"

# Written for this test; in no training source.
ENGLISH = (
    "The patient is a 58-year-old man with a history of hypertension and type 2 diabetes who "
    "presents to the emergency department with two days of shortness of breath and a productive "
    "cough. He denies chest pain, nausea or vomiting. On examination his blood pressure is 142/86, "
    "pulse 98 and oxygen saturation 93 percent on room air. There are crackles at the right lung "
    "base. A chest x-ray shows a right lower lobe infiltrate. He was started on intravenous "
    "antibiotics and admitted to the medical floor for further treatment. His home medications "
    "were continued and he will follow up with his primary care physician after discharge."
)


CHINESE = (
    "患者，男，58岁，因“咳嗽、气促2天”入院。既往有高血压病、2型糖尿病病史。查体：血压142/86mmHg，脉搏98次/分，"
    "双肺呼吸音粗，右下肺可闻及湿性啰音，心律齐，腹软，无压痛。胸部CT示右肺下叶斑片状渗出影。"
    "诊断：肺部感染。予抗感染、止咳化痰等治疗，症状好转，今日出院。嘱注意休息，门诊复查，不适随诊。"
)


@dataclass(frozen=True)
class Known:
    """What is asked of a base: bits a character that it must stay under and random weights over,
    how the words of the paragraph are told apart, a beginning, a place amid a sentence."""

    paragraph: str
    most: float
    least: float
    words: str
    beginning: str
    amid: str
    card: tuple[str, ...]


KNOWN = {
    "base-en": Known(
        ENGLISH, 1.3, 2.5, r"\S+\s*", "The patient denies", "chest pain",
        ("CC BY", "Evidence Inference", "MedQuAD", "OpenStax", "ACI-BENCH", "PriMock57"),
    ),
    "base-zh": Known(
        CHINESE, 4.6, 7.0, r"[^，。：、；]+[，。：、；]*", "患者", "双肺呼吸",
        ("characters a token", "audience=\"public\"", "stand anywhere in the training text"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Base:
    folder: Path
    tokenizer: Any
    model: Any
    known: Known


@pytest.fixture(scope="module", params=list(KNOWN))
def base(request: pytest.FixtureRequest) -> Base:
    folder = ASSETS / request.param
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return Base(folder, tokenizer, model.eval(), KNOWN[request.param])


@pytest.fixture
def tokenizer(base: Base) -> Any:
    return base.tokenizer


@pytest.fixture
def model(base: Base) -> Any:
    return base.model


def bits_per_character(model: Any, tokenizer: Any, text: str) -> float:
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].double()
    chosen = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])
    return -float(chosen.sum()) / math.log(2) / len(text)


def test_size_and_files(base: Base) -> None:
    files = {path.name for path in base.folder.iterdir()}
    assert files == {
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in base.folder.iterdir()) <= 6e6


def test_loads_as_a_float32_llama(base: Base, model: Any) -> None:
    assert isinstance(model, LlamaForCausalLM)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    # Half precision is for the disk alone: a caller who names no dtype gets float32 too.
    assert AutoModelForCausalLM.from_pretrained(base.folder).dtype == torch.float32


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
        ENGLISH,
        CHINESE,
        "陳先生，訴胸悶氣短，擬安排運動心電圖；過敏史：盤尼西林。",
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


def test_offsets_point_into_the_text(base: Base) -> None:
    text = base.known.paragraph
    encoded = base.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    covered = [place for a, b in encoded["offset_mapping"] for place in range(a, b)]
    assert sorted(set(covered)) == list(range(len(text)))
    starts = [a for a, _ in encoded["offset_mapping"]]
    assert starts == sorted(starts)


def test_it_has_learnt_clinical_text(base: Base) -> None:
    text = base.known.paragraph
    torch.manual_seed(0)
    untrained = LlamaForCausalLM(AutoConfig.from_pretrained(base.folder)).eval()
    assert bits_per_character(base.model, base.tokenizer, text) < base.known.most
    # The threshold is one that random weights fail.
    assert bits_per_character(untrained, base.tokenizer, text) > base.known.least


def test_word_order_matters_to_it(base: Base) -> None:
    """Not a table of frequencies: the same pieces in another order cost clearly more."""
    pieces = re.findall(base.known.words, base.known.paragraph)
    assert "".join(pieces) == base.known.paragraph
    random.Random(0).shuffle(pieces)
    ordered = bits_per_character(base.model, base.tokenizer, base.known.paragraph)
    assert bits_per_character(base.model, base.tokenizer, "".join(pieces)) > ordered + 0.3


def test_it_generates_words_and_can_stop(base: Base) -> None:
    model, tokenizer, text = base.model, base.tokenizer, base.known.paragraph
    prompt = tokenizer(base.known.beginning, return_tensors="pt")
    out = model.generate(**prompt, max_new_tokens=40, do_sample=False)
    said = tokenizer.decode(out[0, prompt.input_ids.shape[1] :], skip_special_tokens=True)
    assert "\ufffd" not in said[:-1]
    assert sum(c.isalpha() or c.isspace() or c in "，。：、；" for c in said) / len(said) > 0.7
    # A text that is over makes the end token far likelier than the middle of a sentence does.
    middle = text[: text.index(base.known.amid) + len(base.known.amid)]
    ids = tokenizer([text, middle]).input_ids
    with torch.no_grad():
        ends = [torch.log_softmax(model(torch.tensor([i])).logits[0, -1], -1)[2] for i in ids]
    assert ends[0] > ends[1] + math.log(10)


def test_card_says_where_it_comes_from(base: Base) -> None:
    card = (base.folder / "README.md").read_text(encoding="utf-8")
    for word in (*base.known.card, "bits a character", "pretrain_base.py", "seed"):
        assert word in card.lower() or word in card
    assert "$" not in card  # no placeholder left
    config = json.loads((base.folder / "config.json").read_text())
    assert config["max_position_embeddings"] == 512


def test_a_name_costs_a_token_a_character_whoevers_it_is() -> None:
    """No merge was learnt across the characters of a name, and common ones are one token each."""
    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "base-zh", local_files_only=True)
    for audience in ("private", "public"):
        people = patients(3, 40, lang="zh", audience=audience, max_notes=1, length="short")
        names = [p.identity.name for p in people]
        tokens = [len(tokenizer(name, add_special_tokens=False).input_ids) for name in names]
        assert 0.9 <= sum(tokens) / sum(map(len, names)) <= 1.6
