"""What all figures share: colours, axes, the way from matplotlib to an ``svg`` element, legends."""

from __future__ import annotations

import io
import math
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

from markupsafe import Markup, escape

BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
SERIES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"), (AMBER, "-"), (SKY, "--"))
INK, MUTED, RULE = "#1d252c", "#5a6570", "#d5dade"
FONTS = ("-apple-system", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "sans-serif")
_DASHES = {"-": "none", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}
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

Entry = tuple[Markup, str]
"""A swatch and what it stands for; the words are escaped by whoever prints them."""


@dataclass(frozen=True)
class Drawing:
    """A figure and its legend."""

    svg: Markup
    legend: list[Entry]


def line(colour: str, style: str) -> Markup:
    """A swatch for a line of this colour and matplotlib line style."""
    dashes = _DASHES[style]
    return Markup(
        '<svg class="swatch" viewBox="0 0 28 8" aria-hidden="true"><path d="M0 4H28" '
        f'stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes}" fill="none"/></svg>'
    )


# matplotlib's own types are partial, so what it makes is Any here.


def canvas(size: tuple[float, float] = _SIZE) -> tuple[Any, Any]:
    """An empty figure of ``size`` in inches and its axes, transparent."""
    # The object interface: pyplot would keep global state.
    from matplotlib.figure import Figure

    with _styled():
        figure: Any = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
    return figure, axes


def grid(axes: Any) -> None:
    """Faint lines behind everything, at the ticks that are named and at no others."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([], minor=True)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def decades(least: float) -> list[float]:
    """Ticks 1, 0.1, 0.01, … down to ``least``, a power of ten; every other one if many."""
    count = round(-math.log10(least))
    return [10.0**-power for power in range(0, count + 1, 1 + (count > 4))]


def percent_ticks(axis: Any, ticks: list[float]) -> None:
    """Ticks at these shares, named as percentages."""
    axis.set_ticks(ticks, [f"{100 * tick:.6g}%" for tick in ticks])


def draw(figure: Any, *, name: str, title: str, about: str) -> Markup:
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


def png(figure: Any) -> bytes:
    """The figure as an image on white, for papers and slides; equal input gives equal bytes."""
    out = io.BytesIO()
    with _styled():
        figure.savefig(out, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def frame(body: str, *, box: str, name: str, title: str, about: str, kind: str = "") -> Markup:
    """An ``svg`` element that a screen reader announces by title and description."""
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" class="{kind}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(about)}</desc>{body}</svg>'
    )


def _styled() -> AbstractContextManager[None]:
    import matplotlib

    return cast(Any, matplotlib).rc_context(_STYLE)
