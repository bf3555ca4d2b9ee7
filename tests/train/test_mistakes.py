"""A test for each mistake that private training makes in the wild, each with a negative control.

| mistake | test |
|---|---|
| mean of the loss over a batch's tokens | test_unit_gradients: the master test and its control; |
| | test_architectures: the same for every architecture |
| shuffling accounted as Poisson | here: draws, pairs of units; test_sampling: counts and sizes |
| ranks that draw with one seed, or skip empty batches | here: real processes |
| one Poisson draw per micro-batch | test_recipe_steps: micro-batches; test_unit_gradients |
| divisor from the length of the data | test_recipe_steps: drop one patient; test_unit_gradients |
| an adapter that does not move | test_recipe_steps: the first step; test_self_audit |
| NaN passes the clip | here: with noise; test_unit_gradients: without |
| noise per rank wrong by √W | here: real processes, all noise levels |
| resume resets the accountant | test_ledger, test_recipe (kill -9); test_self_audit |
| resume replays noise | test_recipe_steps: an interrupted run; test_noise: two sources |
| secure noise that is not there | test_noise: every level is tested, none is skipped |
| δ = 1/N taken from the data | here: δ is asked for |
| a launcher that starts one process | test_recipe: asked and actual number |
| a printed training sample | test_recipe: a sentinel in no output |

Run as a script this file is one rank of the tests with real processes.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from forked import Forked
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from llmsafe.errors import InputError
from llmsafe.privacy.noise import gaussian_source, system_generator
from llmsafe.privacy.plan import Plan
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.sampling import poisson_draw, share_of_rank
from llmsafe.train.step import private_step
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit

ALPHA = 1e-6
LEVELS = ("test", "standard", "secure")
WIDTH = 320  # its square is the number of trainable parameters
PLAN = Plan(
    epsilon=1.0, delta=1e-3, population=100, units_per_step=10, steps=40, noise_multiplier=2.0,
    sampling_probability=0.1, clip_norm=0.5, unit="patient", noise="standard",
)  # fmt: skip
DEVIATION = PLAN.noise_multiplier * PLAN.clip_norm / PLAN.units_per_step


class Wide(nn.Module):
    """One linear layer between a frozen embedding and a frozen head."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=50))
        self.embedding = nn.Embedding(50, WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, 50, bias=False)

    def get_output_embeddings(self):
        return None

    def forward(self, input_ids, use_cache=False, **_):
        hidden = self.embedding(input_ids)
        return SimpleNamespace(logits=self.head(hidden + self.mix(hidden)))


