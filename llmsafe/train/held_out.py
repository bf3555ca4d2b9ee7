"""A fresh adapter as the recipe makes it, and what a model makes of units that it was not shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from llmsafe.models import load_model
from llmsafe.train.units import TokenUnit


def make_adapter(base: str, rank: int) -> Any:
    """A fresh LoRA on the base, made as the recipe makes it."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        lora_dropout=0.0,
    )
    adapter: Any = get_peft_model(load_model(base), config)
    return adapter


def collate(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, int64 [rows, time], padded on the right."""
    ids = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def row_losses(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean loss of each row over its own tokens: float32 [rows]. The sum would leak lengths."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    real = mask[:, 1:]
    return (losses * real).sum(1) / real.sum(1).clamp(min=1)


@dataclass(frozen=True)
class Losses:
    """Summed loss and number of predicted tokens of each held-out unit ([units])."""

    sums: NDArray[np.float64]
    tokens: NDArray[np.float64]

    def perplexity(self) -> float:
        """Per token, over all units."""
        return float(np.exp(self.sums.sum() / self.tokens.sum()))


def held_out_losses(model: Any, units: Sequence[TokenUnit]) -> Losses:
    """Loss of each unit under the model as it is; units without a token count zero."""
    model.eval()
    sums, tokens = np.zeros(len(units)), np.zeros(len(units))
    rows = [(torch.tensor(row), i) for i, unit in enumerate(units) for row in unit.rows]
    rows.sort(key=lambda item: len(item[0]))
    with torch.no_grad():
        for start in range(0, len(rows), 32):
            part = rows[start : start + 32]
            ids, mask = collate([row for row, _ in part])
            predicted = mask[:, 1:].sum(1).double()
            owners = [owner for _, owner in part]
            np.add.at(sums, owners, (row_losses(model, ids, mask) * predicted).numpy())
            np.add.at(tokens, owners, predicted.numpy())
    return Losses(sums, tokens)
