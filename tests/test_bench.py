"""The benchmark races variants that compute the same thing, and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook")  # Opacus, of its own hooks
PRIVATE = ("opacus_hooks", "opacus_ghost", "llmsafe")


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "scripts"))
    import bench_variants

    yield bench_variants
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def job(bench: Any) -> Any:
    return bench.Job(
        shape=bench.SCALES["tiny"].notes,
        device="cpu",
        threads=1,
        rank=4,
        micro_batch=3,
        tokens_per_batch=700,
        context=320,
        seed=3,
    )


@pytest.fixture(scope="module")
def model(bench: Any, job: Any) -> nn.Module:
    return bench.build(job)


@pytest.fixture(scope="module")
def draw(bench: Any) -> Any:
    # Notes of few tokens beside long ones: the mean over a batch's tokens must show.
    tiny = replace(bench.SCALES["tiny"], draw=7)
    units = bench.make_draw("notes", tiny, 128, seed=5)
    return [replace(u, rows=(u.rows[0][: 5 * 3**i],)) for i, u in enumerate(units)]


def gradient(
    bench: Any, name: str, model: nn.Module, job: Any, units: Any, clip_norm: float
) -> tuple[Tensor, Any]:
    bench.clean(model)
    variant = bench.VARIANTS[name].make(model, job)
    report = variant.step(units, clip_norm=clip_norm, noise=False)
    variant.close()
    grads = [p.grad.flatten() for p in model.parameters() if p.requires_grad and p.grad is not None]
    return torch.cat(grads).clone(), report


def naive(bench: Any, model: nn.Module, units: Any) -> list[Tensor]:
    """Gradient of each note's mean loss, one note at a time."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    out: list[Tensor] = []
    for unit in units:
        ids = torch.tensor([unit.rows[0]])
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        out.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    return out


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def reference(bench: Any, model: nn.Module, draw: Any) -> tuple[Tensor, float]:
    each = naive(bench, model, draw)
    clip_norm = float(np.median([g.norm() for g in each]))
    return torch.stack([g * min(1.0, clip_norm / float(g.norm())) for g in each]).sum(0), clip_norm


@pytest.mark.parametrize("name", PRIVATE)
def test_private_variants_compute_the_naive_clipped_sum(bench, model, job, draw, reference, name):
    expected, clip_norm = reference
    got, report = gradient(bench, name, model, job, draw, clip_norm)
    assert distance(got, expected) < 1e-4
    again, _ = gradient(bench, name, model, job, draw, clip_norm)  # nothing is left of a turn
    assert distance(again, got) < 1e-6
    unclipped, _ = gradient(bench, name, model, job, draw, 1e6)
    assert distance(unclipped, expected) > 0.05
    assert report.computed >= bench.tokens(draw)


