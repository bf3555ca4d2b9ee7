"""What privacy costs: held-out perplexity of llmsafe, of Opacus with the same budget, and without.

    python eval/utility.py llmsafe:synthetic:20000 --name synthetic --draw 256 --steps 60 \\
        --tokens 64 --seeds 0 1
    python eval/utility.py notes.jsonl.gz --name mtsamples --draw 200 --steps 50 --tokens 96

For every seed it trains three adapters on the same units with the same loss, LoRA start, optimiser
and learning rates: recipes/dp_lora.py at --epsilon, recipes/dp_lora.py without privacy, and an
Opacus loop with the noise, sampling probability, steps and clip norm of the first. It writes its
section of docs/results/utility.md. Finished runs in --work are not run again.

Opacus clips rows, so every unit has one row in all of them: a patient's latest note (synthetic
patients are made with one), cut to --tokens. Opacus can only sample with probability 1/k, so the
members are cut, at random, to k draws; then sampling probability and divisor agree to the last bit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llmsafe  # isort: skip  # first: it puts the libraries below offline

import numpy as np
import torch
from torch.utils.data import DataLoader

from llmsafe.artifacts import PrivacyStatement
from llmsafe.audit.loading import attach
from llmsafe.cli.common import say
from llmsafe.cli.jobs import command_line, keep_settings, settings_of
from llmsafe.cli.library import find
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import LlmsafeError, SetupError
from llmsafe.files import make_folder, write_text
from llmsafe.models import load_model, load_tokenizer, public_name
from llmsafe.notes import Note, Unit, group_units, latest_notes
from llmsafe.privacy.accountant import epsilon
from llmsafe.stats import difference_interval
from llmsafe.synthetic import patients
from llmsafe.train.checkpoint import save_adapter
from llmsafe.train.held_out import Losses, collate, held_out_losses, make_adapter, row_losses
from llmsafe.train.step import learning_rate
from llmsafe.train.units import TokenUnit, split_units, tokenise_unit

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC = "llmsafe:synthetic:"
OURS, OPACUS, FREE = "llmsafe", "Opacus", "no privacy"
TOKENS_PER_BATCH = 4096


def main() -> None:
    args = arguments()
    work = make_folder(args.work / args.name, private=True)
    keep_settings(work, settings_of(args, free=("name", "about", "seeds", "work", "out")))

    tokenizer = load_tokenizer(args.base)
    if not (work / "held_out").exists():
        prepare(args, work)
    members, held_out = (
        [
            tokenise_unit(unit, tokenizer, max_tokens=args.tokens, max_notes=1)
            for unit in group_units(open_corpus(work / part).notes())[1]
        ]
        for part in ("members", "held_out")
    )
    rows = [Row("base", None, evaluate(args.base, None, held_out, work / "base.json"))]
    for seed in args.seeds:
        folder = make_folder(work / f"seed-{seed}", private=True)
        for name, budget in ((OURS, args.epsilon), (FREE, float("inf"))):
            run = folder / name.replace(" ", "-")
            recipe(args, work, run, len(members), seed, budget)
            metrics = (run / "vault" / "metrics.jsonl").read_text().splitlines()
            losses = evaluate(args.base, run / "release", held_out, run / "losses.json")
            stated = PrivacyStatement.load(run / "release" / "privacy.json")
            spent = float("inf") if stated.epsilon is None else stated.epsilon
            rows.append(Row(name, seed, losses, json.loads(metrics[-1])["seconds"], spent))
        statement = PrivacyStatement.load(folder / OURS / "release" / "privacy.json")
        run = folder / OPACUS
        if not (run / "facts.json").exists():
            say(f"Opacus, seed {seed}")
            train_opacus(args, members, statement, seed, make_folder(run, private=True))
        facts = json.loads((run / "facts.json").read_text())
        losses = evaluate(args.base, run, held_out, run / "losses.json")
        rows.append(Row(OPACUS, seed, losses, facts["seconds"], facts["epsilon"]))
    page = make_folder(args.out) / "utility.md"
    write_section(page, args.name, render(args, len(members), held_out, statement, rows))
    print(f"wrote {page}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help=f"file, folder or {SYNTHETIC}PATIENTS")
    parser.add_argument("--name", required=True, help="of the section in the page")
    parser.add_argument("--about", default="", help="a sentence on the corpus, for the page")
    parser.add_argument("--base", default="llmsafe:base-en")
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--draw", type=int, default=256, help="expected units in a step")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=64, help="of each unit")
    parser.add_argument("--clip-norm", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--warmup", type=float, default=0.05)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--held-out", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, default=Path("runs/utility"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    return parser.parse_args()


def prepare(args: argparse.Namespace, work: Path) -> None:
    """Write the members and the held-out units, one note each, as two corpora."""
    notes: Iterable[Note]
    if args.corpus.startswith(SYNTHETIC):
        count = int(args.corpus.removeprefix(SYNTHETIC))
        people = patients(0, count, max_notes=1, length="short")
        notes = (note for person in people for note in person.notes)
    else:
        notes = open_corpus(args.corpus).notes()
    kind, units = group_units(notes)
    units = [Unit(unit.unit_id, latest_notes(unit, 1)) for unit in units]
    split = split_units(units, kind, held_out=args.held_out, seed=0)
    draws = len(split.members) // args.draw
    while draws and int(1 / (1 / draws)) != draws:  # Opacus would take k − 1 steps for an epoch
        draws -= 1
    if draws < 2:
        sys.exit(f"{len(split.members)} members are no two draws of {args.draw}; lower --draw")
    chosen = np.random.default_rng(0).permutation(split.members)[: draws * args.draw]
    for part, ids in (("members", set(chosen)), ("held_out", set(split.held_out))):
        write_corpus(work / part, (n for u in units if u.unit_id in ids for n in u.notes))


def recipe(
    args: argparse.Namespace, work: Path, run: Path, population: int, seed: int, budget: float
) -> None:
    """One run of recipes/dp_lora.py, unless it is there."""
    if (run / "release" / "privacy.json").exists():
        return
    overrides = [
        f"output={run}", f"seed={seed}", f"data.corpus={work / 'members'}",
        f"data.max_tokens={args.tokens}", "data.max_notes_per_unit=1", "data.held_out=0",
        f"model.base={args.base}", f"model.lora_rank={args.rank}",
        f"model.lora_alpha={2 * args.rank}", f"privacy.epsilon={budget:g}",
        f"privacy.delta={args.delta:g}", f"privacy.population={population}",
        f"privacy.clip_norm={args.clip_norm:g}", "privacy.noise=standard",
        f"train.units_per_step={args.draw}", f"train.steps={args.steps}",
        f"train.learning_rate={args.learning_rate:g}", f"train.warmup={args.warmup:g}",
        f"train.tokens_per_batch={TOKENS_PER_BATCH}", "train.checkpoint_every=0",
    ]  # fmt: skip
    say(f"llmsafe at epsilon {budget:g}, seed {seed}")
    log = run.with_suffix(".log")
    with log.open("w") as stream:
        done = subprocess.run(
            [sys.executable, str(find("dp_lora.py").path), "--force", *overrides],
            env=os.environ | {"PYTHONPATH": python_path()},
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        sys.exit(f"the recipe ended with {done.returncode}; see {log}")


def python_path() -> str:
    """This checkout before whatever else the caller's Python looks through."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def train_opacus(
    args: argparse.Namespace,
    members: Sequence[TokenUnit],
    statement: PrivacyStatement,
    seed: int,
    folder: Path,
) -> None:
    """The same training by Opacus: hooks, Poisson draws, micro-batches by BatchMemoryManager."""
    from opacus import PrivacyEngine
    from opacus.utils.batch_memory_manager import BatchMemoryManager

    warnings.simplefilter("ignore")  # Opacus' and torch's advice to developers
    torch.manual_seed(seed)  # the LoRA start of the recipe
    adapter = make_adapter(args.base, args.rank).train()
    torch.seed()  # and nothing else of it: draws and noise are new
    optimiser: Any = torch.optim.AdamW(
        [p for p in adapter.parameters() if p.requires_grad], lr=1.0, weight_decay=0.0
    )
    rows = [torch.tensor(unit.rows[0]) for unit in members]
    loader: Any = DataLoader(rows, batch_size=args.draw, collate_fn=collate)
    engine = PrivacyEngine(accountant="prv", secure_mode=False)
    model, optimiser, loader = engine.make_private(
        module=adapter,
        optimizer=optimiser,
        data_loader=loader,
        noise_multiplier=statement.noise_multiplier,
        max_grad_norm=statement.clip_norm,
        poisson_sampling=True,
        grad_sample_mode="hooks",
    )
    rate = loader.batch_sampler.sample_rate
    if (rate, optimiser.expected_batch_size) != (statement.sampling_probability, args.draw):
        sys.exit(f"Opacus samples with {rate}, not {statement.sampling_probability}")
    done, begun = 0, time.monotonic()
    physical = max(1, TOKENS_PER_BATCH // args.tokens)
    while done < statement.steps:
        with BatchMemoryManager(
            data_loader=loader, max_physical_batch_size=physical, optimizer=optimiser
        ) as batches:
            for ids, mask in batches:
                row_losses(model, ids, mask).mean().backward()
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(
                        done, statement.steps, peak=args.learning_rate, warmup=args.warmup
                    )
                optimiser.step()
                done += not optimiser._is_last_step_skipped
                optimiser.zero_grad()
                if done == statement.steps:
                    break
    seconds = time.monotonic() - begun
    if sum(steps for _, _, steps in engine.accountant.history) != statement.steps:
        sys.exit("Opacus accounted for another number of steps than it was asked for")
    spent = float(engine.get_epsilon(statement.delta))
    save_adapter(folder, adapter, public_name(args.base))
    write_text(folder / "facts.json", json.dumps({"seconds": seconds, "epsilon": spent}))


@dataclass(frozen=True)
class Row:
    """One model of the table; ``epsilon`` is what its own trainer states."""

    name: str
    seed: int | None
    losses: Losses
    seconds: float | None = None
    epsilon: float | None = None


def evaluate(base: str, adapter: Path | None, units: Sequence[TokenUnit], kept: Path) -> Losses:
    """Held-out losses of the base or of an adapter on it; kept in a file."""
    if not kept.exists():
        model = load_model(base)
        found = held_out_losses(model if adapter is None else attach(model, adapter), units)
        said = {"sums": found.sums.tolist(), "tokens": found.tokens.tolist()}
        write_text(kept, json.dumps(said), private=True)
    said = json.loads(kept.read_text())
    return Losses(np.array(said["sums"]), np.array(said["tokens"]))


def mean_losses(losses: Sequence[Losses]) -> Losses:
    """Units' losses averaged over models: the perplexity becomes a geometric mean."""
    return Losses(np.mean([item.sums for item in losses], axis=0), losses[0].tokens)


def ratio_interval(
    one: Losses, other: Losses | None, rng: np.random.Generator, resamples: int = 4000
) -> tuple[float, float, float]:
    """Perplexity of ``one`` (over that of ``other``, if given) with a 95 % bootstrap interval.

    Units are drawn with replacement, the same for both: the interval covers the choice of
    held-out units, not the noise of training.
    """
    sums = one.sums - (other.sums if other else 0.0)
    size = len(sums)
    counts = rng.multinomial(size, np.full(size, 1 / size), size=resamples)
    logs = (counts @ sums) / np.maximum(counts @ one.tokens, 1)
    low, high = np.exp(np.quantile(logs, [0.025, 0.975]))
    return float(np.exp(sums.sum() / one.tokens.sum())), float(low), float(high)


def render(
    args: argparse.Namespace,
    members: int,
    held_out: Sequence[TokenUnit],
    statement: PrivacyStatement,
    rows: Sequence[Row],
) -> str:
    import opacus

    rng = np.random.default_rng(0)
    tokens = int(rows[0].losses.tokens.sum())
    by_name = {
        name: mean_losses([row.losses for row in rows if row.name == name])
        for name in dict.fromkeys(row.name for row in rows)
    }
    lines = [
        f"## {args.name}",
        "",
        "```console",
        f"$ {command_line()}",
        "```",
        "",
        *([args.about, ""] if args.about else []),
        f"{members:,} {statement.unit}s trained on, {len(held_out):,} held out ({tokens:,} "
        f"predicted tokens); one row of at most {args.tokens} tokens each. Base "
        f"{public_name(args.base)}, LoRA rank {args.rank} on all linear layers, AdamW, "
        f"learning rate {args.learning_rate:g} (warm-up {args.warmup:g}, cosine to a "
        "tenth). Budget of both private trainings: "
        f"σ {statement.noise_multiplier:g}, q {statement.sampling_probability:.6g} "
        f"({args.draw} {statement.unit}s a draw), {statement.steps} steps, clip norm "
        f"{statement.clip_norm:g}, δ {statement.delta:g}. llmsafe {llmsafe.__version__}, "
        f"Opacus {opacus.__version__}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}.",
        "",
        "| training | seed | ε | held-out perplexity [95 %] | seconds in the loop |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        value, low, high = ratio_interval(row.losses, None, rng)
        cells = [row.name, row.seed, row.epsilon, f"{value:.2f} [{low:.2f}, {high:.2f}]"]
        cells += [None if row.seconds is None else f"{row.seconds:.0f}"]
        if row.epsilon is not None:
            cells[2] = "∞" if np.isinf(row.epsilon) else f"{row.epsilon:.3f}"
        lines.append(f"| {' | '.join('' if cell is None else str(cell) for cell in cells)} |")
    lines += ["", f"Same held-out {statement.unit}s, mean over {len(args.seeds)} seed(s), paired:"]
    lines += ["", "| perplexity of | over that of | ratio [95 %] |", "| --- | --- | ---: |"]
    for one, other in ((OURS, OPACUS), (OURS, FREE), (OPACUS, FREE), (OURS, "base")):
        value, low, high = ratio_interval(by_name[one], by_name[other], rng)
        lines.append(f"| {one} | {other} | {value:.4f} [{low:.4f}, {high:.4f}] |")
    if len(args.seeds) > 1:
        logs = [
            np.array([np.log(row.losses.perplexity()) for row in rows if row.name == name])
            for name in (OURS, OPACUS)
        ]
        value, low, high = np.exp(difference_interval(*logs))
        lines += [
            "",
            f"{OURS} over {OPACUS} with the spread over seeds as its error (t, {len(args.seeds)} "
            f"seeds each, same variance): {value:.4f} [{low:.4f}, {high:.4f}].",
        ]
    seeds = "; ".join(
        f"{name} " + ", ".join(f"{r.losses.perplexity():.3f}" for r in rows if r.name == name)
        for name in (OURS, OPACUS, FREE)
    )
    return "\n".join([*lines, "", f"Each seed: {seeds}. {second_opinion(statement)}", ""])


def second_opinion(statement: PrivacyStatement) -> str:
    """The budget by the cross-check accountant, in a sentence."""
    try:
        checked = epsilon(
            noise_multiplier=statement.noise_multiplier,
            sampling_probability=statement.sampling_probability,
            steps=statement.steps,
            delta=statement.delta,
            accountant="pld",
        )
    except SetupError:
        return "The budget was not checked by PLD (llmsafe[pld] is not installed)."
    return f"The budget by the cross-check (PLD): ε {checked:.3f}."


HEAD = """# Utility under privacy

Written by `eval/utility.py`, a section a corpus; do not edit.

How well the model predicts notes it has not seen, trained with privacy by llmsafe, with the same
budget by Opacus, and without privacy. The first two should not differ by more than two seeds of one
of them do: same mechanism, same noise. The intervals at the perplexities and their ratios cover the
choice of held-out units alone; what start, draws and noise do shows in the spread over seeds.
Opacus is given each note's mean token loss: under the usual mean over a batch's tokens one note's
length would scale everybody's gradient. Seconds are information, not a benchmark.
"""


def write_section(page: Path, name: str, body: str) -> None:
    """Put ``body`` in the page in the place of the section ``name``, or at its end."""
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    section = f"<!-- {name} -->\n{body}<!-- /{name} -->\n"
    pattern = re.compile(
        rf"<!-- {re.escape(name)} -->\n.*?<!-- /{re.escape(name)} -->\n", re.DOTALL
    )
    found = pattern.search(text)
    text = pattern.sub(lambda _: section, text) if found else f"{text}\n{section}"
    write_text(page, text)


if __name__ == "__main__":
    try:
        main()
    except LlmsafeError as error:
        sys.exit(str(error))
