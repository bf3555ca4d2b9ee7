"""From many findings to disjoint spans. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from llmsafe.notes import CATEGORIES, PhiSpan
from llmsafe.scrub.detect.normalise import normalise

KNOWN = "known"  # source of the layer of known identifiers: it always wins
_RANK = {category: rank for rank, category in enumerate(CATEGORIES)}


def strength(span: PhiSpan) -> tuple[bool, float, int, int]:
    """Order of two findings on the same text: known, then score, then length, then category."""
    known = span.source.startswith(KNOWN)
    return known, span.score, span.end - span.start, -_RANK.get(span.category, len(_RANK))


def resolve(spans: Iterable[PhiSpan]) -> list[PhiSpan]:
    """Disjoint spans in order, covering exactly what the findings cover together.

    Findings that overlap become one span, which takes category, score and source from the
    strongest of them (see :func:`strength`). The result does not depend on the order of the input
    and resolving it again changes nothing. An empty or reversed finding is a ``ValueError``.
    """
    ordered = sorted(spans, key=lambda s: (s.start, s.end, s.category, s.score, s.source))
    groups: list[list[PhiSpan]] = []
    reach = -1
    for span in ordered:
        if not 0 <= span.start < span.end:
            raise ValueError(f"span [{span.start}, {span.end}) is empty or negative")
        if groups and span.start < reach:
            groups[-1].append(span)
        else:
            groups.append([span])
        reach = max(reach, span.end)
    return [_merge(group) for group in groups]


def _merge(group: list[PhiSpan]) -> PhiSpan:
    if len(group) == 1:
        return group[0]
    winner = max(group, key=strength)
    end = max(span.end for span in group)
    return PhiSpan(group[0].start, end, winner.category, winner.score, winner.source)


def subtract(
    text: str, spans: Iterable[PhiSpan], holes: Sequence[tuple[int, int]]
) -> Iterator[PhiSpan]:
    """What of the spans lies outside the ordered, disjoint ``holes``, in order; pieces without a
    letter or digit are none."""
    for span in spans:
        start = span.start
        for left, right in (
            [hole for hole in holes if hole[1] > span.start and hole[0] < span.end] if holes else ()
        ):
            yield from _piece(text, span, start, left)
            start = right
        yield from _piece(text, span, start, span.end)


def _piece(text: str, span: PhiSpan, start: int, end: int) -> Iterator[PhiSpan]:
    # Looked at as the recognisers do: a circled letter is none before it is normalised.
    if any(map(str.isalnum, normalise(text[start:end]).text)):
        whole = (start, end) == (span.start, span.end)
        piece = trim(text, span if whole else replace(span, start=start, end=end))
        if piece is not None:
            yield piece


def trim(text: str, span: PhiSpan) -> PhiSpan | None:
    """``span`` without white space at its ends; ``None`` if nothing else is in it."""
    stretch = text[span.start : span.end]
    if stretch and not (stretch[0].isspace() or stretch[-1].isspace()):
        return span
    start = span.start + len(stretch) - len(stretch.lstrip())
    end = span.end - (len(stretch) - len(stretch.rstrip()))
    return PhiSpan(start, end, span.category, span.score, span.source) if start < end else None
