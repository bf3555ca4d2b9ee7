"""The peers of `bench_audit.py`: four ways to the figures of the audit's score table.

All give the same figures of a text: the membership scores, and of target and base how greedy
decoding and a sampler come by its secret (of a canary) or by its easiest passage (of a note); of a
canary also the loss of its secret. The plain ones take one text at a time: no batch, no padding.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_variants as bench
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from llmsafe.audit.attacks import WINDOWS, attacks
from llmsafe.audit.canaries import secret_loss
from llmsafe.audit.extraction import RUN_TOKENS, best_passage_logp, longest_run, secret_logp
from llmsafe.audit.forward import Text, TokenStats
from llmsafe.audit.scores import Row, score_texts
from llmsafe.audit.target import Target
from llmsafe.models import encode_note, load_model
from llmsafe.synthetic import patients

LOWEST, TINY, TOP_K = 0.2, 1e-6, 40
SECRET = 12  # characters


@dataclass(frozen=True)
class Tokens:
    """A text as tokens [1, n]; ``secret`` are places among the n - 1 that have a context."""

    ids: Tensor
    zlib_bytes: int
    secret: list[int] | None


class Plain:
    """The metrics, each from the logits or log-probabilities [n - 1, vocabulary] of a text."""

    def __init__(self, target: Target, max_tokens: int) -> None:
        self.target, self.max_tokens = target, max_tokens
        self.model: Any = target.model

    def read(self, text: Text) -> Tokens:
        ids, spans = encode_note(self.target.tokenizer, text.text, self.max_tokens)
        secret = None
        if text.secret is not None:
            start, end = text.secret
            places = enumerate(spans)
            secret = [t - 1 for t, (a, b) in places if a < b and a < end and b > start]
        seen = text.text[: max(end for _, end in spans)]
        device = self.model.device
        return Tokens(torch.tensor([ids], device=device), len(zlib.compress(seen.encode())), secret)

    def logits(self, tokens: Tokens, *, base: bool = False) -> Tensor:
        """One forward pass."""
        if base:
            with self.target.base() as model:
                found = model(input_ids=tokens.ids, use_cache=False)  # pyright: ignore
        else:
            found = self.model(input_ids=tokens.ids, use_cache=False)
        return found.logits[0, :-1].float()

    def logs(self, tokens: Tokens, *, base: bool = False) -> Tensor:
        return self.logits(tokens, base=base).log_softmax(-1)

    # Each metric with passes of its own.

    def each_metric(self, text: Text) -> dict[str, float]:
        tokens = self.read(text)
        found = {
            "loss": mean(self.chosen(text)),
            "zlib": sum(self.chosen(text)) / tokens.zlib_bytes,
            "min_k": lowest(self.chosen(text)),
            "min_k_pp": lowest(standard(self.logs(tokens), tokens)),
            "base_difference": mean(self.gains(text)[0]),
            "wbc": windows(self.gains(text)[0]),
            "ez": error_zone(*self.gains(text, errors=True)),
            "greedy": self.greedy(text),
            "greedy_base": self.greedy(text, base=True),
            "sampled": self.sampled(text),
            "sampled_base": self.sampled(text, base=True),
        }
        if tokens.secret:
            found["secret_loss"] = loss_of_secret(self.chosen(text), tokens)
        return found

    def chosen(self, text: Text) -> list[float]:
        tokens = self.read(text)
        return picked(self.logs(tokens), tokens)

    def gains(self, text: Text, *, errors: bool = False) -> tuple[list[float], list[bool]]:
        """Over the base; where ``errors`` count, also what the target gets right."""
        tokens = self.read(text)
        ours, theirs = self.logs(tokens), self.logs(tokens, base=True)
        pairs = zip(picked(ours, tokens), picked(theirs, tokens), strict=True)
        return [a - b for a, b in pairs], hits(ours, tokens) if errors else []

    def greedy(self, text: Text, *, base: bool = False) -> float:
        tokens = self.read(text)
        return completed(hits(self.logits(tokens, base=base), tokens), tokens)

    def sampled(self, text: Text, *, base: bool = False) -> float:
        tokens = self.read(text)
        return easiest(drawn(self.logits(tokens, base=base), tokens), tokens)

    # One pass over target and base for all metrics.

    def shared_passes(self, text: Text) -> dict[str, float]:
        tokens = self.read(text)
        both = [self.logs(tokens), self.logs(tokens, base=True)]
        return figures(
            tokens,
            logp=[picked(logs, tokens) for logs in both],
            standardised=standard(both[0], tokens),
            hit=[hits(logs, tokens) for logs in both],
            draw=[drawn(logs, tokens) for logs in both],
        )

    def shared_tensors(self, text: Text) -> dict[str, float]:
        tokens = self.read(text)
        both = [self.logs(tokens), self.logs(tokens, base=True)]
        label = tokens.ids[0, 1:, None]
        logp = [logs.gather(-1, label)[:, 0] for logs in both]
        middle, std = moments(both[0])
        draw: list[list[float]] = []
        for logs, chosen in zip(both, logp, strict=True):
            best = logs.topk(min(TOP_K, logs.shape[-1])).values
            inside = chosen >= best[:, -1]
            draw.append(torch.where(inside, chosen - best.logsumexp(-1), -torch.inf).tolist())
        return figures(
            tokens,
            logp=[chosen.tolist() for chosen in logp],
            standardised=((logp[0] - middle) / std).tolist(),
            hit=[(logs.argmax(-1) == label[:, 0]).tolist() for logs in both],
            draw=draw,
        )


# ---- values of the tokens, one `.item()` each ----------------------------------------------------


def picked(logs: Tensor, tokens: Tokens) -> list[float]:
    return [logs[place, token].item() for place, token in enumerate(tokens.ids[0, 1:])]


def moments(logs: Tensor) -> tuple[Tensor, Tensor]:
    p = logs.exp()
    middle = (p * logs).sum(-1)
    variance = (p * logs.square()).sum(-1) - middle.square()
    return middle, variance.clamp_min(0).sqrt().clamp_min(TINY)


def standard(logs: Tensor, tokens: Tokens) -> list[float]:
    middle, std = moments(logs)
    return [
        ((logs[place, token] - middle[place]) / std[place]).item()
        for place, token in enumerate(tokens.ids[0, 1:])
    ]


def hits(logits: Tensor, tokens: Tokens) -> list[bool]:
    best = logits.argmax(-1)
    return [best[place].item() == token.item() for place, token in enumerate(tokens.ids[0, 1:])]


def drawn(logits: Tensor, tokens: Tokens) -> list[float]:
    """The tokens' log-probabilities under the sampler."""
    edge = logits.topk(min(TOP_K, logits.shape[-1])).values[:, -1:]
    kept = logits.masked_fill(logits < edge, -torch.inf).log_softmax(-1)
    return [kept[place, token].item() for place, token in enumerate(tokens.ids[0, 1:])]


