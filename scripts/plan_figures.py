"""The figures and tables of docs/choosing.md, from the accountant: no note, no model, no GPU.

    python scripts/plan_figures.py                  # rewrites the page's tables and images
    python scripts/plan_figures.py --population 20000 --draw 256 --delta 1e-5 --out my-plan

With --out FOLDER it writes images and a page of tables for your own numbers there.
"""

from __future__ import annotations

import argparse
import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmsafe.files import make_folder, write_text
from llmsafe.privacy.accountant import epsilon, noise_multiplier_for
from llmsafe.privacy.plan import steps_from_epochs
from llmsafe.privacy.truncation import smallest_cap
from llmsafe.report.figures import INK, MUTED, RULE, SERIES
from llmsafe.stats import dp_tpr_ceiling

ROOT = Path(__file__).resolve().parents[1]
EPSILONS = (1.0, 2.0, 4.0, 8.0)
SIGMAS = (0.6, 0.8, 1.0, 1.5)
STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class Example:
    """The public numbers that all figures share."""

    population: int
    draw: int
    delta: float
    epochs: float
    steps: int


@functools.cache  # tables and figures ask for the same ones
def sigma_for(example: Example, target: float, draw: int, steps: int) -> float:
    return noise_multiplier_for(
        epsilon=target,
        sampling_probability=draw / example.population,
        steps=steps,
        delta=example.delta,
    )


def spent(
    example: Example, sigma: float, draw: float, steps: int, delta: float | None = None
) -> float:
    return epsilon(
        noise_multiplier=sigma,
        sampling_probability=draw / example.population,
        steps=steps,
        delta=delta or example.delta,
    )


@dataclass(frozen=True)
class Line:
    """One curve: its label and its points."""

    label: str
    points: Sequence[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--population", type=int, default=100_000, help="patients")
    parser.add_argument("--draw", type=int, default=1000, help="patients in a step")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--epochs", type=float, default=5, help="of the figure over draws")
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--out", type=Path, help="default: docs/choosing.md and its images")
    args = parser.parse_args()
    example = Example(args.population, args.draw, args.delta, args.epochs, args.steps)
    page = args.out / "plan.md" if args.out else ROOT / "docs" / "choosing.md"
    images = make_folder(args.out or ROOT / "docs" / "images")

    sigmas = sigma_against_steps(example)
    chart(
        images / "plan-sigma.png",
        sigmas,
        "Noise multiplier σ",
        "Training steps",
        title=f"Noise needed for ε  ·  {settings(example)}",
        ticks=(0.3, 0.5, 1, 2, 3, 5),
    )
    costs = epsilon_against_steps(example)
    chart(
        images / "plan-epsilon.png",
        costs,
        "ε spent",
        "Training steps",
        title=f"What steps cost at a fixed σ  ·  {settings(example)}",
        ticks=(0.1, 0.3, 1, 3, 10, 30),
    )
    draws = noise_against_draw(example)
    chart(
        images / "plan-draw.png",
        draws,
        "Noise against signal, σ / draw",
        "Patients in a draw",
        title=f"Larger draws drown the noise  ·  {example.population:,} patients, "
        f"{example.epochs:g} epochs, δ = {short(example.delta)}",
        ticks=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    )
    tables = {
        "epsilon": epsilon_table(example),
        "delta": delta_table(example),
        "steps": wide("steps", sigmas),
        "sigma": wide("steps", costs),
        "draw": draw_table(example),
        "population": population_table(example),
        "cap": cap_table(example),
        "runs": runs_table(example),
        "note": note_table(),
    }
    if args.out:
        body = "\n\n".join(f"<!-- {name} -->\n<!-- /{name} -->" for name in tables)
        write_text(page, f"# Plan for {settings(example)}\n\n{body}\n")
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = fill(text, name, table)
    write_text(page, text)
    print(f"wrote {page}  {images}/plan-*.png")


def settings(example: Example) -> str:
    return (
        f"{example.population:,} patients, {example.draw:,} in a draw, δ = {short(example.delta)}"
    )


def sigma_against_steps(example: Example) -> list[Line]:
    return [
        Line(f"ε = {target:g}", [(n, sigma_for(example, target, example.draw, n)) for n in STEPS])
        for target in EPSILONS
    ]


def epsilon_against_steps(example: Example) -> list[Line]:
    return [
        Line(f"σ = {sigma:g}", [(n, spent(example, sigma, example.draw, n)) for n in STEPS])
        for sigma in SIGMAS
    ]


def draws_of(example: Example) -> list[int]:
    """Powers of two from a small draw to a fifth of the population."""
    most = example.population // 5
    return [2**power for power in range(5, 1 + int(math.log2(most)))]


def noise_against_draw(example: Example) -> list[Line]:
    lines: list[Line] = []
    for target in EPSILONS:
        points: list[tuple[float, float]] = []
        for draw in draws_of(example):
            steps = steps_from_epochs(example.epochs, example.population, draw)
            points.append((draw, sigma_for(example, target, draw, steps) / draw))
        lines.append(Line(f"ε = {target:g}", points))
    return lines


def epsilon_table(example: Example) -> str:
    """What an attacker with few false accusations can do at most, by ε."""
    rows: list[list[str]] = []
    for target in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0):
        sigma = sigma_for(example, target, example.draw, example.steps)
        stated = [float(dp_tpr_ceiling(fpr, target, example.delta)) for fpr in (0.001, 0.01)]
        whole = curve_ceilings(example, sigma, (0.001, 0.01))
        cells = [f"{100 * value:.3g} %" for value in (*stated, *whole)]
        rows.append([f"{target:g}", f"{math.exp(target):,.4g}", *cells])
    head = [
        "ε", "e^ε", "1 in 1,000, by (ε, δ)", "1 in 100, by (ε, δ)", "1 in 1,000, whole curve",
        "1 in 100, whole curve",
    ]  # fmt: skip
    return table(head, rows)


