"""What does an audit's scoring cost? Notes per second of llmsafe and of plain implementations.

    OMP_WAIT_POLICY=PASSIVE python scripts/bench_audit.py --notes 48 --repeats 5
    python scripts/bench_audit.py --model meta-llama/Llama-3.2-1B --device cuda --json bench.json

All compute the same figures of every text, those of the audit's score table: seven membership
scores (loss, zlib, Min-K%, Min-K%++, difference to the base, error zone, windowed votes); how
greedy decoding and a sampler (top-k, k = 40) come by a passage of 50 tokens of a note or by the
secret of a canary, from target and base; of a canary also the loss of its secret. They do so from
the same model with its LoRA adapter on and off, on the same invented texts, in turn and in random
order within one run; each is checked against llmsafe's before anything is timed. Each has a process
of its own, as it would have without the others. The plain ones take one text at a time, in torch's
inference mode, so that they never compute padding:

- `each metric`: every metric is a function of model and text that does its own forward passes and
  collects the tokens' values with `.item()`, one at a time. This is how scripts that add attack by
  attack to a library of them end up.
- `shared passes`: one pass over the target and one over the base for each text; all metrics are
  computed from their log-softmax, and the tokens' values are collected with `.item()`. This is how
  MIMIR works.
- `shared, no .item()`: the same, but values are gathered as tensors. The best that one text at a
  time can do.

`llmsafe` is `score_texts` as the audit calls it, the figures read off the table included: it also
computes ranks, writes the parquet file (with fsync) and reads it back. The plain ones write
nothing. Forward passes are counted where tokens enter the model, one for each row of a batch. The
adapter is drawn at random: what it says does not matter here, only that target and base differ.
Time is that of the clock; on a busy machine look at the ratio in CPU time beside it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import math
import multiprocessing
import platform
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bench_dp_lora as page_of
import torch
from bench_audit_variants import LABELS, RUNS, adapted, make_texts
from torch import Tensor, nn

from llmsafe.audit import forward
from llmsafe.audit.forward import Scorer, Text, encode
from llmsafe.audit.target import open_target
from llmsafe.cli.common import say
from llmsafe.models import load_tokenizer, pick_device, resolve_model

CASES = {
    "notes": "Notes of MTSamples-like lengths",
    "canaries": "Canaries of 30 to 90 tokens",
}

# ---- one contestant, in a process of its own -----------------------------------------------------


@dataclass(frozen=True)
class Job:
    name: str
    adapter: Path
    model: str
    device: str
    threads: int
    context: int


class Contestant:
    """An implementation and its model, whose rows and tokens are counted as they enter."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.job, self.run = job, RUNS[job.name]
        self.target = open_target(job.adapter, base=resolve_model(job.model), device=job.device)
        self.rows = self.tokens = 0
        embedding: Any = self.target.model.get_input_embeddings()
        embedding.register_forward_hook(self._count)

    def _count(self, module: object, inputs: tuple[Tensor, ...], output: object) -> None:
        self.rows += inputs[0].shape[0]
        self.tokens += inputs[0].numel()

    def take(self, texts: list[Text]) -> dict[str, Any]:
        """Scores of the texts and their cost."""
        self.rows = self.tokens = 0
        began, used = time.perf_counter(), time.process_time()
        scores = self.run(self.target, texts, self.job.context)
        self._wait()
        return {
            "scores": scores,
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - used,
            "rows": self.rows,
            "tokens": self.tokens,
        }

    def stages(self, texts: list[Text]) -> dict[str, Any]:
        """Seconds of CPU (on a GPU: of the clock) in each part of llmsafe's scoring, and how near
        the body's matrix products come to what the machine can do."""
        clock = time.perf_counter if self.target.device.type == "cuda" else time.process_time
        spent: dict[str, float] = dict.fromkeys(("body", "head", "statistics"), 0.0)

        def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any) -> Any:
                began = clock()
                result = function(*args)
                self._wait()
                spent[part] += clock() - began
                return result

            return call

        parts = {"body": (Scorer, "_states"), "head": (Scorer, "_logits")}
        parts["statistics"] = (forward, "token_stats")
        saved = {part: getattr(*place) for part, place in parts.items()}
        for part, place in parts.items():
            setattr(*place, timed(part, saved[part]))
        began = clock()
        self.run(self.target, texts, self.job.context)
        total = clock() - began
        for part, place in parts.items():
            setattr(*place, saved[part])
        spent["rest"] = total - sum(spent.values())
        rate = 2 * self._products(texts) / spent["body"]  # target and base
        return {"seconds": spent, "flops": rate, "flops_of_a_square": self._peak(clock)}

    def _products(self, texts: list[Text]) -> float:
        """Floating-point operations of one pass of the model's body, in its matrix products."""
        model: Any = self.target.model.get_base_model()
        config = model.config.get_text_config()
        layers = [m.base_layer for m in model.modules() if hasattr(m, "base_layer")]
        each = 2 * sum(m.weight.numel() for m in layers if isinstance(m, nn.Linear))
        lengths = [len(encode(self.target.tokenizer, t, self.job.context).ids) for t in texts]
        # Queries with keys and weights with values, of the tokens before each.
        pairs = sum(n * n / 2 for n in lengths) * config.num_hidden_layers
        return each * sum(lengths) + 4 * config.hidden_size * pairs

    def _peak(self, clock: Callable[[], float]) -> float:
        """The same of a second of one large square product, the best of a few."""
        side = 1024
        a = torch.ones(side, side, dtype=self.target.model.dtype, device=self.target.device)
        best = math.inf
        for _ in range(9):
            began = clock()
            _ = a @ a
            self._wait()
            best = min(best, clock() - began)
        return 2 * side**3 / best

    def _wait(self) -> None:
        if self.target.device.type == "cuda":
            torch.cuda.synchronize()