# ---- from the tokens' values ---------------------------------------------------------------------


def figures(
    tokens: Tokens,
    *,
    logp: list[list[float]],
    standardised: list[float],
    hit: list[list[bool]],
    draw: list[list[float]],
) -> dict[str, float]:
    """Lists of two are of target and base."""
    gain = [a - b for a, b in zip(*logp, strict=True)]
    found = {
        "loss": mean(logp[0]),
        "zlib": sum(logp[0]) / tokens.zlib_bytes,
        "min_k": lowest(logp[0]),
        "min_k_pp": lowest(standardised),
        "base_difference": mean(gain),
        "wbc": windows(gain),
        "ez": error_zone(gain, hit[0]),
        "greedy": completed(hit[0], tokens),
        "greedy_base": completed(hit[1], tokens),
        "sampled": easiest(draw[0], tokens),
        "sampled_base": easiest(draw[1], tokens),
    }
    if tokens.secret:
        found["secret_loss"] = loss_of_secret(logp[0], tokens)
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def lowest(values: list[float]) -> float:
    return mean(sorted(values)[: max(1, int(LOWEST * len(values)))])


def error_zone(gain: list[float], hit: list[bool]) -> float:
    zone = [g for g, right in zip(gain, hit, strict=True) if not right] or gain
    up, down = sum(g for g in zone if g > 0), -sum(g for g in zone if g < 0)
    return math.log((up + TINY) / (down + TINY))


def windows(gain: list[float]) -> float:
    total = np.concatenate([[0.0], np.cumsum(gain)])
    widths = [min(size, len(gain)) for size in WINDOWS]
    return mean([float(np.mean(total[w:] > total[:-w])) for w in widths])


def completed(hit: Sequence[bool], tokens: Tokens) -> float:
    """Whether greedy decoding completes the secret; of a note, its longest run after a prefix."""
    if tokens.secret:
        return float(all(hit[place] for place in tokens.secret))
    longest = run = 0
    for right in hit[RUN_TOKENS:]:
        run = run + 1 if right else 0
        longest = max(longest, run)
    return float(longest)


