"""The recipe as users start it: whole runs in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from forked import Forked, ranks
from safetensors.torch import load_file

from llmsafe.artifacts import CanaryManifest, Lineage, PrivacyStatement, Split
from llmsafe.canary import make_canaries, make_manifest, plant, planting_stream
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.notes import Note
from llmsafe.privacy.ledger import read_ledger

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "dp_lora.py"
SENTINEL = "Quuxworth"
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=1",
          "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]  # fmt: skip
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty patients with two short notes each, and ten canaries."""
    folder = tmp_path_factory.mktemp("corpus")
    notes = [
        Note(f"n{i}-{j}", f"Seen for pain {i}. {SENTINEL} {j} stable, dose {i * j}.", f"p{i}")
        for i in range(40)
        for j in range(2)
    ]
    canaries = make_canaries(count=10, kind="phi", seed=0)
    write_corpus(folder / "corpus", plant(iter(notes), canaries, planting_stream(0)))
    make_manifest(
        canaries, kind="phi", seed=0, probability=0.5, lang="en",
        corpus_digest=open_corpus(folder).digest(),
    ).save(folder / "vault" / "canaries.json", private=True)  # fmt: skip
    return folder


def settings(corpus: Path, model: Path, output: Path, *more: str) -> list[str]:
    return [
        f"data.corpus={corpus}", f"model.base={model}", f"output={output}", "model.lora_rank=4",
        "data.max_tokens=64", "privacy.population=45", "privacy.delta=1e-3",
        "train.units_per_step=20", "train.steps=4", "train.tokens_per_batch=512", *more,
    ]  # fmt: skip


