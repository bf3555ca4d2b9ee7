"""Draws are Poisson, layouts lose nothing, parts of a draw add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from llmsafe.train.sampling import groups, poisson_draw, share_of_rank
from llmsafe.train.units import TokenUnit


def units(*lengths: tuple[int, ...]) -> list[TokenUnit]:
    return [
        TokenUnit(f"u{i}", tuple(tuple(range(1, n + 1)) for n in rows))
        for i, rows in enumerate(lengths)
    ]


def inclusion(draw, population: int, rounds: int) -> np.ndarray:
    seen = np.zeros((rounds, population))
    for row in seen:
        row[draw()] = 1
    return seen


def looks_poisson(seen: np.ndarray, probability: float) -> bool:
    """Per-unit counts ~ Binomial (chi-square) and draw sizes have the Poisson-binomial variance."""
    rounds, population = seen.shape
    counts = seen.sum(0)
    expected = rounds * probability
    chi = ((counts - expected) ** 2).sum() / (expected * (1 - probability))
    sizes = seen.sum(1)
    spread = (rounds - 1) * sizes.var(ddof=1) / (population * probability * (1 - probability))
    return bool(
        1e-4 < stats.chi2.sf(chi, population) < 1 - 1e-4
        and 1e-4 < stats.chi2.sf(spread, rounds - 1) < 1 - 1e-4
    )


def test_draws_are_poisson():
    generator = torch.Generator().manual_seed(3)
    seen = inclusion(lambda: poisson_draw(60, 0.2, generator), 60, 4000)
    assert looks_poisson(seen, 0.2)


def test_the_poisson_test_rejects_shuffled_batches():
    """Negative control: fixed-size batches have the right mean and the wrong variance."""
    rng = np.random.default_rng(3)
    seen = inclusion(lambda: rng.permutation(60)[:12], 60, 4000)
    assert not looks_poisson(seen, 0.2)


def test_draw_edges():
    generator = torch.Generator().manual_seed(0)
    assert poisson_draw(5, 1.0, generator) == [0, 1, 2, 3, 4]
    assert poisson_draw(0, 0.5, generator) == []


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_ranks_share_one_draw_without_loss(world):
    pool = units(*[(n,) for n in (5, 9, 2, 40, 7)])
    draw = [0, 2, 3, 4]
    parts = [share_of_rank(draw, pool, rank, world) for rank in range(world)]
    assert sorted(index for part in parts for index in part) == draw


@pytest.mark.parametrize("per_group", [1, 2, 100])
def test_layout_keeps_every_token_of_every_unit(per_group):
    pool = units((30, 5), (9,), (12, 12, 40), (2,), ())
    seen = []
    for group in groups(pool, tokens_per_batch=50, units_per_group=per_group, pad=0):
        weight = torch.zeros(group.size)
        for batch in group.batches:
            rows, width = batch.input_ids.shape
            assert rows == 1 or rows * width <= 50
            weight.index_add_(0, batch.slots, batch.weights.sum(1))
            assert torch.equal((batch.input_ids > 0).sum(1), batch.lengths)
            seen += batch.lengths.tolist()
        torch.testing.assert_close(weight, torch.ones(group.size))
    assert sorted(seen) == sorted(n for u in pool for n in map(len, u.rows))


def test_sorted_rows_waste_little_padding():
    rng = np.random.default_rng(0)
    pool = units(*[(int(n),) for n in np.clip(rng.lognormal(5, 0.8, 256), 8, 1024)])
    real = padded = 0
    for group in groups(pool, tokens_per_batch=2048, units_per_group=10**6, pad=0):
        for batch in group.batches:
            real += int(batch.lengths.sum())
            padded += batch.input_ids.numel()
    assert padded / real <= 1.10
