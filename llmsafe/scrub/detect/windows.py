"""Where in a note a pattern can match at all, so that it need not be tried everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Range = tuple[int, int]


def windows(text: str, hint: re.Pattern[str], before: int, after: int) -> list[Range]:
    """Disjoint stretches that reach from ``before`` characters ahead of each match of ``hint`` to
    ``after`` characters behind its start.

    A pattern whose every match holds a match of ``hint``, starting at most ``before`` and ending
    (with all it looks at) at most ``after`` characters from it, matches in the stretches just what
    it matches in the whole text.
    """
    merged: list[Range] = []
    for match in hint.finditer(text):
        start, end = max(0, match.start() - before), min(len(text), match.start() + after)
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def find_in(
    pattern: re.Pattern[str], text: str, ranges: Sequence[Range]
) -> Iterator[re.Match[str]]:
    """The matches of ``pattern`` inside the ranges, in order."""
    for start, end in ranges:
        yield from pattern.finditer(text, start, end)
