"""What of a finding of the Chinese tagger is a number or an address of the net."""

from __future__ import annotations

import re

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.ids import priced
from llmsafe.scrub.detect.zh.labels import NO_LABEL, is_public
from llmsafe.scrub.detect.zh.reading import HAN, SPACE

SURE = 0.8
"""How sure the tagger must be of it."""

_NUMERALS = "〇零一二三四五六七八九幺"
_HOUR = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d")
_NO_CAR = re.compile(r"[平推快轮]车.{0,3}$")
_LED = ("VEHICLE", "RESIDENT_ID", "LICENSE", "OTHER_ID")  # 京A12345, 军字第1234567号
_MEASURED = re.compile(r"\d+\.\d+|.{0,6}\d+(?:\.\d+)?(?:[A-Za-zμ]+/[A-Za-z\d]+|元|次|岁|天|个|%)")
# Codes of diseases (K80.101, S72.001x002) and of what insurance pays for (27 or 20 places).
_CATALOGUED = re.compile(
    r"[A-Z]\d\d\.\d{1,3}(?:x\d{3})?|[CX][A-Z\d]?\d{17,26}|[A-Z]{2}\d{2}|\d{5}[A-D]"
)
_UNIT = re.compile(r"[ \t]?(?:[a-zμ]?[LlgMm]\b|[A-Za-zμ]{1,4}/|[%℃°]|元|次|步|天|分钟?)")


def as_it_is(text: str, span: PhiSpan) -> PhiSpan | None:
    return span if span.score >= SURE else None


_SCORED = (
    re.compile(r"[A-Za-z%率搏量压]\)?[:： ]{0,2}$"),
    re.compile(r"[ \t]?(?:分(?!娩)|次|%|\d|[a-zA-Zμ])"),
)


def read_age(text: str, span: PhiSpan) -> PhiSpan | None:
    """An age, no score or value: not Tbil 96, CD4 96, DQ 90."""
    before, behind = _SCORED
    scored = before.search(text, max(0, span.start - 4), span.start) or behind.match(text, span.end)
    return None if scored else as_it_is(text, span)


def read_mail(text: str, span: PhiSpan) -> PhiSpan | None:
    found = text[span.start : span.end]
    return as_it_is(text, span) if re.search(r"@|艾特|\bat\b|\.[a-z]{2}", found) else None


def read_number(text: str, span: PhiSpan) -> PhiSpan | None:
    found = SPACE.sub("", text[span.start : span.end])
    digits = sum(c.isdigit() or c in _NUMERALS for c in found)
    before = text[max(0, span.start - 4) : span.start]
    led = re.match(rf"(?![{_NUMERALS}]){HAN}", found) and span.category not in _LED
    if span.score < SURE or digits < 3 or led or is_public(text, span.start, found):
        return None
    if before.endswith("*") or NO_LABEL.search(before):  # HLA-B*1502, 批号2021
        return None
    if re.search(r"[\d)][×xX*]\s?$", before):  # 1×52000
        return None
    if digits < 4 and re.search(r"\d[至到~]$", before):  # 128至132
        return None
    if _CATALOGUED.fullmatch(found) or priced(text, span.start, span.end):
        return None
    if (
        _HOUR.fullmatch(found)
        and re.search(r"(?:^|[。;,，\n:：])$", before)
        and re.match(HAN, text[span.end : span.end + 1])
    ):
        return None  # 。0200拔胃管
    if _NO_CAR.search(before):
        return None
    table = re.fullmatch(r"(?:\d )+\d", text[span.start : span.end])
    return None if table or _MEASURED.fullmatch(found) or _UNIT.match(text, span.end) else span
