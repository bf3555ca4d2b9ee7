"""The recipe in this process, with its parts under observation: what a step does and refuses."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from llmsafe.privacy.noise import gaussian_source
from llmsafe.train import step as step_module
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.unit_gradients import UnitGradients

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(monkeypatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dp_lora", ROOT / "recipes" / "dp_lora.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_notes(path: Path, patients: int) -> Path:
    lines = [
        {"note_id": f"n{i}-{j}", "patient_id": f"p{i}", "text": "Pain, stable. " * (1 + i % 5 + j)}
        for i in range(patients)
        for j in range(2)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Runner:
    """Starts the recipe on a small corpus."""

    def __init__(self, recipe, monkeypatch, tmp_path: Path, model: Path):
        self.recipe, self.model, self.folder = recipe, model, tmp_path
        self._monkeypatch = monkeypatch
        self.corpus = write_notes(tmp_path / "notes.jsonl", 24)

    def __call__(self, name: str, *more: str, corpus: Path | None = None) -> Path:
        run = self.folder / name
        settings = [
            f"data.corpus={corpus or self.corpus}", f"model.base={self.model}", f"output={run}",
            "model.lora_rank=2", "data.max_tokens=64", "data.held_out=0", "privacy.population=24",
            "privacy.delta=1e-3", "privacy.epsilon=null", "privacy.noise_multiplier=1.0",
            "train.units_per_step=12", "train.steps=3", "train.checkpoint_every=1",
        ]  # fmt: skip
        self._monkeypatch.setattr(sys, "argv", ["dp_lora.py", *settings, *more])
        self.recipe.main()
        return run


@pytest.fixture
def start(recipe, monkeypatch, tmp_path, tiny_model) -> Runner:
    return Runner(recipe, monkeypatch, tmp_path, tiny_model)


def weights(run: Path) -> torch.Tensor:
    from safetensors.torch import load_file

    tensors = load_file(run / "release" / "adapter_model.safetensors")
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


def spy(monkeypatch, place, name: str) -> list[dict]:
    """Record the keyword arguments and result of every call of a real function."""
    calls: list[dict] = []
    real = getattr(place, name)

    def recorded(*args, **kwargs):
        result = real(*args, **kwargs)
        calls.append({"args": args, "result": result} | kwargs)
        return result

    monkeypatch.setattr(place, name, recorded)
    return calls


def charges(run: Path) -> int:
    return (run / "vault" / "ledger.jsonl").read_text().count('"charge"')


def test_micro_batches_change_neither_the_draws_nor_the_noise_nor_the_update(start, monkeypatch):
    draws = spy(monkeypatch, start.recipe, "poisson_draw")
    batches = spy(monkeypatch, NextTokenLoss, "__call__")
    sums = spy(monkeypatch, step_module, "private_gradient")
    seeded = "privacy.noise=test"
    large = start("large", seeded, "train.tokens_per_batch=4096")
    few = len(batches)
    small = start("small", seeded, "train.tokens_per_batch=64")
    assert len(batches) - few > 3 * few
    assert len(draws) == len(sums) == 6
    assert charges(large) == charges(small) == 3
    assert [call["result"] for call in draws[:3]] == [call["result"] for call in draws[3:]]
    assert all(torch.equal(a["noise"], b["noise"]) for a, b in zip(sums[:3], sums[3:], strict=True))
    for a, b in zip(sums[:3], sums[3:], strict=True):
        assert float((a["args"][0] - b["args"][0]).norm() / a["args"][0].norm()) <= 1e-3
    first, second = sums[0]["args"][0], sums[3]["args"][0]  # later ones differ by rounding
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


def test_a_draw_for_each_micro_batch_is_another_update(start, monkeypatch):
    """Negative control: k draws of the same probability, as an accumulating sampler makes."""
    real = start.recipe.poisson_draw
    sums = spy(monkeypatch, step_module, "private_gradient")
    seeded = ("privacy.noise=test", "train.steps=1")
    start("one", *seeded)
    monkeypatch.setattr(
        start.recipe, "poisson_draw",
        lambda *a, **k: sorted({*real(*a, **k), *real(*a, **k)}),
    )  # fmt: skip
    start("two", *seeded)
    one, two = (call["args"][0] for call in sums)
    assert float((one - two).norm() / one.norm()) > 0.1


PUBLIC = ("sampling_probability", "units_per_step", "steps", "population", "noise_multiplier")


def public_numbers(run: Path) -> tuple:
    """What may not depend on who is in the data; the plan's digest covers ε and δ too."""
    statement = json.loads((run / "release" / "privacy.json").read_text())
    ledger = json.loads((run / "vault" / "ledger.jsonl").read_text().splitlines()[0])
    return *(statement[name] for name in PUBLIC), ledger["plan"]


