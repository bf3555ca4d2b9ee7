"""What the rules of several languages found in one text, put together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.resolve import resolve

_CHINESE = re.compile(r"[\u3001\u3002\u3400-\u9fff\uff08-\uff0c\uff1a\uff1b]")


def merge(text: str, found: Mapping[str, Sequence[PhiSpan]]) -> list[PhiSpan]:
    """Disjoint spans of ``text``, in order, from what each language's rules found in it."""
    spans = dict(found)
    if len(spans) > 1:
        spans["en"] = _beside_chinese(text, spans["en"], spans["zh"])
    return resolve(span for each in spans.values() for span in each)


def _beside_chinese(
    text: str, english: Sequence[PhiSpan], chinese: Sequence[PhiSpan]
) -> list[PhiSpan]:
    """English findings in a note that is Chinese, too: they end where Chinese begins, and numbers
    that the Chinese rules found have the borders those gave them."""
    kept: list[PhiSpan] = []
    for span in english:
        if span.category != "NAME" and any(
            span.start <= other.start and other.end <= span.end for other in chinese
        ):
            continue
        piece = _CHINESE.split(text[span.start : span.end], maxsplit=1)[0].rstrip(" .,;:")
        if piece.strip():
            kept.append(replace(span, end=span.start + len(piece)))
    return kept
