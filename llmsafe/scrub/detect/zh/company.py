"""In a Chinese note that holds other PHI, what may be PHI is so much the likelier.

A ward round in which rules have read a label, a telephone number and a name has more names in it; a
leaflet has none. So a finding that is too doubtful alone is kept beside others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmsafe.notes import PhiSpan

LONELY = 0.3
"""The score of a finding of the tagger that counts only in company; others have a higher one."""
_ODDS = 60.0
"""So many times as likely is a finding among others; set on the development material."""
_MANY, _RULED = 3, 0.7
"""Others are so many findings of rules with such a score."""


def likelier(chance: float) -> float:
    """A chance of PHI in a note without other PHI, as it is in one with."""
    return _ODDS * chance / (1 + (_ODDS - 1) * chance)


def kept(found: Sequence[PhiSpan], source: str) -> Iterator[PhiSpan]:
    """``found`` without what counts only in company, of the tagger, which is ``source``, where
    rules have not found enough."""
    ruled = {s.start for s in found if s.source != source and s.score >= _RULED}
    company = len(ruled) >= _MANY
    for span in found:
        if company or span.source != source or span.score > LONELY:
            yield span
