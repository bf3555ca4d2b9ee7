"""One forward pass: what a model says about every token of a batch of texts.

The [tokens, vocabulary] logits never exist at once. The body of the model is run on the batch, and
its head on a few hundred hidden states of real tokens at a time, each block reduced to a handful of
numbers per token while it is still in the cache.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from llmsafe.audit.folding import foldable_layers, folded
from llmsafe.errors import InputError
from llmsafe.models import cut_model, encode_note

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Role = Literal["planted", "withheld", "member", "non_member"]
ROLES: tuple[Role, ...] = ("planted", "withheld", "member", "non_member")
FloatArray = NDArray[np.float32]

STATS = ("logp", "hit", "rank", "mean", "std", "sampled")
"""The columns of :class:`TokenStats`."""

# Tokens of a batch: enough to keep the device busy; on a CPU few enough for its cache.
_BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}
# Bytes of one batch of logits, of a model whose head cannot be run apart.
_LOGITS_BYTES = {"cpu": 256 << 20, "cuda": 4 << 30}
# Bytes of one float32 block inside the softmax, and its fewest tokens: each block reads the head's
# weights once more.
_BLOCK_BYTES = {"cpu": 4 << 20, "cuda": 512 << 20}
_BLOCK_TOKENS = 64


@dataclass(frozen=True)
class Sampler:
    """How the model is sampled: temperature, then the ``top_k`` likeliest, then ``top_p`` of them.

    As transformers samples: tokens as likely as the last one let in are in too; ``top_p`` takes the
    fewest tokens whose probability, of what ``top_k`` left, reaches it. The default is that of
    (n, p)-discoverable extraction (arXiv 2410.19482, section 5: top-k sampling with k = 40).

    Raises:
        InputError: a temperature or ``top_k`` not above zero, or ``top_p`` outside (0, 1].
    """

    temperature: float = 1.0
    top_k: int | None = 40
    top_p: float = 1.0

    def __post_init__(self) -> None:
        too_few = self.top_k is not None and self.top_k < 1
        if not self.temperature > 0 or not 0 < self.top_p <= 1 or too_few:
            raise InputError(
                f"sampler {self}: the temperature and top_k must be above 0 (None: no top_k), and "
                "top_p in (0, 1]; greedy decoding needs no sampler, it is in the column hit"
            )


DEFAULT_SAMPLER = Sampler()


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
    minus the entropy), as Min-K%++ needs them (arXiv 2404.02936, section 4); ``sampled`` the
    log-probability under a :class:`Sampler`, minus infinity for a token that it never draws.
    """

    logp: FloatArray
    hit: NDArray[np.bool_]
    rank: NDArray[np.int32]
    mean: FloatArray
    std: FloatArray
    sampled: FloatArray

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


