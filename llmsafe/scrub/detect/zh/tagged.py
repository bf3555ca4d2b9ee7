"""Whether what the Chinese tagger found is also made like what it says it is.

The tagger looks at the words around; it cannot know that nobody is called 玫瑰, that 去年夏天 is no
date and 12345 everybody's number. A name is believed the sooner the more it is made like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.labels import PUBLIC
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.organizations import HEAD, generic
from llmsafe.scrub.detect.zh.reading import DOT, HAN, MASK, in_word, stop, surname_length
from llmsafe.scrub.detect.zh.roles import GENERIC, TITLE

LIKELY, ODD, WORD = 0.9, 0.99, 0.995
"""How sure the tagger must be of what is made like a name, of what is not, of a word."""
LEAST = {"NAME": LIKELY, "LOCATION": 0.9, "ORGANIZATION": 0.9, "DATE": 0.9, "AGE": 0.8}
NUMBER = 0.9
"""And of the other categories."""

_SPACE = re.compile(r"\s+")
_PIECE = re.compile(
    rf"{HAN}(?:[ \t]{{0,4}}{HAN})*(?:{DOT}{HAN}+)*{MASK}?|[A-Z][A-Za-z'’.-]*(?:[ ,]{{1,2}}[A-Z][A-Za-z'’.-]*){{0,3}}"
)
_REGION = re.compile(
    r"(?:中国|全国|外省|本省|国内|国外|香港|澳门|台湾|新疆|西藏|内蒙古?|广西|宁夏)"
    r"|农村|城市|城镇|山区|牧区|本市|当地|外地|病区|病房|楼[上下]|门[诊口]|医院|[东南西北]方"
)
_CALENDAR = re.compile(
    r"[\d一二三四五六七八九十〇○廿初][\d\s]{0,4}[月日号]|[月日号].?[\d一二三四五六七八九十]"
    r"|\d[-/.、]\s?\d|\d{4,8}|[节初旬夕秋阳午]|[正腊冬]月|元旦|除夕|五一|国庆|十一|清明|至|Jan|Feb|Mar|Apr|May"
    r"|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
)
_NO_DATE = re.compile(
    r"(?:19|20)\d\d年?|[一二三四五六七八九〇零]{4}年|(?:周|星期|礼拜)[一二三四五六日天末]"
    r"|[前昨今明后当次同]+[年月天日晚晨早]|.{0,3}[春夏秋冬][天季]"
)
_SPAN_OF_TIME = re.compile(r"\d+[-~至]\d+[月日天周年]?$")


def stands(text: str, span: PhiSpan) -> bool:
    """Whether a finding of the tagger in a view of a Chinese note is kept."""
    found = _SPACE.sub("", text[span.start : span.end])
    if span.score < LEAST.get(span.category, NUMBER):
        return False
    if span.category == "NAME":
        return any(span.score >= _doubt(text, at, end) for at, end in _pieces(text, span))
    if span.category == "LOCATION":
        return len(found) > 1 and not _place_of_nobody(found)
    if span.category == "ORGANIZATION":
        known = HEAD.search(found) is not None and not generic(found)
        return len(found) > 2 and span.score >= (LEAST["ORGANIZATION"] if known else ODD)
    if span.category == "DATE":
        return _calendar(text, span, found)
    if span.category in ("AGE", "EMAIL", "URL"):
        return True
    return sum(c.isdigit() or c in "〇零一二三四五六七八九幺" for c in found) > 2 and (
        found not in PUBLIC
    )


def _pieces(text: str, span: PhiSpan) -> Iterator[tuple[int, int]]:
    """What may be a name in a finding that goes on behind it: 何芳琴,99."""
    for match in _PIECE.finditer(text, span.start, span.end):
        yield match.span()


def _doubt(text: str, start: int, end: int) -> float:
    """How sure the tagger must be that this is a name; more than 1 if it cannot be one."""
    lexicon, name = chinese(), _SPACE.sub("", text[start:end])
    if not re.search(HAN, name):
        return ODD
    if re.search(rf"{HAN}{DOT}{HAN}|{MASK}$", name):
        return LIKELY
    if len(name) > 8 or stop(name) or name in GENERIC:
        return 2.0
    if name in lexicon.words or TITLE.fullmatch(name):
        return WORD
    if in_word(text, start, end):
        return WORD if len(name) > 1 else 2.0
    if name in lexicon.other_names or name in lexicon.nicknames:
        return LIKELY
    surname = surname_length(name, 0)
    given = name[surname:]
    if surname and len(given) < 3:
        usual = all(c in lexicon.parts for c in given) and not lexicon.plain(name)
        closed = TITLE.match(text, end) or not re.match(HAN, text[end : end + 1])
        return LIKELY if usual and (given or closed) else ODD
    return ODD if name in lexicon.given_names or name[0] == name[-1] or name[0] in "小阿" else WORD


def _place_of_nobody(found: str) -> bool:
    lexicon = chinese()
    province = found.rstrip("省市") in lexicon.provinces or found in lexicon.provinces
    return province or found in lexicon.words or _REGION.fullmatch(found) is not None


def _calendar(text: str, span: PhiSpan, found: str) -> bool:
    return (
        _CALENDAR.search(found) is not None
        and not _NO_DATE.fullmatch(found)
        and not _SPAN_OF_TIME.fullmatch(text[max(0, span.start - 5) : span.end].split("，")[-1])
    )
