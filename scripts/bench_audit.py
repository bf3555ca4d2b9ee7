"""What does an audit's scoring cost? Notes per second of llmsafe and of plain implementations.

    OMP_WAIT_POLICY=PASSIVE python scripts/bench_audit.py --notes 48 --repeats 3
    python scripts/bench_audit.py --model meta-llama/Llama-3.2-1B --device cuda --json bench.json

All compute the same figures of every note: the membership scores of `llmsafe audit`, the longest
run of tokens that greedy decoding would emit, of target and of base, and how likely a sampler
(top-k, k = 40) draws the note's tokens, of target and of base. They do so from the same model with
its LoRA adapter on and off, on the same invented notes, in turn and in random order within one run;
each is checked against llmsafe's before anything is timed. The plain ones take one text at a time,
in torch's inference mode, so that they never compute padding:

- `each metric`: every metric is a function of model and text that does its own forward passes,
  takes a log-softmax over all logits and collects the tokens' values with `.item()`, one at a time.
  This is how scripts that add attack by attack to a library of them end up.
- `shared passes`: one pass over the target and one over the base for each text; all metrics are
  computed from their log-softmax, and the tokens' values are collected with `.item()`. This is how
  MIMIR works.
- `shared, no .item()`: the same, but values are gathered as tensors. The best that one text at a
  time can do: what llmsafe gains over it is batching, and a softmax that stays in the cache.

`llmsafe` is `score_texts` as the audit calls it, the figures read off the table included: it also
computes ranks, writes the parquet file (with fsync) and reads it back. The plain ones write
nothing. The adapter is drawn at random: what it says does not matter here, only that target and
base differ. Time is that of the clock; on a busy machine look at the ratio in CPU time beside it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import cProfile
import math
import platform
import pstats
import random
import shlex
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bench_dp_lora as page_of
import bench_variants as bench
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from llmsafe.audit.attacks import WINDOWS, attacks
from llmsafe.audit.forward import Text, encode
from llmsafe.audit.scores import score_texts
from llmsafe.audit.target import Target, open_target
from llmsafe.cli.common import say
from llmsafe.models import load_model, pick_device, resolve_model
from llmsafe.synthetic import patients

Scores = dict[str, list[float]]
CASES = {
    "notes": "MTSamples-like lengths",
    "short": "Notes of 30 to 90 tokens, as canaries are",
}
LOWEST, TINY, TOP_K = 0.2, 1e-6, 40


# ---- plain: one text at a time ------------------------------------------------------------------


class Plain:
    """The metrics, each written the straightforward way; one text, no batch, no padding."""

    def __init__(self, target: Target, max_tokens: int) -> None:
        self.target, self.max_tokens = target, max_tokens
        self.model: Any = target.model

    def ids(self, text: Text) -> Tensor:
        item = encode(self.target.tokenizer, text, self.max_tokens)
        return torch.tensor([item.ids], device=self.model.device)

    def logs(self, ids: Tensor, *, base: bool = False) -> Tensor:
        """One forward pass: log-probabilities [tokens, vocabulary]."""
        if base:
            with self.target.base() as model:
                logits = model(input_ids=ids, use_cache=False).logits  # pyright: ignore
        else:
            logits = self.model(input_ids=ids, use_cache=False).logits
        return logits[0, :-1].float().log_softmax(-1)

    def picked(self, logs: Tensor, ids: Tensor) -> list[float]:
        """The tokens' log-probabilities, one `.item()` each."""
        return [logs[place, token].item() for place, token in enumerate(ids[0, 1:])]

    def standard(self, logs: Tensor, ids: Tensor) -> list[float]:
        p = logs.exp()
        mean = (p * logs).sum(-1)
        std = ((p * logs.square()).sum(-1) - mean.square()).clamp_min(0).sqrt().clamp_min(TINY)
        return [
            ((logs[place, token] - mean[place]) / std[place]).item()
            for place, token in enumerate(ids[0, 1:])
        ]

    def hits(self, logs: Tensor, ids: Tensor) -> list[bool]:
        best = logs.argmax(-1)
        return [best[place].item() == token.item() for place, token in enumerate(ids[0, 1:])]

    def drawn(self, logs: Tensor, ids: Tensor) -> list[float]:
        """The tokens' probabilities under the sampler."""
        edge = logs.topk(min(TOP_K, logs.shape[-1])).values[:, -1:]
        kept = logs.masked_fill(logs < edge, -torch.inf).softmax(-1)
        return [kept[place, token].item() for place, token in enumerate(ids[0, 1:])]

    # Every metric with passes of its own.

    def each_metric(self, text: Text) -> dict[str, float]:
        def target(*, base: bool = False) -> tuple[Tensor, Tensor]:
            ids = self.ids(text)
            return self.logs(ids, base=base), ids

        def gains() -> tuple[list[float], Tensor, Tensor]:
            logs, ids = target()
            theirs = self.picked(self.logs(ids, base=True), ids)
            ours = self.picked(logs, ids)
            return [a - b for a, b in zip(ours, theirs, strict=True)], logs, ids

        found = {
            "loss": mean(self.picked(*target())),
            "zlib": sum(self.picked(*target())) / self.zlib_bytes(text),
            "min_k": lowest(self.picked(*target())),
            "min_k_pp": lowest(self.standard(*target())),
            "base_difference": mean(gains()[0]),
            "wbc": windows(gains()[0]),
            "greedy_run": longest_run(self.hits(*target())),
            "greedy_run_base": longest_run(self.hits(*target(base=True))),
            "sampled": mean(self.drawn(*target())),
            "sampled_base": mean(self.drawn(*target(base=True))),
        }
        gain, logs, ids = gains()
        return found | {"ez": error_zone(gain, self.hits(logs, ids))}

    def shared_passes(self, text: Text) -> dict[str, float]:
        ids = self.ids(text)
        logs, theirs = self.logs(ids), self.logs(ids, base=True)
        return self.metrics(
            text,
            logp=[self.picked(one, ids) for one in (logs, theirs)],
            standard=self.standard(logs, ids),
            hits=[self.hits(one, ids) for one in (logs, theirs)],
            drawn=[self.drawn(one, ids) for one in (logs, theirs)],
        )

    def shared_tensors(self, text: Text) -> dict[str, float]:
        ids = self.ids(text)
        both = [self.logs(ids), self.logs(ids, base=True)]
        label = ids[0, 1:, None]
        logp = [logs.gather(-1, label)[:, 0] for logs in both]
        p = both[0].exp()
        middle = (p * both[0]).sum(-1)
        std = ((p * both[0].square()).sum(-1) - middle.square()).clamp_min(0).sqrt().clamp_min(TINY)
        drawn: list[list[float]] = []
        for logs, chosen in zip(both, logp, strict=True):
            best = logs.topk(min(TOP_K, logs.shape[-1])).values
            inside = chosen >= best[:, -1]
            drawn.append((inside * (chosen - best.logsumexp(-1)).exp()).tolist())
        return self.metrics(
            text,
            logp=[chosen.tolist() for chosen in logp],
            standard=((logp[0] - middle) / std).tolist(),
            hits=[(logs.argmax(-1) == label[:, 0]).tolist() for logs in both],
            drawn=drawn,
        )

    def metrics(
        self,
        text: Text,
        *,
        logp: list[list[float]],
        standard: list[float],
        hits: list[list[bool]],
        drawn: list[list[float]],
    ) -> dict[str, float]:
        """From the tokens' values, of the target and of the base where there are two."""
        gain = [a - b for a, b in zip(*logp, strict=True)]
        return {
            "loss": mean(logp[0]),
            "zlib": sum(logp[0]) / self.zlib_bytes(text),
            "min_k": lowest(logp[0]),
            "min_k_pp": lowest(standard),
            "base_difference": mean(gain),
            "ez": error_zone(gain, hits[0]),
            "wbc": windows(gain),
            "greedy_run": longest_run(hits[0]),
            "greedy_run_base": longest_run(hits[1]),
            "sampled": mean(drawn[0]),
            "sampled_base": mean(drawn[1]),
        }

    def zlib_bytes(self, text: Text) -> int:
        return len(zlib.compress(text.text.encode()))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def lowest(values: list[float]) -> float:
    return mean(sorted(values)[: max(1, int(LOWEST * len(values)))])


