"""The canary game and membership: how far two groups of scores lie apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from llmsafe.artifacts import Histogram, Membership
from llmsafe.report.figures import canvas
from llmsafe.report.figures.canvas import BLUE, INK, MUTED, ORANGE, RULE, SERIES


def histogram(scores: Histogram, *, name: str) -> Markup | None:
    """Scores of planted (filled) and withheld (outlined) canaries; ``None`` if not drawable."""
    bins = len(scores.edges) - 1
    counted = len(scores.planted) == len(scores.withheld) == bins
    if bins < 1 or not counted or not all(math.isfinite(edge) for edge in scores.edges):
        return None
    figure, axes = canvas.canvas()
    axes.stairs(scores.planted, scores.edges, fill=True, color=BLUE, alpha=0.45, linewidth=0)
    axes.stairs(scores.planted, scores.edges, color=BLUE, linewidth=1.2)
    axes.stairs(scores.withheld, scores.edges, color=ORANGE, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.set_xlabel("Attack score (higher: looks more trained on)")
    axes.set_ylabel("Canaries")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(0, 1.12 * max(1, *scores.planted, *scores.withheld))
    title = (
        f"Attack scores of {sum(scores.planted)} planted and {sum(scores.withheld)} "
        "withheld canaries"
    )
    about = "The more the two shapes overlap, the less an attacker can tell them apart."
    return canvas.draw(figure, name=name, title=title, about=about)


def roc(
    results: Sequence[Membership],
    *,
    name: str,
    log: bool,
    allowed: Callable[[float], float] | None = None,
) -> Markup | None:
    """Receiver operating characteristic of each result, in the order and style of ``SERIES``.

    ``log`` shows both rates on logarithmic axes, where the few who are identified with confidence
    can be seen (Carlini et al. 2022, arXiv 2112.03570). ``allowed`` gives the largest true
    positive rate that a claim permits at a false positive rate; its curve bounds a shaded area.
    ``None`` when no result holds a curve.
    """
    curves = [_curve(result) for result in results]
    if not any(len(curve) > 1 for curve in curves):
        return None
    figure, axes = canvas.canvas()
    # Nothing is known of a false positive rate finer than one of the outsiders.
    outsiders = max(result.non_members for result in results)
    start = min(1e-2, 10.0 ** -math.ceil(math.log10(max(outsiders, 10)))) if log else 0.0
    left = start
    while log and allowed is not None and left > 1e-6 and allowed(left) > 0.5:
        left /= 10  # far enough to see where the promise begins to bind
    grid = [left ** (1 - i / 100) if log else i / 100 for i in range(101)]
    axes.plot(grid, grid, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    if allowed is not None:
        most = [allowed(fpr) for fpr in grid]
        axes.fill_between(grid, most, 1.0, color=RULE, alpha=0.6, linewidth=0)
        axes.plot(grid, most, color=INK, linewidth=1.0)
    for index in reversed(range(len(curves))):
        colour, dash = SERIES[index % len(SERIES)]
        points = _from(start, curves[index])
        axes.plot(
            [x for x, _ in points],
            [max(y, start) for _, y in points],
            color=colour,
            linestyle=dash,
            # Many lines near one another: the first one is to be seen.
            linewidth=1.8 if index == 0 or len(curves) < 4 else 1.3,
            clip_on=False,
            solid_capstyle="round",
        )
    _percent_axes(axes, left, start, log)
    scale = "logarithmic" if log else "linear"
    title = f"Share of members identified against outsiders wrongly flagged, {scale} scale"
    areas = "; ".join(f"curve {i + 1}: AUC {r.auc.value:.2f}" for i, r in enumerate(results))
    limit = " The shaded area is what the promise rules out." if allowed else ""
    about = f"The dotted line is blind guessing.{limit} {areas}."
    return canvas.draw(figure, name=name, title=title, about=about)


def _curve(result: Membership) -> list[tuple[float, float]]:
    finite = [(x, y) for x, y in result.roc if math.isfinite(x) and math.isfinite(y)]
    return sorted(finite)


def _from(left: float, curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The curve from ``left`` on; what it has reached by then is where it starts."""
    before = [y for x, y in curve if x <= left]
    return [(left, max(before, default=0.0)), *((x, y) for x, y in curve if x > left)]


def _percent_axes(axes: Any, left: float, bottom: float, log: bool) -> None:
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    for axis, least in ((axes.xaxis, left), (axes.yaxis, bottom)):
        canvas.percent_ticks(axis, canvas.decades(least) if log else [0.0, 0.25, 0.5, 0.75, 1.0])
    canvas.grid(axes)
    axes.set_xlim(left, 1)
    axes.set_ylim(bottom, 1)
    scale = " (log scale)" if log else ""
    axes.set_xlabel("Outsiders wrongly flagged" + scale)
    axes.set_ylabel("Members identified" + scale)
