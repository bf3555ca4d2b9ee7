"""Memorised secrets: how far they stand out, and how soon they come out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llmsafe.artifacts import Exposure, Extraction, ExtractionPoint
from llmsafe.report.figures import canvas
from llmsafe.report.figures.canvas import BLUE, GREEN, MUTED, ORANGE, Drawing, Entry, line
from llmsafe.stats import binomial_interval


def exposure(found: Exposure, *, name: str) -> Drawing | None:
    """Share of planted secrets with at least so many bits, over that of a secret never seen.

    A rank by chance is uniform, so x bits or more have the share 2^-x. ``None`` without a curve.
    """
    points = [(x, y) for x, y in sorted(found.curve) if math.isfinite(x) and 0 < y <= 1]
    ceiling = found.ceiling_bits
    if not points or not (math.isfinite(ceiling) and ceiling > 0):
        return None
    least = min(2.0**-ceiling, *(share for _, share in points))
    bottom = 10.0 ** math.floor(math.log10(least))
    figure, axes = canvas.canvas()
    axes.set_yscale("log")
    chance = [ceiling * i / 60 for i in range(61)]
    axes.plot(
        chance, [2.0**-x for x in chance], color=MUTED, linewidth=1.4, linestyle=(0, (1, 1.6))
    )
    # The last secret is followed by none: the curve falls off the axis.
    bits = [0.0, *(x for x, _ in points), points[-1][0]]
    shares = [1.0, *(share for _, share in points), bottom / 10]
    axes.plot(bits, shares, color=BLUE, linewidth=1.8, drawstyle="steps-pre")
    canvas.percent_ticks(axes.yaxis, canvas.decades(bottom))
    canvas.grid(axes)
    axes.set_xlim(0, 1.02 * ceiling)
    axes.set_ylim(bottom, 1)
    axes.set_xlabel("Bits of exposure, at least")
    axes.set_ylabel("Planted secrets (log scale)")
    title = f"Share of {found.canaries} planted secrets by exposure, from 0 to {ceiling:.2f} bits"
    about = (
        f"On average {found.mean_bits:.2f} bits, the largest {found.max_bits:.2f}; a secret never "
        f"seen has {found.null_mean_bits:.2f} on average, and its chance halves with every bit."
    )
    legend = [
        (line(BLUE, "-"), "planted secrets"),
        (line(MUTED, ":"), "a secret never seen"),
    ]
    return Drawing(canvas.draw(figure, name=name, title=title, about=about), legend)


def extraction(found: Extraction, *, name: str) -> Drawing | None:
    """Extracted share over the number of samples, of model, base and withheld secrets.

    The band is the exact 95 % interval of the model's share at each n. ``None`` unless there are
    two points.
    """
    points = sorted((p for p in found.curve if p.n > 0), key=lambda p: p.n)
    if len(points) < 2 or found.tried < 1:
        return None
    samples = [p.n for p in points]
    counts = [min(max(p.extracted, 0), found.tried) for p in points]
    rates = [binomial_interval(count, found.tried) for count in counts]
    top = max(rate.high for rate in rates)
    figure, axes = canvas.canvas()
    axes.set_xscale("log")
    axes.fill_between(
        samples, [r.low for r in rates], [r.high for r in rates], color=BLUE, alpha=0.2, linewidth=0
    )
    legend: list[Entry] = [(line(BLUE, "-"), "the model, with its 95% interval")]
    others = (
        (GREEN, "-.", "the model, of withheld secrets", _withheld(found, points)),
        (ORANGE, "--", "the base model", _of_base(found, points)),
    )
    for colour, style, label, known in others:
        if known:
            _plot(axes, known, colour, style)
            top = max(top, *(share for _, share in known))
            legend.append((line(colour, style), label))
    _plot(axes, [(n, r.value) for n, r in zip(samples, rates, strict=True)], BLUE, "-")
    _axes(axes, samples, top)
    last = points[-1]
    title = "Share of secrets extracted by number of samples drawn"
    about = f"Of {found.tried} secrets {last.extracted} are extracted by {last.n:,} samples."
    return Drawing(canvas.draw(figure, name=name, title=title, about=about), legend)


def _of_base(found: Extraction, points: Sequence[ExtractionPoint]) -> list[tuple[int, float]]:
    known = [(p.n, p.base_extracted) for p in points if p.base_extracted is not None]
    return [(n, count / found.tried) for n, count in known]


def _withheld(found: Extraction, points: Sequence[ExtractionPoint]) -> list[tuple[int, float]]:
    if not found.withheld_tried:
        return []
    known = [(p.n, p.withheld_extracted) for p in points if p.withheld_extracted is not None]
    return [(n, count / found.withheld_tried) for n, count in known]


def _plot(axes: Any, points: list[tuple[int, float]], colour: str, style: str) -> None:
    axes.plot(
        [n for n, _ in points],
        [share for _, share in points],
        color=colour,
        linestyle=style,
        linewidth=1.8,
        clip_on=False,
    )


def _axes(axes: Any, samples: list[int], top: float) -> None:
    count = math.floor(math.log10(samples[-1])) if samples[-1] >= 10 else 0
    powers = range(math.ceil(math.log10(samples[0])), count + 1, 1 + (count > 4))
    axes.set_xticks([10**p for p in powers], [f"{10**p:,}" for p in powers])
    # Round steps of a fifth of the axis, and never an axis for less than 5 %.
    top = min(1.0, max(0.05, 1.05 * top))
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.25) if top / s <= 6)
    canvas.percent_ticks(axes.yaxis, [i * step for i in range(int(top / step + 1e-9) + 1)])
    canvas.grid(axes)
    axes.set_xlim(samples[0], samples[-1])
    axes.set_ylim(0, top)
    axes.set_xlabel("Samples drawn for each secret (log scale)")
    axes.set_ylabel("Secrets extracted")