def test_dropping_one_patient_changes_no_public_number(start, monkeypatch, tmp_path):
    sums = spy(monkeypatch, step_module, "private_gradient")
    fewer = write_notes(tmp_path / "fewer.jsonl", 23)
    seeded = "privacy.noise=test"  # tells nothing of ε while it runs, and so takes less time
    all_of_them, all_but_one = start("all", seeded), start("fewer", seeded, corpus=fewer)
    assert public_numbers(all_of_them) == public_numbers(all_but_one)
    assert [call["divisor"] for call in sums] == [12.0] * 6
    assert charges(all_of_them) == charges(all_but_one) == 3

    real = start.recipe.make_plan  # negative control: the population counted in the data
    loaded = spy(monkeypatch, start.recipe, "load_training_data")

    def counted(**settings):
        return real(**settings | {"population": len(loaded[-1]["result"].members)})

    monkeypatch.setattr(start.recipe, "make_plan", counted)
    wrong = start("counted", seeded, corpus=fewer)
    assert public_numbers(wrong) != public_numbers(all_of_them)


def test_every_trainable_tensor_moves_in_the_first_step(start, monkeypatch):
    models: list[tuple[nn.Module, dict[str, torch.Tensor]]] = []
    real = start.recipe.get_peft_model

    def remembered(*args, **kwargs):
        model = real(*args, **kwargs)
        named = model.named_parameters()
        models.append((model, {n: p.detach().clone() for n, p in named if p.requires_grad}))
        return model

    monkeypatch.setattr(start.recipe, "get_peft_model", remembered)
    run = start("run", "train.steps=1", "train.units_per_step=24")
    [(model, before)] = models
    after = dict(model.named_parameters())
    assert len(before) == 2 * 2 * 7  # A and B of seven linear layers in two blocks
    assert {n for n, p in after.items() if p.requires_grad} == set(before)
    assert [n for n, old in before.items() if torch.equal(old, after[n])] == []
    assert weights(run).numel() == sum(p.numel() for p in before.values())


def test_an_optimiser_of_stale_parameters_releases_nothing(start, monkeypatch, capsys):
    """Negative control: the optimiser holds copies, as after a wrapper replaced the weights."""
    real = torch.optim.AdamW

    def stale(parameters, **settings):
        return real([nn.Parameter(p.detach().clone()) for p in parameters], **settings)

    monkeypatch.setattr(torch.optim, "AdamW", stale)
    with pytest.raises(SystemExit) as stopped:
        start("run", "train.steps=1", "train.units_per_step=24")
    assert stopped.value.code == 2
    assert "28 of 28 trainable tensors did not move" in capsys.readouterr().err
    assert not (start.folder / "run" / "release").exists()


class Interrupted:
    """Passes a real source's noise on and stops the process at one of its draws."""

    def __init__(self, source, vectors: list[torch.Tensor], stop_at: int | None):
        self.level, self._source = source.level, source
        self._vectors, self._stop_at = vectors, stop_at

    def sample(self, n: int, std: float) -> torch.Tensor:
        noise = self._source.sample(n, std)
        self._vectors.append(noise.clone())
        if len(self._vectors) == self._stop_at:
            raise KeyboardInterrupt
        return noise


