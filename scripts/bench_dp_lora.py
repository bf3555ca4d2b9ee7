"""What does DP-LoRA cost? One step of llmsafe, of Opacus and of a plain PEFT loop, side by side.

    OMP_WAIT_POLICY=PASSIVE python scripts/bench_dp_lora.py --shape cpu-small --repeats 7
    python scripts/bench_dp_lora.py --shape 8b --device cuda --json bench.json

One step is one draw of notes: forward, backward and, where private, clipping, summing and noise.
All variants see the same draws, the same Llama with random weights and the same LoRA (rank 16,
every linear layer, no dropout), in turn and in random order within one run. The optimiser, the same
for all, is left out. Cases: `fixed` (notes of one length), `notes` (lengths as in MTSamples) and
`patients` (one to six such notes each, clipped as one; Opacus has no unit of several rows).

Before anything is timed, every private variant computes the clipped sum of the same notes without
noise, at a bound that half of them exceed: the page says how far they lie apart.

On a CPU each variant runs in a process of its own, so that its peak memory is its own; they take
turns and never run at once. On a GPU all share one model, and the allocator's peak is reported.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import gc
import json
import multiprocessing
import platform
import random
import resource
import shlex
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bench_variants as bench
import numpy as np
import torch

from llmsafe.cli.common import say
from llmsafe.files import write_text
from llmsafe.models import pick_device
from llmsafe.train.units import TokenUnit

MIB = 1 << 20


# ---- one step, timed -----------------------------------------------------------------------------


class Turn:
    """One model, and the variants that take turns on it."""

    def __init__(self, job: bench.Job) -> None:
        self.job, self.cuda = job, job.device == "cuda"
        torch.set_num_threads(job.threads)
        self.model = bench.build(job)
        gc.collect()
        self.baseline = torch.cuda.memory_allocated() if self.cuda else status_bytes("VmRSS")

    def take(
        self, name: str, units: Sequence[TokenUnit], *, clip_norm: float, timed: bool
    ) -> dict[str, Any]:
        """One step of a variant: its cost or, when it is not timed, its gradient without noise."""
        bench.clean(self.model)
        gc.collect()
        variant = bench.VARIANTS[name].make(self.model, self.job)
        try:
            self._reset_peak()
            began = time.perf_counter()
            report = variant.step(units, clip_norm=clip_norm, noise=timed)
            if self.cuda:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - began
            peak = torch.cuda.max_memory_allocated() if self.cuda else status_bytes("VmHWM")
        except torch.OutOfMemoryError:
            return {"failed": "out of memory"}
        finally:
            variant.close()
        reply: dict[str, Any] = {"seconds": seconds, "peak": peak, "computed": report.computed}
        if not timed:
            parameters = [p for p in self.model.parameters() if p.requires_grad]
            gradients = [p.grad.flatten().float().cpu() for p in parameters if p.grad is not None]
            reply |= {"gradient": torch.cat(gradients).numpy(), "baseline": self.baseline}
            reply["norms"] = report.norms
        return reply

    def stop(self) -> None:
        """A turn holds no process."""

    def _reset_peak(self) -> None:
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            with suppress(OSError):  # without /proc the peak is that since the process began
                Path("/proc/self/clear_refs").write_text("5")


def status_bytes(key: str) -> int:
    """A line of this process' status in bytes; without /proc, the peak since its start."""
    with suppress(OSError), open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def serve(job: bench.Job, pipe: Any) -> None:
    """A worker process: answers requests until it is told to stop."""
    warnings.filterwarnings("ignore")  # Opacus warns of hooks on inputs without gradient
    gc.freeze()  # a collection would otherwise copy the pages of every module of the parent
    turn = Turn(job)
    while (request := pipe.recv()) is not None:
        pipe.send(turn.take(**request))