def launched(*arguments: str, by=LAUNCH) -> subprocess.CompletedProcess[str]:
    """As users start it."""
    command = [*by, str(RECIPE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)


def forked(*arguments: str, **environment: str) -> Forked:
    return Forked(RECIPE, *arguments, ACCELERATE_USE_CPU="true", **environment)


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As ``python dp_lora.py`` does; accelerate launch turns every exit code into 1."""
    return forked(*arguments).result()


def weights(run: Path) -> torch.Tensor:
    tensors = load_file(run / "release" / "adapter_model.safetensors")
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


def test_a_private_run_leaves_the_run_folder_of_the_contract(tmp_path, corpus, tiny_model):
    run = tmp_path / "run"
    done = launched(*settings(corpus, tiny_model, run))
    assert done.returncode == 0, done.stderr
    assert "1 process" in done.stderr
    assert done.stderr.index("epsilon") < done.stderr.index("trained in")
    statement = PrivacyStatement.load(run / "release" / "privacy.json")
    assert statement.private
    assert 0 < statement.epsilon <= 8.0
    assert (statement.unit, statement.steps, statement.population) == ("patient", 4, 45)
    assert read_ledger(run / "vault" / "ledger.jsonl").charges == 4
    split = Split.load(run / "vault" / "split.json")
    planted = [
        c.patient_id for c in CanaryManifest.load(run / "vault/canaries.json").canaries if c.planted
    ]
    assert set(planted) <= set(split.members)
    [step] = Lineage.load(run / "vault" / "lineage.json").steps
    assert step.inputs["corpus"] == open_corpus(corpus).digest()
    released = sorted(p.name for p in (run / "release").iterdir())
    assert released == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "privacy.json",
    ]
    for path in (run / "vault").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    said = done.stdout + done.stderr + "".join(
        p.read_text(errors="ignore") for p in (run / "release").iterdir()
    )  # fmt: skip
    assert SENTINEL not in said
    assert str(tiny_model.parent) not in (run / "release" / "adapter_config.json").read_text()

    again = start(*settings(corpus, tiny_model, run))
    assert again.returncode == 2
    assert "--force" in again.stderr
    finished = start("--resume", *settings(corpus, tiny_model, run))
    assert finished.returncode == 2
    assert "is finished" in finished.stderr
    typo = settings(corpus, tiny_model, run, "model.target_modules=x")
    assert start("--force", *typo).returncode == 2
    assert (run / "release" / "adapter_model.safetensors").exists()  # nothing lost to a typo
    forced = start(*settings(corpus, tiny_model, run), "--force")
    assert forced.returncode == 0, forced.stderr
    assert read_ledger(run / "earlier-1" / "vault" / "ledger.jsonl").charges == 4


def test_the_embedded_corpus_needs_no_data_settings(tmp_path, tiny_model):
    run = tmp_path / "run"
    small = [
        "data.synthetic_patients=20", "data.synthetic_canaries=10", "privacy.population=25",
        "privacy.delta=1e-3", "train.units_per_step=8", "train.steps=2", "data.max_tokens=32",
    ]  # fmt: skip
    done = start(f"model.base={tiny_model}", f"output={run}", *small)
    assert done.returncode == 0, done.stderr
    assert len(CanaryManifest.load(run / "vault" / "canaries.json").canaries) == 10
    assert stat.S_IMODE((run / "vault").stat().st_mode) == 0o700
    steps = Lineage.load(run / "vault" / "lineage.json").steps
    assert [step.step for step in steps] == ["synth", "train"]
    assert not (run / "earlier-1").exists()


def test_the_control_claims_nothing(tmp_path, corpus, tiny_model):
    run = tmp_path / "run"
    done = start(*settings(corpus, tiny_model, run, "privacy.epsilon=inf"))
    assert done.returncode == 0, done.stderr
    statement = PrivacyStatement.load(run / "release" / "privacy.json")
    assert (statement.private, statement.epsilon, statement.noise) == (False, None, "none")


def test_two_processes_make_the_update_of_one(tmp_path, corpus, tiny_model):
    """Without noise and with seeded draws only rounding differs: at most 1e-5 of the update."""
    free = ["privacy.epsilon=inf", "privacy.noise=test", "train.checkpoint_every=0"]
    one, two, initial = tmp_path / "one", tmp_path / "two", tmp_path / "initial"
    assert start(*settings(corpus, tiny_model, one, *free, "processes=1")).returncode == 0
    started = [
        forked(*settings(corpus, tiny_model, two, *free, "processes=2"), **rank)
        for rank in ranks(2)
    ]
    leader, other = (process.result() for process in started)
    assert leader.returncode == other.returncode == 0, leader.stderr + other.stderr
    assert "2 processes" in leader.stderr
    tiny_rate = [  # stands for the initial weights: below 1e-3 of the update
        *free,
        "train.learning_rate=1e-6",
    ]
    assert start(*settings(corpus, tiny_model, initial, *tiny_rate)).returncode == 0
    update = weights(one) - weights(initial)
    assert float(update.norm()) > 0
    assert float((weights(two) - weights(one)).norm() / update.norm()) <= 1e-5

    asked = start(*settings(corpus, tiny_model, tmp_path / "x", "processes=2"))
    assert asked.returncode == 2
    assert "torchrun --nproc_per_node 2" in asked.stderr
    assert not (tmp_path / "x").exists()


def test_a_killed_run_resumes_within_its_budget(tmp_path, corpus, tiny_model):
    run = tmp_path / "run"
    arguments = settings(corpus, tiny_model, run, "train.steps=40", "train.checkpoint_every=5")
    process = forked(*arguments)
    metrics = run / "vault" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not process.ended:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") >= 12:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.result().returncode == -signal.SIGKILL
    charged = read_ledger(run / "vault" / "ledger.jsonl").charges
    applied = metrics.read_bytes().count(b"\n")
    assert 12 <= applied <= charged < 40
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"note_id": "x", "patient_id": "p", "text": "Elsewhere."}) + "\n")
    for change, named in (
        (f"data.corpus={other}", "corpus"),
        ("train.learning_rate=1", "learning_rate"),
    ):
        refused = start("--resume", *arguments, change)
        assert refused.returncode == 3, refused.stderr
        assert named in refused.stderr.splitlines()[-1]
    done = start("--resume", *arguments)
    assert done.returncode == 0, done.stderr
    assert f"{charged} steps already charged" in done.stderr
    assert read_ledger(run / "vault" / "ledger.jsonl").charges == 40
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert len(steps) == len(set(steps))  # no step is applied twice


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (["data.corpus=absent.jsonl"], 2, "does not exist"),
        (["privacy.epsilom=3"], 2, "did you mean 'privacy.epsilon'"),
        (["data.patient_column=mrn"], 2, "columns present"),
        (["model.base=absent-model"], 4, "cannot load"),
        (["model.target_modules=nonsense"], 2, "nonsense"),
        (["data.max_tokens=4096"], 2, "set it to 256 or less"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, corpus, tiny_model, change, code, says):
    done = start(*settings(corpus, tiny_model, tmp_path / "run", *change))
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("dp_lora: error:")
    assert says in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_canaries_of_another_corpus_are_refused(tmp_path, corpus, tiny_model):
    foreign = make_canaries(count=10, kind="phi", seed=9)
    path = tmp_path / "canaries.json"
    make_manifest(
        foreign, kind="phi", seed=9, probability=0.5, lang="en", corpus_digest="sha256:0"
    ).save(path)
    done = start(
        *settings(corpus, tiny_model, tmp_path / "run", f"data.canaries={path}"),
    )
    assert done.returncode == 3
    assert "canaries are not those of this corpus" in done.stderr