def easiest(draw: Sequence[float], tokens: Tokens) -> float:
    """Log-probability that the sampler draws the secret; of a note, its easiest passage."""
    if tokens.secret:
        return sum(draw[place] for place in tokens.secret)
    after = draw[RUN_TOKENS:]
    starts = range(len(after) - RUN_TOKENS + 1)
    return max((sum(after[t : t + RUN_TOKENS]) for t in starts), default=-math.inf)


def loss_of_secret(logp: Sequence[float], tokens: Tokens) -> float:
    assert tokens.secret is not None
    return -sum(logp[place] for place in tokens.secret)


# ---- the contestants ----------------------------------------------------------------------------

Scores = dict[str, list[float]]
Run = Callable[[Target, list[Text], int], Scores]
LABELS = {
    "each_metric": "plain, each metric its own passes",
    "shared_passes": "plain, shared passes",
    "shared_tensors": "plain, shared passes, no `.item()`",
    "llmsafe": "llmsafe",
}


def run_plain(name: str) -> Run:
    def run(target: Target, texts: list[Text], max_tokens: int) -> Scores:
        plain = Plain(target, max_tokens)
        with torch.inference_mode():
            rows = [getattr(plain, name)(text) for text in texts]
        return {metric: [row[metric] for row in rows] for metric in rows[0]} if rows else {}

    return run


def run_llmsafe(target: Target, texts: list[Text], max_tokens: int) -> Scores:
    with tempfile.TemporaryDirectory() as folder:
        table = score_texts(target, texts, Path(folder) / "s.parquet", max_tokens=max_tokens)
    rows = {row.text_id: row for row in table.rows}
    found = [read_off(rows[text.text_id]) for text in texts]
    return {metric: [one[metric] for one in found] for metric in found[0]} if found else {}


def read_off(row: Row) -> dict[str, float]:
    found = {name: attack(row) for name, attack in attacks(has_base=True).items()}
    for suffix, stats in (("", row.target), ("_base", row.base)):
        assert stats is not None
        found[f"greedy{suffix}"], found[f"sampled{suffix}"] = extraction(stats, row.secret)
    return found | ({"secret_loss": secret_loss(row)} if row.secret else {})


def extraction(stats: TokenStats, secret: tuple[int, int] | None) -> tuple[float, float]:
    """By greedy decoding and by the sampler."""
    if secret:
        return float(stats.slice(*secret).hit.all()), secret_logp(stats, secret)
    after = stats.slice(RUN_TOKENS, len(stats))
    return float(longest_run(after.hit)), best_passage_logp(after.sampled)


RUNS: Mapping[str, Run] = {
    name: run_llmsafe if name == "llmsafe" else run_plain(name) for name in LABELS
}


# ---- model and texts ----------------------------------------------------------------------------


def adapted(model: str, folder: Path) -> None:
    """Save a random LoRA of rank 16 on every linear layer of the model."""
    torch.manual_seed(0)
    settings = LoraConfig(
        task_type="CAUSAL_LM", r=16, target_modules="all-linear", init_lora_weights=False
    )
    tuned: Any = get_peft_model(load_model(model), settings)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.data.mul_(0.2)
    tuned.save_pretrained(folder)


def make_texts(tokenizer: Any, case: str, count: int, context: int, seed: int) -> list[Text]:
    """Invented clinical prose, cut by the model's tokens to lengths as in MTSamples, or short
    with a secret in its second half."""
    rng = np.random.default_rng(seed)
    if case == "canaries":
        lengths = rng.integers(30, 91, count).tolist()
    else:
        lengths = bench.note_lengths(rng, count, context)
    people = patients(seed, 10**6)
    texts: list[Text] = []
    for index, length in enumerate(lengths):
        prose, ends = "", [0]
        while len(ends) < length:
            prose += "\n".join(note.text for note in next(people).notes) + "\n"
            encoded = tokenizer(prose, add_special_tokens=False, return_offsets_mapping=True)
            ends = [end for _, end in encoded["offset_mapping"]]
        # Two tokens of the length are BOS and EOS.
        prose = prose[: ends[max(1, length - 2) - 1]]
        start = len(prose) * 2 // 3
        secret = (start, start + SECRET) if case == "canaries" else None
        role = "planted" if secret else "member"
        texts.append(Text(f"t{index}", f"u{index}", role, prose, secret))
    return texts
