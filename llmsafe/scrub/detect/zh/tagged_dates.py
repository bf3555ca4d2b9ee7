"""What of a finding of the Chinese tagger is a date, and no value, hour, price or duration."""

from __future__ import annotations

import re
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.dates import COUNTED, changed
from llmsafe.scrub.detect.zh.reading import HAN

PAIR, CERTAIN, KNOWN = 0.4, 0.95, 0.6
"""How sure the tagger must be of a day as a fraction, of one before a word that may count it, and
of any other date."""

_CALENDAR = re.compile(
    r"[\d一二三四五六七八九十〇○廿初][\d\s]{0,4}[月日号]|[月日号].?[\d一二三四五六七八九十]"
    r"|\d[-/.、]\s?\d|\d{4,8}|[节初旬夕秋阳午]|[正腊冬]月|元旦|除夕|五一|国庆|十一|清明|至"
    r"|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
)
_NO_DATE = re.compile(
    r"(?:19|20)\d\d年?"
    r"|(?!(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$|\d{6}$|\d{8}$)\d+"
    r"|[一二三四五六七八九〇零]{4}年|(?:周|星期|礼拜)[一二三四五六日天末]"
    r"|.*[两次片粒瓶支个周].*|(?:1[3-9]|[2-9]\d)月"
    r"|[前昨今明后当次同]+[年月天日晚晨早]|.{0,3}[春夏秋冬][天季]|(?:[调关环情细]|完)?节|号"
)
_SPAN_OF_TIME = re.compile(r"\d+[-~至]\d+(?:[天周年个]|月(?!\d))")
_ALONE, _LASTING = re.compile(r"\d{1,2}[月日]"), re.compile(r"(?:[-~至过每第了岁]|术后|停药|间隔)$")
# So long something had lasted: 腰痛1月, 观察4日.
_ILL = re.compile(r"(?:[痛痒热咳血肿泻吐闷麻晕眠促累力木胀物]|观察|疗养|住院)$")
_PAIR = re.compile(r"(?:1[0-2]|0?[1-9])[-./](?:3[01]|[12]\d|0?[1-9])")
_DECIMAL = re.compile(r"\d+\.\d+")
# 后飙到13.6, 权重1.0628, 9.2/8.8, 1/42000, Alb 19: no month, no day.
_NO_PAIR = re.compile(
    rf"\D*(?!{_PAIR.pattern}(?!\d))(?!(?:19|20)\d\d\.\d)(?![0-3]\d\.(?:0\d|1[0-2])(?!\d))\d+\.\d+\D*|\d+\.\d+/\d+\.\d+|\d{{1,2}}/\d{{3,}}|\d{{3}}/\d{{2,3}}"
    rf"|(?!.*{HAN})(?!.*(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)).*[A-Za-z]{{3}}.*"
)
_COMPARED = re.compile(r"[小大低高等多少]于\d+\.\d+$")  # 小于1.5
_LEVEL = re.compile(r"[腰颈胸骶肺LTCS]\d")  # L4-5
_STRENGTH = re.compile(
    r"(?:肌力|肌张力|握力|[上下四]肢|[左右双]侧?)[^\d,。;]{0,6}[0-5][+-]?[/-][0-5]$"
)
_TALLY = re.compile(r"(?:纱布|器械|敷料|缝针|棉[球片条])[^\d,。;]{0,3}(\d{1,2})/\1$")
_UNCOUNTED = re.compile(rf"{COUNTED}(?!\s?[A-Za-z%×])")
_GLUED = re.compile(r"(?:\d{1,4}[-/.年月])*\d{0,4}$"), re.compile(r"(?:[-/.]\d{1,4})*")
_CLAUSE = re.compile(r"[^,，;；。\n]+")
_CLOCK = re.compile(r"(?:(?<!\d)(?:[01]\d|2[0-3])|(?<![\d\u4e00-\u9fff])\d):\s?$")
_OCLOCK = re.compile(r"[点时](?!间|段|期)|\s?:\s?\d\d")
_TALE = re.compile(r"[从由自於于在至到约]")
_DATED = frozenset(
    "年月日号初旬底末中上下节夕秋阳午旦分满暑寒露冬夏春晚晨早夜间份天时许前后诞圣庆明降蛰种水雨雪假期凌傍起"
    "三十廿卅一二四五六七八九〇零正腊甲乙丙丁戊己庚辛壬癸"
)
# A measured value, no day: 空腹血糖5.9, 干体重|51.5, K 6.4.
_VALUE_OF = re.compile(
    r"(?:血糖|体重|体温|血钾|血钠|血压|乳酸|尿酸|肌酐|血色素|白细胞|蛋白"
    r"|甘油三?酯|胆固醇|二聚体|淋巴结"
    r"|(?<![A-Za-z])(?:pH|PH|K|Na|Cl|Ca|Hb|HGB|WBC|CRP|PCT|INR|BNP|Cr|UA|Glu|PLT|MMSE|VAS|NRS|MoCA))"
    r"[:| ]{0,14}$"
)
# Hb 11/2复查正常: on that day.
_CHECKED = re.compile(
    r"(?<=\d/\d)(?:复[查测]|监测|急查|恢复|正常)|(?<=\d/\d\d)(?:复[查测]|监测|急查|恢复|正常)"
)
_AMOUNT = re.compile(r"\d,\d{3}(?:\.\d\d)?(?!\d)")


