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


def poisson_draw(population: int, probability: float, generator: torch.Generator) -> list[int]:
    """Indices of the units drawn: each of ``population`` independently with ``probability``.

    Sampling without replacement inside a draw, with full replacement between draws; the draw may
    be empty. float64 uniforms, so that the probability is exact to 2^-53.
    """
    uniform = torch.rand(population, dtype=torch.float64, generator=generator)
    return torch.nonzero(uniform < probability).flatten().tolist()


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

    ``input_ids``, ``attention_mask``: int64 [rows, time]; ``slots``: int64 [rows], the position
    of each row's unit in the group's gradient buffer; ``weights``: float32 [rows, time − 1], the
    weight of each predicted token in the sum of the units' own mean losses (0 on padding).
    """

    input_ids: Tensor
    attention_mask: Tensor
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
    """Lay units out: groups of at most ``units_per_group`` units, rows sorted by length.

    A micro-batch holds at most ``tokens_per_batch`` tokens, padding included (one row at least).
    Rows of one unit may fall into several micro-batches of the same group; their gradients meet
    in the unit's slot before it is clipped. Units without rows are left out: they contribute 0.
    """
    filled = sorted((unit for unit in units if unit.rows), key=lambda u: u.targets / len(u.rows))
    for start in range(0, len(filled), units_per_group):
        members = filled[start : start + units_per_group]
        rows = [(row, slot) for slot, unit in enumerate(members) for row in unit.rows]
        rows.sort(key=lambda item: len(item[0]))
        batches: list[MicroBatch] = []
        current: list[tuple[tuple[int, ...], int]] = []
        for row, slot in rows:
            if current and (len(current) + 1) * len(row) > tokens_per_batch:
                batches.append(_collate(current, members, pad))
                current = []
            current.append((row, slot))
        batches.append(_collate(current, members, pad))
        yield Group(len(members), tuple(batches))


def _collate(
    rows: list[tuple[tuple[int, ...], int]], members: Sequence[TokenUnit], pad: int
) -> MicroBatch:
    width = max(len(row) for row, _ in rows)
    input_ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    weights = torch.zeros((len(rows), width - 1), dtype=torch.float32)
    for index, (row, slot) in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
        weights[index, : len(row) - 1] = 1.0 / members[slot].targets
    slots = torch.tensor([slot for _, slot in rows])
    return MicroBatch(input_ids, mask, slots, weights)