def longest_run(hits: Sequence[bool]) -> float:
    longest = run = 0
    for hit in hits:
        run = run + 1 if hit else 0
        longest = max(longest, run)
    return float(longest)


def error_zone(gain: list[float], hits: list[bool]) -> float:
    zone = [g for g, hit in zip(gain, hits, strict=True) if not hit] or gain
    up, down = sum(g for g in zone if g > 0), -sum(g for g in zone if g < 0)
    return math.log((up + TINY) / (down + TINY))


def windows(gain: list[float]) -> float:
    total = np.concatenate([[0.0], np.cumsum(gain)])
    widths = [min(size, len(gain)) for size in WINDOWS]
    return mean([float(np.mean(total[w:] > total[:-w])) for w in widths])


# ---- the contestants ----------------------------------------------------------------------------

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
    ordered = [rows[text.text_id] for text in texts]
    scores = {
        name: [attack(row) for row in ordered] for name, attack in attacks(has_base=True).items()
    }
    for suffix, stats in (
        ("", [row.target for row in ordered]),
        ("_base", [row.base for row in ordered if row.base is not None]),
    ):
        scores[f"greedy_run{suffix}"] = [longest_run(one.hit.tolist()) for one in stats]
        scores[f"sampled{suffix}"] = [float(np.exp(one.sampled).mean()) for one in stats]
    return scores