def test_a_mean_over_the_batch_is_found_out(bench, model, job, draw, reference, monkeypatch):
    def batch_mean(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
        return honest(model, ids, mask) * (mask.sum(1) - 1) / (mask.sum(1) - 1).sum() * len(ids)

    expected, clip_norm = reference
    honest = bench.note_losses
    monkeypatch.setattr(bench, "note_losses", batch_mean)
    got, _ = gradient(bench, "opacus_hooks", model, job, draw, clip_norm)
    assert distance(got, expected) > 0.05


def test_non_private_loops_compute_the_mean_over_all_tokens(bench, model, job, draw):
    each = naive(bench, model, draw)
    targets = torch.tensor([unit.targets for unit in draw], dtype=torch.float32)
    expected = (torch.stack(each) * targets[:, None]).sum(0) / targets.sum()
    for name in ("plain", "plain_sorted"):
        got, _ = gradient(bench, name, model, job, draw, 1e6)
        assert distance(got, expected) < 1e-4, name


def test_noise_enters_when_timed(bench, model, job, draw):
    for name in PRIVATE:
        quiet, _ = gradient(bench, name, model, job, draw, 1e-3)
        bench.clean(model)
        variant = bench.VARIANTS[name].make(model, job)
        variant.step(draw, clip_norm=1e-3, noise=True)
        variant.close()
        loud = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
        assert float((loud - quiet).std()) == pytest.approx(1e-3 * bench.SIGMA, rel=0.1), name


def test_running_out_of_memory_is_a_result_and_leaves_nothing(
    bench, model, job, draw, reference, monkeypatch
):
    def exhausted(*args: Any) -> Tensor:
        honest(*args)  # the forward has run: Opacus holds its activations
        raise torch.OutOfMemoryError("CUDA out of memory")

    import bench_dp_lora as script

    turn = script.Turn(job)
    honest, expected = bench.note_losses, gradient(bench, "llmsafe", turn.model, job, draw, 0.1)[0]
    with monkeypatch.context() as patch:
        patch.setattr(bench, "note_losses", exhausted)
        failed = turn.take("opacus_hooks", draw, clip_norm=0.1, timed=True)
    assert failed == {"failed": "out of memory"}
    reply = turn.take("opacus_hooks", draw, clip_norm=0.1, timed=False)
    assert distance(torch.from_numpy(reply["gradient"]), expected) < 1e-4
    good = {"seconds": 2.0, "peak": 8, "computed": 9}
    units = [draw[:1]]
    lost = script.summary("opacus_hooks", [failed], [good], units, None)
    assert "out of memory" in script.variant_line(lost)
    alone = script.summary("llmsafe", [good], [failed], units, 4)  # nothing to be compared with
    assert "time_to_plain" not in alone
    assert script.variant_line(alone).count("|") == script.variant_line(lost).count("|")


def test_a_worker_that_is_killed_is_a_result(bench, job, draw):
    import bench_dp_lora as script

    worker = script.Worker(job)
    worker.process.kill()
    reply = worker.take("llmsafe", draw, clip_norm=0.1, timed=True)
    worker.stop()
    assert reply == {"failed": "out of memory"}  # what the kernel does to a process too large


def test_lengths_are_those_of_mtsamples(bench):
    tiny = replace(bench.SCALES["tiny"], draw=4000, context=8192)
    lengths = [len(unit.rows[0]) for unit in bench.make_draw("notes", tiny, 128, seed=1)]
    assert np.mean(lengths) == pytest.approx(966, rel=0.05)  # measured on the notes themselves
    assert np.median(lengths) == pytest.approx(818, rel=0.05)


@pytest.mark.slow
def test_the_script_end_to_end(tmp_path):
    out, figures = tmp_path / "page.md", tmp_path / "figures.json"
    command = [sys.executable, "scripts/bench_dp_lora.py", "--shape", "tiny", "--device", "cpu"]
    command += ["--repeats", "1", "--cases", "notes", "patients", "--out", str(out)]
    done = subprocess.run(
        [*command, "--json", str(figures)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(figures.read_text())
    notes, patients = result["cases"]
    assert [v["variant"] for v in notes["variants"]] == [
        "plain",
        "plain_sorted",
        "opacus_hooks",
        "opacus_ghost",
        "llmsafe",
    ]
    assert [v["variant"] for v in patients["variants"]] == ["plain", "plain_sorted", "llmsafe"]
    for case in (notes, patients):
        plain = case["variants"][0]
        assert plain["time_to_plain"] == {"median": 1, "low": 1, "high": 1}
        for variant in case["variants"]:
            seconds = variant["seconds"]["median"]
            rate = variant["notes_per_second"]["median"]
            assert rate * seconds == pytest.approx(case["notes"][0])
            assert variant["computed_to_real"] >= 1
            assert variant["peak_bytes"] >= variant["before_bytes"] > 0
    assert sum(notes["notes"]) == sum(patients["notes"]) > sum(patients["units"])
    agreement = notes["agreement"]
    assert agreement["distance"].keys() == {"opacus_hooks", "opacus_ghost"}
    assert max(agreement["distance"].values()) < 1e-4
    assert 0 < agreement["clipped"] < agreement["units"]
    for unit in result["padding"].values():
        assert 1 <= unit["llmsafe"] < unit["random"]
    text = out.read_text()
    assert str(tmp_path) not in text
    assert "--shape tiny" in text
    assert text.count("\n| llmsafe |") == 2


# --- the audit's scoring ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audit_jobs(bench: Any, tmp_path_factory: Any) -> Any:
    import bench_audit as script

    folder = tmp_path_factory.mktemp("adapter")
    script.adapted("llmsafe:base-en", folder)

    def job(name: str) -> Any:
        return script.Job(name, folder, "llmsafe:base-en", "cpu", 1, 160)

    return job


PASSES = {"each_metric": (14, 15), "shared_passes": (2, 2), "shared_tensors": (2, 2)}


@pytest.mark.parametrize("case", ["notes", "canaries"])
def test_all_ways_to_score_give_the_same_figures(bench, audit_jobs, case):
    import bench_audit as script

    texts = script.make_texts(script.load_tokenizer("llmsafe:base-en"), case, 3, 160, seed=2)
    found = {name: script.Contestant(audit_jobs(name)).take(texts) for name in script.RUNS}
    ours = found.pop("llmsafe")
    tokens = ours["tokens"] - 8 * 16
    assert ours["rows"] - 8 == 2 * len(texts)
    assert ("secret_loss" in ours["scores"]) == (case == "canaries")
    for name, theirs in found.items():
        assert theirs["scores"].keys() == ours["scores"].keys()
        for metric, values in theirs["scores"].items():
            assert script.distance(values, ours["scores"][metric]) < 1e-3, (name, metric)
        passes = PASSES[name][case == "canaries"]
        assert theirs["rows"] == passes * len(texts)
        assert theirs["tokens"] <= passes / 2 * tokens  # what is more is padding


def test_other_figures_stop_the_benchmark(bench):
    import bench_audit as script

    class Fake:
        def __init__(self, **scores: list[float]) -> None:
            self.scores = scores

        def ask(self, method: str, texts: Any) -> Any:
            return {"scores": self.scores}

    ours = Fake(loss=[1.0, 2.0], sampled=[-float("inf"), 0.0])
    near = Fake(loss=[1.0, 2.001], sampled=[-float("inf"), 0.0])
    found = script.agree({"llmsafe": ours, "shared_passes": near}, [], "cpu")
    assert found == {"shared_passes": pytest.approx(0.001)}
    for other in (
        Fake(loss=[1.0, 2.5], sampled=[-float("inf"), 0.0]),
        Fake(loss=[1.0, float("nan")], sampled=[-float("inf"), 0.0]),
        Fake(loss=[1.0, 2.0], sampled=[-1.0, 0.0]),
        Fake(loss=[1.0, 2.0]),
    ):
        with pytest.raises(SystemExit):
            script.agree({"llmsafe": ours, "shared_passes": other}, [], "cpu")


@pytest.mark.slow
def test_the_audit_script_end_to_end(tmp_path):
    out, figures = tmp_path / "page.md", tmp_path / "figures.json"
    command = [sys.executable, "scripts/bench_audit.py", "--notes", "3", "--repeats", "1"]
    command += ["--cases", "canaries", "--device", "cpu", "--context", "64"]
    command += ["--out", str(out), "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(figures.read_text())
    (case,) = result["cases"]
    names = ["each_metric", "shared_passes", "shared_tensors", "llmsafe"]
    assert [found["variant"] for found in case["variants"]] == names
    assert [found["passes_per_note"] for found in case["variants"]] == [15, 2, 2, 2]
    for found in case["variants"]:
        rate = found["notes_per_second"]["median"]
        assert rate * found["seconds"]["median"] == pytest.approx(case["notes"])
        assert found["computed_to_real"] >= 1
    one = {"median": 1, "low": 1, "high": 1}
    assert case["variants"][-1]["llmsafe_is_faster"] == one
    stages = case["stages"]
    assert stages["seconds"].keys() == {"body", "head", "statistics", "rest"}
    assert min(stages["seconds"].values()) > 0
    assert 0 < stages["flops"] < stages["flops_of_a_square"]
    text = out.read_text()
    assert str(tmp_path) not in text
    assert "--notes 3" in text
    assert text.count("\n| llmsafe |") == 1