def read_dates(text: str, span: PhiSpan) -> PhiSpan | None:
    """What of a finding is a date: the clauses that are, without the word that runs into them."""
    kept = [
        found
        for match in _CLAUSE.finditer(text, span.start, span.end)
        if (found := _date(text, replace(span, start=_begun(text, *match.span()), end=match.end())))
    ]
    if not kept:
        return None
    end = kept[-1].end
    while end - kept[0].start > 2 and re.match(HAN, text[end - 1]) and text[end - 1] not in _DATED:
        if text[end - 2 : end] in ("夏至", "冬至"):
            break
        end -= 1  # 2022年九月|割
    return replace(span, start=kept[0].start, end=end)


def _begun(text: str, start: int, end: int) -> int:
    """Where a clause begins without the space and the preposition before the date."""
    while start < end - 1 and (text[start].isspace() or _TALE.match(text, start)):
        start += 1
    return start


def _date(text: str, span: PhiSpan) -> PhiSpan | None:
    before, behind = _GLUED
    left = before.search(text, max(0, span.start - 12), span.start)
    right = behind.match(text, span.end)
    start, end = left.start() if left else span.start, right.end() if right else span.end
    found = re.sub(r"\s+", "", text[start:end])
    pair = _PAIR.fullmatch(found)
    if (
        span.score < (PAIR if pair else KNOWN)
        or (pair and span.score < CERTAIN and not _UNCOUNTED.match(text, end))
        or _NO_PAIR.fullmatch(found)
        or _of_a_change(text, start, end)
        or (_VALUE_OF.search(text, max(0, start - 20), start) and not _CHECKED.match(text, end))
        or any(
            m.start() < end and start < m.end()
            for m in _AMOUNT.finditer(text, max(0, start - 4), end + 4)
        )
        or _CLOCK.search(text, max(0, start - 3), start)
        or (not re.search("[年月日号/.-]", found) and _OCLOCK.match(text, end))
        or _LEVEL.search(text, max(0, start - 1), end)
        or _COMPARED.search(text, max(0, start - 2), end)
        or _STRENGTH.search(text, max(0, start - 12), end)
        or _TALLY.search(text, max(0, start - 6), end)
        or not _CALENDAR.search(found)
        or _NO_DATE.fullmatch(found)
        or _SPAN_OF_TIME.fullmatch(found)
        or (_ALONE.fullmatch(found) and _LASTING.search(text, max(0, start - 3), start))
        or (_ALONE.fullmatch(found) and _ILL.search(text, max(0, start - 3), start))
    ):
        return None
    return replace(span, start=start, end=end)


def _of_a_change(text: str, start: int, end: int) -> bool:
    """Whether the first number with a point in ``text[start:end]`` is a value that changes."""
    number = _DECIMAL.search(text, start, end)
    return number is not None and changed(text, *number.span())
