"""Inline SVG figures of the report: one per idea, made to be read at phone width and in print.

Colours are Okabe and Ito's, told apart with any colour vision; line style or fill repeats what
colour says. No text from a file is drawn, so a figure cannot carry a payload. Equal input gives
equal bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

from markupsafe import Markup, escape

from llmsafe.artifacts import Histogram, Membership

BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
SERIES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"), (AMBER, "-"), (SKY, "--"))
INK, MUTED, RULE = "#1d252c", "#5a6570", "#d5dade"
FONTS = ("-apple-system", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "sans-serif")
_SIZE = (3.9, 2.9)  # inches; at 72 units an inch this is near the width of a phone
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "llmsafe",
    "text.parse_math": False,
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
}


def histogram(scores: Histogram, *, name: str) -> Markup | None:
    """Scores of planted (filled) and withheld (outlined) canaries; ``None`` if not drawable."""
    bins = len(scores.edges) - 1
    counted = len(scores.planted) == len(scores.withheld) == bins
    if bins < 1 or not counted or not all(math.isfinite(edge) for edge in scores.edges):
        return None
    figure, axes = _canvas()
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
    return _svg(figure, name, title, about)


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
    figure, axes = _canvas()
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
            linewidth=1.8,
            clip_on=False,
            solid_capstyle="round",
        )
    _percent_axes(axes, left, start, log)
    scale = "logarithmic" if log else "linear"
    title = f"Share of members identified against outsiders wrongly flagged, {scale} scale"
    areas = "; ".join(f"curve {i + 1}: AUC {r.auc.value:.2f}" for i, r in enumerate(results))
    limit = " The shaded area is what the promise rules out." if allowed else ""
    return _svg(figure, name, title, f"The dotted line is blind guessing.{limit} {areas}.")


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
        ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
        if log:
            decades = round(-math.log10(least))
            ticks = [10.0**-power for power in range(0, decades + 1, 1 + (decades > 4))]
        axis.set_ticks(ticks, [f"{100 * tick:.6g}%" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlim(left, 1)
    axes.set_ylim(bottom, 1)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    scale = " (log scale)" if log else ""
    axes.set_xlabel("Outsiders wrongly flagged" + scale)
    axes.set_ylabel("Members identified" + scale)


# matplotlib's own types are partial, so what it makes is Any here.


def _styled() -> AbstractContextManager[None]:
    import matplotlib

    return cast(Any, matplotlib).rc_context(_STYLE)


def _canvas() -> tuple[Any, Any]:
    # The object interface: pyplot would keep global state.
    from matplotlib.figure import Figure

    with _styled():
        figure: Any = Figure(figsize=_SIZE, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
    return figure, axes


def _svg(figure: Any, name: str, title: str, about: str) -> Markup:
    """The figure as an ``svg`` element with a title, ids of its own, and no outside reference."""
    out = io.StringIO()
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _styled():
        figure.savefig(out, format="svg", metadata=none)
    text = out.getvalue()
    head = re.search(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>", text)
    assert head is not None, "matplotlib wrote no svg element"
    body = text[head.end() : text.rindex("</svg>")]
    # A style element inside an inline figure would style the whole page.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # Ids count per figure, and the page holds several.
    body = re.sub(r' id="', f' id="{name}-', body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    body = re.sub(r"font-family: [^;\"]*", f"font-family: {', '.join(FONTS)}", body)
    body = re.sub(r"[ \t]*\n[ \t]*", "\n", body)
    return frame(body, box=head.group(1), name=name, title=title, about=about)


def frame(body: str, *, box: str, name: str, title: str, about: str, kind: str = "") -> Markup:
    """An ``svg`` element that a screen reader announces by title and description."""
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" class="{kind}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(about)}</desc>{body}</svg>'
    )
