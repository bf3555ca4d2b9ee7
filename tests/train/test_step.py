"""Noise enters once, the divisor is public, checkpoints restore what they saved."""

from __future__ import annotations

import json
import math
import shutil
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from llmsafe.errors import EvidenceError
from llmsafe.train.checkpoint import load_checkpoint, save_checkpoint, share_state
from llmsafe.train.step import StepReport, combined, learning_rate, private_gradient


def update(world: int, sigma: float, size: int = 100_000, *, per_rank: bool = False) -> np.ndarray:
    """The update of ``world`` ranks with zero gradients; ``per_rank`` plants the √W bug."""
    generator = torch.Generator().manual_seed(5)
    noises = [
        sigma * torch.randn(size, generator=generator) if rank == 0 or per_rank else None
        for rank in range(world)
    ]
    inputs: list[torch.Tensor] = []
    for noise in noises:
        private_gradient(
            torch.zeros(size), noise=noise, divisor=1.0, all_reduce=lambda t: inputs.append(t) or t
        )
    return (torch.stack(inputs).sum(0) / 16.0).numpy()


def has_deviation(values: np.ndarray, sigma: float) -> bool:
    statistic = float((values.astype(np.float64) ** 2).sum() / sigma**2)
    tail = stats.chi2(values.size)
    return bool(1e-6 < tail.sf(statistic) < 1 - 1e-6)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_noise_is_added_once_whatever_the_number_of_ranks(world):
    assert has_deviation(update(world, 2.0), 2.0 / 16.0)


def test_the_deviation_test_finds_errors():
    assert not has_deviation(update(1, 2.0 * 0.97), 2.0 / 16.0)
    assert not has_deviation(update(2, 2.0, per_rank=True), 2.0 / 16.0)


def test_divisor_is_the_one_given():
    gradient = private_gradient(
        torch.ones(3), noise=torch.ones(3), divisor=4.0, all_reduce=lambda t: t
    )
    assert gradient.tolist() == [0.5, 0.5, 0.5]


def test_learning_rate_rises_then_falls_to_a_tenth():
    rates = [learning_rate(s, 100, peak=1.0, warmup=0.1) for s in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert learning_rate(0, 1, peak=1.0, warmup=0.0) == 1.0


def trained(seed: int) -> tuple[nn.Parameter, torch.optim.AdamW]:
    torch.manual_seed(seed)
    parameter = nn.Parameter(torch.randn(4, 3))
    optimiser = torch.optim.AdamW([parameter], lr=0.1)
    for _ in range(3):
        parameter.grad = torch.randn(4, 3)
        optimiser.step()
    return parameter, optimiser


def test_checkpoint_restores_weights_and_moments(tmp_path: Path):
    first, optimiser = trained(0)
    save_checkpoint(tmp_path, 1, [first], optimiser)
    save_checkpoint(tmp_path, 3, [first], optimiser)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000003"]
    second, other = trained(1)
    assert load_checkpoint(tmp_path, [second], other) == 3
    gradient = torch.ones(4, 3)
    for parameter, opt in ((first, optimiser), (second, other)):
        parameter.grad = gradient.clone()
        opt.step()
    assert torch.equal(first, second)


def test_damaged_incomplete_and_foreign_checkpoints(tmp_path: Path):
    parameter, optimiser = trained(0)
    assert load_checkpoint(tmp_path, [parameter], optimiser) == 0
    save_checkpoint(tmp_path, 2, [parameter], optimiser)
    with pytest.raises(EvidenceError, match="another adapter"):
        load_checkpoint(tmp_path, [nn.Parameter(torch.zeros(2, 2))], optimiser)
    state = tmp_path / "step-000002" / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(bytes(data))
    with pytest.raises(EvidenceError, match="damaged"):
        load_checkpoint(tmp_path, [parameter], optimiser)
    (tmp_path / "step-000002" / "step.json").unlink()
    assert load_checkpoint(tmp_path, [parameter], optimiser) == 0


def test_checkpoint_holds_no_pickle(tmp_path: Path):
    parameter, optimiser = trained(0)
    save_checkpoint(tmp_path, 2, [parameter], optimiser)
    files = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["state.safetensors", "step.json"]
    assert json.loads((tmp_path / "step-000002/step.json").read_text())["step"] == 2
    assert math.isfinite(float(parameter.sum()))


def test_reports_of_ranks_add_up():
    parts = [
        StepReport(2, 3.5, torch.tensor([1.0, 2.0]), 10, 12),
        StepReport(1, 0.5, torch.tensor([4.0]), 5, 8),
    ]
    whole = combined(parts)
    assert (whole.units, whole.loss_sum, whole.tokens, whole.padded_tokens) == (3, 4.0, 15, 20)
    assert whole.norms.tolist() == [1.0, 2.0, 4.0]


def test_ranks_take_over_weights_and_moments():
    first, optimiser = trained(0)
    second, other = trained(1)
    sent = []
    share_state([first], optimiser, lambda mine: sent.append(mine) or mine)
    share_state([second], other, lambda mine: deepcopy(sent[0]))  # as it comes over a wire
    assert torch.equal(first, second)
    for parameter, each in ((first, optimiser), (second, other)):
        parameter.grad = torch.ones(4, 3)
        each.step()
    assert torch.equal(first, second)


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(tmp_path: Path):
    parameter, optimiser = trained(0)
    for step in (999_999, 1_000_000):
        save_checkpoint(tmp_path / "a", step, [parameter], optimiser)
        shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
    assert len(list((tmp_path / "b").iterdir())) == 2
    assert load_checkpoint(tmp_path / "b", [parameter], optimiser) == 1_000_000
