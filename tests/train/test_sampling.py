"""Draws are Poisson, layouts lose nothing, parts of a draw add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from llmsafe.train.sampling import _cut, groups, poisson_draw, share_of_rank
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


def test_a_draw_is_uniforms_of_53_bits_below_the_probability():
    """A naive twin on the same stream; float32 would round the probability to 24 bits."""
    for seed in range(5):
        twin = torch.rand(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        expected = [index for index, u in enumerate(twin.tolist()) if u < 0.3]
        assert poisson_draw(1000, 0.3, torch.Generator().manual_seed(seed)) == expected


def test_a_cut_draw_comes_from_the_generator_alone():
    state = torch.get_rng_state()
    drawn = [poisson_draw(40, 0.9, torch.Generator().manual_seed(1), cap=5) for _ in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn[0])) == 5
    assert torch.equal(state, torch.get_rng_state())


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


def test_ranks_get_equal_shares_of_the_work():
    """Longest first, dealt out in turn: no rank gets all the long ones."""
    pool = units(*[(10 * (i + 1),) for i in range(8)])
    parts = [share_of_rank([7, 5, 3, 1, 0, 2, 4, 6], pool, rank, 2) for rank in range(2)]
    assert parts == [[7, 5, 3, 1], [6, 4, 2, 0]]
    same = units(*[(10,)] * 4)
    assert share_of_rank([3, 1, 2, 0], same, 0, 2) == [0, 2]  # the same on every rank


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


# Tokens a note of MTSamples under the embedded tokenizer, at 0, 5, …, 100 %.
MTSAMPLES = [107, 255, 335, 388, 446, 508, 567, 634, 689, 760, 818, 878, 952, 1044, 1135, 1229,
             1362, 1515, 1751, 2135, 8893]  # fmt: skip


def note_lengths(count: int, rng: np.random.Generator, context: int) -> list[int]:
    drawn = np.interp(rng.random(count), np.linspace(0, 1, len(MTSAMPLES)), MTSAMPLES)
    return [min(context, round(float(n))) for n in drawn]


def computed_per_real(pool: list[TokenUnit], tokens_per_batch: int) -> float:
    real = computed = 0
    for group in groups(pool, tokens_per_batch=tokens_per_batch, units_per_group=50, pad=0):
        for batch in group.batches:
            real += int(batch.lengths.sum())
            computed += batch.input_ids.numel()
    return computed / real


@pytest.mark.parametrize("tokens_per_batch", [1024, 2048, 4096, 8192, 16384])
@pytest.mark.parametrize("context", [256, 1024, 4096])
@pytest.mark.parametrize("notes_per_unit", [1, 6], ids=["notes", "patients"])
def test_little_padding_is_computed(tokens_per_batch, context, notes_per_unit):
    """Computed / real tokens ≤ 1.10 on note lengths like those of MTSamples, draws of 64 units."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(5):
        sizes = rng.integers(1, notes_per_unit + 1, 64)
        pool = units(*(tuple(note_lengths(int(n), rng, context)) for n in sizes))
        ratios.append(computed_per_real(pool, tokens_per_batch))
    assert max(ratios) <= 1.10


def test_random_micro_batches_compute_half_as_much_again():
    """Negative control: what a loop that shuffles and pads computes on the same notes."""
    rng = np.random.default_rng(0)
    lengths = np.array(note_lengths(512, rng, 1024)).reshape(-1, 8)
    assert float((8 * lengths.max(1)).sum() / lengths.sum()) > 1.3


def cheapest(lengths: list[int], tokens: int, most: int) -> float:
    """Every way of cutting, tried."""
    if not lengths:
        return 0.0
    return min(
        n * lengths[n - 1] + tokens / 16 + cheapest(lengths[n:], tokens, most)
        for n in range(1, len(lengths) + 1)
        if n == 1 or (n <= most and n * lengths[n - 1] <= tokens)
    )


def test_rows_are_cut_at_the_least_cost():
    rng = np.random.default_rng(1)
    for _ in range(60):
        lengths = sorted(int(n) for n in rng.integers(2, 40, rng.integers(1, 10)))
        tokens, most = int(rng.integers(20, 200)), int(rng.integers(1, 8))
        runs = _cut(lengths, tokens, most)
        assert [index for a, b in runs for index in range(a, b)] == list(range(len(lengths)))
        cost = sum((b - a) * lengths[b - 1] + tokens / 16 for a, b in runs)
        assert cost == pytest.approx(cheapest(lengths, tokens, most))


def test_a_cap_cuts_a_draw_to_a_random_subset():
    generator = torch.Generator().manual_seed(4)
    seen = inclusion(lambda: poisson_draw(40, 0.5, generator, cap=12), 40, 4000)
    assert set(seen.sum(1)) <= set(range(13))
    # Each unit is equally likely to stay; cutting off the end of the draw would not be.
    counts, expected = seen.sum(0), seen.sum() / 40
    chi = ((counts - expected) ** 2 / (expected * (1 - expected / 4000))).sum()
    assert 1e-4 < stats.chi2.sf(chi, 40) < 1 - 1e-4
    uncut = [poisson_draw(40, 0.5, torch.Generator().manual_seed(s), cap=40) for s in range(20)]
    assert uncut == [poisson_draw(40, 0.5, torch.Generator().manual_seed(s)) for s in range(20)]
