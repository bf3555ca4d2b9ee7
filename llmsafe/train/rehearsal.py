"""One step on tokens of our own, before the first charge: does this model train rightly?"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from llmsafe.errors import InputError
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.step import clipped_sum
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit


def rehearse(model: nn.Module, loss: NextTokenLoss, gradients: UnitGradients, *, pad: int) -> None:
    """Try this model on tokens of our own before anything is charged.

    Its gradients per unit must be those of plain autograd, and reach every B matrix (A has none
    while B is zero). What a model does that nobody foresaw shows here, at no cost of privacy.

    Raises:
        InputError: the model cannot be trained, or not rightly.
    """
    config: Any = model.config
    vocabulary = int(config.get_text_config().vocab_size)
    rows = tuple(tuple((start * 7919 + 31 * i) % vocabulary for i in range(9)) for start in (1, 2))
    unit = TokenUnit("rehearsal", rows)
    name = type(model).__name__
    try:
        total, _ = clipped_sum(
            loss, gradients, [unit], clip_norm=math.inf, tokens_per_batch=1 << 20, pad=pad
        )
        expected = _plain_gradient(loss, gradients, unit)
    # What a model's own code raises is not ours to list; an error of another kind is a defect here.
    except (RuntimeError, TypeError, NotImplementedError, InputError) as error:
        raise InputError(
            f"{name} cannot be trained per unit: {str(error).splitlines()[0]}; nothing was charged"
        ) from error
    sizes = [p.numel() for p in gradients.parameters]
    parts, plain = total.split(sizes), expected.split(sizes)
    least = 1e-2 * expected.norm()  # below a hundredth of the whole, rounding is no error
    pairs = zip(parts, plain, strict=True)
    away = float(torch.stack([(a - b).norm() / (b.norm() + least) for a, b in pairs]).max())
    precise = next(model.parameters()).dtype in (torch.float32, torch.float64)
    if not away <= (1e-3 if precise else 0.1):
        raise InputError(
            f"{name}: the gradient of a unit lies {away:.2g} of its length from that of plain "
            "autograd, so the clipping would be wrong; nothing was charged: use another model"
        )
    idle = sum(not bool(part.any()) for part in parts[1::2])
    if idle:
        raise InputError(
            f"{idle} of {len(parts) // 2} LoRA layers of {name} have no gradient and would not "
            "train; leave them out of model.target_modules; nothing was charged"
        )


def _plain_gradient(loss: NextTokenLoss, gradients: UnitGradients, unit: TokenUnit) -> Tensor:
    device = gradients.parameters[0].device
    ids = torch.tensor(unit.rows, device=device)
    weights = torch.full((len(ids), ids.shape[1] - 1), 1 / unit.targets, device=device)
    gradients.detach()
    try:
        parts = torch.autograd.grad(loss(ids, weights).sum(), gradients.parameters)
    finally:
        gradients.attach()
    return torch.cat([part.flatten() for part in parts])
