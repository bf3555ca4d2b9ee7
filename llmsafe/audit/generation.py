"""Text drawn from a model, and how much of it the model owes to its training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmsafe.audit.decoding import CachedRows, Runner, WholeRows
from llmsafe.audit.forward import (
    DEFAULT_SAMPLER,
    Encoded,
    Sampler,
    Scorer,
    Text,
    plan_batches,
)
from llmsafe.errors import InputError
from llmsafe.models import encode_note

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmsafe.audit.target import Target

_BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}  # prompt and continuation, of all rows in the cache


@dataclass(frozen=True, repr=False)
class Generation:
    """A continuation of prompt number ``prompt``: token ids without the one that ended it.

    ``ended`` says whether the model ended it, or the limit on new tokens.
    """

    prompt: int
    ids: tuple[int, ...]
    ended: bool

    def __repr__(self) -> str:
        return f"Generation(<{len(self.ids)} tokens>)"


# --- sampling -----------------------------------------------------------------------------------


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    count: int,
    max_new_tokens: int,
    generator: torch.Generator,
    sampler: Sampler | None = DEFAULT_SAMPLER,
    stop: Collection[int] = (),
    batch_tokens: int | None = None,
    cache: bool = True,
) -> list[Generation]:
    """``count`` continuations of every prompt (token ids, at least one), in order of the prompts.

    ``sampler`` ``None`` is greedy decoding, of which more than one per prompt are alike. ``stop``
    are the tokens that end a text (see :func:`end_tokens`). Every continuation has random numbers
    of its own, one per token: neither ``batch_tokens`` (the size of the cache), nor the
    other prompts' lengths, nor ``cache=False`` (run every row whole at every token) changes what
    is drawn, up to the rounding of the model's own arithmetic.

    Raises:
        InputError: a prompt without a token, or a count below 1.
    """
    import torch

    if count < 1 or max_new_tokens < 1:
        raise InputError(f"{count} texts of {max_new_tokens} tokens: both must be at least 1")
    if any(len(prompt) == 0 for prompt in prompts):
        raise InputError("a prompt has no token; begin with the token that begins every text")
    total = len(prompts) * count
    chances = torch.rand(
        (total, max_new_tokens), dtype=torch.float64, generator=generator, device=generator.device
    ).to(model.device)
    budget = batch_tokens or _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS["cpu"])
    run = Runner(model)
    made: dict[int, Generation] = {}
    # By length: next to no padding. Continuations of one prompt stay together and share its cache.
    jobs = sorted(range(total), key=lambda job: (len(prompts[job // count]), job))
    lengths = [len(prompts[job // count]) + max_new_tokens for job in jobs]
    with torch.inference_mode():
        for rows in _batches(jobs, lengths, budget):
            starts = [tuple(prompts[job // count]) for job in rows]
            state = run.start(starts) if cache and run.caches else WholeRows(model, starts)
            found = _sample(state, chances[torch.tensor(rows)], sampler, frozenset(stop))
            for job, (ids, ended) in zip(rows, found, strict=True):
                made[job] = Generation(job // count, ids, ended)
    return [made[job] for job in range(total)]


def _batches(jobs: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """``jobs`` in order, cut where rows times the longest (``lengths`` rise) pass the budget."""
    rows: list[int] = []
    for job, length in zip(jobs, lengths, strict=True):
        if rows and (len(rows) + 1) * length > budget:
            yield rows
            rows = []
        rows.append(job)
    if rows:
        yield rows


def _sample(
    state: CachedRows | WholeRows,
    chances: torch.Tensor,
    sampler: Sampler | None,
    stop: frozenset[int],
) -> list[tuple[tuple[int, ...], bool]]:
    """Continue every row to its end; ``chances`` [rows, new tokens] uniform in [0, 1)."""
    texts: list[list[int]] = [[] for _ in range(chances.shape[0])]
    ended = [False] * len(texts)
    alive = list(range(len(texts)))
    for step in range(chances.shape[1]):
        tokens = draw(state.logits(), sampler, chances[alive, step])
        kept: list[int] = []
        for place, token in enumerate(tokens.tolist()):
            if token in stop:
                ended[alive[place]] = True
            else:
                texts[alive[place]].append(token)
                kept.append(place)
        if not kept or step + 1 == chances.shape[1]:
            break
        state.advance(kept, tokens[kept])
        alive = [alive[place] for place in kept]
    return [(tuple(ids), over) for ids, over in zip(texts, ended, strict=True)]


def draw(logits: torch.Tensor, sampler: Sampler | None, chances: torch.Tensor) -> torch.Tensor:
    """``logits`` [rows, vocabulary], ``chances`` [rows] in [0, 1) -> one token per row [rows].

    The token at which the cumulative probability passes the row's chance: one random number per
    token, the same on every device. ``sampler`` ``None`` takes the likeliest.
    """
    import torch

    if sampler is None:
        return logits.argmax(-1)
    mass = allowed(logits, sampler).double().softmax(-1).cumsum(-1)
    total = mass[:, -1:]
    # Strictly below the total, or rounding could choose a token that the sampler forbids.
    wanted = torch.minimum(chances[:, None] * total, torch.nextafter(total, total * 0))
    return torch.searchsorted(mass, wanted, right=True)[:, 0]


def allowed(logits: torch.Tensor, sampler: Sampler) -> torch.Tensor:
    """Logits over the temperature, float32 [rows, vocabulary]; minus infinity where never drawn."""
    import torch

    z = logits.float() / sampler.temperature
    vocabulary = z.shape[-1]
    if sampler.top_k is not None and sampler.top_k < vocabulary:
        z = z.masked_fill(z < z.topk(sampler.top_k).values[:, -1:], -torch.inf)
    if sampler.top_p < 1:
        best = z.sort(-1, descending=True).values
        p = best.softmax(-1)
        fewest = (p.cumsum(-1) - p < sampler.top_p).sum(-1, keepdim=True).clamp_min_(1)
        z = z.masked_fill(z < best.gather(-1, fewest - 1), -torch.inf)
    return z


def generate_both(
    target: Target,
    prompts: Sequence[Sequence[int]],
    *,
    count: int,
    max_new_tokens: int,
    seed: int,
    sampler: Sampler | None = DEFAULT_SAMPLER,
    batch_tokens: int | None = None,
) -> tuple[list[Generation], list[Generation] | None]:
    """Texts of the target, and of its base from the same random numbers (``None`` without one)."""
    import torch

    def texts(model: PreTrainedModel) -> list[Generation]:
        return generate(
            model,
            prompts,
            count=count,
            max_new_tokens=max_new_tokens,
            generator=torch.Generator().manual_seed(seed),
            sampler=sampler,
            stop=end_tokens(target.model, target.tokenizer),
            batch_tokens=batch_tokens,
        )

    ours = texts(target.model)
    if not target.has_base:
        return ours, None
    with target.base() as base:
        return ours, texts(base)


def gain_over_base(
    target: Target, prompts: Sequence[Sequence[int]], texts: Sequence[Generation]
) -> NDArray[np.float64]:
    """Membership score of generated texts, higher for one that training taught: [texts].

    The mean gain in log-probability per token over the base, the prompt given; 0 for a text of no
    token. Ranking generations by it finds what was memorised among what is fluent (Carlini et al.
    2021, arXiv 2012.07805, section 5).

    Raises:
        EvidenceError: no base model is known.
    """
    source = Text("", "", "member", "")
    items = [Encoded(source, (*prompts[g.prompt], *g.ids), None, 0) for g in texts]
    ours = _text_logp(target.model, items, texts)
    with target.base() as base:
        return ours - _text_logp(base, items, texts)


def _text_logp(
    model: PreTrainedModel, items: Sequence[Encoded], texts: Sequence[Generation]
) -> NDArray[np.float64]:
    """Mean log-probability of the generated tokens."""
    scorer = Scorer(model, 0)
    found = np.zeros(len(items))
    # A text alone with its first token has nothing to score.
    wanted = [place for place, text in enumerate(texts) if text.ids]
    lengths = [len(items[place].ids) for place in wanted]
    for batch in plan_batches(lengths, scorer.batch_tokens):
        places = [wanted[index] for index in batch]
        for place, stats in zip(places, scorer([items[p] for p in places]), strict=True):
            found[place] = stats.logp[-len(texts[place].ids) :].mean(dtype=np.float64)
    return found


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, text: str = "") -> list[int]:
    """A text that goes on, as token ids: BOS as in training, and no EOS.

    Raises:
        InputError: no token, of an empty text and a tokenizer without BOS.
    """
    ids, _ = encode_note(tokenizer, text, 1 << 30)
    ids = ids if tokenizer.eos_token_id is None else ids[:-1]
    if not ids:
        raise InputError("this tokenizer has no BOS: give a text to begin with")
    return ids


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a text, by the tokenizer and by the model's own settings."""
    settings: Any = getattr(model, "generation_config", None)
    named: Any = getattr(settings, "eos_token_id", None)
    ids: list[Any] = [*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id]
    return frozenset(int(i) for i in ids if i is not None)
