"""Proved privacy loss against the number of guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llmsafe.artifacts import Bound, BoundPoint
from llmsafe.report.figures import canvas
from llmsafe.report.figures.canvas import BLUE, INK, PURPLE, Drawing, Entry, line

_FAMILIES = {
    "dp": (BLUE, "-", "any mechanism"),
    "gaussian": (PURPLE, "-.", "Gaussian mechanisms alone"),
}
_TICKS = 6
_NEAR = 2.0  # a claim further up than so many ceilings would flatten all else


def bounds(found: Sequence[Bound], claimed: float | None, *, name: str) -> Drawing | None:
    """What each number of guesses proved, and could have proved, beside the claimed ε.

    Of each family the first bound with a curve is drawn; its largest point, which is the one that
    is quoted, is filled. ``None`` where no bound has a curve.
    """
    curves = {family: _curve(found, family) for family in _FAMILIES}
    drawn = {family: curve for family, curve in curves.items() if len(curve) > 1}
    if not drawn:
        return None
    figure, axes = canvas.canvas()
    legend: list[Entry] = []
    for family, curve in drawn.items():
        legend += _plot(axes, curve, family)
    top = max(point.ceiling for curve in drawn.values() for point in curve)
    if claimed is not None:
        near = claimed <= _NEAR * top
        if near:
            top = max(top, claimed)
            axes.axhline(claimed, color=INK, linewidth=1.4)
        beyond = "" if near else ", far above this figure"
        legend.append((line(INK, "-"), f"claimed ε = {claimed:,.2f}{beyond}"))
    _axes(axes, sorted({p.guesses for curve in drawn.values() for p in curve}), top)
    title = "Proved privacy loss by number of guesses, and the ceiling of each"
    said = [_said(family, curve) for family, curve in drawn.items()]
    return Drawing(canvas.draw(figure, name=name, title=title, about=" ".join(said)), legend)


def _curve(found: Sequence[Bound], family: str) -> list[BoundPoint]:
    curves = (sorted(b.curve, key=lambda p: p.guesses) for b in found if b.family == family)
    finite = (
        [p for p in curve if p.guesses > 0 and math.isfinite(p.epsilon_lower + p.ceiling)]
        for curve in curves
    )
    return next((curve for curve in finite if len(curve) > 1), [])


def _plot(axes: Any, curve: Sequence[BoundPoint], family: str) -> list[Entry]:
    colour, style, whose = _FAMILIES[family]
    guesses = [point.guesses for point in curve]
    axes.plot(guesses, [p.ceiling for p in curve], color=colour, linestyle=":", linewidth=1.2)
    lower = [p.epsilon_lower for p in curve]
    axes.plot(
        guesses,
        lower,
        color=colour,
        linestyle=style,
        linewidth=1.8,
        marker="o",
        markersize=4.5,
        markerfacecolor="white",
        clip_on=False,
    )
    best = max(range(len(lower)), key=lower.__getitem__)
    axes.plot([guesses[best]], [lower[best]], color=colour, marker="o", markersize=6, clip_on=False)
    return [
        (line(colour, style), f"proved, for {whose}"),
        (line(colour, ":"), f"ceiling, for {whose}"),
    ]


def _axes(axes: Any, guesses: Sequence[int], top: float) -> None:
    axes.set_xscale("log")
    step = -(-len(guesses) // _TICKS)
    ticks = list(guesses)[::-step][::-1]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    canvas.grid(axes)
    axes.set_ylim(0, 1.06 * top or 1.0)
    axes.set_xlabel("Guesses made, of the surest canaries (log scale)")
    axes.set_ylabel("Privacy loss ε, at least")


def _said(family: str, curve: Sequence[BoundPoint]) -> str:
    each = "; ".join(
        f"{p.guesses:,} guesses: at least {p.epsilon_lower:.2f} of {p.ceiling:.2f}" for p in curve
    )
    return f"For {_FAMILIES[family][2]}: {each}."
