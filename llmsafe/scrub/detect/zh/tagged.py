"""What the Chinese tagger found, as far as it is also made like what it says it is.

The tagger looks at the words around; it cannot know that nobody is called 玫瑰, that 去年夏天 is no
date and 12345 everybody's number. A name is believed the sooner the more it is made like one, and
the rules that read names, dates and addresses correct its borders, for these hang on one character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.resolve import subtract
from llmsafe.scrub.detect.zh.company import LONELY, likelier
from llmsafe.scrub.detect.zh.ids import priced
from llmsafe.scrub.detect.zh.labels import NO_LABEL, is_public
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.meant import could_name, told
from llmsafe.scrub.detect.zh.organizations import HEAD, generic, is_ware, whole
from llmsafe.scrub.detect.zh.places import NOT_PLACE, begin, grow, names_a_thing
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    HAN,
    MASK,
    NEXT,
    ambiguous,
    ends_here,
    in_word,
    meet,
    open_name,
    stop,
    straddled,
    strange,
    surname_length,
)
from llmsafe.scrub.detect.zh.roles import GENERIC, KIN, ROLE, TITLE
from llmsafe.scrub.detect.zh.tagged_dates import read_dates
from llmsafe.scrub.detect.zh.things import is_part, left, touched

FAINT, LIKELY, LONE, ODD, STRANGE = 0.2, 0.4, 0.85, 0.96, 0.995
"""How sure the tagger must be of a name that the rules would read too, of what is made like a name,
of a surname alone, of what is not made like one, of what is nearly always something else."""
NEVER = 2.0
OTHER = 0.65
"""And of a name whose given name has characters that few have."""
KNOWN, UNHEADED, SURE = 0.6, 0.95, 0.8
"""And of a place or an institution; of one without a head word; of numbers and addresses."""

ALONE = 0.64
"""The least score of what is believed wherever it stands; the rest counts in company."""

_ROLE_ENDS = "由让代人者夫妹弟姐家"  # 爱人|阿旺平措, no beginning of a foreign name
_NO_PART = "后前起止家所在到从居住于为是由归管换过了去寄至回离开的找先原上饮居就写寄遵"
_SPACE = re.compile(r"\s+")
_PIECE = re.compile(
    rf"{HAN}(?:[ \t]{{0,4}}{HAN})*(?:{DOT}{HAN}+)*{MASK}?"
    r"|[A-Z][A-Za-z'’.-]*(?:[ ,]{1,2}[A-Z][A-Za-z'’.-]*){0,3}"
)
_MASKED_ON = re.compile(rf"{HAN}某[均又再仍亦自曾将]")
_ROLE_OVER = re.compile(rf"(?:{ROLE}|洗手|流动|友人|对象|个管师|护理师)$")
_SHORT_TITLE = re.compile(r"[主师护](?=[说知嘱看曰云查示])")
_KIN = re.compile(f"{KIN}$")  # 老公高明在旁
_WHO = re.compile(rf"(?:{KIN}|家属|患者|病人|护士|医[生师])$")
_RUN = re.compile(rf"{HAN}{{2,5}}(?!{HAN})")
_REGION = re.compile(
    r"(?:中国|全国|外省|本省|国内|国外|台湾|新疆|西藏|内蒙古?|广西|宁夏)"
    r"|(?:越南|泰国|日本|韩国|朝鲜|美国|英国|法国|德国|俄罗斯|印度|印尼|菲律宾|马来西亚|新加坡|缅甸|老挝|柬埔寨|蒙古国?|意大利|加拿大|澳大利亚|西亚)籍?"
    r"|[一二三四五六七八九十]+|贵姓|\d{1,2}号楼\d?"
    r"|[左右].{0,3}[区侧叶]|农村|城市|城镇|山区|牧区|本市|当地|外地|病区|病房|楼[上下]|门[诊口]|医院|[东南西北]方"
)
_LATIN_ROAD = re.compile(r"\b(?:Rd|Road|St|Street|Ave|Avenue|Lane|Village|Court|Building)\b")
_YEAR = re.compile(r"[\d〇零一二三四五六七八九]年$")  # a surname too
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


def read(text: str, span: PhiSpan) -> PhiSpan | None:
    """A finding of the tagger in a view of a Chinese note within its right borders; ``None`` if it
    cannot be what it says. What counts only in company has the score ``2 * LONELY``."""
    reader = _READERS.get(span.category, _number)
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
        longer = span.category == "NAME" and _doubt(text, span.start, span.end) <= enough
        if not under or (longer and all(r.category == "NAME" for r in under)):
            yield span
            continue
        for piece in subtract(text, [span], _merged(under)):
            lone = piece.end - piece.start == 1
            if lone and (piece.category == "NAME" or text[piece.start] in _NO_PART):
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


def _name(text: str, span: PhiSpan) -> PhiSpan | None:
    kept = [found for found in _pieces(text, span) if found is not None]
    if not kept:
        return None
    start, end = min(start for start, _ in kept), max(end for _, end in kept)
    if not re.search(rf"{HAN}|[A-Za-z]", text[end : span.end]):  # a number taken for more of it
        end = max(end, span.end)
    return replace(span, start=start, end=end)


def _pieces(text: str, span: PhiSpan) -> Iterator[tuple[int, int] | None]:
    """The names in a finding that goes on behind one (何芳琴,99), as far as they are believed."""
    for piece in _named(text, span):
        start, end = _borders(text, *piece)
        if _likely(text[slice(*piece)], span.score) and told(text, *piece):
            yield piece
            continue
        if is_part(text, start, end) or is_ware(text, start, end):
            yield None
            continue
        if span.score >= _doubt(text, start, end):
            yield start, end
            continue
        # 梁银芳门, 林益财顾问: a name to which a character or a word too many was added.
        less = [(start, end - 1), (start + 1, end)] if end - start > 2 else []
        if ambiguous(text[start]):
            less.reverse()  # 向|向庆玉
        if (named := open_name(text, start)) is not None and named < end:
            less.insert(len(less) // 2, (start, named))
        yield next((one for one in less if _doubt(text, *one) <= LIKELY <= span.score), None)


def _named(text: str, span: PhiSpan) -> Iterator[tuple[int, int]]:
    """What in a finding can be a name: what is no thing, unless somebody is meant."""
    for match in _PIECE.finditer(text, span.start, span.end):
        whole = _likely(match[0], span.score) and told(text, *match.span())
        yield from [match.span()] if whole else left(text, *match.span())


def _likely(word: str, score: float) -> bool:
    """Whether people are called so, or the tagger is sure of it and the word is no clinical one."""
    called = could_name(word) or (score >= ODD and word not in chinese().words)
    return called and not stop(word)


def _borders(text: str, start: int, end: int) -> tuple[int, int]:
    """The name around or in ``text[start:end]``: with its surname, with the last character of the
    given name, without 老 or 小."""
    lexicon = chinese()
    if text.startswith("友人", start) and end - start > 3:
        start += 2  # 友人|杰克逊
    over = end - start > 1 and _ROLE_OVER.search(text, max(0, start - 2), start + 1)
    if (
        over
        and over.start() < start
        and (surname_length(text, start + 1) or _doubt(text, start + 1, end) <= LONE)
    ):
        start += 1  # 工|友同海, 洗|手巧云
    if end - start > 2 and text[start] in "嘱系" and not surname_length(text, start):
        start += 1  # 嘱|长河
    if end - start > 2 and text[end - 1] in "爸妈" and _stops(text, end):
        end -= 1  # 家豪|爸
    short = surname_length(text, start)
    if short and short < end - start < 4 and _SHORT_TITLE.match(text, start + short):
        return start, start + short  # 邸|主说
    if end - start == 2 and text[start] in "老小阿" and surname_length(text, start + 1):
        return start + 1, end
    if end - start < 3 and not surname_length(text, start):
        before = next((n for n in (2, 1) if surname_length(text, max(0, start - n)) == n), 0)
        if before and not in_word(text, start - before, start):
            start -= before
    elif end - start == 2 and start and surname_length(text, start - 1) == 1:
        loose = not (ambiguous(text[start - 1]) or meet(text[start - 1 : start + 1]))
        start -= loose  # 与姜|占强: 占 is a surname, too
    led = surname_length(text, start - 1) == 1 and _WHO.search(text, max(0, start - 4), start - 1)
    if led and end - start == 2 and ends_here(text, end):
        start -= 1  # 家属修|荣萍
    if _MASKED_ON.fullmatch(text, start, end):
        return start, end - 1
    surname = surname_length(text, start)
    title = TITLE.match(text, start + surname)
    if surname and title and start + surname < end < title.end():
        return start, start + surname  # 朱大|夫
    if surname and start + surname == end and not (title or ambiguous(text[start])):
        run = _RUN.match(text, start)
        if run and run.end() - end in (1, 2) and _doubt(text, start, run.end()) <= LONE:
            return start, run.end()  # 找梁|颂恩。
    longer = open_name(text, start)
    if longer is not None and longer > end:
        return start, longer
    does = NEXT.match(text, end - 1)  # 魏旭|改过
    cut = meet(text[end - 1 : end + 1]) > 1 and not meet(text[end - 2 : end])
    cut = cut or (does is not None and does.end() > end)
    runs = does is not None and does.end() > end and end - start == surname + 1  # 程|批:
    cut = runs or (cut and end - start == surname + 2)
    if surname and cut and not NEXT.match(text, end):
        return start, end - 1  # 龚锐|确认
    last = text[end : end + 1]
    alone = re.match(HAN, last) and ends_here(text, end + 1)
    loose = re.match(HAN, last) and not (meet(text[end - 1 : end + 1]) or meet(text[end : end + 2]))
    if (
        end - start == surname + 1
        and surname
        and (alone or last in lexicon.given or loose)
        and not (NEXT.match(text, end) or lexicon.starts_word(text, end))
        and (_stops(text, end + 1) or lexicon.starts_word(text, end + 1))
    ):
        end += 1
    foreign = end - start > 2 and all(c in lexicon.foreign for c in text[start : end + 1])
    if foreign and last and ends_here(text, end + 1):
        end += 1  # 苏和巴|特
    return start, end


def _stops(text: str, end: int) -> bool:
    """Whether what stands at ``end`` is no more of a name."""
    follows = NEXT.match(text, end) or TITLE.match(text, end)
    return follows is not None or ends_here(text, end)


def _closed(text: str, start: int, end: int) -> bool:
    """Whether the given name of ``text[start:end]`` is one by its characters and ends there."""
    given = text[start + surname_length(text, start) : end]
    return all(c in chinese().given for c in given) and _stops(text, end)


def _doubt(text: str, start: int, end: int) -> float:
    """How sure the tagger must be that this is a name; ``NEVER`` of a word, which only the context
    that a rule knows makes a name."""
    lexicon, name = chinese(), _SPACE.sub("", text[start:end])
    if not re.search(HAN, name):
        return ODD if len(name) > 1 else NEVER
    if re.search(rf"{HAN}{DOT}{HAN}", name):
        return LIKELY
    if re.search(rf"{MASK}$", name):
        return LIKELY if surname_length(name, 0) else NEVER
    if (
        len(name) > 8
        or stop(name)
        or name in GENERIC
        or name[-1] in "族吧吗呢呀啦嘛"
        or _YEAR.search(text, 0, start + 1)
    ):
        return NEVER
    does = NEXT.match(name)
    if len(name) > 1 and does and does.end() == len(name):
        return NEVER  # 陶然|拜上
    if text.startswith("了", end) and name[0] in "那怎" and lexicon.plain(name[1:]):
        return NEVER  # 那高兴|了
    if name in "我你您他她它听" or TITLE.fullmatch(name) or in_word(text, start, end):
        return NEVER
    if lexicon.plain(name):
        titled = len(name) == 1 and TITLE.match(text, end)
        kin = name not in lexicon.words and _KIN.search(text, max(0, start - 3), start)
        meant = name in lexicon.nicknames or (kin and _closed(text, start, end))
        return OTHER if titled else LONE if meant else NEVER
    if name in lexicon.other_names or name in lexicon.nicknames:
        return LIKELY
    if len(name) > 3 and name[0] not in _ROLE_ENDS and all(c in lexicon.foreign for c in name):
        return LIKELY  # 布仁巴雅
    surname = surname_length(name, 0)
    given = name[surname:]
    if surname == 1 and len(given) > 2:
        married = surname_length(name, 1) and strange(name)  # 陈李美玲
        return STRANGE if married else NEVER  # 闻声赶至
    if len(name) < 4 and _ordinary(name, given):
        return ODD
    preposition = surname == 1 and len(given) == 1 and ambiguous(name[0])  # 经祖|医生
    if surname and 0 < len(given) < 3 and strange(name) and not preposition:
        if len(given) == 1 and straddled(text, start, end):
            return LONE  # 祝大|家
        return LIKELY if len(given) == 2 and not straddled(text, start, end) else OTHER
    if surname == 1 and ambiguous(name[0]):
        if not given:
            return OTHER if TITLE.match(text, end) else STRANGE
        if lexicon.plain(given):
            return NEVER
        return LIKELY if len(given) == 2 and _closed(text, start, end) else ODD
    if surname and not given:
        spoken = TITLE.match(text, end) or text[max(0, start - 1) : start] in ("老", "小")
        if not spoken and meet(text[end : end + 2]) > 1:
            return NEVER  # 已施|手术
        if spoken or not ends_here(text, end):
            return LIKELY if spoken else ODD
        return LONE if re.match(HAN, text[max(0, start - 1) :]) else LIKELY
    if straddled(text, start, end):
        return LONE if surname and given and _closed(text, start, end) else STRANGE
    if surname and len(given) < 3:
        if len(given) == 2 and open_name(text, start) == end:
            return FAINT
        known = all(c in lexicon.parts for c in given)
        return LIKELY if known else OTHER if len(given) == 2 else ODD
    if len(name) == 1:
        return LONE if TITLE.match(text, end) else NEVER  # a surname that no list has
    if lexicon.plain(name[1:]):
        return NEVER
    if len(name) == 3 and all(c in lexicon.given for c in name[1:]):
        return LONE
    if name in lexicon.given_names or (len(name) == 2 and all(c in lexicon.given for c in name)):
        return LONE if re.match(HAN, text[max(0, start - 1) :]) else OTHER
    return ODD if name[0] == name[-1] or name[0] in "小阿" else STRANGE


def _ordinary(name: str, given: str) -> bool:
    """Whether the name or the given name, no usual one, is a word by how often it is written."""
    lexicon = chinese()
    whole = len(name) == 2 and meet(name) > 0 and name not in lexicon.given_names
    return whole or (len(given) == 2 and meet(given) > 1 and given not in lexicon.given_names)


def _place(text: str, span: PhiSpan) -> PhiSpan | None:
    span = _trimmed(text, span)
    found, lexicon = _SPACE.sub("", text[span.start : span.end]), chinese()
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
        or _of_a_thing(text, span)
        or any(names_a_thing(text, at) for at in range(max(0, span.start - 3), span.end))
    ):
        return None
    return replace(span, start=begin(text, span.start), end=grow(text, span.end))


# What stands before or behind a place in one run with it: 随夫居|广西东兴市, 从商丘|坐车.
_LED_BY = re.compile(
    r"(?:居(?![巢庸])|补?寄|宿(?![州迁松豫城])|地[点點址]|住址)+(?=[\u4e00-\u9fff]{2})"
)
_RUN_INTO = re.compile(r"(?:[坐做住来去到打在出喘饮]|上(?=[班学])|[渔牧农村居]民|,.?)$")


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


def _organisation(text: str, span: PhiSpan) -> PhiSpan | None:
    span = replace(span, end=whole(text, span.start, span.end))
    found = _SPACE.sub("", text[span.start : span.end])
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


def _as_it_is(text: str, span: PhiSpan) -> PhiSpan | None:
    return span if span.score >= SURE else None


def _mail(text: str, span: PhiSpan) -> PhiSpan | None:
    found = text[span.start : span.end]
    return _as_it_is(text, span) if re.search(r"@|艾特|\bat\b|\.[a-z]{2}", found) else None


def _number(text: str, span: PhiSpan) -> PhiSpan | None:
    found = _SPACE.sub("", text[span.start : span.end])
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


_READERS: dict[str, Callable[[str, PhiSpan], PhiSpan | None]] = {
    "NAME": _name,
    "LOCATION": _place,
    "ORGANIZATION": _organisation,
    "DATE": read_dates,
    "AGE": _as_it_is,
    "EMAIL": _mail,
    "URL": _as_it_is,
}
