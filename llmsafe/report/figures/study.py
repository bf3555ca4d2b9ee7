"""Figures of a study: a measure against ε, repetition or length, over seeds, made for print.

Series differ in colour, marker and line style, so that a black-and-white copy tells them apart. A
filled marker is the mean over seeds with its interval over seeds; the small open ones are the
seeds, each with its own interval where it has one (over canaries, notes or identifiers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from llmsafe.report.figures import canvas
from llmsafe.report.figures.canvas import INK, MUTED, SERIES

MARKERS = ("o", "s", "^", "D", "v", "P")
_WIDTH, _HEIGHT, _ROW = 5.4, 3.5, 0.2  # inches; a row of the legend is added to the height
_SPREAD = 0.17  # of one step of the axis between neighbouring series, less where they are many
_LONG = 36  # characters of a label, of which two do not fit beside one another
_REFERENCES = {
    "theory": (INK, (0, (5, 2))),
    "ceiling": (MUTED, (0, (1, 1.6))),
    "base": (MUTED, (0, (4, 2, 1, 2))),
    "majority": (INK, (0, (2, 1.5))),
    "chance": (MUTED, "solid"),
}


@dataclass(frozen=True)
class Seed:
    """One seed's value with its own interval, ``None`` where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Point:
    """Place on the axis, mean over seeds with its interval, and the seeds."""

    x: float
    mean: float
    low: float | None
    high: float | None
    seeds: tuple[Seed, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one setting, in the order in which the line takes them."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Reference:
    """A line to compare with: ``sort`` is theory, ceiling, base, majority or chance."""

    label: str
    sort: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Axes:
    """What stands at the axes. ``ticks`` are (place, name) of the horizontal one.

    ``linear_to`` makes the vertical one linear up to that value and logarithmic above, for small
    figures under a limit that may be far away.
    """

    x: str
    y: str
    ticks: tuple[tuple[float, str], ...] = ()
    log_x: bool = False
    log_y: bool = False
    linear_to: float | None = None
    percent: bool = False
    joined: bool = True
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Plot:
    """A drawn figure: inline SVG and PNG bytes."""

    svg: Markup
    png: bytes = field(repr=False)


def plot(
    series: Sequence[Series],
    references: Sequence[Reference],
    axes: Axes,
    *,
    name: str,
    title: str,
    about: str,
) -> Plot:
    """Draw; at most as many series as can be told apart (:data:`MARKERS`)."""
    shown = list(series)[: len(MARKERS)]
    labels = [one.label for one in (*shown, *references)]
    columns = 1 if max(map(len, labels)) > _LONG else 2
    figure, ax = canvas.canvas((_WIDTH, _HEIGHT + _ROW * math.ceil(len(labels) / columns)))
    ax.margins(x=0.12)
    ax.set_xscale("log" if axes.log_x else "linear")
    ax.set_yscale("log" if axes.log_y else "linear")
    if axes.linear_to is not None:
        ax.set_yscale("symlog", linthresh=axes.linear_to)
    for reference in references:
        colour, style = _REFERENCES[reference.sort]
        xs, ys = zip(*reference.points, strict=True)
        marker = {"marker": "_", "markersize": 9} if len(xs) == 1 else {}
        width = 0.8 if reference.sort == "chance" else 1.3
        ax.plot(
            xs, ys, color=colour, linestyle=style, linewidth=width, label=reference.label, zorder=2,
            **marker,
        )  # fmt: skip
    spread = min(_SPREAD, 0.8 / len(shown))
    for index, one in enumerate(shown):
        aside = axes.ticks and not axes.log_x
        offset = spread * (index - (len(shown) - 1) / 2) if aside else 0.0
        _draw(ax, one, index, offset, axes, spread)
    _scales(ax, axes)
    handles, labels = ax.get_legend_handles_labels()
    first = len(references)  # series first, what they are compared with after them
    figure.legend(
        handles[first:] + handles[:first], labels[first:] + labels[:first],
        loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5, handlelength=2.8,
    )  # fmt: skip
    return Plot(canvas.draw(figure, name=name, title=title, about=about), canvas.png(figure))


def _draw(ax: Any, series: Series, index: int, offset: float, axes: Axes, spread: float) -> None:
    colour, style = SERIES[index % len(SERIES)]
    marker = MARKERS[index % len(MARKERS)]
    xs = [point.x + offset for point in series.points]
    for x, point in zip(xs, series.points, strict=True):
        places = _around(x, len(point.seeds), axes, spread)
        for place, seed in zip(places, point.seeds, strict=True):
            if seed.low is not None and seed.high is not None:
                ax.plot([place] * 2, [seed.low, seed.high], color=colour, linewidth=0.6, alpha=0.55)
            ax.plot(
                [place], [seed.value], marker=marker, markersize=3.2, markerfacecolor="white",
                markeredgecolor=colour, markeredgewidth=0.7, linestyle="none", zorder=3,
                clip_on=False,
            )  # fmt: skip
        if point.low is not None and point.high is not None:
            ax.errorbar(
                [x], [point.mean], [[point.mean - point.low], [point.high - point.mean]],
                color=colour, linewidth=1.6, capsize=3.5, zorder=4,
            )  # fmt: skip
        if point.name:
            ax.annotate(
                point.name, (x, point.mean), textcoords="offset points", xytext=(6, 5),
                fontsize=8, color=INK,
            )  # fmt: skip
    ax.plot(
        xs, [point.mean for point in series.points], color=colour, label=series.label,
        linestyle=style if axes.joined else "none", linewidth=1.6, marker=marker, markersize=6,
        zorder=5, clip_on=False,
    )  # fmt: skip


def _around(x: float, count: int, axes: Axes, spread: float) -> list[float]:
    """Places for so many seeds, beside the mean so that it hides none; one seed stands on it.

    They end before the mean of the next series, ``spread`` away.
    """
    if count == 1:
        return [x]
    if axes.log_x:
        return [x * 1.025 ** (i + 1) for i in range(count)]
    step = min(0.03, 0.8 * spread / (count + 0.6)) if axes.ticks else 0.12
    return [x + step * (i + 1.6) for i in range(count)]


def _scales(ax: Any, axes: Axes) -> None:
    if axes.ticks:
        ax.set_xticks([place for place, _ in axes.ticks], [text for _, text in axes.ticks])
        if not axes.log_x:
            places = [place for place, _ in axes.ticks]
            ax.set_xlim(min(places) - 0.5, max(places) + 0.5)
    low, high = ax.get_ylim()
    low = axes.least if axes.least is not None else low
    high = axes.most if axes.most is not None and high > axes.most else high
    if axes.log_y:
        ax.set_yticks(_round_ticks(low, high), [f"{t:g}" for t in _round_ticks(low, high)])
    ax.set_ylim(low, high)
    if axes.linear_to is not None:
        ticks = [0.0, *_round_ticks(axes.linear_to / 2, high)]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    if axes.percent:
        ticks = [tick for tick in ax.get_yticks() if low - 1e-9 <= tick <= high + 1e-9]
        canvas.percent_ticks(ax.yaxis, ticks)
        ax.set_ylim(low, high)
    canvas.grid(ax)
    ax.set_xlabel(axes.x)
    ax.set_ylabel(axes.y)


def _round_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20, … within the range; finer where that leaves fewer than three."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(1 + i / 10 for i in range(90))):
        found = [step * 10.0**power for power in powers for step in steps]
        found = sorted({round(tick, 10) for tick in found if low <= tick <= high})
        if len(found) >= 3:
            return found[:: max(1, len(found) // 7)]
    return [low, high]
