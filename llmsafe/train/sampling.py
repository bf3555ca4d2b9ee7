"""Poisson draws of units, and their layout into micro-batches.

One draw is made for all ranks; only then is it divided. The layout inside a draw is free: every
unit is clipped by itself and the sum does not care about order, so rows are sorted by length and
padding is nearly nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llmsafe.train.units import TokenUnit


def poisson_draw(
    population: int, probability: float, generator: torch.Generator, *, cap: int | None = None
) -> list[int]:
    """Indices of the units drawn: each of ``population`` independently with ``probability``.

    Sampling without replacement inside a draw, with full replacement between draws; the draw may
    be empty. float64 uniforms, so that the probability is exact to 2^-53. A draw of more than
    ``cap`` units is cut to ``cap`` of them at random (truncated Poisson; the plan pays for it).
    """
    uniform = torch.rand(population, dtype=torch.float64, generator=generator)
    drawn = torch.nonzero(uniform < probability).flatten()
    if cap is not None and len(drawn) > cap:
        kept = torch.randperm(len(drawn), generator=generator)[:cap]
        drawn = drawn[kept].sort().values
    return drawn.tolist()


def share_of_rank(
    draw: Sequence[int], units: Sequence[TokenUnit], rank: int, world: int
) -> list[int]:
    """The part of one global draw that ``rank`` computes: longest first, dealt out in turn.

    Every rank computes the same division from the same draw; a part may be empty.
    """
    by_length = sorted(draw, key=lambda index: (-units[index].targets, index))
    return by_length[rank::world]


@dataclass(frozen=True)
class MicroBatch:
    """Rows padded on the right.

    ``input_ids``: int64 [rows, time]; ``lengths``: int64 [rows], tokens before the padding;
    ``slots``: int64 [rows], the position of each row's unit in the group's gradient buffer;
    ``weights``: float32 [rows, time − 1], the weight of each predicted token in the sum of the
    units' own mean losses (0 on padding).
    """

    input_ids: Tensor
    lengths: Tensor
    slots: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Group:
    """Units whose gradients share one buffer, and the micro-batches that fill it."""

    size: int
    batches: tuple[MicroBatch, ...]


def groups(
    units: Sequence[TokenUnit], *, tokens_per_batch: int, units_per_group: int, pad: int
) -> Iterator[Group]:
    """Lay units out: rows sorted by length, in micro-batches of at most ``tokens_per_batch``.

    The token budget counts padding; a longer row is a micro-batch by itself. Units of one row
    are sorted together and each micro-batch is a group: its gradients are clipped and summed at
    once. Units of several rows go in groups of at most ``units_per_group``; their rows may fall
    into several micro-batches, and meet in the unit's slot before it is clipped. Units without
    rows are left out: they contribute 0.
    """
    single = sorted((u for u in units if len(u.rows) == 1), key=lambda u: len(u.rows[0]))
    for start, stop in _cut([len(u.rows[0]) for u in single], tokens_per_batch, units_per_group):
        part = single[start:stop]
        rows = [(unit.rows[0], slot) for slot, unit in enumerate(part)]
        yield Group(len(part), (_collate(rows, part, pad),))
    several = sorted((u for u in units if len(u.rows) > 1), key=lambda u: u.targets / len(u.rows))
    for start in range(0, len(several), units_per_group):
        part = several[start : start + units_per_group]
        rows = [(row, slot) for slot, unit in enumerate(part) for row in unit.rows]
        rows.sort(key=lambda item: len(item[0]))
        cuts = _cut([len(row) for row, _ in rows], tokens_per_batch, len(rows))
        yield Group(len(part), tuple(_collate(rows[a:b], part, pad) for a, b in cuts))


def _cut(lengths: Sequence[int], tokens: int, most: int) -> list[tuple[int, int]]:
    """Cut ascending ``lengths`` into runs [start, stop) at the least cost.

    A run costs its padded tokens (rows × the last length) plus a sixteenth of the budget, for
    what a micro-batch costs by itself; without that every length would have a run of its own.
    Dynamic programming over the places of the last cut: O(rows × rows of the largest run).
    """
    cost, cut = [0.0], [0]
    for stop, length in enumerate(lengths, 1):
        rows = max(1, min(most, tokens // length, stop))
        best = min((cost[stop - n] + n * length, -n) for n in range(1, rows + 1))
        cost.append(best[0] + tokens / 16)
        cut.append(stop + best[1])
    runs: list[tuple[int, int]] = []
    stop = len(lengths)
    while stop:
        runs.append((cut[stop], stop))
        stop = cut[stop]
    return runs[::-1]


def _collate(
    rows: list[tuple[tuple[int, ...], int]], members: Sequence[TokenUnit], pad: int
) -> MicroBatch:
    width = max(len(row) for row, _ in rows)
    input_ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    weights = torch.zeros((len(rows), width - 1), dtype=torch.float32)
    for index, (row, slot) in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
        weights[index, : len(row) - 1] = 1.0 / members[slot].targets
    slots = torch.tensor([slot for _, slot in rows])
    lengths = torch.tensor([len(row) for row, _ in rows])
    return MicroBatch(input_ids, lengths, slots, weights)
