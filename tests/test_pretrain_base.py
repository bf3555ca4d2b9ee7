"""The maker of the embedded base model: what it holds back, how it batches, that it resumes."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
WORDS = [
    "patient",
    "denies",
    "reports",
    "chest",
    "pain",
    "fever",
    "cough",
    "stable",
    "plan",
    "noted",
]


@pytest.fixture(scope="module")
def scripts() -> Iterator[tuple[Any, Any]]:
    sys.path.insert(0, str(SCRIPTS))
    import pretrain_base
    import pretrain_data

    yield pretrain_base, pretrain_data
    sys.path.remove(str(SCRIPTS))


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, size=words)) + f" {rng.integers(1000)}."


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small folder per source, in the form the readers expect."""
    root, rng = tmp_path_factory.mktemp("prose"), np.random.default_rng(0)
    for name in ("evidence_inference_pmc", "medquad", "openstax_health", "aci-bench"):
        (root / name).mkdir()
    (root / "primock57" / "notes").mkdir(parents=True)

    def lines(path: Path, rows: list[dict[str, Any]]) -> None:
        with gzip.open(path, "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)

    def trial() -> str:
        return (
            f"TITLE: \n{sentence(rng, 6)}\n\n ABSTRACT.METHODS:\n{sentence(rng, 40)}\n\n"
            f"BODY.1. RESULTS:\n{sentence(rng, 60)}\n\n"
            f"BODY.COMPETING INTERESTS:\nNobody declares zebras.\n"
        )

    lines(
        root / "evidence_inference_pmc" / "pmc_rct_ccby.jsonl.gz",
        [{"id": f"P{i}", "text": trial()} for i in range(40)],
    )
    lines(
        root / "medquad" / "medquad.jsonl.gz",
        [
            {"url": f"u{i // 2}", "question": f"What {i} ?", "answer": sentence(rng, 30)}
            for i in range(60)
        ],
    )
    lines(
        root / "openstax_health" / "openstax_health.jsonl.gz",
        [{"id": f"m{i}", "title": "Pain ", "text": sentence(rng, 60)} for i in range(30)],
    )
    for name in ("train.csv", "valid.csv"):
        with (root / "aci-bench" / name).open("w", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, ["encounter_id", "note"])
            out.writeheader()
            out.writerows(
                {"encounter_id": f"{name}{i}", "note": sentence(rng, 40)} for i in range(20)
            )
    for i in range(20):
        (root / "primock57" / "notes" / f"day{i}.json").write_text(
            json.dumps({"note": sentence(rng, 30)}), encoding="utf-8"
        )
    return root


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = yaml.safe_load((SCRIPTS / "configs" / "pretrain_cpu.yaml").read_text())
    raw["model"] |= {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32}
    raw["model"] |= {"context": 16, "vocabulary": 300}
    raw["data"] |= {"synthetic_patients": 0, "holdout": 0.2}
    raw["run"] |= {"compile": False, "minutes": None, "tokens": 24 * 64, "report_minutes": 60}
    mix = {"trials": 0.5, "medquad": 0.3, "aci": 0.2, "synthetic": 0.4}
    raw["stages"] = [
        {"until": 0.5, "context": 8, "batch": 4, "accumulate": 2, "mix": mix},
        {"until": 1.0, "context": 16, "batch": 4, "accumulate": 1, "mix": mix},
    ]
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prepared(scripts: Any, prose: Path, config_file: Path, tmp_path_factory: Any) -> Path:
    work = tmp_path_factory.mktemp("work")
    scripts[0].main(
        ["prepare", "--config", str(config_file), "--prose-dir", str(prose), "--work", str(work)]
    )
    return work


def copy(work: Path, to: Path) -> Path:
    to.mkdir()
    for path in work.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_kept_back_documents_are_never_trained_on(scripts: Any, prepared: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(prepared)
    for name in ("trials", "medquad", "openstax", "aci", "primock"):
        stream = np.fromfile(prepared / f"{name}.train.bin", dtype=np.uint16)
        assert stream[0] == tokenizer.bos_token_id
        assert stream[-1] == tokenizer.eos_token_id
        assert (stream == 1).sum() == (stream == 2).sum()
        trained = tokenizer.decode(stream.astype(int), skip_special_tokens=True)
        held = [r["text"] for r in scripts[1].jsonl(prepared / f"{name}.heldout.jsonl.gz")]
        assert held
        assert not any(text in trained for text in held)
        assert "zebras" not in trained  # back matter is dropped


def test_two_answers_of_one_page_stay_together(scripts: Any, prose: Path) -> None:
    sides: dict[str, set[bool]] = {}
    for key, _ in scripts[1].read_medquad(prose):
        sides.setdefault(key, set()).add(scripts[1].kept_back(key, 0.2))
    assert len(sides) == 30
    assert all(len(side) == 1 for side in sides.values())
    assert {True, False} == set().union(*sides.values())


def test_an_epoch_sees_every_row_once(scripts: Any, tmp_path: Path) -> None:
    tokens = np.arange(1000, dtype=np.uint16)
    tokens.tofile(tmp_path / "s.train.bin")
    source = scripts[1].Source(tmp_path / "s.train.bin", 9, seed=3)
    for epoch in range(3):
        rows = np.stack([source.row(epoch * source.rows + i) for i in range(source.rows)])
        assert len(np.unique(rows)) == rows.size  # disjoint
        assert rows.size >= 1000 - 2 * 10
        assert (np.diff(rows, axis=1) == 1).all()  # contiguous
    again = scripts[1].Source(tmp_path / "s.train.bin", 9, seed=3)
    assert (again.row(123) == source.row(123)).all()
    other = scripts[1].Source(tmp_path / "s.train.bin", 9, seed=4)
    assert any((other.row(i) != source.row(i)).any() for i in range(5))


def test_mixture_follows_its_weights(scripts: Any, tmp_path: Path) -> None:
    for name, value in (("a", 5), ("b", 7)):
        np.full(500, value, dtype=np.uint16).tofile(tmp_path / f"{name}.train.bin")
    stage = scripts[1].Stage(1.0, 4, 1, 1, {"a": 3.0, "b": 1.0, "absent": 9.0})
    mixture = scripts[1].Mixture(tmp_path, stage, 0, counts={})
    drawn = mixture.batch(step=0, rows=4000)[:, 0].numpy()
    share = (drawn == 5).mean()
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 4000)
    assert mixture.counts == {"a@4": int((drawn == 5).sum()), "b@4": int((drawn == 7).sum())}


def test_learning_rate_warms_up_stays_and_ends_at_zero(scripts: Any) -> None:
    optim = scripts[0].Optim(0.01, 0.01, 0.0, 1.0, warmup=0.1, decay_from=0.6)
    at = [scripts[0].lr_factor(x, optim) for x in (0.0, 0.05, 0.1, 0.5, 0.6, 0.8, 1.0, 1.1)]
    assert at[0] > 0
    assert at[1:] == pytest.approx([0.5, 1, 1, 1, 0.5, 0, 0])


def test_packed_loss_is_the_models_own(scripts: Any, config_file: Path) -> None:
    model = scripts[0].make_model(scripts[0].load_config(config_file, []))
    torch.nn.init.normal_(model.model.layers[0].mlp.down_proj.weight)
    rows = torch.randint(3, 300, (3, 17), generator=torch.Generator().manual_seed(0))
    theirs = model(input_ids=rows, labels=rows).loss
    assert torch.allclose(scripts[0].mean_loss(model, rows), theirs, atol=1e-5)


def test_accumulation_equals_one_large_batch(scripts: Any, config_file: Path) -> None:
    base = scripts[0]
    config = base.load_config(config_file, [])
    rows = torch.randint(3, 300, (8, 17), generator=torch.Generator().manual_seed(0))
    weights = []
    for parts in (1, 4):
        model = base.make_model(config)
        state = base.State(model, [torch.optim.SGD(model.parameters(), lr=1.0)])
        base.train_step(state, rows, parts, 1e9, base.mean_loss, bf16=False)
        assert (state.step, state.tokens) == (1, 8 * 16)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(weights[0], weights[1], atol=1e-5)


def test_stop_resume_and_export(
    scripts: Any, prepared: Path, config_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    base = scripts[0]
    whole, parts = copy(prepared, tmp_path / "whole"), copy(prepared, tmp_path / "parts")
    train = ["train", "--config", str(config_file), "--work"]
    base.main([*train, str(whole)])

    step, before = base.train_step, signal.getsignal(signal.SIGTERM)

    def interrupted(state: Any, *rest: Any) -> float:
        loss = step(state, *rest)
        if state.step in (5, 17):  # once in each stage
            signal.raise_signal(signal.SIGTERM)
        return loss

    monkeypatch.setattr(base, "train_step", interrupted)
    for _ in range(3):
        base.main([*train, str(parts)])
    assert signal.getsignal(signal.SIGTERM) is before
    states = [torch.load(w / "checkpoint.pt", weights_only=True) for w in (whole, parts)]
    assert states[0]["tokens"] == states[1]["tokens"] == 24 * 64
    assert states[0]["counts"] == states[1]["counts"]
    assert all(
        torch.equal(states[0]["model"][key], states[1]["model"][key]) for key in states[0]["model"]
    )
    steps = [line["step"] for line in scripts[1].jsonl(parts / "metrics.jsonl")]
    assert steps == [5, 17, 24]
    losses = [line["bits_per_character"]["trials"] for line in
              scripts[1].jsonl(parts / "metrics.jsonl")]  # fmt: skip
    assert losses[-1] < losses[0]

    out = tmp_path / "asset"
    base.main(["export", "--config", str(config_file), "--work", str(parts), "--out", str(out)])
    loaded = AutoModelForCausalLM.from_pretrained(out)
    assert loaded.dtype == torch.float32
    for key, value in states[1]["model"].items():
        assert torch.allclose(loaded.state_dict()[key], value, atol=2e-3), key
    assert AutoTokenizer.from_pretrained(out)("cough").input_ids[0] == 1
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "1,536 tokens" in card
    assert "$" not in card


@pytest.mark.parametrize("override", ["model.hiden=3", "nothing=3", "optim=3", "run.minutes=3"])
def test_a_wrong_setting_is_fatal(scripts: Any, config_file: Path, override: str) -> None:
    with pytest.raises(SystemExit) as failure:
        scripts[0].load_config(config_file, [override])
    assert failure.value.code not in (0, None)


def test_shipped_configs_load(scripts: Any) -> None:
    for path in (SCRIPTS / "configs").glob("pretrain_*.yaml"):
        config = scripts[0].load_config(path, [])
        assert config.stages[-1].until == 1.0
        assert all(stage.context <= config.model.context for stage in config.stages)


@pytest.mark.slow
def test_the_chinese_text_is_of_our_own_making(
    scripts: Any, config_file: Path, tmp_path: Path
) -> None:
    """Public patients alone, every name apart in what the vocabulary is learnt on."""
    import pretrain_zh

    from llmsafe.synthetic import patients

    base, data = scripts
    given = ["data.lang=zh", "data.synthetic_patients=4", "data.holdout=0.3"]
    config = base.load_config(config_file, [*given, "model.vocabulary=600"])
    work = tmp_path / "work"
    base.main(["prepare", "--config", str(config_file), "--work", str(work), *given,
               "model.vocabulary=600"])  # fmt: skip
    seed = config.data.synthetic_seed
    notes = (seed, 4)
    public = list(patients(seed, 4, lang="zh", audience="public"))
    assert [text for _, text in pretrain_zh.read_synthetic(*notes)] == [
        note.text for person in public for note in person.notes
    ]
    names = {
        note.text[s["start"] : s["end"]]
        for person in public for note in person.notes for s in note.extra["spans"]
        if s["category"] == "NAME"
    }  # fmt: skip
    whole = {name for name in names if len(name) >= 3}
    assert whole
    sample = "".join(text for _, text in pretrain_zh.tokenizer_sample(*notes))
    read = "".join(text for _, text in pretrain_zh.read_synthetic(*notes))
    assert all(name in read and name not in sample for name in whole)

    tokenizer = AutoTokenizer.from_pretrained(work)
    text = "\U00020bb7野家，陳先生 12"  # a character beyond the usual plane: bytes
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    sides: dict[str, set[bool]] = {}
    for key, _ in pretrain_zh.read_templates(seed):
        sides.setdefault(key, set()).add(data.kept_back(key, config.data.holdout))
    assert all(len(side) == 1 for side in sides.values())
    for name in ("synthetic", "templates"):
        stream = np.fromfile(work / f"{name}.train.bin", dtype=np.uint16)
        trained = tokenizer.decode(stream.astype(int), skip_special_tokens=True)
        held = [row["text"] for row in data.jsonl(work / f"{name}.heldout.jsonl.gz")]
        assert held
        assert not any(len(text) > 60 and text in trained for text in held)
    assert "0 stand anywhere in the training text" in (work / "facts.md").read_text()
    # The figure can be another: the demo's own notes hold what identifies its patients.
    theirs = "\n".join(
        note.text
        for person in patients(0, 250, lang="zh", length="short", max_notes=1)
        for note in person.notes
    )
    assert " 0 stand" not in pretrain_zh.facts(tokenizer, theirs)


def test_a_missing_source_is_named(scripts: Any, config_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="medquad"):
        scripts[0].main(["prepare", "--config", str(config_file), "--prose-dir", str(tmp_path),
                         "--work", str(tmp_path / "w")])  # fmt: skip
    assert not (tmp_path / "w").exists()
