"""Next-token loss whose [rows, time, vocabulary] logits never exist at once.

With a vocabulary of 128,000, the float32 logits of a few thousand tokens are the largest tensor of
a training step. The head is frozen, so the loss and its gradient with respect to the hidden states
can be computed together, a few hundred tokens at a time, and only for tokens that have a target
(the idea of Liger's fused loss, arXiv:2410.10989, section 3.2, in plain torch).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from llmsafe.errors import InputError

CHUNK_BYTES = 1 << 27


class NextTokenLoss:
    """Weighted next-token loss of each row of a micro-batch under a causal language model.

    ``chunked`` tells whether logits are computed in chunks. That needs a model that is a body and
    a frozen linear head (with or without a soft cap, as in Gemma). Whether a model is one is not
    assumed but tried, on a few fixed token ids: where the chunked loss is not that of the model's
    own logits (it scales them, say), the whole logits are used.

    Raises:
        InputError: the head is trainable.
    """

    def __init__(self, model: nn.Module) -> None:
        get_base: Any = getattr(model, "get_base_model", None)
        causal: Any = get_base() if get_base else model
        head: Any = causal.get_output_embeddings()
        if head is not None and any(p.requires_grad for p in head.parameters()):
            raise InputError(
                "the output head is trainable; the loss is computed over a frozen head: leave "
                "lm_head out of model.target_modules"
            )
        config = causal.config.get_text_config()
        self._model: Any = model
        self._body: Any = getattr(causal, "base_model", None)
        self._head: Any = head
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self.chunked = False
        if type(head) is nn.Linear and self._body is not causal:
            self.chunked = self._agrees(int(config.vocab_size))

    def __call__(self, input_ids: Tensor, weights: Tensor) -> Tensor:
        """Σ over a row's targets of weight · −log p(target): float32 [rows].

        ``input_ids`` is int64 [rows, time], padded on the right; ``weights`` float32
        [rows, time − 1], the weight of the prediction of token t + 1 (0: no target). There is no
        attention mask: a causal model never looks at padding that comes after (checked by
        :func:`llmsafe.train.unit_gradients.check_isolation`), and without a mask attention takes
        its fast path.
        """
        # Only tokens with a target: a masked one whose loss is infinite must not give 0 · inf.
        rows, times = torch.nonzero(weights > 0, as_tuple=True)
        targets, weight = input_ids[rows, times + 1], weights[rows, times]
        if self.chunked:
            hidden = self._body(input_ids=input_ids, use_cache=False).last_hidden_state[rows, times]
            losses = cast(
                Tensor, _ChunkedLoss.apply(hidden, self._head, self._softcap, targets, weight)
            )
        else:
            logits = self._model(input_ids=input_ids, use_cache=False).logits[rows, times]
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            losses = nn.functional.cross_entropy(logits, targets, reduction="none") * weight
        return losses.new_zeros(len(input_ids)).index_add(0, rows, losses)

    def _agrees(self, vocabulary: int) -> bool:
        """Whether body, head and soft cap make the model's own logits of a few fixed tokens."""
        device = next(self._model.parameters()).device
        ids = (torch.arange(1, 17, device=device) * 7919 % vocabulary)[None]
        with torch.no_grad():
            whole = self._model(input_ids=ids, use_cache=False).logits.float()
            hidden = self._body(input_ids=ids, use_cache=False).last_hidden_state
            if hidden.shape[-1] != self._head.in_features:
                return False
            logits = _logits(hidden, self._head, self._softcap).float()
        return torch.allclose(whole, logits, rtol=1e-2, atol=1e-2 * float(whole.abs().max()))


def _logits(hidden: Tensor, head: nn.Linear, softcap: float | None) -> Tensor:
    logits = nn.functional.linear(hidden, head.weight, head.bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


class _ChunkedLoss(torch.autograd.Function):
    """[tokens] weighted losses of [tokens, hidden] states; makes the gradient in the forward."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        hidden: Tensor,
        head: nn.Linear,
        softcap: float | None,
        targets: Tensor,
        weights: Tensor,
    ) -> Tensor:
        precise = torch.promote_types(hidden.dtype, torch.float32)
        losses = torch.empty(len(hidden), dtype=precise, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        size = max(1, CHUNK_BYTES // (4 * head.out_features))
        for start in range(0, len(hidden), size):
            part = slice(start, start + size)
            target, weight = targets[part, None], weights[part, None].to(precise)
            logits = _logits(hidden[part], head, softcap)
            normaliser = torch.logsumexp(logits, 1, keepdim=True)
            losses[part] = ((normaliser - logits.gather(1, target)) * weight)[:, 0]
            if gradient is None:
                continue
            slope = 1 - (logits / softcap).square() if softcap is not None else None
            change = logits.sub_(normaliser).exp_()  # softmax, in place of the logits
            change.scatter_add_(1, target, torch.full_like(normaliser, -1.0)).mul_(weight)
            if slope is not None:
                change.mul_(slope)
            gradient[part] = change.to(hidden.dtype) @ head.weight
        ctx.save_for_backward(*([] if gradient is None else [gradient]))
        return losses

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        (hidden_gradient,) = ctx.saved_tensors
        return gradient[:, None].to(hidden_gradient.dtype) * hidden_gradient, None, None, None, None
