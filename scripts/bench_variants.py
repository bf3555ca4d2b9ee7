"""The peers of `bench_dp_lora.py`: one model, one draw of notes, five ways to take a step.

Each variant leaves the gradient of the draw in the parameters: of the mean over all tokens for the
non-private loops, the (noisy) sum of clipped note gradients for the others. The loss of a note is
the mean over its own tokens in all private variants, so that they compute the same sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import llmsafe  # isort: skip  # noqa: F401  # first: it puts the libraries below offline

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from llmsafe.privacy.noise import gaussian_source
from llmsafe.privacy.plan import Plan
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.sampling import groups
from llmsafe.train.step import GROUP_BYTES, private_step
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit

# Tokens of MTSamples reports (2,000 after de-duplication) under the tokenizer of `llmsafe:base-en`
# (3.3 characters a token): quantiles of the length before it is cut to the context.
QUANTILES = {
    0.0: 107, 0.01: 164, 0.025: 208, 0.05: 255, 0.1: 335, 0.15: 388, 0.2: 447, 0.25: 509,
    0.3: 568, 0.35: 634, 0.4: 689, 0.45: 760, 0.5: 818, 0.55: 878, 0.6: 952, 0.65: 1044,
    0.7: 1135, 0.75: 1229, 0.8: 1362, 0.85: 1515, 0.9: 1751, 0.95: 2135, 0.975: 2526,
    0.99: 2993, 0.995: 3943, 1.0: 8893,
}  # fmt: skip
CASES = ("fixed", "notes", "patients")
PAD = 0
SIGMA = 1.0  # the cost of noise does not depend on how much there is


# ---- what is run ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """A Llama: hidden size, layers, heads, key-value heads, feed-forward size, vocabulary."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    tied: bool = False


@dataclass(frozen=True)
class Scale:
    """The model of fixed-length notes, the one of note-like lengths, and the draws."""

    fixed: Shape
    notes: Shape
    fixed_notes: int = 64  # notes a draw, and their tokens
    length: int = 256
    draw: int = 64
    context: int = 1024


TINY = Shape(32, 2, 4, 2, 64, 128)
B1 = Shape(2048, 16, 32, 8, 8192, 128_256, tied=True)
B8 = Shape(4096, 32, 32, 8, 14_336, 128_256)
SCALES = {
    "tiny": Scale(TINY, TINY, fixed_notes=4, length=16, draw=12, context=320),
    # On one slow thread seven rounds of this take minutes; the vocabulary is small with the depth,
    # so that the head has about the share that it has in a real model.
    "cpu-small": Scale(
        Shape(512, 8, 8, 8, 1376, 4096), Shape(256, 2, 4, 4, 688, 1024), fixed_notes=8, draw=24
    ),
    "1b": Scale(B1, B1),
    "8b": Scale(B8, B8),
}


@dataclass(frozen=True)
class Job:
    """Settings of one case that every variant shares."""

    shape: Shape
    device: str
    threads: int
    rank: int
    micro_batch: int
    tokens_per_batch: int
    context: int
    seed: int


def build(job: Job) -> nn.Module:
    """Llama with random weights, made on its device (bfloat16 on a GPU), with float32 LoRA."""
    s = job.shape
    config = LlamaConfig(
        vocab_size=s.vocabulary,
        hidden_size=s.hidden,
        intermediate_size=s.feed_forward,
        num_hidden_layers=s.layers,
        num_attention_heads=s.heads,
        num_key_value_heads=s.kv_heads,
        max_position_embeddings=max(job.context, 2048),
        tie_word_embeddings=s.tied,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(job.seed)
    dtype = torch.bfloat16 if job.device == "cuda" else torch.float32
    torch.set_default_dtype(dtype)
    try:
        with torch.device(job.device):
            base = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(torch.float32)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=job.rank,
        lora_alpha=2 * job.rank,
        target_modules="all-linear",
        lora_dropout=0.0,
        init_lora_weights=False,  # with B = 0 half of the gradient would be zero
    )
    return get_peft_model(base, lora).to(job.device).train()