def wide() -> nn.Module:
    """LoRA on that layer: A and B have 102,400 parameters together."""
    torch.manual_seed(0)
    config = LoraConfig(r=WIDTH // 2, target_modules=["mix"], init_lora_weights=False)
    return inject_adapter_in_model(config, Wide())


POOL = [TokenUnit(f"u{i}", (tuple(range(1 + i, 6 + 2 * i)),)) for i in range(6)]


def released(model, units, *, noise, all_reduce=lambda vector: vector) -> torch.Tensor:
    """The gradient that one private step leaves, flat."""
    gradients = UnitGradients(model)
    try:
        private_step(
            NextTokenLoss(model), gradients, units, plan=PLAN, charge=lambda: None,
            noise_source=noise, all_reduce=all_reduce, tokens_per_batch=64, pad=0,
        )  # fmt: skip
        return torch.cat([p.grad.flatten() for p in gradients.parameters])
    finally:
        gradients.detach()


# --- processes ------------------------------------------------------------------------------------


class Scaled:
    """A planted bug: a source whose deviation is off by a factor."""

    def __init__(self, source, factor: float):
        self.level, self._source, self._factor = source.level, source, factor

    def sample(self, n: int, std: float) -> torch.Tensor:
        return self._source.sample(n, std * self._factor)


def source_of(level: str, rank: int):
    return gaussian_source(level, seed=11 + rank if level == "test" else None)


def noise_of_ranks(rank: int, world: int, all_reduce) -> dict[str, torch.Tensor]:
    """What a rank is left with after noise-only steps: the right one, and three wrong ones."""
    model = wide()
    step = partial(released, model, [], all_reduce=all_reduce)
    updates = {level: step(noise=source_of(level, rank) if rank == 0 else None) for level in LEVELS}
    updates["every rank its own"] = step(noise=source_of("standard", rank))
    for name, factor in (("a share only", world**-0.5), ("3 % too little", 0.97)):
        source = Scaled(source_of("standard", rank), factor) if rank == 0 else None
        updates[name] = step(noise=source)
    return updates


def steps_of_ranks(rank: int, world: int, broadcast, all_reduce) -> dict[str, torch.Tensor]:
    """Forty steps of small global draws: most leave some rank without a unit."""
    model, draws = wide(), torch.Generator().manual_seed(5)
    total, steps, idle, units = torch.zeros(WIDTH**2, dtype=torch.float64), 0, 0, []
    for _ in range(PLAN.steps):
        draw = broadcast(poisson_draw(len(POOL), 0.3, draws) if rank == 0 else None)
        mine = [POOL[index] for index in share_of_rank(draw, POOL, rank, world)]
        total += released(model, mine, noise=None, all_reduce=all_reduce).double()
        steps, idle, units = steps + 1, idle + (not mine), [*units, len(mine)]
    counts = {"steps": steps, "idle": idle, "units": sum(units)}
    return {"total": total} | {name: torch.tensor(count) for name, count in counts.items()}


def run_rank(rank: int, folder: Path) -> None:
    """One of four processes; the first two also form a world of two."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=4)
    pair = dist.new_group([0, 1])
    for world, group in ((4, None), (2, pair)):
        if rank >= world:
            continue

        def all_reduce(vector, group=group):
            dist.all_reduce(vector, group=group)
            return vector

        def broadcast(value, group=group):
            box = [value]
            dist.broadcast_object_list(box, src=0, group=group)
            return box[0]

        results = noise_of_ranks(rank, world, all_reduce)
        results |= steps_of_ranks(rank, world, broadcast, all_reduce)
        torch.save(results, folder / f"{world}-{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> dict[int, list[dict[str, torch.Tensor]]]:
    """Results of every rank in worlds of 1, 2 and 4 processes."""
    folder = tmp_path_factory.mktemp("ranks")
    started = [Forked(__file__, str(rank), str(folder)) for rank in range(4)]
    for done in [process.result() for process in started]:
        assert done.returncode == 0, done.stderr
    alone = noise_of_ranks(0, 1, lambda v: v) | steps_of_ranks(0, 1, lambda v: v, lambda v: v)
    many = {
        world: [torch.load(folder / f"{world}-{rank}.pt") for rank in range(world)]
        for world in (2, 4)
    }
    return {1: [alone]} | many


def deviates_by(values: torch.Tensor, sigma: float) -> bool:
    from scipy import stats

    law = stats.chi2(values.numel())
    statistic = float(values.double().square().sum()) / sigma**2
    return bool(ALPHA / 2 < law.sf(statistic) < 1 - ALPHA / 2)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_noise_does_not_depend_on_the_number_of_processes(worlds, world):
    for level in LEVELS:
        update = worlds[world][0][level]
        assert update.numel() >= 100_000
        assert deviates_by(update, DEVIATION), level
        for other in worlds[world][1:]:
            assert torch.equal(update, other[level])  # to the last bit
    vectors = [worlds[world][0][level] for level in LEVELS]
    assert len({tuple(vector[:50].tolist()) for vector in vectors}) == len(LEVELS)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_noise_that_is_wrong_is_detected(worlds, world):
    """Negative control: √W too large, √W too small, σ × 0.97."""
    results = worlds[world][0]
    assert not deviates_by(results["3 % too little"], DEVIATION)
    if world > 1:
        assert not deviates_by(results["every rank its own"], DEVIATION)
        assert not deviates_by(results["a share only"], DEVIATION)
        assert deviates_by(results["every rank its own"], DEVIATION * math.sqrt(world))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_take_the_same_steps_even_without_a_unit(worlds, world):
    ranks, alone = worlds[world], worlds[1][0]
    assert [int(rank["steps"]) for rank in ranks] == [PLAN.steps] * world
    assert sum(int(rank["idle"]) for rank in ranks) > PLAN.steps / 4  # or nothing was tested
    assert sum(int(rank["units"]) for rank in ranks) == int(alone["units"]) > 0
    assert all(torch.equal(rank["total"], ranks[0]["total"]) for rank in ranks)
    torch.testing.assert_close(ranks[0]["total"], alone["total"], rtol=1e-4, atol=1e-7)


def test_local_draws_are_another_mechanism():
    """Negative control: ranks that draw from their own share of the units by themselves.

    With one seed every step takes the same rows on both; with two seeds and empty batches left
    out they do not even take the same number of steps.
    """
    same = [torch.Generator().manual_seed(0) for _ in range(2)]
    rows = [[poisson_draw(50, 0.04, generator) for _ in range(200)] for generator in same]
    assert rows[0] == rows[1]
    other = [torch.Generator().manual_seed(seed) for seed in range(2)]
    steps = [sum(bool(poisson_draw(50, 0.04, g)) for _ in range(500)) for g in other]
    assert steps[0] != steps[1]
    assert max(steps) < 500

    def mirrored(generator):
        local = poisson_draw(25, 0.1, generator)
        return [*local, *(index + 25 for index in local)]

    assert not pairs_are_independent(mirrored, 50, 0.1)


# --- draws ----------------------------------------------------------------------------------------


def pairs_are_independent(draw, population: int, q: float, rounds: int = 3000) -> bool:
    """Each unit's count and each pair's joint count against their binomial laws (Bonferroni).

    Joint counts far below their law are looked for as well: without replacement a pair is rarer.
    """
    from scipy import stats

    generator = system_generator()
    seen = np.zeros((rounds, population))
    for row in seen:
        row[draw(generator)] = 1
    joint = (seen.T @ seen)[np.triu_indices(population, 1)]
    for counts, p in ((seen.sum(0), q), (joint, q * q)):
        law = stats.binom(rounds, p)
        tails = np.minimum(law.cdf(counts), law.sf(counts - 1))
        if tails.min() < ALPHA / 2 / len(counts):
            return False
    # The mean covariance over all pairs, through the variance of the draws' sizes.
    spread = ((seen.sum(1) - population * q) ** 2).sum() / (population * q * (1 - q))
    return bool(ALPHA / 2 < stats.chi2.sf(spread, rounds) < 1 - ALPHA / 2)


def test_pairs_of_units_are_drawn_independently():
    assert pairs_are_independent(lambda g: poisson_draw(50, 0.1, g), 50, 0.1)


def fixed_size(generator):
    return torch.randperm(50, generator=generator)[:5].tolist()


def neighbours(generator):
    """Blocks of two, as in a shuffled file that is read in blocks."""
    return [i for block in poisson_draw(25, 0.1, generator) for i in (2 * block, 2 * block + 1)]


@pytest.mark.parametrize("draw", [fixed_size, neighbours, lambda g: poisson_draw(50, 0.13, g)])
def test_other_draws_are_told_apart(draw):
    assert not pairs_are_independent(draw, 50, 0.1)


# --- one step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_unit_that_is_not_finite_changes_nothing_and_the_noise_is_added(value):
    model = wide()
    poisoned = TokenUnit("poisoned", ((3, 49, 4),))  # no other unit has token 49 as an input
    seeded = partial(gaussian_source, "test", seed=1)
    clean = released(model, POOL, noise=seeded())
    noise = released(model, [], noise=seeded())
    assert float((clean - noise).norm()) > 0.5 * PLAN.clip_norm / PLAN.units_per_step
    with torch.no_grad():
        model.embedding.weight[49] = value
    torch.testing.assert_close(released(model, [*POOL, poisoned], noise=seeded()), clean)
    assert torch.equal(released(model, [poisoned], noise=seeded()), noise)
    assert deviates_by(noise, DEVIATION)


def test_a_unit_that_is_not_finite_would_poison_a_plain_sum():
    """Negative control: autograd's own gradient of the same units is NaN everywhere."""
    model = wide()
    with torch.no_grad():
        model.embedding.weight[49] = math.nan
    ids = torch.tensor([[3, 49, 4], [3, 5, 4]])
    NextTokenLoss(model)(ids, torch.full((2, 2), 0.5)).sum().backward()
    assert not bool(torch.isfinite(model.mix.lora_A["default"].weight.grad).any())


def test_delta_is_asked_for(tmp_path):
    from llmsafe.config import RunConfig, load_config

    file = tmp_path / "run.yaml"
    file.write_text("privacy: {epsilon: 8.0, population: 100}\n")
    with pytest.raises(InputError, match=r"privacy\.delta"):
        load_config(RunConfig, file)
    assert load_config(RunConfig, file, ["privacy.delta=1e-3"]).privacy.delta == 1e-3


if __name__ == "__main__":
    run_rank(int(sys.argv[1]), Path(sys.argv[2]))
