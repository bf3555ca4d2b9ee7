"""What the rest of a note says of a finding: PHI keeps company, and a table says what it lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.tables import things

_SHARE = re.compile(r"(\d{1,2})/(\d{1,2})")
_TOP = 12
_WORDED = ("NAME", "LOCATION", "ORGANIZATION")
_ASKING = frozenset(("tagger", "listed names", "unknown names", "reversed names", "cities"))
"""Findings that the heading of a column can deny."""
_DOUBTFUL, _SURE = 0.45, 0.485  # of the tagger: half its chance


def kept(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """``found`` without names of what a table calls a drug or a scale, and without what the tagger
    alone half believes of a word in a note in which nobody has found anything else."""
    cells = things(text)
    for span in found:
        if span.category in _WORDED and span.source in _ASKING:
            if any(start <= span.start and span.end <= end for start, end in cells):
                continue
            if span.source == "tagger" and span.score < _DOUBTFUL and not _company(found):
                continue
        elif span.category == "DATE" and span.source == "tagger" and _share(text, span):
            if not any(other.category == "DATE" and other.source != "tagger" for other in found):
                continue
        yield span


def _share(text: str, span: PhiSpan) -> bool:
    """Whether it is written like a score: 6/8, 3/3."""
    match = _SHARE.fullmatch(text, span.start, span.end)
    return match is not None and int(match[1]) <= int(match[2]) <= _TOP


def _company(found: Sequence[PhiSpan]) -> bool:
    return any(other.source != "tagger" or other.score >= _SURE for other in found)