def note_lengths(generator: np.random.Generator, count: int, context: int) -> list[int]:
    """Lengths by linear interpolation between the quantiles, cut to the context."""
    drawn = np.interp(generator.random(count), list(QUANTILES), list(QUANTILES.values()))
    return np.minimum(drawn.round(), context).astype(int).tolist()


def make_draw(case: str, scale: Scale, vocabulary: int, seed: int) -> list[TokenUnit]:
    """The units of one draw; `patients` holds about as many notes as `notes`."""
    generator = np.random.default_rng([CASES.index(case), seed])
    if case == "fixed":
        lengths = [scale.length] * scale.fixed_notes
    else:
        lengths = note_lengths(generator, scale.draw, scale.context)
    rows = [tuple(generator.integers(3, vocabulary, n).tolist()) for n in lengths]
    units: list[TokenUnit] = []
    while rows:
        size = int(generator.integers(1, 7)) if case == "patients" else 1
        units.append(TokenUnit(str(len(units)), tuple(rows[:size])))
        rows = rows[size:]
    return units


def tokens(units: Sequence[TokenUnit]) -> int:
    return sum(len(row) for unit in units for row in unit.rows)


def resized(scale: Scale, *, notes: int | None, context: int | None) -> Scale:
    return replace(scale, draw=notes or scale.draw, context=context or scale.context)


# ---- layouts -------------------------------------------------------------------------------------