RUNS: Mapping[str, Run] = {
    name: run_llmsafe if name == "llmsafe" else run_plain(name) for name in LABELS
}


# ---- model and notes ----------------------------------------------------------------------------


def adapted(model: str, device: str, folder: Path) -> Target:
    """The model with a random LoRA of rank 16 on every linear layer, opened as an audit does."""
    torch.manual_seed(0)
    settings = LoraConfig(
        task_type="CAUSAL_LM", r=16, target_modules="all-linear", init_lora_weights=False
    )
    tuned: Any = get_peft_model(load_model(model), settings)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.data.mul_(0.2)
    tuned.save_pretrained(folder)
    return open_target(folder, base=resolve_model(model), device=device)


def make_texts(target: Target, case: str, count: int, context: int, seed: int) -> list[Text]:
    """Invented clinical prose, cut to lengths as in MTSamples (or short) by the model's tokens."""
    rng = np.random.default_rng(seed)
    if case == "short":
        lengths = rng.integers(30, 91, count).tolist()
    else:
        lengths = bench.note_lengths(rng, count, context)
    tokenizer: Any = target.tokenizer
    people = patients(seed, 10**6)
    texts: list[Text] = []
    for index, length in enumerate(lengths):
        prose, ends = "", [0]
        while len(ends) < length:
            prose += "\n".join(note.text for note in next(people).notes) + "\n"
            encoded = tokenizer(prose, add_special_tokens=False, return_offsets_mapping=True)
            ends = [end for _, end in encoded["offset_mapping"]]
        # Two tokens of the length are BOS and EOS.
        texts.append(
            Text(f"t{index}", f"u{index}", "member", prose[: ends[max(1, length - 2) - 1]])
        )
    return texts


class Passes:
    """Counts rows that go through the model: forward passes over a text."""

    def __init__(self, target: Target) -> None:
        self.rows = self.tokens = 0
        embedding: Any = target.model.get_input_embeddings()
        embedding.register_forward_hook(self._count)

    def _count(self, module: object, inputs: tuple[Tensor, ...], output: object) -> None:
        self.rows += inputs[0].shape[0]
        self.tokens += inputs[0].numel()

    def of(self, job: Callable[[], object]) -> tuple[int, int]:
        before = self.rows, self.tokens
        job()
        return self.rows - before[0], self.tokens - before[1]


# ---- one case ------------------------------------------------------------------------------------


