"""Bits a character: the one number by which models with different tokenizers compare."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pretrain_data import batched, jsonl
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.no_grad()
def bits_per_character(
    model: torch.nn.Module, tokenizer: Any, texts: Sequence[str], context: int, batch: int = 8
) -> tuple[float, int]:
    """Mean bits a character, and the characters scored, over the opening of each text.

    `<s>` and then as much of the text as fits in `context` tokens is scored; the divisor is the
    number of characters those tokens cover, so that models with other vocabularies compare.
    """
    device = next(model.parameters()).device
    bits, characters = 0.0, 0
    rows: list[list[int]] = []
    for text in texts:
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=True,
            max_length=context - 1,
        )
        rows.append([tokenizer.bos_token_id, *encoded["input_ids"]])
        characters += encoded["offset_mapping"][-1][1]
    rows.sort(key=len)
    for chunk in batched(rows, batch):
        width = len(chunk[-1])
        ids = torch.zeros(len(chunk), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(chunk):
            ids[i, : len(row)] = torch.tensor(row, device=device)
            mask[i, : len(row)] = 1
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        nats = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        bits += float((nats * mask[:, 1:]).sum(dtype=torch.float64)) / math.log(2)
    return bits / characters, characters


def heldout_bits(
    model: torch.nn.Module, tokenizer: Any, work: Path, limit: int, context: int
) -> dict[str, float]:
    """Bits a character on kept-back documents of every prepared source."""
    found: dict[str, float] = {}
    for path in sorted(work.glob("*.heldout.jsonl.gz")):
        texts = [r["text"] for r in itertools.islice(jsonl(path), limit)]
        if texts:
            bits, _ = bits_per_character(model, tokenizer, texts, context)
            found[path.name.split(".")[0]] = round(bits, 4)
    return found


def evaluate(folder: Path, text: Path, limit: int, seed: int) -> dict[str, Any]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [row["text"] for row in jsonl(text) if row["text"].strip()]
    if len(texts) > limit:
        texts = random.Random(seed).sample(texts, limit)
    context = model.config.max_position_embeddings
    bits, characters = bits_per_character(model, tokenizer, texts, context)
    return {"texts": len(texts), "characters": characters, "bits_per_character": round(bits, 4)}