def padded_layout(units: Sequence[TokenUnit], job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """Micro-batches of a fixed number of notes in the (random) order of the draw: ids, mask."""
    rows = [row for unit in units for row in unit.rows]
    for start in range(0, len(rows), job.micro_batch):
        part = rows[start : start + job.micro_batch]
        ids = torch.full((len(part), max(map(len, part))), PAD)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(part):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        yield ids.to(job.device), mask.to(job.device)


def sorted_layout(
    units: Sequence[TokenUnit], job: Job, parameters: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The micro-batches that llmsafe makes: sorted by length, under a token budget."""
    for group in groups(
        units,
        tokens_per_batch=job.tokens_per_batch,
        units_per_group=max(1, GROUP_BYTES // (4 * parameters)),
        pad=PAD,
    ):
        for batch in group.batches:
            inside = torch.arange(batch.input_ids.shape[1]) < batch.lengths[:, None]
            yield batch.input_ids.to(job.device), inside.long().to(job.device)


# ---- variants: each leaves the gradient of one draw in the parameters ----------------------------


@dataclass(frozen=True)
class Report:
    """Tokens computed, padding included; norms of the units before clipping, where known."""

    computed: int
    norms: tuple[float, ...] = ()


class Plain:
    """Micro-batches, the model's own loss, one backward each, as transformers' Trainer does."""

    def __init__(self, model: nn.Module, job: Job) -> None:
        self.model, self.job = model, job
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def layout(self, units: Sequence[TokenUnit]) -> Iterator[tuple[Tensor, Tensor]]:
        return padded_layout(units, self.job)

    def step(self, units: Sequence[TokenUnit], *, clip_norm: float, noise: bool) -> Report:
        targets, computed = sum(unit.targets for unit in units), 0
        for ids, mask in self.layout(units):
            labels = ids.masked_fill(mask == 0, -100)
            inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
            loss = self.model(**inputs, labels=labels, num_items_in_batch=targets).loss
            loss.backward()
            computed += ids.numel()
        nn.utils.clip_grad_norm_(self.parameters, clip_norm)
        return Report(computed)

    def close(self) -> None:
        """Nothing is attached to the model."""


class PlainSorted(Plain):
    """The same loop over llmsafe's layout: what layout alone brings."""

    def layout(self, units: Sequence[TokenUnit]) -> Iterator[tuple[Tensor, Tensor]]:
        return sorted_layout(units, self.job, sum(p.numel() for p in self.parameters))


def note_losses(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """Mean next-token loss of each note over its own tokens ([notes])."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
    labels = ids.masked_fill(mask == 0, -100)[:, 1:]
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), reduction="none", ignore_index=-100
    )
    return losses.view(labels.shape).sum(1) / (labels != -100).sum(1).clamp(min=1)


class OpacusHooks:
    """Per-sample gradients by hooks; virtual steps, as Opacus' BatchMemoryManager signals them."""

    wrapper: Any = GradSampleModule
    optimiser: Any = DPOptimizer

    def __init__(self, model: nn.Module, job: Job) -> None:
        self.job = job
        self.module = self.wrapper(model, loss_reduction="sum")
        plain = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
        self.optimizer = self.optimiser(
            plain,
            noise_multiplier=SIGMA,
            max_grad_norm=1.0,
            expected_batch_size=1,
            loss_reduction="sum",
        )

    def step(self, units: Sequence[TokenUnit], *, clip_norm: float, noise: bool) -> Report:
        self.optimizer.max_grad_norm = self.module.max_grad_norm = clip_norm
        self.optimizer.noise_multiplier = SIGMA if noise else 0.0
        notes, seen, computed = len(units), 0, 0
        for ids, mask in padded_layout(units, self.job):
            seen, computed = seen + len(ids), computed + ids.numel()
            self.optimizer.signal_skip_step(do_skip=seen < notes)
            self.optimizer.zero_grad()
            self.backward(note_losses(self.module, ids, mask))
            self.optimizer.pre_step()  # clips, sums; noise at the last; no optimiser
        return Report(computed)

    def backward(self, losses: Tensor) -> None:
        losses.sum().backward()

    def close(self) -> None:
        self.module.remove_hooks()


class OpacusGhost(OpacusHooks):
    """Ghost norms: a backward for the norms, a second one for the weighted sum."""

    wrapper = GradSampleModuleFastGradientClipping
    optimiser = DPOptimizerFastGradientClipping

    def backward(self, losses: Tensor) -> None:
        DPTensorFastGradientClipping(self.module, self.optimizer, losses, "sum").backward()


class Ours:
    """The private step of the recipe; the ledger's write is left out, as are Opacus' records."""

    def __init__(self, model: nn.Module, job: Job) -> None:
        self.job = job
        self.gradients = UnitGradients(model)
        self.loss = NextTokenLoss(model)
        self.noise = gaussian_source("standard")

    def step(self, units: Sequence[TokenUnit], *, clip_norm: float, noise: bool) -> Report:
        plan = Plan(
            epsilon=1.0,  # no claim is made here
            delta=1e-6,
            population=1000 * len(units),
            units_per_step=1,
            steps=1,
            noise_multiplier=SIGMA,
            sampling_probability=1e-3,
            clip_norm=clip_norm,
            unit="note",
            noise="standard",
        )
        report = private_step(
            self.loss,
            self.gradients,
            units,
            plan=plan,
            charge=lambda: None,
            noise_source=self.noise if noise else None,
            all_reduce=lambda vector: vector,
            tokens_per_batch=self.job.tokens_per_batch,
            pad=PAD,
        )
        return Report(report.padded_tokens, tuple(report.norms.tolist()))

    def close(self) -> None:
        self.gradients.detach()


@dataclass(frozen=True)
class Variant:
    """``several_rows``: whether a unit may have more than one row (or there are no units)."""

    label: str
    make: Callable[[nn.Module, Job], Any]
    several_rows: bool = True


VARIANTS = {
    "plain": Variant("non-private, random padded", Plain),
    "plain_sorted": Variant("non-private, llmsafe's layout", PlainSorted),
    "opacus_hooks": Variant("Opacus hooks", OpacusHooks, several_rows=False),
    "opacus_ghost": Variant("Opacus ghost", OpacusGhost, several_rows=False),
    "llmsafe": Variant("llmsafe", Ours),
}


def clean(model: nn.Module) -> None:
    """Drop every gradient, and what Opacus leaves behind when it runs out of memory half-way."""
    for parameter in model.parameters():
        parameter.grad = None
        for name in ("grad_sample", "summed_grad", "_current_grad_sample", "_norm_sample"):
            vars(parameter).pop(name, None)
    for module in model.modules():
        for name in ("activations", "max_batch_len"):
            vars(module).pop(name, None)