def run_case(case: str, target: Target, passes: Passes, args: argparse.Namespace) -> dict[str, Any]:
    texts = make_texts(target, case, args.notes, args.context, args.seed)
    real = sum(encode(target.tokenizer, t, args.context).scored + 1 for t in texts)
    few = texts[: max(2, args.notes // 8)]
    agreement = agree(target, few, args.context)
    seconds: dict[str, list[float]] = {name: [] for name in RUNS}
    busy: dict[str, list[float]] = {name: [] for name in RUNS}
    counted: dict[str, dict[str, float]] = {}
    order = random.Random(args.seed)
    for repeat in range(args.repeats):
        for name in order.sample(list(RUNS), len(RUNS)):
            run = RUNS[name]
            constant = passes.of(lambda run=run: run(target, [], args.context))
            began, used = time.perf_counter(), time.process_time()
            rows, tokens = passes.of(lambda run=run: run(target, texts, args.context))
            if target.device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
            busy[name].append(time.process_time() - used)
            counted[name] = {
                "passes_per_note": (rows - constant[0]) / len(texts),
                "passes_per_table": constant[0],
                "computed_to_real": (tokens - constant[1])
                / real
                / (rows - constant[0])
                * len(texts),
            }
            say(f"{case} {repeat + 1}/{args.repeats} {name}: {seconds[name][-1]:.2f} s")
    return {
        "case": case,
        "notes": len(texts),
        "tokens": real,
        "agreement": agreement,
        "variants": [
            {
                "variant": name,
                "label": LABELS[name],
                **counted[name],
                "seconds": page_of.spread(taken),
                "cpu_seconds": page_of.spread(busy[name]),
                "notes_per_second": page_of.spread([len(texts) / s for s in taken]),
                "llmsafe_is_faster": faster(taken, seconds["llmsafe"]),
                "llmsafe_is_faster_in_cpu_time": faster(busy[name], busy["llmsafe"]),
            }
            for name, taken in seconds.items()
        ],
    }


def faster(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    return page_of.spread([a / b for a, b in zip(theirs, ours, strict=True)])


def agree(target: Target, texts: list[Text], context: int) -> dict[str, float]:
    """Largest distance of any score of a plain implementation to llmsafe's; also the warm-up."""
    ours = RUNS["llmsafe"](target, texts, context)
    out: dict[str, float] = {}
    for name in LABELS:
        if name == "llmsafe":
            continue
        theirs = RUNS[name](target, texts, context)
        if set(theirs) != set(ours):
            raise SystemExit(f"{name} computes {sorted(theirs)}, llmsafe {sorted(ours)}")
        # A vote of wbc may turn on the last digit of a sum; zlib here takes the text uncut.
        skipped = ("wbc", "zlib")
        out[name] = max(
            float(np.abs(np.subtract(theirs[m], ours[m])).max()) for m in ours if m not in skipped
        )
        if out[name] > (1e-2 if target.device.type == "cpu" else 0.2):
            raise SystemExit(f"{name} differs from llmsafe by {out[name]:.3g}; nothing to compare")
    return out


# ---- the page ------------------------------------------------------------------------------------


def page(result: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines = [
        "# What the audit's scoring costs",
        "",
        "Written by `scripts/bench_audit.py`; do not edit. `--help` says what is compared.",
        "",
        f"```console\n$ {result['command']}\n```",
        "",
        f"Machine: {result['machine']}. {libraries}. Model: {result['model']}",
        f"with LoRA of rank 16. Medians of {result['repeats']} interleaved rounds, lowest to",
        "highest in brackets; a ratio is taken within a round. Computed tokens include padding.",
    ]
    for case in result["cases"]:
        distances = ", ".join(f"{LABELS[n]} {v:.0e}" for n, v in case["agreement"].items())
        table = next(v for v in case["variants"] if v["variant"] == "llmsafe")["passes_per_table"]
        lines += [
            "",
            f"## {CASES[case['case']]}, context {result['context']}",
            "",
            f"{case['notes']} notes of {case['tokens'] / case['notes']:.0f} tokens on average.",
            f"Largest distance of a score to llmsafe's: {distances}. llmsafe runs {table} rows",
            "of 16 tokens more for each table, to learn how the model's head is to be applied.",
            "",
            "| implementation | forward passes a note | computed/real tokens | notes/s "
            "| llmsafe is faster | in CPU time |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for v in case["variants"]:
            cells = [
                v["label"],
                f"{v['passes_per_note']:.2f}",
                f"{v['computed_to_real']:.3f}",
                page_of.ranged(v["notes_per_second"], 2),
                page_of.ranged(v["llmsafe_is_faster"], 2),
                page_of.ranged(v["llmsafe_is_faster_in_cpu_time"], 2),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


# ---- main ----------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="llmsafe:base-en", help="embedded, folder or hub id")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--notes", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context", type=int, default=512, help="tokens at which notes are cut")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="where llmsafe's own time goes")
    parser.add_argument("--out", type=Path, help="markdown page; default: standard output")
    parser.add_argument("--json", type=Path, help="every figure")
    return parser.parse_args()


def profile(target: Target, args: argparse.Namespace) -> None:
    for case in args.cases:
        texts = make_texts(target, case, args.notes, args.context, args.seed)
        profiler = cProfile.Profile()
        profiler.runcall(run_llmsafe, target, texts, args.context)
        print(f"# {case}")
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device).type
    with tempfile.TemporaryDirectory() as folder:
        target = adapted(args.model, device, Path(folder))
        if args.profile:
            profile(target, args)
            return
        passes = Passes(target)
        cases = [run_case(case, target, passes, args) for case in args.cases]
    words = iter(sys.argv[1:])
    shown = [w for w in words if not (w in ("--out", "--json") and next(words, None))]
    names = ("torch", "transformers", "peft", "llmsafe")
    result = {
        "schema_version": 1,
        "command": shlex.join(["python", "scripts/bench_audit.py", *shown]),
        "machine": page_of.machine(device, args.threads),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
        "model": args.model,
        "context": args.context,
        "repeats": args.repeats,
        "cases": cases,
    }
    page_of.publish(result, page(result), args.out, args.json)


if __name__ == "__main__":
    main()
