"""The private step: clipped sum over one draw, noise once, one all-reduce, a public divisor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from llmsafe.privacy.noise import NoiseSource
from llmsafe.privacy.plan import Plan
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.sampling import groups
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit

AllReduce = Callable[[Tensor], Tensor]
GROUP_BYTES = 1 << 30


@dataclass(frozen=True)
class StepReport:
    """Un-noised facts about this rank's part of a step: vault only."""

    units: int
    loss_sum: float
    norms: Tensor
    tokens: int
    padded_tokens: int


def clipped_sum(
    loss: NextTokenLoss,
    gradients: UnitGradients,
    units: Sequence[TokenUnit],
    *,
    clip_norm: float,
    tokens_per_batch: int,
    pad: int,
) -> tuple[Tensor, StepReport]:
    """Σ over ``units`` of clip(∇ mean token loss of that unit): float32 [parameters].

    Sensitivity: adding or removing one unit changes the result by at most ``clip_norm`` in L2.
    An empty sequence gives zeros.
    """
    device = gradients.parameters[0].device
    total = torch.zeros(gradients.size, device=device)
    losses = torch.zeros((), device=device)
    norms = [torch.zeros(0, device=device)]
    real, padded = 0, 0
    per_group = max(1, GROUP_BYTES // (4 * gradients.size))
    layout = groups(units, tokens_per_batch=tokens_per_batch, units_per_group=per_group, pad=pad)
    for group in layout:
        gradients.open(group.size)
        for batch in group.batches:
            with gradients.rows(batch.slots):
                row_losses = loss(batch.input_ids.to(device), batch.weights.to(device))
                row_losses.sum().backward()
            losses += row_losses.detach().nan_to_num(0.0, 0.0, 0.0).sum()
            real += int(batch.lengths.sum())
            padded += batch.input_ids.numel()
        clipped = gradients.close(clip_norm)
        total = total + clipped.total
        norms.append(clipped.norms)
    return total, StepReport(len(units), float(losses), torch.cat(norms).cpu(), real, padded)


def private_gradient(
    total: Tensor, *, noise: Tensor | None, divisor: float, all_reduce: AllReduce
) -> Tensor:
    """(Σ over ranks of ``total`` + noise) / ``divisor``: float32 [parameters].

    ``noise`` is given on one rank only and enters before the all-reduce, so it is added exactly
    once whatever the number of ranks, and every rank receives the same bits. ``divisor`` is a
    public constant (sampling probability × declared population), never the size of the draw.
    Sums are float64 and rounded once, after the noise is in them.
    """
    summed = total.double()
    if noise is not None:
        summed = summed + noise.to(total.device, torch.float64)
    return (all_reduce(summed) / divisor).float()


def private_step(
    loss: NextTokenLoss,
    gradients: UnitGradients,
    units: Sequence[TokenUnit],
    *,
    plan: Plan,
    charge: Callable[[], None],
    noise_source: NoiseSource | None,
    all_reduce: AllReduce,
    tokens_per_batch: int,
    pad: int,
) -> StepReport:
    """Charge the step, then leave the private mean gradient of one draw in the parameters' grad.

    ``units`` is this rank's share of the draw. ``charge`` and ``noise_source`` are the leading
    rank's; other ranks pass a function that does nothing, and ``None``. The charge returns before
    anything is computed, so a crash can only over-count. A plan without noise is not clipped.
    """
    charge()
    with ThreadPoolExecutor(1) as pool:  # the CPU draws noise while a GPU computes
        drawing = None
        if noise_source:
            drawing = pool.submit(noise_source.sample, gradients.size, plan.noise_std)
        total, report = clipped_sum(
            loss,
            gradients,
            units,
            clip_norm=math.inf if plan.noise == "none" else plan.clip_norm,
            tokens_per_batch=tokens_per_batch,
            pad=pad,
        )
        noise = drawing.result() if drawing else None
    gradients.assign(
        private_gradient(total, noise=noise, divisor=plan.divisor, all_reduce=all_reduce)
    )
    return report


def combined(reports: Sequence[StepReport]) -> StepReport:
    """The report of a whole draw from those of the ranks."""
    return StepReport(
        sum(report.units for report in reports),
        sum(report.loss_sum for report in reports),
        torch.cat([report.norms for report in reports]),
        sum(report.tokens for report in reports),
        sum(report.padded_tokens for report in reports),
    )


def learning_rate(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Linear warm-up over ``warmup`` (a share of ``steps``), then cosine to a tenth of ``peak``."""
    ramp = max(1, round(warmup * steps))
    if step < ramp:
        return peak * (step + 1) / ramp
    progress = (step - ramp) / max(1, steps - ramp)
    return peak * (0.1 + 0.45 * (1.0 + math.cos(math.pi * progress)))