def curve_ceilings(example: Example, sigma: float, rates: Sequence[float]) -> list[float]:
    """The largest TPR at each FPR that the plan allows.

    The stated pair (ε, δ) is one point of the plan's curve ε(δ). Every point of it bounds the same
    attacker, so the least of the bounds holds.
    """
    deltas = [10 ** (-half / 2) for half in range(1, round(-2 * math.log10(example.delta)) + 1)]
    pairs = [(spent(example, sigma, example.draw, example.steps, d), d) for d in deltas]
    return [min(float(dp_tpr_ceiling(rate, *pair)) for pair in pairs) for rate in rates]


def delta_table(example: Example, target: float = 8.0) -> str:
    rows: list[list[str]] = []
    for divisor in (1, 10, 100, 1000):
        strict = replace(example, delta=1 / (divisor * example.population))
        sigma = sigma_for(strict, target, example.draw, example.steps)
        rows.append([f"1 / ({divisor:,} · population)", short(strict.delta), f"{sigma:.3f}"])
    return table(["δ", "here", f"σ for ε = {target:g}"], rows)


def draw_table(example: Example, target: float = 8.0) -> str:
    rows: list[list[str]] = []
    for draw in draws_of(example):
        steps = steps_from_epochs(example.epochs, example.population, draw)
        sigma = sigma_for(example, target, draw, steps)
        whole = sigma / (draw * math.sqrt(steps))
        rows.append(
            [f"{draw:,}", f"{steps:,}", f"{sigma:.3f}", short2(sigma / draw), short2(whole)]
        )
    return table(
        ["draw", "steps", f"σ for ε = {target:g}", "σ / draw", "σ / (draw · √steps)"], rows
    )


def population_table(example: Example, target: float = 8.0) -> str:
    """The same corpus under a declared population that is right, too small, too large."""
    rows: list[list[str]] = []
    for factor in (0.25, 0.5, 1.0, 2.0, 4.0):
        declared = round(example.population * factor)
        rate = example.draw / declared
        sigma = noise_multiplier_for(
            epsilon=target, sampling_probability=rate, steps=example.steps, delta=example.delta
        )
        real = rate * example.population
        rows.append(
            [
                f"{declared:,}",
                f"{rate:.4g}",
                f"{sigma:.3f}",
                f"{spent(example, sigma, rate * example.population, example.steps):.2f}",
                f"{real:,.0f}",
                short2(sigma / real),
            ]
        )
    head = [
        "declared", "q", f"σ for ε = {target:g}", "ε that holds", "real draw", "σ / real draw",
    ]  # fmt: skip
    return table(head, rows)