class Worker:
    """A :class:`Turn` in a process of its own."""

    def __init__(self, job: bench.Job) -> None:
        # A fork needs no second import; the parent computes nothing in torch before the last one.
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def take(self, name: str, units: Sequence[TokenUnit], **settings: Any) -> dict[str, Any]:
        try:
            self.pipe.send({"name": name, "units": units, **settings})
            return self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join()
            killed = self.process.exitcode == -9
            return {"failed": "out of memory" if killed else "crashed"}

    def stop(self) -> None:
        with suppress(BrokenPipeError):
            self.pipe.send(None)
        self.process.join()


# ---- one case ------------------------------------------------------------------------------------


def run_case(case: str, scale: bench.Scale, job: bench.Job, repeats: int) -> dict[str, Any]:
    """All variants of a case in turn: agreement first, then the timed rounds."""
    names = [n for n, v in bench.VARIANTS.items() if case != "patients" or v.several_rows]
    if job.device == "cuda":
        takers: dict[str, Any] = dict.fromkeys(names, Turn(job))
    else:
        takers = {name: Worker(job) for name in names}
    try:
        draw = bench.make_draw(case, scale, job.shape.vocabulary, job.seed)
        agreement = agree(takers, draw[: job.micro_batch + 2])  # two micro-batches
        clip_norm = agreement["clip_norm"]
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        order = random.Random(job.seed)
        draws = []
        for repeat in range(repeats):
            draw = bench.make_draw(case, scale, job.shape.vocabulary, job.seed + 1 + repeat)
            draws.append(draw)
            for name in order.sample(names, len(names)):
                reply = takers[name].take(name, draw, clip_norm=clip_norm, timed=True)
                rounds[name].append(reply)
                say(f"{case} {repeat + 1}/{repeats} {name}: {in_words(reply)}")
    finally:
        for taker in takers.values():
            taker.stop()
    return {
        "case": case,
        "model": asdict(job.shape),
        "tokens_per_batch": job.tokens_per_batch,
        "notes": [sum(len(unit.rows) for unit in draw) for draw in draws],
        "units": [len(draw) for draw in draws],
        "tokens": [bench.tokens(draw) for draw in draws],
        "agreement": {k: v for k, v in agreement.items() if k != "baseline"},
        "variants": [
            summary(name, rounds[name], rounds["plain"], draws, agreement["baseline"].get(name))
            for name in names
        ],
    }


def agree(takers: dict[str, Any], draw: Sequence[TokenUnit]) -> dict[str, Any]:
    """Do the private variants compute the same clipped sum? Also the warm-up of all."""
    first = takers["llmsafe"].take("llmsafe", draw, clip_norm=float("inf"), timed=False)
    if "failed" in first:
        raise SystemExit(f"llmsafe: {first['failed']} on {len(draw)} units; nothing to compare")
    clip_norm = statistics.median(first["norms"])
    replies = {
        name: taker.take(name, draw, clip_norm=clip_norm, timed=False)
        for name, taker in takers.items()
    }
    ours = replies["llmsafe"]["gradient"]
    return {
        "units": len(draw),
        "clip_norm": clip_norm,
        "clipped": sum(norm > clip_norm for norm in first["norms"]),
        "parameters": len(ours),
        "distance": {
            name: float(np.linalg.norm(reply["gradient"] - ours) / np.linalg.norm(ours))
            for name, reply in replies.items()
            if name.startswith("opacus") and "gradient" in reply
        },
        "baseline": {name: reply.get("baseline") for name, reply in replies.items()},
    }


