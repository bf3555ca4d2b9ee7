"""Inline SVG figures of the report: one per idea, made to be read at phone width and in print.

Colours are Okabe and Ito's, told apart with any colour vision; line style or fill repeats what
colour says. No text from a file is drawn, so a figure cannot carry a payload: names of lines stand
in the legend, which is HTML. Equal input gives equal bytes.
"""

from llmsafe.report.figures.bounds import bounds
from llmsafe.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RULE,
    SERIES,
    Drawing,
    Entry,
    frame,
    line,
)
from llmsafe.report.figures.game import histogram, roc
from llmsafe.report.figures.memory import exposure, extraction

__all__ = [
    "BLUE",
    "INK",
    "MUTED",
    "ORANGE",
    "RULE",
    "SERIES",
    "Drawing",
    "Entry",
    "bounds",
    "exposure",
    "extraction",
    "frame",
    "histogram",
    "line",
    "roc",
]
