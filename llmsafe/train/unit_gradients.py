"""Per-unit gradients of LoRA matrices in one ordinary backward pass.

For y = W x + s·B(A x) with W frozen, the gradient of row i with respect to A is uᵢᵀxᵢ and with
respect to B it is s·gᵢᵀhᵢ, where g is the gradient at y, u = s·gB and h = A x. These are the very
products that the plain weight gradient sums over rows, so keeping them apart costs memory but
next to no arithmetic: no second backward, no ghost norm (Goodfellow 2015; Li et al. 2022,
2110.05679, section 4, for the alternatives). Each layer is one autograd function, which also
spares the passes over y and x that separate layers, scale and sum would make.
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

# Units are clipped to the bound less this many roundings, so that the errors of norm, quotient and
# product (a few roundings each) cannot carry a clipped gradient over it.
_MARGIN_ROUNDINGS = 64
# No gradient is this long (its square leaves float32): a unit that reaches it counts as not finite.
_LARGEST_NORM = 1e18


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
        self.layers = _lora_layers(model)
        self.parameters = [weight for layer in self.layers for weight in (layer.a, layer.b)]
        self.size = sum(p.numel() for p in self.parameters)
        self._dtype = torch.promote_types(self.parameters[0].dtype, torch.float32)
        self._buffer = torch.zeros(0, self.size)  # [units, parameters] of the open group
        self._views: list[Tensor] = []  # the buffer as one [units, out, in] per parameter
        self._slots: Tensor | None = None
        self._aligned = False
        self.attach()

    def attach(self) -> None:
        """Put the layers under observation; construction does."""
        for index, layer in enumerate(self.layers):
            setattr(layer.module, "forward", functools.partial(_forward, self, index, layer))  # noqa: B010

    def detach(self) -> None:
        """Give the layers their own forward back."""
        for layer in self.layers:
            vars(layer.module).pop("forward", None)

    def open(self, units: int) -> None:
        """Start a group of ``units`` units with zero gradients."""
        device = self.parameters[0].device
        self._buffer = torch.zeros(units, self.size, dtype=self._dtype, device=device)
        parts = self._buffer.split([p.numel() for p in self.parameters], dim=1)
        self._views = [
            part.view(units, *p.shape) for part, p in zip(parts, self.parameters, strict=True)
        ]

    @contextmanager
    def rows(self, slots: Tensor) -> Generator[None, None, None]:
        """Say which unit each row of the micro-batch inside the block belongs to ([rows], CPU)."""
        self._aligned = torch.equal(slots, torch.arange(len(self._buffer)))
        self._slots = slots.to(self._buffer.device)
        try:
            yield
        finally:
            self._slots = None

    def record(self, index: int, inputs: Tensor, gradients: Tensor) -> None:
        """Add the rows' gradients of parameter ``index`` to their units' slots.

        ``inputs`` is [rows, time, in], ``gradients`` [rows, time, out].
        """
        if self._slots is None:
            raise RuntimeError("backward outside of rows(): the gradients belong to no unit")
        if inputs.dim() != 3 or len(inputs) != len(self._slots):
            raise InputError(
                f"a LoRA layer was given an input of shape {tuple(inputs.shape)}, not [rows, time, "
                f"features] of {len(self._slots)} rows, so its gradient cannot be kept apart by "
                "unit; leave it out of model.target_modules"
            )
        inputs, gradients = inputs.to(self._dtype), gradients.to(self._dtype).transpose(1, 2)
        view = self._views[index]
        if self._aligned:  # row i is unit i: the product goes into the buffer without a copy
            view.baddbmm_(gradients, inputs)
        else:
            view.index_add_(0, self._slots, torch.bmm(gradients, inputs))

    def close(self, clip_norm: float) -> ClippedSum:
        """Clip each unit's gradient as one vector to ``clip_norm`` (L2) and sum over the units.

        A unit whose gradient is not finite, or longer than 1e18, contributes zero. ``clip_norm``
        may be ``inf``.
        """
        # A float32 sum of millions of squares drifts by more than any margin (0.3 % over 40 M).
        norm = functools.partial(torch.linalg.vector_norm, dim=(1, 2), dtype=torch.float64)
        norms = torch.stack([norm(view).square() for view in self._views]).sum(0).sqrt()
        finite = norms < _LARGEST_NORM  # False for NaN
        self._buffer[~finite] = 0.0  # a weight of zero would leave 0 · NaN = NaN
        limit = clip_norm * (1 - _MARGIN_ROUNDINGS * torch.finfo(self._dtype).eps)
        scale = torch.ones_like(norms) if math.isinf(limit) else limit / norms.clamp(min=limit)
        scale = torch.where(finite, scale, 0.0)
        total = scale.to(self._dtype) @ self._buffer
        self._buffer, self._views = self._buffer[:0], []
        return ClippedSum(total, norms.float())

    def assign(self, gradient: Tensor) -> None:
        """Write a flat [parameters] vector into the parameters' ``.grad``."""
        parts = gradient.split([p.numel() for p in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype)


@dataclass(frozen=True)
class _Layer:
    """A PEFT LoRA layer: y = base(x) + scale · B A x, with A [r, in] and B [out, r]."""

    module: nn.Module
    base: nn.Module
    a: nn.Parameter
    b: nn.Parameter
    scale: float


class _LoraLinear(torch.autograd.Function):
    """One LoRA layer whose backward hands its weight gradients to a recorder, row by row.

    ``weight`` and ``bias`` are those of a frozen linear base; or ``weight`` is ``None`` and
    ``base`` is the output of another kind of base layer (GPT-2's Conv1D, 4 bits). The input is
    saved as the frozen layer sees it (bfloat16, say) and cast to A's precision where it is used.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        x: Tensor,
        base: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scale: float,
        recorder: UnitGradients,
        index: int,
    ) -> Tensor:
        hidden = nn.functional.linear(x.to(a.dtype), a)
        ctx.save_for_backward(x, hidden, weight, a, b)
        ctx.scale, ctx.recorder, ctx.index = scale, recorder, index
        y = nn.functional.linear(x, cast(Tensor, weight), bias) if base is None else base
        return _add_product(y, hidden, b.t(), scale)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, hidden, weight, a, b = ctx.saved_tensors
        upper = (gradient.to(b.dtype) @ b).mul_(ctx.scale)
        ctx.recorder.record(2 * ctx.index, x, upper)
        ctx.recorder.record(2 * ctx.index + 1, hidden * ctx.scale, gradient)
        below = None
        if ctx.needs_input_grad[0]:
            if weight is None:
                below = (upper @ a).to(x.dtype)
            else:
                below = _add_product(gradient @ weight, upper, a, 1.0)
        return below, gradient if weight is None else None, *[None] * 7


def _add_product(y: Tensor, left: Tensor, right: Tensor, scale: float) -> Tensor:
    """y + scale · left @ right in one pass over y where the types allow it ([…, n] each)."""
    if y.dtype != left.dtype:
        return (y + (left * scale) @ right).to(y.dtype)
    # Into a tensor of y's shape: models that go on in place (Falcon) could not change a view.
    out = torch.empty(y.shape, dtype=y.dtype, device=y.device)
    torch.addmm(
        y.flatten(0, -2), left.flatten(0, -2), right, alpha=scale, out=out.view(-1, y.shape[-1])
    )
    return out


def _forward(recorder: UnitGradients, index: int, layer: _Layer, x: Tensor, *more: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return type(layer.module).forward(layer.module, x, *more)
    frozen = type(layer.base) is nn.Linear
    base = None if frozen else layer.base(x, *more)
    weight, bias = (layer.base.weight, layer.base.bias) if frozen else (None, None)
    own = (layer.a, layer.b, layer.scale, recorder, index)
    return cast(Tensor, _LoraLinear.apply(x, base, weight, bias, *own))


# Layers whose output is base(x) + scale · B A x and nothing else.
_KNOWN = ("Linear", "Linear4bit")


def _lora_layers(model: nn.Module) -> list[_Layer]:
    layers: list[_Layer] = []
    clipped: set[int] = set()
    for name, module in model.named_modules():
        known = type(module).__name__ in _KNOWN and type(module).__module__.startswith("peft.")
        adapters: Any = getattr(module, "lora_A", {})
        for adapter in adapters if known else ():
            layer = _layer(name, cast(Any, module), adapter)
            for weight in (layer.a, layer.b):
                if id(weight) in clipped:
                    raise InputError(
                        f"LoRA layer {name} shares its weight with another layer; tied trainable "
                        "weights are not clipped as one: untie them"
                    )
                clipped.add(id(weight))
            layers.append(layer)
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


def _layer(name: str, module: Any, adapter: str) -> _Layer:
    a, b, dropout = module.lora_A[adapter], module.lora_B[adapter], module.lora_dropout[adapter]
    if a.bias is not None or b.bias is not None:
        raise InputError(f"LoRA layer {name} has a bias, which is not clipped; set lora_bias=False")
    if getattr(dropout, "p", 0.0) > 0:
        raise InputError(
            f"LoRA layer {name} has dropout {dropout.p:g}; under the noise of a private step it "
            "only adds variance and is not supported: set lora_dropout=0"
        )
    if list(module.active_adapters) != [adapter] or module.merged:
        raise InputError(f"LoRA layer {name} has several adapters or a merged one; train one, bare")
    if getattr(module, "lora_variant", None):
        raise InputError(f"LoRA layer {name} is a variant (DoRA or another); train plain LoRA")
    return _Layer(
        module, module.get_base_layer(), a.weight, b.weight, float(module.scaling[adapter])
    )


def check_isolation(model: nn.Module) -> None:
    """Refuse a model in which one unit's loss can depend on another unit of the batch.

    Known kinds are refused by name. A language model is also tried: its logits must stay the same
    when later tokens (padding, in training) or the row beside them change.

    Raises:
        InputError: batch normalisation, a mixture of experts, or rows that see each other.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
            raise InputError(
                f"{name} is batch normalisation, which mixes units; use a model with layer norm"
            )
    config: Any = getattr(model, "config", None)
    if config is None:
        return
    for key in ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"):
        for part in (config, config.get_text_config()):
            if (getattr(part, key, None) or 0) > 1:
                raise InputError(
                    f"the model is a mixture of experts ({key}={getattr(part, key)}): routing and "
                    "its balance loss mix units; use a dense model"
                )
    _check_rows(model, int(config.get_text_config().vocab_size))


def _check_rows(model: Any, vocabulary: int) -> None:
    device = next(model.parameters()).device
    row = torch.arange(1, 9, device=device) * 7919 % vocabulary
    other = torch.cat([row[:5], (row[5:] + 1) % vocabulary])  # the same start, another end
    with torch.no_grad():
        first, second = (
            model(input_ids=torch.stack(rows), use_cache=False).logits.float()
            for rows in ((row, row.flip(0)), (other, other))
        )
    tolerance = 1e-3 * float(first.abs().max())
    if not torch.allclose(first[0, :5], second[0, :5], rtol=1e-3, atol=tolerance):
        raise InputError(
            f"{type(model).__name__} lets a token see later tokens or other rows of its batch: the "
            "loss of one unit would depend on another and no clipping of single units holds; use "
            "a causal model"
        )