def summary(
    name: str,
    replies: Sequence[dict[str, Any]],
    plain: Sequence[dict[str, Any]],
    draws: Sequence[Sequence[TokenUnit]],
    baseline: int | None,
) -> dict[str, Any]:
    """Medians and ranges over the rounds; ratios are taken within a round, on one draw."""
    out: dict[str, Any] = {"variant": name, "label": bench.VARIANTS[name].label}
    failed = next((reply["failed"] for reply in replies if "failed" in reply), None)
    if failed:
        return out | {"failed": failed}
    seconds = [reply["seconds"] for reply in replies]
    notes = [sum(len(unit.rows) for unit in draw) for draw in draws]
    real = [bench.tokens(draw) for draw in draws]
    out |= {
        "seconds": spread(seconds),
        "notes_per_second": spread([n / s for n, s in zip(notes, seconds, strict=True)]),
        "tokens_per_second": spread([n / s for n, s in zip(real, seconds, strict=True)]),
        "computed_to_real": sum(reply["computed"] for reply in replies) / sum(real),
        "peak_bytes": max(reply["peak"] for reply in replies),
        "before_bytes": baseline,
    }
    if not any("failed" in reply for reply in plain):
        times = [reply["seconds"] for reply in plain]
        out["time_to_plain"] = spread([s / t for s, t in zip(seconds, times, strict=True)])
        peak = max(reply["peak"] for reply in plain)
        out["peak_to_plain"] = out["peak_bytes"] / peak
    return out


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def padding(scale: bench.Scale, job: bench.Job, parameters: int) -> dict[str, dict[str, float]]:
    """Computed over real tokens of 50 draws in both layouts, for note and for patient units."""
    out: dict[str, dict[str, float]] = {}
    for case in ("notes", "patients"):
        draws = [bench.make_draw(case, scale, 100, seed) for seed in range(50)]
        real = sum(bench.tokens(draw) for draw in draws)
        padded = sum(ids.numel() for d in draws for ids, _ in bench.padded_layout(d, job))
        laid = sum(ids.numel() for d in draws for ids, _ in bench.sorted_layout(d, job, parameters))
        out[case] = {"random": padded / real, "llmsafe": laid / real}
    return out


# ---- the page ------------------------------------------------------------------------------------


def machine(device: str, threads: int) -> str:
    words = f"{threads} thread{'s' * (threads > 1)} a process"
    if device == "cuda":
        return f"one {torch.cuda.get_device_name()}, {words}, CUDA {torch.version.cuda}"
    name = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration), open("/proc/cpuinfo") as lines:
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {os.cpu_count()} cores, {words}, {torch.backends.cpu.get_cpu_capability()}"


def in_words(reply: dict[str, Any]) -> str:
    if "failed" in reply:
        return reply["failed"]
    return f"{reply['seconds']:.2f} s, peak {reply['peak'] / MIB:,.0f} MiB"