class Scorer:
    """Scores batches by a model in its present state: build one with the adapter on, one with it
    off, and call each in the state it was built in.

    ``pad`` fills rows up and is never looked at. There is no attention mask: a causal model (tried
    on construction) never looks at padding that comes after, and without one attention takes its
    fast path.

    Raises:
        InputError: the model is not causal.
    """

    def __init__(
        self, model: PreTrainedModel, pad: int, sampler: Sampler = DEFAULT_SAMPLER
    ) -> None:
        self._model: Any = model
        self._pad = pad
        self._sampler = sampler
        self._cut = cut_model(model)
        self._adapted = foldable_layers(model)
        if self._model.device.type == "cpu":
            _keep_freed_memory()
        self._vocabulary = int(self._model.config.get_text_config().vocab_size)

    @property
    def chunked(self) -> bool:
        """Whether the head runs block by block; otherwise a batch's logits are made at once."""
        return self._cut is not None

    @property
    def batch_tokens(self) -> int:
        """Padded tokens of a batch that suit device and memory, at least 512."""
        device = self._model.device.type
        tokens = _BATCH_TOKENS.get(device, _BATCH_TOKENS["cpu"])
        if not self.chunked:
            limit = _LOGITS_BYTES.get(device, _LOGITS_BYTES["cpu"])
            tokens = min(tokens, limit // (4 * self._vocabulary))
        return max(512, tokens)

    def __call__(self, batch: Sequence[Encoded]) -> list[TokenStats]:
        """Token statistics of each text; one forward pass over the right-padded batch.

        Raises:
            InputError: the model gives a log-probability that is not finite.
        """
        import torch

        width = max(len(item.ids) for item in batch)
        ids = torch.full((len(batch), width), self._pad, dtype=torch.long)
        for row, item in enumerate(batch):
            ids[row, : len(item.ids)] = torch.tensor(item.ids)
        # Position t predicts token t + 1; flat indices of all positions that predict a real token.
        places = torch.cat(
            [row * width + torch.arange(item.scored) for row, item in enumerate(batch)]
        )
        device = self._model.device
        ids, places = ids.to(device), places.to(device)
        labels = ids.flatten()[places + 1]
        with torch.inference_mode():
            states = self._states(ids).flatten(0, 1)
            size = self._block(device)
            parts = [
                token_stats(self._logits(states[some]), token, self._sampler)
                for some, token in zip(places.split(size), labels.split(size), strict=True)
            ]
        columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
        flat = TokenStats(*cast("Any", columns))
        if not (np.isfinite(flat.logp).all() and np.isfinite(flat.std).all()):
            raise InputError(
                "the model gives log-probabilities that are not finite: its weights are damaged, "
                "or its precision is too low for it; audit it with --dtype float32"
            )
        ends = np.cumsum([item.scored for item in batch])
        return [
            flat.slice(int(end) - item.scored, int(end))
            for item, end in zip(batch, ends, strict=True)
        ]

    def _states(self, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states, or the logits themselves where the head cannot be run apart."""
        with folded(self._adapted):
            if self._cut is not None:
                return self._cut.hidden(ids)
            # Prompt tuning puts tokens of its own in front.
            return self._model(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :]

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        return states if self._cut is None else self._cut.logits(states)

    def _block(self, device: torch.device) -> int:
        limit = _BLOCK_BYTES.get(device.type, _BLOCK_BYTES["cpu"])
        return max(_BLOCK_TOKENS, limit // (4 * self._vocabulary))


def _keep_freed_memory() -> None:
    """Have glibc keep what a batch frees for the next one.

    It hands large blocks back to the system at once, and each page that the next batch touches is
    then fetched and zeroed anew: a fifth of the time of a small model's forward pass. It stops when
    it has seen a large block come and go (mallopt(3), M_MMAP_THRESHOLD; 32 MiB is its limit).
    Other allocators take no notice.
    """
    import torch

    torch.empty((32 << 20) - (64 << 10), dtype=torch.uint8)


def score_batch(model: PreTrainedModel, batch: Sequence[Encoded], pad: int) -> list[TokenStats]:
    """Token statistics of each text of one batch; see :class:`Scorer`, which serves many."""
    return Scorer(model, pad)(batch)


def token_stats(
    logits: torch.Tensor, labels: torch.Tensor, sampler: Sampler
) -> tuple[torch.Tensor, ...]:
    """``logits`` [n, vocabulary], ``labels`` [n] -> the columns of :class:`TokenStats`, each [n].

    In float32, in as few sweeps over the logits as will do; ``logits`` may be overwritten.
    """
    import torch

    z = logits.float()
    best, chosen = _best(z, sampler), z.gather(-1, labels[:, None])
    sampled = _sampled(z, chosen[:, 0], best, sampler)
    work = torch.gt(z, chosen, out=torch.empty_like(z))
    rank = work.sum(-1).int()  # float32 counts are exact below 2^24
    hit = rank == 0
    tied = hit & (best[:, 0] == best[:, 1])
    if tied.any():  # rare, and the sweep for the first of the largest is slow
        hit[tied] = z[tied].argmax(-1) == labels[tied]
    top = best[:, :1]
    x = z.sub_(top)  # log-probabilities but for a constant, so that none is large when it counts
    p = torch.softmax(x, -1, out=work)
    # log of 1 / Σ exp(x): the largest probability is never small, so its logarithm is exact.
    constant = p.amax(-1).log_()
    logp = (chosen - top)[:, 0] + constant
    middle = (p * x).sum(-1)
    # Centred before squaring: E[x²] - E[x]² loses everything when nearly all entries are alike.
    std = x.sub_(middle[:, None]).square_().mul_(p).sum(-1).clamp_min_(0).sqrt_()
    return logp, hit, rank, middle + constant, std, sampled


def sampled_logp(z: torch.Tensor, labels: torch.Tensor, sampler: Sampler) -> torch.Tensor:
    """``z`` [n, vocabulary] float32, ``labels`` [n] -> log-probability under the sampler [n]."""
    return _sampled(z, z.gather(-1, labels[:, None])[:, 0], _best(z, sampler), sampler)


def _best(z: torch.Tensor, sampler: Sampler) -> torch.Tensor:
    """The largest logits in order: all that ``top_k`` lets in and one more, or two of no limit."""
    if sampler.top_k is not None and sampler.top_k < z.shape[-1]:
        return z.topk(sampler.top_k + 1).values
    return z.topk(2).values if sampler.top_p == 1 else z.sort(-1, descending=True).values


def _sampled(
    z: torch.Tensor, chosen: torch.Tensor, best: torch.Tensor, sampler: Sampler
) -> torch.Tensor:
    import torch

    heat, vocabulary = sampler.temperature, z.shape[-1]
    size = min(sampler.top_k or vocabulary, vocabulary)
    chosen = chosen / heat
    if size == vocabulary and sampler.top_p == 1:
        return chosen - (z / heat).logsumexp(-1)
    best = best / heat
    edge = best[:, size - 1]
    if sampler.top_p < 1:
        q = best[:, :size].softmax(-1)
        fewest = (q.cumsum(-1) - q < sampler.top_p).sum(-1, keepdim=True).clamp_min_(1)
        edge = best.gather(-1, fewest - 1)[:, 0]
    mass = best.masked_fill(best < edge[:, None], -torch.inf).logsumexp(-1)
    more = best[:, -1] == edge
    if more.any():  # as likely as the edge, which is in, may be more than ``best`` holds
        level = edge[more, None]
        others = (z[more] / heat == level).sum(-1) - (best[more] == level).sum(-1)
        mass[more] = torch.logaddexp(mass[more], level[:, 0] + others.log())
    return torch.where(chosen >= edge, chosen - mass, -torch.inf)
