"""The picture of page one: claimed ε, measured lower bound and ceiling on one axis.

Drawn by hand rather than plotted: it is made twice, wide and narrow, so that its text keeps its
size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from llmsafe.artifacts import Audit
from llmsafe.report import headline, words
from llmsafe.report.figures import BLUE, INK, MUTED, ORANGE, RULE, frame

_ROW, _TRACK, _PAD = 84, 16, 6
_Scale = Callable[[float], float]


@dataclass(frozen=True)
class Mark:
    """One row: what is claimed (``None``: nothing), measured, and could have been measured."""

    name: str
    claimed: float | None
    lower: float | None
    ceiling: float | None


def mark(name: str, audit: Audit) -> Mark:
    """The row of an audit."""
    bound = headline.headline_bound(audit)
    return Mark(
        name=words.shorten(name),
        claimed=headline.claimed_epsilon(audit.privacy),
        lower=bound.epsilon_lower if bound else None,
        ceiling=bound.ceiling if bound else None,
    )


def gauge(marks: Sequence[Mark], *, name: str, width: int) -> Markup | None:
    """All rows over one ε axis, ``width`` units wide; ``None`` when there is nothing to draw."""
    numbers = [v for m in marks for v in (m.claimed, m.lower, m.ceiling) if v is not None]
    if not numbers:
        return None
    top = _top(marks)
    step = _step(top, width)
    top = step * math.ceil(round(top / step, 9))

    def x(value: float) -> float:
        return _PAD + (width - 2 * _PAD) * min(max(value, 0.0), top) / top

    titled = len(marks) > 1
    parts: list[str] = []
    y = 6.0
    for row in marks:
        y += 20 if titled else 0
        if titled:
            parts.append(_text(_PAD, y - 2, row.name, "start", INK, bold=True))
        parts.append(_row(row, y, x, top, width))
        y += _ROW
    parts.append(_axis(y, x, top, step, width))
    about = " ".join(_sentence(row, titled) for row in marks)
    title = "Claimed privacy loss, measured lower bound and ceiling"
    box = f"0 0 {width} {y + 42:.0f}"
    return frame("".join(parts), box=box, name=name, title=title, about=about, kind="gauge")


def _top(marks: Sequence[Mark]) -> float:
    """The end of the axis: all that was measured; a claim far beyond it becomes an arrow."""
    measured = [v for m in marks for v in (m.lower, m.ceiling) if v is not None]
    finite = [v for v in measured if math.isfinite(v) and v > 0]
    claims = [m.claimed for m in marks if m.claimed is not None]
    limit = 3 * max(finite) if finite else math.inf
    near = [claim for claim in claims if claim <= limit]
    return 1.04 * max([*finite, *near], default=1.0)


def _step(top: float, width: int) -> float:
    """A round distance between ticks (1, 2 or 5 times a power of ten)."""
    ideal = top / (width / 80)
    power = 10.0 ** math.floor(math.log10(ideal))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= ideal)


def _row(row: Mark, y: float, x: _Scale, top: float, width: int) -> str:
    track = y + 24
    parts = [_rect(x(0), track, x(top) - x(0), "#eef1f3")]
    broken = row.claimed is not None and row.lower is not None and row.lower > row.claimed
    # Text needs a darker orange than a bar to be read with ease.
    colour, text_colour = (ORANGE, "#a34200") if broken else (BLUE, "#00629a")
    labels: list[tuple[float, str, str]] = []
    if row.ceiling is not None:
        parts.append(_rect(x(0), track, x(row.ceiling) - x(0), "#c6dbe9"))
    if row.lower is None:
        labels.append((x(0), "not measured", MUTED))
    else:
        parts.append(_rect(x(0), track, max(x(row.lower) - x(0), 4), colour))
        labels.append((x(row.lower), f"measured ≥ {words.number(row.lower)}", text_colour))
    if row.ceiling is not None:
        parts.append(_tick(x(row.ceiling), track, track + _TRACK + 5, "#4f7f9f", 1.5))
        labels.append((x(row.ceiling), f"ceiling {words.number(row.ceiling)}", MUTED))
    if row.claimed is None:
        parts.append(_text(x(top), track - 8, "no claim", "end", MUTED))
    else:
        parts.append(_claim(row.claimed, x, top, track, width))
    parts.extend(_spread(labels, track + _TRACK + 20, width))
    return "".join(parts)


def _claim(claimed: float, x: _Scale, top: float, track: float, width: int) -> str:
    beyond = claimed > top
    text = f"claimed ε = {words.number(claimed)}" + (" →" if beyond else "")
    half = _length(text) / 2
    at = min(max(x(claimed), half + 2), width - half - 2)
    line = "" if beyond else _tick(x(claimed), track - 5, track + _TRACK + 5, INK, 2.5)
    return line + _text(at, track - 9, text, "middle", INK, bold=True)


def _spread(labels: Sequence[tuple[float, str, str]], y: float, width: int) -> list[str]:
    """Labels under their marks, pushed apart where they would run into one another."""
    placed = sorted(labels, key=lambda label: label[0])
    ends: list[float] = []
    left = 2.0
    for at, text, _ in placed:
        start = max(left, at - _length(text) / 2)
        ends.append(start + _length(text))
        left = ends[-1] + 12
    right = width - 2.0
    out: list[str] = []
    for wanted, (_, text, colour) in reversed(list(zip(ends, placed, strict=True))):
        end = min(wanted, right)
        out.append(_text(end - _length(text) / 2, y, text, "middle", colour))
        right = end - _length(text) - 12
    return out


def _axis(y: float, x: _Scale, top: float, step: float, width: int) -> str:
    parts = [f'<path d="M{x(0):.1f} {y:.1f}H{x(top):.1f}" stroke="{RULE}" fill="none"/>']
    ticks = round(top / step)
    for index in range(ticks + 1):
        value = index * step
        parts.append(_tick(x(value), y, y + 5, MUTED, 1))
        label = f"{value:g}"
        at = min(x(value), width - _length(label) / 2)
        parts.append(_text(at, y + 18, label, "middle", MUTED))
    label = "privacy loss ε: 0 tells nothing about a patient, larger tells more"
    if width < 500:
        label = "privacy loss ε (0: nothing is told)"
    parts.append(_text(width / 2, y + 36, label, "middle", MUTED))
    return "".join(parts)


def _sentence(row: Mark, titled: bool) -> str:
    said = f"{row.name}: " if titled else ""
    said += f"claimed {'nothing' if row.claimed is None else words.number(row.claimed)}, "
    if row.lower is None or row.ceiling is None:
        return said + "not measured."
    return (
        said + f"measured at least {words.number(row.lower)}, ceiling {words.number(row.ceiling)}."
    )


def _length(text: str) -> float:
    """A generous guess of the width of a label of 13 units, to keep labels apart."""
    return 7.2 * len(text)


def _rect(x: float, y: float, width: float, fill: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{_TRACK}" '
        f'rx="2" fill="{fill}"/>'
    )


def _tick(x: float, top: float, bottom: float, colour: str, weight: float) -> str:
    return (
        f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}" '
        f'stroke-width="{weight}" fill="none"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{escape(text)}</text>"
    )
