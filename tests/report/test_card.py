"""The model card: front matter the hub accepts, the statement, no local path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from llmsafe.errors import EvidenceError
from llmsafe.report.card import model_card, write_card


def front(card: str) -> dict[str, object]:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_front_matter_is_read_by_the_hub_library(example):
    from huggingface_hub import ModelCard

    card = model_card(example.statement(), base="meta-llama/Llama-3.2-1B", settings={})
    data = ModelCard(card).data.to_dict()
    assert data["library_name"] == "peft"
    assert data["base_model"] == "meta-llama/Llama-3.2-1B"
    assert data["license"] == "other"
    assert data["license_name"] == "to-be-chosen"
    assert "differential-privacy" in data["tags"]


@pytest.mark.parametrize("base", ["llmsafe:base-en", "/srv/secret-project/llama", "./llama", "~/l"])
def test_only_a_hub_id_becomes_base_model(example, base):
    card = model_card(example.statement(), base=base, settings={"base": base, "lora_rank": 16})
    assert "base_model" not in front(card)
    assert "secret-project" not in card
    assert "| LoRA rank | 16 |" in card


def test_the_language_is_said_where_it_is_known(example):
    for base, language in (("llmsafe:base-en", ["en"]), ("llmsafe:base-zh", ["zh"])):
        assert front(model_card(example.statement(), base=base))["language"] == language
    assert "language" not in front(model_card(example.statement(), base="Qwen/Qwen3-0.6B"))


def test_a_folder_that_looks_like_a_hub_id_is_none(example, tmp_path: Path, monkeypatch):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert "base_model" not in front(model_card(example.statement(), base="models/mine"))


def test_the_code_of_the_card_compiles(example):
    for base in ("llmsafe:base-en", "gpt2", "/a/b", 'x"); import os #'):
        card = model_card(example.statement(), base=base)
        code = card.split("```python\n")[1].split("```")[0]
        compile(code, "card", "exec")
        assert "import os" not in code


def test_the_statement_is_told_in_full(example):
    card = model_card(example.statement(), base="gpt2", settings={"target_modules": ["v", "q"]})
    assert "**ε = 8.00, δ = 1 × 10⁻⁵ per patient**" in card
    assert "| LoRA on | q, v |" in card
    assert "- everything in vault/: exact counts" in card
    assert "Not audited yet" in card
    assert "NOT PRIVATE" not in card


def test_a_run_without_a_guarantee_says_so_first(example):
    control = model_card(example.statement(None), base="gpt2")
    assert "**NOT PRIVATE.** Trained without" in control
    test = example.statement().model_copy(update={"private": False, "noise": "test"})
    card = model_card(test, base="gpt2")
    assert "**NOT PRIVATE.** The noise of this run was seeded" in card
    assert "ε = 8.00" not in card


def test_an_audited_card_holds_the_table(example):
    card = model_card(example.statement(), example.audit(), base="gpt2")
    assert "\nVerdict: **PASS** by the policy “release”\n- " in card
    assert "| Canary AUC (0.50 = guessing) | 0.55 (0.52 to 0.59) |" in card
    assert "0 of 512 planted secrets" in card


def test_a_card_tells_bounds_by_family_and_what_else_was_measured(example, everything):
    card = model_card(everything.privacy, everything, base="gpt2")
    any_mechanism, gaussian, repeated = everything.bounds
    rows = [
        line
        for line in card.splitlines()
        if line.startswith("| one run") or "repeated runs" in line
    ]
    assert f"| {any_mechanism.epsilon_lower:.2f} | {any_mechanism.ceiling:.2f} |" in rows[0]
    assert rows[0].endswith("| 95% | 3 | any mechanism |")
    assert f"| {gaussian.epsilon_lower:.2f} |" in rows[1]
    assert rows[1].endswith("Gaussian mechanisms alone; nothing is judged by it |")
    assert f"| {repeated.epsilon_lower:.2f} |" in rows[2]
    for line in (
        "- **Copied passages.** Of 1,000 texts",
        "- **Tested by repetition.**",
        "- Exposure of 40 secrets among all of the same form, by a search: 2.00 (1.14 to 2.84)",
        "- Extraction of canary secrets told from others of their form: 6 of 40, by the base 0.",
        "- Membership by 13 attacks.",
    ):
        assert line in card, line
    assert "None" not in card
    old = model_card(example.statement(), example.audit(), base="gpt2")
    assert "- Exposure of" not in old
    assert "- Extraction of" not in old


def test_text_cannot_become_markup_or_hide(example):
    statement = example.statement().model_copy(
        update={"covers": ["<script>x</script> [a](b) {{ 7*7 }} \u202e", "two\n# lines"]}
    )
    card = model_card(statement, base="gpt2")
    assert "<script" not in card.replace("\\<script", "")
    assert "{{ 7\\*7 }}" in card
    assert "\u202e" not in card
    assert "\n# lines" not in card


def test_a_release_folder_is_carded_from_its_own_files(example, tmp_path: Path):
    release = tmp_path / "run" / "release"
    release.mkdir(parents=True)
    example.statement().save(release / "privacy.json")
    with pytest.raises(EvidenceError, match="adapter_config"):
        write_card(tmp_path / "run")
    config = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    config["base_model_name_or_path"] = "/data/someone/llama"
    (release / "adapter_config.json").write_text(json.dumps(config))
    text = write_card(tmp_path / "run").read_text(encoding="utf-8")
    assert "| LoRA rank | 8 |" in text
    assert "Not audited yet" in text
    assert "someone" not in text
    example.audit().save(release / "audit.json")
    assert "Verdict: **PASS**" in write_card(release).read_text(encoding="utf-8")