_OWN: list[Contestant] = []


def open_contestant(job: Job) -> None:
    _OWN.append(Contestant(job))


def ask(method: str, texts: list[Text]) -> Any:
    return getattr(_OWN[0], method)(texts)


class Worker:
    """A :class:`Contestant` in a process that holds nothing else."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=open_contestant, initargs=(job,)
        )
        self._pool = stack.enter_context(pool)

    def ask(self, method: str, texts: list[Text]) -> Any:
        return self._pool.submit(ask, method, texts).result()


# ---- one case ------------------------------------------------------------------------------------


def run_case(
    case: str, workers: Mapping[str, Worker], tokenizer: Any, args: argparse.Namespace
) -> dict[str, Any]:
    texts = make_texts(tokenizer, case, args.notes, args.context, args.seed)
    real = sum(encode(tokenizer, t, args.context).scored + 1 for t in texts)
    agreement = agree(workers, texts[: max(2, args.notes // 8)], args.device)
    idle = {name: worker.ask("take", []) for name, worker in workers.items()}
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    order = random.Random(args.seed)
    for repeat in range(args.repeats):
        for name in order.sample(list(workers), len(workers)):
            rounds[name].append(workers[name].ask("take", texts))
            say(f"{case} {repeat + 1}/{args.repeats} {name}: {rounds[name][-1]['seconds']:.2f} s")
    return {
        "case": case,
        "notes": len(texts),
        "tokens": real,
        "figures": sorted(rounds["llmsafe"][0]["scores"]),
        "agreement": agreement,
        "stages": workers["llmsafe"].ask("stages", texts),
        "rows_per_table": idle["llmsafe"]["rows"],
        "variants": [
            summary(name, found, rounds["llmsafe"], idle[name], len(texts), real)
            for name, found in rounds.items()
        ],
    }


def summary(
    name: str,
    rounds: Sequence[dict[str, Any]],
    ours: Sequence[dict[str, Any]],
    idle: dict[str, Any],
    notes: int,
    real: int,
) -> dict[str, Any]:
    rows, tokens = (rounds[0][key] - idle[key] for key in ("rows", "tokens"))

    def faster(key: str) -> dict[str, float]:
        return page_of.spread([a[key] / b[key] for a, b in zip(rounds, ours, strict=True)])

    return {
        "variant": name,
        "label": LABELS[name],
        "passes_per_note": rows / notes,
        "computed_to_real": tokens / real / rows * notes,
        "seconds": page_of.spread([r["seconds"] for r in rounds]),
        "cpu_seconds": page_of.spread([r["cpu_seconds"] for r in rounds]),
        "notes_per_second": page_of.spread([notes / r["seconds"] for r in rounds]),
        "llmsafe_is_faster": faster("seconds"),
        "llmsafe_is_faster_in_cpu_time": faster("cpu_seconds"),
    }


def agree(workers: Mapping[str, Worker], texts: list[Text], device: str) -> dict[str, float]:
    """Largest distance of any score of a plain implementation to llmsafe's; also the warm-up."""
    ours = workers["llmsafe"].ask("take", texts)["scores"]
    out: dict[str, float] = {}
    for name, worker in workers.items():
        theirs = worker.ask("take", texts)["scores"]
        if set(theirs) != set(ours):
            raise SystemExit(f"{name} computes {sorted(theirs)}, llmsafe {sorted(ours)}")
        out[name] = max(distance(theirs[metric], ours[metric]) for metric in ours)
        if out[name] > (1e-2 if device == "cpu" else 0.2):
            raise SystemExit(f"{name} differs from llmsafe by {out[name]:.3g}; nothing to compare")
    return {name: value for name, value in out.items() if name != "llmsafe"}


