"""What the Chinese tagger found, as far as it is also made like what it says it is.

The tagger looks at the words around; it cannot know that nobody is called 玫瑰, that 去年夏天 is no
date and 12345 everybody's number. Names, places, dates and numbers are each judged in a module of
their own; here what is believed is joined with what the rules found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.resolve import subtract
from llmsafe.scrub.detect.zh.company import LONELY, likelier
from llmsafe.scrub.detect.zh.reading import HAN
from llmsafe.scrub.detect.zh.tagged_dates import read_dates
from llmsafe.scrub.detect.zh.tagged_names import LIKELY, ODD, OTHER, doubt, read_name
from llmsafe.scrub.detect.zh.tagged_numbers import as_it_is, read_age, read_mail, read_number
from llmsafe.scrub.detect.zh.tagged_places import read_institution, read_place

ALONE = 0.64
"""The least score of what is believed wherever it stands; the rest counts in company."""


# A value of before, no day, age or number of anybody: Hb 112g/L(原来为104), 前一次为10.4.
_FORMER = re.compile(r"(?:(?:原来|[前上]一?次查?|此前|基线)[为是:]|比前次的|上次)$")
# And what may be a day: only a value that no month has.
_VALUE = re.compile(r"\d{1,4}|(?:0|1[3-9]|[2-9]\d|\d{3,})\.\d+|\d+\.(?:0|3[2-9]|[4-9]\d|\d{3,})")
_ON_DAY = re.compile(r"(?:日|号)?(?:[来出入住]|复[查诊]|随访|手术|就诊|门诊)")
_HAN = re.compile(HAN)
_NO_PART = "后前起止家所在到从居住于为是由归管换过了去寄至回离开的找先原上饮居就写寄遵"


def read(text: str, span: PhiSpan) -> PhiSpan | None:
    """A finding of the tagger in a view of a Chinese note within its right borders; ``None`` if it
    cannot be what it says. What counts only in company has the score ``2 * LONELY``."""
    former = _FORMER.search(text, max(0, span.start - 8), span.start)
    value = former and _VALUE.fullmatch(text, span.start, span.end)
    if value and not _ON_DAY.match(text, span.end):
        return None
    reader = _READERS.get(span.category, read_number)
    if (found := reader(text, span)) is not None:
        return replace(found, score=max(ALONE, found.score))
    found = reader(text, replace(span, score=likelier(span.score)))
    return found and replace(found, score=2 * LONELY)


def beside(text: str, found: Sequence[PhiSpan], source: str) -> Iterator[PhiSpan]:
    """``found``, where a rule's borders count and the tagger, which is ``source``, adds what it
    would have found without them. A surname that the rule missed makes the rule's name longer."""
    rules = [span for span in found if span.source != source]
    for span in found:
        if span.source != source:
            yield span
            continue
        under = [r for r in rules if r.start < span.end and span.start < r.end]
        enough = OTHER if 2 * span.score >= ODD else LIKELY
        longer = span.category == "NAME" and (
            not _HAN.search(text, span.start, span.end)  # Wong Lai|Fong
            or doubt(text, span.start, span.end) <= enough
            # A surname alone ends no name: 过|晓明
            or any(r.end - r.start == 1 and r.start > span.start for r in under)
        )
        if not under or (longer and all(r.category == "NAME" for r in under)):
            yield span
            continue
        for piece in subtract(text, [span], _merged(under)):
            lone = piece.end - piece.start == 1
            twice = text[max(0, piece.start - 1) : piece.start] in tuple("到在去至")  # 换到|上江镇
            if lone and (piece.category == "NAME" or (text[piece.start] in _NO_PART and not twice)):
                continue  # 应|熊|大夫, 到|普洱市, 1-4|后
            places = piece.category in ("LOCATION", "ORGANIZATION")
            if (
                places
                and piece.end - piece.start < 3
                and not re.search(rf"{HAN}|[A-Z]", text[piece.start : piece.end])
            ):
                continue
            if places or read(text, replace(piece, score=min(1.0, 2 * piece.score))):
                yield piece


def _merged(spans: Sequence[PhiSpan]) -> list[tuple[int, int]]:
    """The places of spans in order, those that overlap as one."""
    holes: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda span: span.start):
        if holes and span.start <= holes[-1][1]:
            holes[-1] = (holes[-1][0], max(holes[-1][1], span.end))
        else:
            holes.append((span.start, span.end))
    return holes


_READERS: dict[str, Callable[[str, PhiSpan], PhiSpan | None]] = {
    "NAME": read_name,
    "LOCATION": read_place,
    "ORGANIZATION": read_institution,
    "DATE": read_dates,
    "AGE": read_age,
    "EMAIL": read_mail,
    "URL": as_it_is,
}
