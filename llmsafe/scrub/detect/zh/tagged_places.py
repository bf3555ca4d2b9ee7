"""What of a finding of the Chinese tagger is a place or an institution, within its right borders."""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.organizations import HEAD, generic, is_ware, whole
from llmsafe.scrub.detect.zh.places import (
    NOT_PLACE,
    begin,
    cut_in,
    grow,
    names_a_thing,
    two_levels,
)
from llmsafe.scrub.detect.zh.reading import HAN, SPACE
from llmsafe.scrub.detect.zh.things import touched

KNOWN, UNHEADED = 0.6, 0.95
"""How sure the tagger must be of a place or an institution, and of one without a head word."""

_REGION = re.compile(
    r"(?:中国|全国|外省|本省|国内|国外|台湾|新疆|西藏|内蒙古?|广西|宁夏)"
    r"|(?:越南|泰国|日本|韩国|朝鲜|美国|英国|法国|德国|俄罗斯|印度|印尼|菲律宾|马来西亚|新加坡|缅甸|老挝|柬埔寨|蒙古国?|意大利|加拿大|澳大利亚|西亚)籍?"
    r"|[一二三四五六七八九十]+|贵姓|\d{1,2}号楼\d?"
    r"|[左右].{0,3}[区侧叶]|相应.*|农村|城市|城镇|山区|牧区|本市|当地|外地|病区|病房|楼[上下]|门[诊口]|医院|[东南西北]方"
)
_LATIN_ROAD = re.compile(r"\b(?:Rd|Road|St|Street|Ave|Avenue|Lane|Village|Court|Building)\b")


def read_place(text: str, span: PhiSpan) -> PhiSpan | None:
    span = _trimmed(text, span)
    found, lexicon = SPACE.sub("", text[span.start : span.end]), chinese()
    if (
        span.score < KNOWN
        or len(found) < 2
        or not (re.search(HAN, found) or re.fullmatch(r"\d{6}", found) or _LATIN_ROAD.search(found))
        or re.fullmatch(rf"{HAN}\d+", found)
        or found in lexicon.words
        or found.rstrip("省")
        in lexicon.provinces - {"香港", "澳门", "北京", "上海", "天津", "重庆"}
        or _REGION.fullmatch(found)
        or NOT_PLACE.match(text, span.end)
        or (found + text[span.end : span.end + 1])[-1] == "族"
        or _of_a_thing(text, span)
        or any(names_a_thing(text, at) for at in range(max(0, span.start - 3), span.end))
    ):
        return None
    unit = _UNIT_LEFT.match(text, span.end)  # 石月亮|乡
    end = unit.end() if unit else two_levels(text, span.start, span.end)
    start = begin(text, cut_in(text, span.start))
    return replace(span, start=start, end=grow(text, end))


_UNIT_LEFT = re.compile(r"[乡镇村县里](?![下医人民里])|(?<=[A-Za-z\d])[室号楼栋]")
# What stands before or behind a place in one run with it: 随夫居|广西东兴市, 从商丘|坐车.
_LED_BY = re.compile(
    r"(?:居(?![巢庸])|补?寄|宿(?![州迁松豫城])|地[点點址]|住址)+(?=[\u4e00-\u9fff]{2})"
)
_RUN_INTO = re.compile(r"(?:[坐做住来去到打在出喘饮]|上(?=[班学])|[渔牧农村居]民|[迁搬吧]|,.?)$")


def _trimmed(text: str, span: PhiSpan) -> PhiSpan:
    """A place without a verb that runs into it on either side."""
    start, end = span.start, span.end
    if led := _LED_BY.match(text, start, end):
        start = led.end()
    into = _RUN_INTO.search(
        text, start, end + (text[end - 1] == "上" and text[end : end + 1] == "班")
    )
    if into and into.start() - start > 1:
        end = into.start()
    return replace(span, start=start, end=end)


def _of_a_thing(text: str, span: PhiSpan) -> bool:
    """Whether a place or an institution is a part of a word for something: 扬州|炒饭."""
    size = span.end - span.start
    return any(
        thing.start <= span.start and span.end <= thing.end and thing.end - thing.start > size
        for thing in touched(text, span.start, span.end)
    )


def read_institution(text: str, span: PhiSpan) -> PhiSpan | None:
    start = span.start + (text[span.start] in "去到在往")
    span = replace(span, start=start, end=whole(text, start, span.end))
    found = SPACE.sub("", text[span.start : span.end])
    known = HEAD.search(found) is not None
    if (
        len(found) < 3
        or generic(found)
        or is_ware(text, span.start, span.end)
        or _of_a_thing(text, span)
        or span.score < (KNOWN if known else UNHEADED)
    ):
        return None
    return span
