"""Where in a note a pattern can match at all, so that it need not be tried everywhere."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

Range = tuple[int, int]


def windows(text: str, hint: re.Pattern[str], before: int, after: int) -> list[Range]:
    """Disjoint stretches that reach from ``before`` characters ahead of each match of ``hint`` to
    ``after`` characters behind its start.

    A pattern whose every match holds a match of ``hint``, starting at most ``before`` and ending
    (with all it looks at) at most ``after`` characters from it, matches in the stretches just what
    it matches in the whole text.
    """
    return around(text, [match.start() for match in hint.finditer(text)], before, after)


def around(text: str, places: Iterable[int], before: int, after: int) -> list[Range]:
    """The same around the ordered ``places`` instead of the matches of a hint."""
    merged: list[Range] = []
    for place in places:
        start, end = max(0, place - before), min(len(text), place + after)
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def find_at(pattern: re.Pattern[str], text: str, places: Iterable[int]) -> Iterator[re.Match[str]]:
    """The matches of a pattern that can begin only at one of the ordered ``places``."""
    end = 0
    for place in places:
        if place >= end and (match := pattern.match(text, place)):
            yield match
            end = match.end()


def find_from(
    pattern: re.Pattern[str], text: str, places: Sequence[int], ranges: Sequence[Range]
) -> Iterator[re.Match[str]]:
    """The matches inside the ranges of a pattern that can begin only at one of the places."""
    for start, end in ranges:
        first = bisect_left(places, start)
        for place in places[first : bisect_left(places, end)]:
            if place >= start and (match := pattern.match(text, place, end)):
                yield match
                start = match.end()


def find_in(
    pattern: re.Pattern[str], text: str, ranges: Sequence[Range]
) -> Iterator[re.Match[str]]:
    """The matches of ``pattern`` inside the ranges, in order."""
    for start, end in ranges:
        yield from pattern.finditer(text, start, end)
