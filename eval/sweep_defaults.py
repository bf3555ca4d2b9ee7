"""Which settings train well under privacy: a small sweep on invented patients, no budget spent.

    python eval/sweep_defaults.py                           # writes docs/results/defaults.md
    python eval/sweep_defaults.py --base my-model --work runs/mine --out .   # for a base of yours

One setting at a time is moved from a centre, at the same epsilon: noise is calibrated anew in every
cell. The centre is trained several times, and a difference counts only where it is larger than
those repetitions allow (Student's t, 95 %). The changes that win are then tried several times each:
the best alone, with the second best, and so on, and all of them with half and twice the learning
rate. Finished cells in --work are not run again.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import llmsafe  # isort: skip  # first: it puts the libraries below offline

import numpy as np
import torch

from llmsafe.cli.jobs import command_line, keep_settings
from llmsafe.errors import LlmsafeError
from llmsafe.files import make_folder, sha256_json, write_text
from llmsafe.models import load_tokenizer, public_name
from llmsafe.notes import group_units
from llmsafe.privacy.noise import gaussian_source, system_generator
from llmsafe.privacy.plan import Plan, make_plan
from llmsafe.synthetic import patients
from llmsafe.train.held_out import held_out_losses, make_adapter
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.sampling import poisson_draw
from llmsafe.train.step import learning_rate, private_step
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit, split_units, tokenise_unit

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Setting:
    """What a user chooses: one cell of the sweep."""

    learning_rate: float = 4e-3
    clip_norm: float = 1.0
    rank: int = 16
    draw: int = 96
    steps: int = 48
    warmup: float = 0.05

    def named(self, centre: Setting) -> str:
        """What differs from the centre, in words."""
        own, other = asdict(self), asdict(centre)
        changed = [f"{WORDS[key]} {own[key]:g}" for key in own if own[key] != other[key]]
        return ", ".join(changed) or "centre"


WORDS = {
    "learning_rate": "learning rate",
    "clip_norm": "clip norm",
    "rank": "rank",
    "draw": "draw",
    "steps": "steps",
    "warmup": "warm-up",
}


@dataclass(frozen=True)
class Cell:
    """One training: held-out perplexity, noise, and un-noised facts (invented patients only)."""

    perplexity: float
    noise_multiplier: float
    median_norm: float
    clipped: float
    seconds: float


@dataclass(frozen=True)
class Data:
    """Members and held-out units, and what is fixed over the sweep."""

    members: Sequence[TokenUnit]
    held_out: Sequence[TokenUnit]
    base: str
    pad: int
    epsilon: float
    delta: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="llmsafe:base-en")
    parser.add_argument("--patients", type=int, default=4000)
    parser.add_argument("--tokens", type=int, default=40, help="of each patient")
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--draw", type=int, default=Setting.draw, help="of the centre")
    parser.add_argument("--steps", type=int, default=Setting.steps, help="of the centre")
    parser.add_argument("--repeats", type=int, default=4, help="trainings of the centre")
    parser.add_argument("--joint-repeats", type=int, default=3, help="of each joint setting")
    parser.add_argument("--work", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    if min(args.repeats, args.joint_repeats) < 2:
        parser.error("--repeats and --joint-repeats must be 2 or more: one training has no spread")
    work = make_folder(args.work)
    fixed = {key: getattr(args, key) for key in ("base", "patients", "tokens", "epsilon", "delta")}
    keep_settings(work, fixed)
    data = load(args)
    centre = Setting(draw=args.draw, steps=args.steps)
    found: dict[Setting, list[Cell]] = {}
    for setting in [centre, *neighbours(centre)]:
        count = args.repeats if setting == centre else 1
        found[setting] = [run(work, setting, number, data) for number in range(count)]
    together = combine(centre, found)
    rates = [together[-1].learning_rate * factor for factor in (0.5, 2.0)]
    for joint in [*together, *(replace(together[-1], learning_rate=rate) for rate in rates)]:
        count = max(args.joint_repeats, len(found.get(joint, [])))
        found[joint] = [run(work, joint, number, data) for number in range(count)]
    page = make_folder(args.out) / "defaults.md"
    write_text(page, render(args, data, centre, together, found))
    print(f"wrote {page}")


def neighbours(centre: Setting) -> list[Setting]:
    """The centre with one thing changed; draws at the same compute, and steps at more or less."""
    moved = [replace(centre, learning_rate=centre.learning_rate * f) for f in (0.25, 0.5, 2, 4)]
    moved += [replace(centre, clip_norm=centre.clip_norm * f) for f in (0.1, 3, 10)]
    moved += [replace(centre, rank=rank) for rank in (4, 32)]
    moved += [
        replace(centre, draw=round(centre.draw * f), steps=round(centre.steps / f))
        for f in (0.25, 0.5, 2)
    ]
    moved += [replace(centre, steps=round(centre.steps * f)) for f in (0.5, 2)]
    return moved + [replace(centre, warmup=share) for share in (0.0, 0.2)]


def load(args: argparse.Namespace) -> Data:
    """Invented patients with one short note each, a tenth held out."""
    tokenizer = load_tokenizer(args.base)
    people = patients(0, args.patients, max_notes=1, length="short")
    kind, units = group_units(note for person in people for note in person.notes)
    split = split_units(units, kind, held_out=0.1, seed=0)
    tokenised = {
        unit.unit_id: tokenise_unit(unit, tokenizer, max_tokens=args.tokens, max_notes=1)
        for unit in units
    }
    return Data(
        [tokenised[name] for name in split.members],
        [tokenised[name] for name in split.held_out],
        args.base,
        tokenizer.pad_token_id or 0,
        args.epsilon,
        args.delta,
    )


def run(work: Path, setting: Setting, number: int, data: Data) -> Cell:
    """Training ``number`` of a setting, from its file or made now."""
    name = sha256_json([asdict(setting), number]).removeprefix("sha256:")[:16]
    kept = work / f"cell-{name}.json"
    if not kept.exists():
        cell = train(setting, number, data)
        write_text(kept, json.dumps({"setting": asdict(setting), **asdict(cell)}))
        print(
            f"{setting} #{number}: {cell.perplexity:.3f} in {cell.seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    said = json.loads(kept.read_text())
    del said["setting"]
    return Cell(**said)


def train(setting: Setting, seed: int, data: Data) -> Cell:
    """One private training, as in recipes/dp_lora.py; ``seed`` fixes the LoRA start alone."""
    plan = plan_of(setting, len(data.members), data.epsilon, data.delta)
    torch.manual_seed(seed)
    model = make_adapter(data.base, setting.rank).eval()
    gradients, loss = UnitGradients(model), NextTokenLoss(model)
    optimiser = torch.optim.AdamW(gradients.parameters, lr=1.0, weight_decay=0.0)
    draws, noise = system_generator(), gaussian_source(plan.noise, seed=None)
    norms: list[torch.Tensor] = []
    begun = time.monotonic()
    for step in range(plan.steps):
        chosen = poisson_draw(len(data.members), plan.sampling_probability, draws)
        report = private_step(
            loss,
            gradients,
            [data.members[index] for index in chosen],
            plan=plan,
            charge=lambda: None,  # invented patients: there is no budget to keep
            noise_source=noise,
            all_reduce=lambda vector: vector,
            tokens_per_batch=4096,
            pad=data.pad,
        )
        norms.append(report.norms)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(
                step, plan.steps, peak=setting.learning_rate, warmup=setting.warmup
            )
        optimiser.step()
    gradients.detach()
    seconds = time.monotonic() - begun
    every = torch.cat(norms)
    return Cell(
        held_out_losses(model, data.held_out).perplexity(),
        plan.noise_multiplier,
        float(every.median()),
        float((every > setting.clip_norm).float().mean()),
        seconds,
    )


@functools.cache  # calibration takes seconds, and settings are repeated
def plan_of(setting: Setting, population: int, epsilon: float, delta: float) -> Plan:
    return make_plan(
        epsilon=epsilon,
        delta=delta,
        population=population,
        units_per_step=setting.draw,
        steps=setting.steps,
        unit="patient",
        clip_norm=setting.clip_norm,
    )


def log_perplexities(cells: Sequence[Cell]) -> np.ndarray:
    return np.log([cell.perplexity for cell in cells])


def spread(found: dict[Setting, list[Cell]]) -> tuple[float, int]:
    """Standard deviation of log perplexity between equal trainings, pooled, and its freedom."""
    groups = [log_perplexities(cells) for cells in found.values() if len(cells) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return math.sqrt(squares / freedom), freedom


def compare(
    cells: Sequence[Cell], reference: Sequence[Cell], found: dict[Setting, list[Cell]]
) -> tuple[float, float]:
    """Mean log perplexity of ``cells`` less that of ``reference``, and the least that counts."""
    from scipy.stats import t

    deviation, freedom = spread(found)
    least = float(t.ppf(0.975, freedom)) * deviation
    least *= math.sqrt(1 / len(cells) + 1 / len(reference))
    change = log_perplexities(cells).mean() - log_perplexities(reference).mean()
    return float(change), least


def combine(centre: Setting, found: dict[Setting, list[Cell]]) -> list[Setting]:
    """The centre with the best change, with the two best, …: one change on each axis.

    Only what beats the centre by more than the noise; the centre alone where nothing does. More
    steps at the same draw are more compute, which is for the user to spend: not taken over.
    """
    taken: dict[str, tuple[float, dict[str, float | int]]] = {}
    for setting, cells in found.items():
        own, other = asdict(setting), asdict(centre)
        changed = {key: own[key] for key in own if own[key] != other[key]}
        if not changed or set(changed) == {"steps"}:
            continue
        change, least = compare(cells, found[centre], found)
        axis = min(changed)  # a draw changes the steps with it
        if change < -least and change < taken.get(axis, (0.0, {}))[0]:
            taken[axis] = (change, changed)
    together = [centre]
    for _, changed in sorted(taken.values(), key=lambda item: item[0]):
        together.append(replace(together[-1], **changed))
    return together[1:] or together


def choose(
    centre: Setting, together: Sequence[Setting], found: dict[Setting, list[Cell]]
) -> tuple[Setting, bool]:
    """The best of the repeated settings, and whether it is told apart from the centre.

    The centre stays where it is not beaten, and a setting with fewer changes where one with more
    does not beat it.
    """
    best = together[0]
    for setting in [*together[1:], *found]:
        if len(found[setting]) > 1 and setting not in (centre, best):
            change, least = compare(found[setting], found[best], found)
            best = setting if change < -least else best
    change, least = compare(found[best], found[centre], found)
    return (best, True) if change < -least else (centre, False)


def render(
    args: argparse.Namespace,
    data: Data,
    centre: Setting,
    together: Sequence[Setting],
    found: dict[Setting, list[Cell]],
) -> str:
    deviation, freedom = spread(found)
    spent = sum(cell.seconds for cells in found.values() for cell in cells)
    trainings = sum(len(cells) for cells in found.values())
    settings = ", ".join(f"{WORDS[key]} {value:g}" for key, value in asdict(centre).items())
    lines = [
        "# Defaults under privacy",
        "",
        f"Written by `eval/sweep_defaults.py` (llmsafe {llmsafe.__version__}); do not edit.",
        "",
        "```console",
        f"$ {command_line()}",
        "```",
        "",
        f"{len(data.members):,} invented patients with one note of at most {args.tokens} tokens, "
        f"{len(data.held_out):,} held out; base {public_name(args.base)}; ε {args.epsilon:g} at "
        f"δ {args.delta:g} in every cell, σ calibrated anew. Centre: {settings}. "
        f"{trainings} trainings, {spent / 60:.0f} minutes on {torch.get_num_threads()} thread(s). "
        f"Equal trainings differ by {100 * deviation:.2f} % (one standard deviation of perplexity, "
        f"{freedom} degrees of freedom): what is marked “within noise” is no finding.",
        "",
        "| setting | trainings | σ | held-out perplexity | against the centre | median norm "
        "| clipped | seconds |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [table_row(setting, centre, cells, found) for setting, cells in found.items()]
    best, told = choose(centre, together, found)
    chosen = ", ".join(f"{WORDS[key]} {value:g}" for key, value in asdict(best).items())
    lines += [
        "",
        "Draws keep draw × steps, and so the compute; steps alone change it and are not taken "
        "over. The other changes that won were tried together, the best first: "
        + "; ".join(setting.named(centre) for setting in together)
        + "; the last of these also with half and twice its learning rate.",
        "",
        f"**What follows**: {chosen}. "
        + (
            "It beats the centre by more than the noise."
            if told
            else "Nothing beats the centre by more than the noise."
        )
        + " Draw and steps suit this compute and population and are no rule for others: see "
        "[choosing](../choosing.md). Another base may want another learning rate: sweep it too.",
    ]
    return "\n".join(lines) + "\n"


def table_row(
    setting: Setting, centre: Setting, cells: Sequence[Cell], found: dict[Setting, list[Cell]]
) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(cell, name) for cell in cells]))

    verdict = ""
    if setting != centre:
        change, least = compare(cells, found[centre], found)
        word = "within noise" if abs(change) <= least else "better" if change < 0 else "worse"
        verdict = f"{100 * math.expm1(change):+.1f} %, {word}"
    perplexity = math.exp(log_perplexities(cells).mean())
    return (
        f"| {setting.named(centre)} | {len(cells)} | {mean('noise_multiplier'):.3f} "
        f"| {perplexity:.2f} | {verdict} | {mean('median_norm'):.2f} "
        f"| {100 * mean('clipped'):.0f} % | {mean('seconds'):.0f} |"
    )


if __name__ == "__main__":
    try:
        main()
    except LlmsafeError as error:
        sys.exit(str(error))
