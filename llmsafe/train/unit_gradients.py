"""Per-unit gradients of LoRA matrices in one ordinary backward pass.

For y = W x + s·B(A x) with W frozen, the gradient of row i with respect to A is uᵢᵀxᵢ and with
respect to B it is gᵢᵀhᵢ (u, g: gradients at the outputs of A and B; h = A x). These are the very
products that the plain weight gradient sums over rows, so keeping them apart costs memory but
next to no arithmetic: no second backward, no ghost norm (Goodfellow 2015; Li et al. 2022,
2110.05679, section 4, for the alternatives).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from llmsafe.errors import InputError


@dataclass(frozen=True)
class ClippedSum:
    """The sum of clipped unit gradients, and un-noised diagnostics that stay in the vault."""

    total: Tensor  # float32 [parameters]
    norms: Tensor  # float32 [units], before clipping; NaN or inf where a unit was not finite


class UnitGradients:
    """Collects gradients per unit for every LoRA matrix of a PEFT model.

    Guarantees that {trainable parameters} = {clipped parameters}: construction fails when a
    trainable parameter is anything but the weight of a LoRA A or B linear layer, because its
    gradient would reach the optimiser un-clipped. Close with :meth:`detach`.

    Raises:
        InputError: nothing is trainable, or something is that cannot be clipped per unit.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = _lora_linears(model)
        self.parameters = [cast(nn.Parameter, layer.weight) for layer in self.layers]
        self.size = sum(p.numel() for p in self.parameters)
        self._buffers: list[Tensor] = []
        self._slots: Tensor | None = None
        for index, layer in enumerate(self.layers):
            setattr(layer, "forward", functools.partial(_forward, self, index, layer))  # noqa: B010

    def detach(self) -> None:
        """Give the layers their own forward back."""
        for layer in self.layers:
            if "forward" in vars(layer):
                del layer.forward

    def open(self, units: int) -> None:
        """Start a group of ``units`` units with zero gradients."""
        self._buffers = [
            p.new_zeros((units, *p.shape), dtype=torch.float32) for p in self.parameters
        ]

    @contextmanager
    def rows(self, slots: Tensor) -> Generator[None, None, None]:
        """Say which unit each row of the micro-batch inside the block belongs to ([rows])."""
        self._slots = slots
        try:
            yield
        finally:
            self._slots = None

    def record(self, index: int, inputs: Tensor, gradients: Tensor) -> None:
        """Add the rows' gradients of layer ``index`` to their units' slots.

        ``inputs`` is [rows, time, in], ``gradients`` [rows, time, out].
        """
        if self._slots is None:
            raise RuntimeError("backward outside of rows(): the gradients belong to no unit")
        per_row = torch.bmm(gradients.float().transpose(1, 2), inputs.float())
        self._buffers[index].index_add_(0, self._slots, per_row)

    def close(self, clip_norm: float) -> ClippedSum:
        """Clip each unit's gradient as one vector to ``clip_norm`` (L2) and sum over the units.

        A unit whose gradient is not finite contributes zero. ``clip_norm`` may be ``inf``.
        """
        squares = [buffer.flatten(1).square().sum(1) for buffer in self._buffers]
        norms = torch.stack(squares).sum(0).sqrt()
        finite = torch.isfinite(norms)
        if not bool(finite.all()):
            for buffer in self._buffers:
                buffer[~finite] = 0.0  # a weight of zero would leave 0 · NaN = NaN
        scale = torch.zeros_like(norms)
        limit = torch.full_like(norms[finite], clip_norm)
        scale[finite] = (
            1.0 if math.isinf(clip_norm) else limit / torch.maximum(norms[finite], limit)
        )
        total = torch.cat([torch.tensordot(scale, b.flatten(1), dims=1) for b in self._buffers])
        self._buffers = []
        return ClippedSum(total, norms)

    def assign(self, gradient: Tensor) -> None:
        """Write a flat [parameters] vector into the parameters' ``.grad``."""
        parts = gradient.split([p.numel() for p in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype)


class _UnitLinear(torch.autograd.Function):
    """x ↦ x Wᵀ whose backward hands the weight gradient to a recorder, row by row."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, x: Tensor, weight: Tensor, recorder: UnitGradients, index: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.recorder, ctx.index = recorder, index
        return x @ weight.t()

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        ctx.recorder.record(ctx.index, x, gradient)
        return (gradient @ weight if ctx.needs_input_grad[0] else None), None, None, None


def _forward(recorder: UnitGradients, index: int, layer: nn.Linear, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return nn.functional.linear(x, layer.weight)
    return cast(Tensor, _UnitLinear.apply(x.to(layer.weight.dtype), layer.weight, recorder, index))


def _lora_linears(model: nn.Module) -> list[nn.Linear]:
    layers: list[nn.Linear] = []
    clipped: set[int] = set()
    for name, module in model.named_modules():
        is_lora = any(part in ("lora_A", "lora_B") for part in name.split("."))
        if is_lora and isinstance(module, nn.Linear) and module.weight.requires_grad:
            if module.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
                raise InputError(
                    f"LoRA layer {name} has a bias, which is not clipped; set lora_bias=False"
                )
            if id(module.weight) in clipped:
                raise InputError(
                    f"LoRA layer {name} shares its weight with another layer; tied trainable "
                    "weights are not clipped as one: untie them"
                )
            clipped.add(id(module.weight))
            layers.append(module)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in clipped:
            raise InputError(
                f"parameter {name} is trainable but is no LoRA A or B linear weight, so its "
                "gradient would escape the clipping; train plain LoRA on linear layers "
                "(no DoRA, no modules_to_save, no bias, no embedding LoRA)"
            )
    if not layers:
        raise InputError("no trainable LoRA layer; set model.target_modules=all-linear")
    return layers


def check_isolation(model: nn.Module) -> None:
    """Refuse a model in which one unit's loss can depend on another unit of the batch.

    Raises:
        InputError: batch normalisation, or a mixture of experts.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
            raise InputError(
                f"{name} is batch normalisation, which mixes units; use a model with layer norm"
            )
    config = getattr(model, "config", None)
    for key in ("num_local_experts", "num_experts", "n_routed_experts"):
        if (getattr(config, key, None) or 0) > 1:
            raise InputError(
                f"the model is a mixture of experts ({key}={getattr(config, key)}): routing and "
                "its balance loss mix units; use a dense model"
            )