def page(result: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines = [
        "# What DP-LoRA costs",
        "",
        "Written by `scripts/bench_dp_lora.py`; do not edit. `--help` says what is compared.",
        "",
        f"```console\n$ {result['command']}\n```",
        "",
        f"Machine: {result['machine']}. {libraries}. Medians of {result['repeats']} interleaved",
        "rounds, lowest to highest in brackets; a ratio is taken within a round, on the same draw.",
        "Tokens are real ones, without padding. Memory before the step is that of the model and,",
        "on a CPU, of the Python process with its libraries.",
    ]
    for case in result["cases"]:
        lines += ["", *case_lines(case, result["settings"])]
    pad = result["padding"]
    context, micro = result["settings"]["context"], result["settings"]["micro_batch"]
    lines += [
        "",
        "## Padding",
        "",
        f"Computed over real tokens at MTSamples lengths, context {context}, 50 draws.",
        "",
        f"| unit | random micro-batches of {micro} | llmsafe |",
        "|---|---:|---:|",
        *(f"| {u} | {pad[u]['random']:.3f} | {pad[u]['llmsafe']:.3f} |" for u in pad),
    ]
    return "\n".join(lines) + "\n"


def case_lines(case: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    titles = {
        "fixed": f"Notes of {settings['length']} tokens",
        "notes": f"MTSamples-like lengths, context {settings['context']}",
        "patients": f"Patients of one to six such notes, context {settings['context']}",
    }
    model, agreement = case["model"], case["agreement"]
    distances = ", ".join(
        f"{bench.VARIANTS[name].label} {value:.1e}" for name, value in agreement["distance"].items()
    )
    same = f" Distance to llmsafe's clipped sum (relative, L2): {distances}." if distances else ""
    notes, tokens = statistics.median(case["notes"]), statistics.median(case["tokens"])
    micro, budget = settings["micro_batch"], case["tokens_per_batch"]
    return [
        f"## {titles[case['case']]}",
        "",
        f"Hidden {model['hidden']}, {model['layers']} layers, vocabulary {model['vocabulary']:,}; "
        f"{notes:g} notes and {tokens:,.0f} tokens a step; micro-batches of {micro} notes, for",
        f"llmsafe's layout of at most {budget:,} tokens.{same}",
        "",
        "| variant | seconds a step | time to plain | notes/s | tokens/s | computed/real "
        "| memory before, MiB | peak, MiB | peak to plain |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(variant_line(variant) for variant in case["variants"]),
    ]


def variant_line(variant: dict[str, Any]) -> str:
    if "failed" in variant:
        return f"| {variant['label']} | {variant['failed']} |" + " – |" * 7
    cells = [variant["label"], ranged(variant["seconds"], 2)]
    cells.append(ranged(variant["time_to_plain"], 3) if "time_to_plain" in variant else "–")
    cells.append(f"{variant['notes_per_second']['median']:.2f}")
    cells.append(f"{variant['tokens_per_second']['median']:,.0f}")
    cells.append(f"{variant['computed_to_real']:.3f}")
    cells.append(f"{variant['before_bytes'] / MIB:,.0f}" if variant["before_bytes"] else "–")
    cells.append(f"{variant['peak_bytes'] / MIB:,.0f}")
    cells.append(f"{variant['peak_to_plain']:.2f}" if "peak_to_plain" in variant else "–")
    return f"| {' | '.join(cells)} |"


def ranged(value: dict[str, float], digits: int) -> str:
    median, low, high = (f"{value[key]:.{digits}f}" for key in ("median", "low", "high"))
    return f"{median} [{low}–{high}]"


# ---- main ----------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=bench.SCALES, default="cpu-small")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--cases", nargs="+", choices=bench.CASES, default=["fixed", "notes"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--notes", type=int, help="notes a draw at MTSamples-like lengths")
    parser.add_argument("--context", type=int, help="tokens at which notes are cut")
    parser.add_argument("--micro-batch", type=int, default=8, help="notes of a padded micro-batch")
    parser.add_argument(
        "--tokens-per-batch",
        type=int,
        help="llmsafe's budget; default: what the longest padded micro-batch can hold",
    )
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="markdown page; default: standard output")
    parser.add_argument("--json", type=Path, help="every figure")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    device = pick_device(args.device).type
    scale = bench.resized(bench.SCALES[args.shape], notes=args.notes, context=args.context)
    jobs = {
        case: bench.Job(
            shape=scale.fixed if case == "fixed" else scale.notes,
            device=device,
            threads=args.threads,
            rank=args.rank,
            micro_batch=args.micro_batch,
            tokens_per_batch=args.tokens_per_batch
            or args.micro_batch * (scale.length if case == "fixed" else scale.context),
            context=scale.context,
            seed=args.seed,
        )
        for case in bench.CASES
    }
    cases = [run_case(case, scale, jobs[case], args.repeats) for case in args.cases]
    skipped = ("--out", "--json")
    words = iter(sys.argv[1:])
    shown = [w for w in words if not (w in skipped and next(words, None))]
    names = ("torch", "transformers", "peft", "opacus", "llmsafe")
    result = {
        "schema_version": 1,
        "command": shlex.join(["python", "scripts/bench_dp_lora.py", *shown]),
        "machine": machine(device, args.threads),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
        "repeats": args.repeats,
        "settings": {
            "length": scale.length,
            "context": scale.context,
            "micro_batch": args.micro_batch,
            "rank": args.rank,
        },
        "cases": cases,
        "padding": padding(scale, jobs["notes"], cases[-1]["agreement"]["parameters"]),
    }
    publish(result, page(result), args.out, args.json)


def publish(result: dict[str, Any], shown: str, out: Path | None, data: Path | None) -> None:
    """Write the page and the figures behind it to where they are wanted; else show the page."""
    if data:
        write_text(data, json.dumps(result, indent=2) + "\n")
    if out:
        write_text(out, shown)
    else:
        print(shown)
    written = [str(path) for path in (out, data) if path]
    if written:
        say(f"wrote {'  '.join(written)}")


if __name__ == "__main__":
    main()
