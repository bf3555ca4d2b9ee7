"""LoRA layers as one matrix product: ``(W + s·B·A) x`` in place of ``W x + s·B (A x)``.

The two differ in the last digits of float32 alone, and the second takes three products, a factor
and a sum over all tokens of a batch, a third of the time of a small model's forward pass. The sum
of the weights is made anew for each batch, layer by layer: it costs as much as a few more tokens,
no weight of the model is touched, so that the base stays what it is, and no copy is kept.

Only plain layers are folded. A quantised base would have to be rounded again, half precision loses
the digits of a small update, and variants of LoRA (DoRA, biases) say something else: all these run
as they are.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def foldable_layers(model: torch.nn.Module) -> list[Any]:
    """The LoRA layers whose adapter is on and can be folded into the weights, to the last digits.

    A list for the present state of the model: with its adapter off, or none, it is empty.
    """
    from peft.tuners.lora.layer import Linear

    # The very class: those for quantised weights are others, or derive from it.
    return [layer for layer in model.modules() if type(layer) is Linear and _is_plain(layer)]


def _is_plain(layer: Any) -> bool:
    import torch

    base, names = layer.base_layer, _adapters(layer)
    if type(base) is not torch.nn.Linear or layer.disable_adapters or layer.merged or not names:
        return False
    weights = [base.weight, *(m[n].weight for m in (layer.lora_A, layer.lora_B) for n in names)]
    # A quantised weight may be a tensor of another class that calls itself float32.
    plain = all(type(w.data) is torch.Tensor and w.dtype == torch.float32 for w in weights)
    return plain and not any(n in layer.lora_variant or layer.lora_bias[n] for n in names)


def _adapters(layer: Any) -> list[str]:
    return [name for name in layer.active_adapters if name in layer.lora_A]


@contextmanager
def folded(layers: Sequence[Any]) -> Generator[None, None, None]:
    """Run ``layers`` (see :func:`foldable_layers`) folded, for the length of a ``with`` block.

    For evaluation: there is no dropout.
    """
    try:
        for layer in layers:
            layer.forward = partial(_forward, layer, layer.forward)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _forward(layer: Any, unfolded: Any, x: torch.Tensor) -> torch.Tensor:
    import torch

    base = layer.base_layer
    out, into = base.weight.shape
    if x.numel() // into * (out + into) < out * into:  # so few tokens that the sum costs more
        return unfolded(x)
    weight = base.weight
    for name in _adapters(layer):
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        weight = torch.addmm(weight, b, a, alpha=layer.scaling[name])
    return torch.nn.functional.linear(x, weight, base.bias)