def cap_table(example: Example, target: float = 8.0) -> str:
    """The smallest declared cap on a draw that hardly moves ε."""
    rows: list[list[str]] = []
    for draw in (32, 100, 320, 1000, 3200, 10000):
        cap = smallest_cap(
            example.population,
            draw / example.population,
            steps=example.steps,
            delta=example.delta,
            epsilon=target,
        )
        rows.append([f"{draw:,}", f"{cap:,}", f"{cap / draw:.2f}"])
    return table(["draw", "smallest cap", "cap / draw"], rows)


def runs_table(example: Example, target: float = 8.0) -> str:
    """ε of several runs of one plan on one corpus: the price of tuning on private data."""
    sigma = sigma_for(example, target, example.draw, example.steps)
    rows: list[list[str]] = []
    for runs in (1, 2, 5, 10, 20):
        together = spent(example, sigma, example.draw, runs * example.steps)
        needed = sigma_for(example, target, example.draw, runs * example.steps)
        rows.append([f"{runs}", f"{together:.2f}", f"{needed:.3f}"])
    return table(
        ["runs", f"ε together, each at σ = {sigma:.3f}", f"σ for ε = {target:g} together"], rows
    )


def note_table() -> str:
    """ε and δ of a patient with k notes when the unit is the note (group privacy)."""
    own, delta = 1.0, 1e-6
    rows: list[list[str]] = []
    for notes in (1, 2, 5, 10, 40):
        # δ of a group: δ · (e^{kε} − 1) / (e^ε − 1)  (Vadhan 2017, Lemma 2.2, summed exactly).
        group = delta * math.expm1(notes * own) / math.expm1(own)
        said = short2(group) if group < 1 else "1: nothing is left"
        rows.append([f"{notes}", f"{notes * own:g}", said])
    return table(["notes of a patient", "ε of that patient", "δ of that patient"], rows)


def short(value: float) -> str:
    """1e-06 as people write it."""
    return re.sub(r"e([-+])0+", r"e\1", f"{value:g}").replace("e+", "e")


def short2(value: float) -> str:
    """Two digits."""
    return short(float(f"{value:.2g}"))


def wide(first: str, lines: Sequence[Line]) -> str:
    rows = [
        [f"{lines[0].points[i][0]:,.0f}", *(f"{line.points[i][1]:.3g}" for line in lines)]
        for i in range(len(lines[0].points))
    ]
    return table([first, *(line.label for line in lines)], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruled = ["---:"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ruled, *rows))


def fill(text: str, name: str, table: str) -> str:
    """Put a table between its two marks; a page without them is an error."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the page has no place for the table {name!r}: add its two marks")
    return pattern.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)


def chart(
    path: Path, lines: Sequence[Line], y: str, x: str, *, title: str, ticks: Sequence[float]
) -> None:
    """Curves on logarithmic axes, each labelled at its end, told apart by colour and dash."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[str, Any] = {
        "font.size": 10, "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.linewidth": 0.8,
        "axes.spines.top": False, "axes.spines.right": False, "xtick.color": MUTED,
        "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    }  # fmt: skip
    with rc_context(style):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained", facecolor="white")
        axes: Any = figure.subplots()
        for (colour, dash), line in zip(SERIES, lines, strict=False):
            horizontal, vertical = zip(*line.points, strict=True)
            axes.plot(
                horizontal, vertical, color=colour, linestyle=dash, linewidth=2,
                marker="o", markersize=3.5,
            )  # fmt: skip
            axes.annotate(
                line.label, (horizontal[-1], vertical[-1]), xytext=(7, 0),
                textcoords="offset points", va="center", color=colour, fontweight="bold",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain = number(lambda value: f"{value:,.0f}")
        axes.xaxis.set_major_formatter(plain)
        values = [value for line in lines for _, value in line.points]
        kept = [tick for tick in ticks if min(values) * 0.8 <= tick <= max(values) * 1.25]
        axes.set_yticks(kept, [f"{tick:g}" for tick in kept])
        axes.set_yticks([], minor=True)
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(title, loc="left", color=INK, fontsize=10)
        figure.savefig(path, dpi=160, metadata={"Software": None})


def number(shown: Callable[[float], str]) -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: shown(value))


if __name__ == "__main__":
    main()