def distance(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """The largest; two that are infinite alike do not differ."""
    return max(
        0.0 if a == b else abs(a - b) if math.isfinite(a - b) else math.inf
        for a, b in zip(theirs, ours, strict=True)
    )


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
        "highest in brackets; a ratio is taken within a round. Forward passes are counted where",
        "tokens enter the model, one for each text; computed tokens include padding.",
    ]
    for case in result["cases"]:
        lines += ["", *case_lines(case, result["context"])]
    return "\n".join(lines) + "\n"


def case_lines(case: dict[str, Any], context: int) -> list[str]:
    distances = ", ".join(
        f"{LABELS[name]} {value:.0e}" for name, value in case["agreement"].items()
    )
    stages, variants = case["stages"], {found["variant"]: found for found in case["variants"]}
    total = sum(stages["seconds"].values())
    shares = ", ".join(f"{part} {value / total:.0%}" for part, value in stages["seconds"].items())
    each, ours = variants["each_metric"], variants["llmsafe"]
    fewer = each["passes_per_note"] / ours["passes_per_note"]
    a_pass = each["llmsafe_is_faster_in_cpu_time"]["median"] / fewer
    lines = [
        f"## {CASES[case['case']]}, context {context}",
        "",
        f"{case['notes']} texts of {case['tokens'] / case['notes']:.0f} tokens on average;",
        f"{len(case['figures'])} figures of each: {', '.join(case['figures'])}.",
        f"Largest distance of a figure to llmsafe's: {distances}.",
        f"llmsafe runs {case['rows_per_table']} rows of 16 tokens more for each table, to learn",
        "how the model's head is to be applied.",
        "",
        "| implementation | forward passes a text | computed/real tokens | texts/s "
        "| llmsafe is faster | in CPU time |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for found in variants.values():
        cells = [
            found["label"],
            f"{found['passes_per_note']:.2f}",
            f"{found['computed_to_real']:.3f}",
            page_of.ranged(found["notes_per_second"], 2),
            page_of.ranged(found["llmsafe_is_faster"], 2),
            page_of.ranged(found["llmsafe_is_faster_in_cpu_time"], 2),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"Where llmsafe's time goes: {shares}. It makes {fewer:.1f} times fewer passes than a",
        f"function for each metric, and one of its passes, all figures included, is {a_pass:.2f}",
        "times as fast (CPU time). Body and head are the model's own work, whoever scores; the",
        f"body does its matrix products at {stages['flops'] / 1e9:.0f} GFLOP/s, all that comes",
        "between them included, where one large square product reaches",
        f"{stages['flops_of_a_square'] / 1e9:.0f}.",
    ]


# ---- main ----------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="llmsafe:base-en", help="embedded, folder or hub id")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--notes", type=int, default=64, help="texts of each case")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context", type=int, default=512, help="tokens at which notes are cut")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="markdown page; default: standard output")
    parser.add_argument("--json", type=Path, help="every figure")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    args.device = pick_device(args.device).type
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        adapted(args.model, place)
        tokenizer = load_tokenizer(args.model)
        workers = {
            name: Worker(
                Job(name, place, args.model, args.device, args.threads, args.context), stack
            )
            for name in RUNS
        }
        cases = [run_case(case, workers, tokenizer, args) for case in args.cases]
    words = iter(sys.argv[1:])
    shown = [w for w in words if not (w in ("--out", "--json") and next(words, None))]
    names = ("torch", "transformers", "peft", "llmsafe")
    result = {
        "schema_version": 2,
        "command": shlex.join(["python", "scripts/bench_audit.py", *shown]),
        "machine": page_of.machine(args.device, args.threads),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
        "model": args.model,
        "context": args.context,
        "repeats": args.repeats,
        "cases": cases,
    }
    page_of.publish(result, page(result), args.out, args.json)


if __name__ == "__main__":
    main()
