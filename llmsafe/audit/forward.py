"""One forward pass: what a model says about every token of a batch of texts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from llmsafe.errors import InputError
from llmsafe.models import encode_note

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Role = Literal["planted", "withheld", "member", "non_member"]
ROLES: tuple[Role, ...] = ("planted", "withheld", "member", "non_member")
FloatArray = NDArray[np.float32]

STATS = ("logp", "hit", "rank", "mean", "std")
"""The columns of :class:`TokenStats`."""

# Bytes of one batch of logits, and of one float32 block inside the log-softmax.
_LOGITS_BYTES = {"cpu": 256 << 20, "cuda": 4 << 30}
_BLOCK_BYTES = {"cpu": 16 << 20, "cuda": 512 << 20}
_MAX_BATCH_TOKENS = 16_384


@dataclass(frozen=True, repr=False)
class Text:
    """A text to score. ``secret`` is a half-open span of characters, for canaries."""

    text_id: str
    unit_id: str
    role: Role
    text: str
    secret: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"Text({self.role}, <{len(self.text)} characters>)"


@dataclass(frozen=True, repr=False)
class Encoded:
    """A text as tokens. Token t of ``ids`` is scored as entry t - 1: the first has no context.

    ``secret`` is the half-open range of scored tokens that overlap the secret; ``None`` without
    a secret, or when part of it was cut off. ``zlib_bytes`` is the compressed size of the part of
    the text that was not cut off.
    """

    source: Text
    ids: tuple[int, ...]
    secret: tuple[int, int] | None
    zlib_bytes: int

    @property
    def scored(self) -> int:
        """Number of tokens with a score."""
        return len(self.ids) - 1


@dataclass(frozen=True, repr=False)
class TokenStats:
    """Per scored token, arrays of shape [tokens], natural logarithms.

    ``logp`` log-probability of the token given all before it; ``hit`` whether it is what greedy
    decoding emits; ``rank`` number of vocabulary entries with a larger logit; ``mean`` and
    ``std`` of the log-probability of a token drawn from the model at this place (``mean`` is
    minus the entropy), as Min-K%++ needs them (arXiv 2404.02936, section 4).
    """

    logp: FloatArray
    hit: NDArray[np.bool_]
    rank: NDArray[np.int32]
    mean: FloatArray
    std: FloatArray

    def __len__(self) -> int:
        return int(self.logp.size)

    def slice(self, start: int, end: int) -> TokenStats:
        """The entries of a half-open range."""
        cut = slice(start, end)
        return TokenStats(*(getattr(self, name)[cut] for name in STATS))


# --- tokens -------------------------------------------------------------------------------------


def encode(tokenizer: PreTrainedTokenizerBase, text: Text, max_tokens: int) -> Encoded:
    """Tokenise as training does; find the secret's tokens by offsets in the whole text.

    A token that straddles the border of the secret counts as part of it.
    """
    ids, spans = encode_note(tokenizer, text.text, max_tokens)
    secret = None
    if text.secret is not None:
        start, end = text.secret
        inside = [t for t, (a, b) in enumerate(spans) if a < b and a < end and b > start]
        # The last character of the secret must be there, and the first must have a context.
        if inside and inside[0] >= 1 and spans[inside[-1]][1] >= end:
            secret = (inside[0] - 1, inside[-1])
    seen = max((b for _, b in spans), default=0)
    return Encoded(text, tuple(ids), secret, len(zlib.compress(text.text[:seen].encode())))


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of at most ``budget`` padded tokens, sorted by length, longest first.

    Sorting leaves next to no padding; the longest first shows a lack of memory at once. A text
    longer than the budget is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


# --- one forward pass ---------------------------------------------------------------------------


def default_batch_tokens(vocabulary: int, device: str) -> int:
    """Tokens whose logits fill the memory set aside for them (float32), at least 512."""
    fits = _LOGITS_BYTES.get(device, _LOGITS_BYTES["cpu"]) // (4 * vocabulary)
    return max(512, min(_MAX_BATCH_TOKENS, fits))


def score_batch(model: PreTrainedModel, batch: Sequence[Encoded], pad: int) -> list[TokenStats]:
    """Token statistics of each text of a right-padded batch; one forward pass.

    The log-softmax is in float32 over blocks of real (not padding) positions, so memory is
    bounded by the logits themselves.

    Raises:
        InputError: the model gives a log-probability that is not finite.
    """
    import torch

    width = max(len(item.ids) for item in batch)
    ids = torch.full((len(batch), width), pad, dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    # Position t predicts token t + 1; flat indices of all positions that predict a real token.
    places = torch.cat([row * width + torch.arange(item.scored) for row, item in enumerate(batch)])
    device = model.device
    with torch.inference_mode():
        output = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        logits = output.logits.flatten(0, 1)
        labels = ids.flatten().to(device)
        places = places.to(device)
        block = max(1, _block_bytes(device) // (4 * logits.shape[-1]))
        parts = [
            _block_stats(logits[chunk], labels[chunk + 1])
            for chunk in cast("Any", places).split(block)
        ]
    columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
    flat = TokenStats(*cast("Any", columns))
    if not (np.isfinite(flat.logp).all() and np.isfinite(flat.std).all()):
        raise InputError(
            "the model gives log-probabilities that are not finite: its weights are damaged, or "
            "its precision is too low for it; audit it with --dtype float32"
        )
    ends = np.cumsum([item.scored for item in batch])
    return [
        flat.slice(int(end) - item.scored, int(end)) for item, end in zip(batch, ends, strict=True)
    ]


def _block_stats(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """``logits`` [n, vocabulary], ``labels`` [n] -> logp, hit, rank, mean, std, each [n]."""
    import torch

    z = logits.float()
    hit = z.argmax(-1) == labels
    chosen = z.gather(-1, labels[:, None])
    rank = (z > chosen).sum(-1, dtype=torch.int32)
    logs = z.log_softmax(-1)
    weights = logs.exp()
    mean = (weights * logs).sum(-1)
    # Centred before squaring: E[x²] - E[x]² loses everything when the model is sure of itself.
    spread = (weights * (logs - mean[:, None]).square_()).sum(-1).clamp_min_(0).sqrt()
    return logs.gather(-1, labels[:, None]).squeeze(-1), hit, rank, mean, spread


def _block_bytes(device: torch.device) -> int:
    return _BLOCK_BYTES.get(device.type, _BLOCK_BYTES["cpu"])