def interrupt_and_resume(start, monkeypatch, make_source) -> tuple[list[torch.Tensor], Path]:
    """Noise vectors of a run of 6 steps that is stopped inside its fourth, and resumed."""
    vectors: list[torch.Tensor] = []
    settings = "train.steps=6", "train.units_per_step=24"  # q = 1 is accounted for in no time
    ledgers = spy(monkeypatch, start.recipe.Ledger, "create")
    monkeypatch.setattr(
        start.recipe, "gaussian_source",
        lambda level, seed=None: Interrupted(make_source(level), vectors, 4),
    )  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        start("run", *settings)
    assert stopped.value.code == 130
    ledgers[0]["result"].close()  # as the kernel does when a process ends
    monkeypatch.setattr(
        start.recipe, "gaussian_source",
        lambda level, seed=None: Interrupted(make_source(level), vectors, None),
    )  # fmt: skip
    return vectors, start("run", *settings, "--resume")


def repeats(vectors: list[torch.Tensor]) -> int:
    return len(vectors) - len({tuple(vector.tolist()) for vector in vectors})


def test_no_noise_vector_comes_twice_when_a_run_is_resumed(start, monkeypatch):
    vectors, run = interrupt_and_resume(start, monkeypatch, gaussian_source)
    assert len(vectors) == 6  # the fourth was charged and is lost; the total stays in the plan
    assert repeats(vectors) == 0
    assert charges(run) == 6
    correlations = torch.corrcoef(torch.stack(vectors)).fill_diagonal_(0.0)
    assert float(correlations.abs().max()) < 6 / math.sqrt(vectors[0].numel())


def test_replayed_noise_is_noticed(start, monkeypatch):
    """Negative control: a source that begins anew at the resume."""

    def replaying(level):
        source = gaussian_source("test", seed=3)
        source.level = level
        return source

    vectors, _ = interrupt_and_resume(start, monkeypatch, replaying)
    assert repeats(vectors) == 2


# --- truncated draws ------------------------------------------------------------------------------


def test_the_cap_of_the_plan_reaches_the_draws(start, monkeypatch):
    real = start.recipe.make_plan
    monkeypatch.setattr(  # a cap that bites: the accountant would not admit so small a one
        start.recipe, "make_plan", lambda **k: replace(real(**k), max_units_per_step=10)
    )
    draws = spy(monkeypatch, start.recipe, "poisson_draw")
    start("capped", "privacy.noise=test", "train.steps=8")
    sizes = [len(call["result"]) for call in draws]
    assert max(sizes) == 10
    assert len(sizes) == 8


def test_a_cap_refuses_a_corpus_larger_than_declared(start, capsys):
    capped = ("privacy.noise_multiplier=2", "privacy.max_units_per_step=23")
    start("fits", *capped, "train.steps=1")
    with pytest.raises(SystemExit) as ended:
        start("too large", *capped, "train.steps=1", "privacy.population=23")
    assert ended.value.code == 2
    assert "23" in capsys.readouterr().err
    assert not (start.folder / "too large" / "vault" / "ledger.jsonl").exists()


# --- what is tried before the first charge --------------------------------------------------------


def test_a_layer_that_would_not_train_is_found_before_any_charge(start, monkeypatch, capsys):
    """Under noise every weight moves, so that it moved proves nothing."""
    real = UnitGradients.record

    def deaf(self, index, inputs, gradients):
        if index not in (2, 3):
            real(self, index, inputs, gradients)

    monkeypatch.setattr(UnitGradients, "record", deaf)
    with pytest.raises(SystemExit) as ended:
        start("deaf")
    assert ended.value.code == 2
    assert "plain autograd" in capsys.readouterr().err
    assert not (start.folder / "deaf" / "vault" / "ledger.jsonl").exists()


# --- resuming -------------------------------------------------------------------------------------


def test_resume_starts_what_never_began_and_refuses_what_lost_its_ledger(start, capsys):
    seeded = ("privacy.noise=test", "train.steps=2")
    assert "no run in" in refused(start, capsys, 2, "mistyped", "--resume", *seeded)
    assert not (start.folder / "mistyped").exists()
    (start.folder / "run" / "vault").mkdir(parents=True)
    (start.folder / "run" / "vault" / "split.json").write_text("{}")  # all that a kill left
    run = start("run", "--resume", *seeded)
    assert charges(run) == 2
    assert "nothing to resume" in refused(start, capsys, 2, "run", "--resume", *seeded)
    lineage = json.loads((run / "vault" / "lineage.json").read_text())
    lineage["steps"][-1]["outputs"] = {}  # as if it had been killed before its end
    (run / "vault" / "lineage.json").write_text(json.dumps(lineage))
    (run / "vault" / "ledger.jsonl").unlink()
    shutil.rmtree(run / "vault" / "checkpoints")
    with pytest.raises(SystemExit) as ended:
        start("run", "--resume", *seeded)
    assert ended.value.code == 3
    assert "ledger is gone" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_exit_4(start, monkeypatch, capsys):
    real = start.recipe.append_line

    def full(path, line):
        monkeypatch.setattr(start.recipe, "append_line", real)
        real(Path("/dev/full"), line)

    monkeypatch.setattr(start.recipe, "append_line", full)
    with pytest.raises(SystemExit) as ended:
        start("full", "privacy.noise=test")
    assert ended.value.code == 4
    assert capsys.readouterr().err.splitlines()[-1].startswith("dp_lora: error: cannot write")


def refused(start, capsys, code: int, name: str, *more: str, corpus: Path | None = None) -> str:
    """The one line with which the recipe refuses."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        start(name, *more, corpus=corpus)
    last = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == code, last
    assert last.startswith("dp_lora: error: ")
    return last


def test_an_adapter_that_diverged_is_not_released(start, capsys):
    wild = ("privacy.noise=test", "train.learning_rate=900", "train.weight_decay=1e20")
    last = refused(start, capsys, 2, "run", *wild)
    assert "not finite after step" in last
    assert "lower train.learning_rate" in last
    assert not (start.folder / "run" / "release").exists()
    assert "learning_rate" in refused(start, capsys, 2, "b", "train.learning_rate=inf")


def test_a_unit_may_be_demanded(start, capsys, tmp_path):
    loose = tmp_path / "loose.jsonl"
    loose.write_text("".join(json.dumps({"text": f"Seen for pain {i}."}) + "\n" for i in range(24)))
    more = ("privacy.noise=test", "train.steps=1")
    assert "corpus gives notes" in refused(
        start, capsys, 2, "a", "privacy.unit=patient", *more, corpus=loose
    )
    start("b", *more, corpus=loose)
    assert "per NOTE" in capsys.readouterr().err
    start("c", "privacy.unit=patient", *more)


def test_a_corpus_without_text_is_refused(start, capsys, tmp_path):
    empty = tmp_path / "empty.jsonl"
    lines = [{"note_id": f"n{i}", "patient_id": f"p{i}", "text": ""} for i in range(24)]
    empty.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "has text" in refused(start, capsys, 2, "a", corpus=empty)
    lines[0]["text"] = "Seen for pain."
    empty.write_text("".join(json.dumps(line) + "\n" for line in lines))
    start("b", "privacy.noise=test", "train.steps=1", corpus=empty)
    assert "23 of 24 patients have no text" in capsys.readouterr().err


SIX = ("train.steps=6", "train.checkpoint_every=2", "train.units_per_step=24")
"""The settings of ``killed``; q = 1 is accounted for in no time."""


def killed(start, monkeypatch, name: str, *more: str, after: int = 3) -> Path:
    """A run of 6 steps that ends in the middle, with charges and a checkpoint."""
    real, calls = start.recipe.append_line, []

    def dies(path, line):
        real(path, line)
        calls.append(path)
        if len(calls) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(start.recipe, "append_line", dies)
    with pytest.raises(SystemExit) as ended:
        start(name, *SIX, *more)
    assert ended.value.code == 130
    monkeypatch.setattr(start.recipe, "append_line", real)
    return start.folder / name


def test_an_unfinished_run_is_not_overwritten_but_resumed(start, monkeypatch, capsys):
    killed(start, monkeypatch, "run")
    assert "3 steps charged; go on with --resume" in refused(start, capsys, 2, "run")
    start("run", "--resume", *SIX)
    assert "1 charged steps were lost with the crash; 3 remain" in capsys.readouterr().err


def test_a_ledger_cut_below_what_the_metrics_tell_is_refused(start, monkeypatch, capsys):
    run = killed(start, monkeypatch, "run")
    ledger = run / "vault" / "ledger.jsonl"
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:-1]))
    same = ("--resume", *SIX)
    assert "2 charges for 3 applied steps" in refused(start, capsys, 3, "run", *same)
    assert not (run / "release").exists()


@pytest.mark.parametrize("damage", ["{", '{"step": 2}', '{"step": 3, "state": "x"}', "[]"])
def test_a_damaged_checkpoint_is_no_defect(start, monkeypatch, capsys, damage):
    run = killed(start, monkeypatch, "run")
    (run / "vault" / "checkpoints" / "step-000002" / "step.json").write_text(damage)
    same = ("--resume", *SIX)
    assert "is damaged" in refused(start, capsys, 3, "run", *same)


def test_what_a_run_began_with_is_evidence(start, monkeypatch, capsys):
    run = killed(start, monkeypatch, "run")
    same = ("--resume", *SIX)
    (run / "vault" / "config.yaml").write_text("output: x\n")
    assert "vault/config.yaml" in refused(start, capsys, 3, "run", *same)


def test_a_refused_start_is_no_obstacle(start, capsys):
    for targets in ("nonsense", "[q_proj,nonsense]"):
        assert "nonsense" in refused(start, capsys, 2, "run", f"model.target_modules={targets}")
    assert (start("run", "privacy.noise=test", "train.steps=1") / "release").is_dir()


def test_a_second_start_touches_nothing_of_the_first(start, monkeypatch, capsys):
    """Both are started before either has a ledger: one is refused and leaves no file behind."""
    folder = start.folder / "run"

    def second(*arguments, **settings):
        monkeypatch.setattr(start.recipe, "load_training_data", real)
        before = sorted(path.name for path in folder.rglob("*"))
        assert "held by another run" in refused(start, capsys, 2, "run", "data.held_out=0.5")
        assert sorted(path.name for path in folder.rglob("*")) == before
        return real(*arguments, **settings)

    real = start.recipe.load_training_data
    monkeypatch.setattr(start.recipe, "load_training_data", second)
    run = start("run", "privacy.noise=test", "train.steps=1")
    assert json.loads((run / "vault" / "split.json").read_text())["held_out"] == []


def test_a_torn_charge_does_not_release_an_adapter_that_never_trained(start, monkeypatch, capsys):
    lasting = (*SIX, "train.checkpoint_every=0")
    run = killed(start, monkeypatch, "run", "train.checkpoint_every=0", after=6)
    with (run / "vault" / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"kind":"charge","ind')
    assert "no checkpoint is left" in refused(start, capsys, 2, "run", "--resume", *lasting)
    assert not (run / "release").exists()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("privacy.clip_norm=1e-300", "clip_norm"),
        ("privacy.clip_norm=1e300", "clip_norm"),
        ("model.lora_alpha=1e300", "lora_alpha"),
        ("model.target_modules=[]", "target_modules"),
        ('model.target_modules="*bad("', "target_modules"),
    ],
)
def test_settings_out_of_reason_are_named(start, capsys, setting, why):
    assert why in refused(start, capsys, 2, "run", setting)
