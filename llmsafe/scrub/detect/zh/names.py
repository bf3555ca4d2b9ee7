"""Chinese names behind a label or a role, and before sex or age.

Each rule is a function from the view of a note to findings; which rules are doubtful stands in
:mod:`llmsafe.scrub.detect.recognisers`. A span covers the name alone: 张 in 张先生 and 老张.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    GRAMMAR,
    HAN,
    LATIN,
    MASK,
    NEXT,
    ambiguous,
    closed_name,
    ends_here,
    foreign_run,
    in_word,
    lives,
    marked_name,
    meet,
    name_span,
    open_name,
    spaced_name,
    stop,
    strange,
    surname_length,
    unlisted,
)
from llmsafe.scrub.detect.zh.roles import KIN, NAMED, PERSON, ROLE, TEAM, TITLE

_COLON = r"[ \t]{0,4}(?:\([^()\n]{0,12}\))?[ \t]{0,3}[:|=】\]][ \t|_]{0,5}"
_LABEL_NAMED = re.compile(
    rf"{NAMED}(?P<colon>{_COLON})?(?:[ \t]{{1,4}}|(?<=[:|= _】\]])|(?=[A-Z]{{2}})|(?={HAN}{{2,4}}(?!{HAN})))"
)
_ASKED = re.compile(
    r"(?:叫什么(?:名字)?|贵姓|姓名|怎么称呼)[?？。]?[ \t]{0,3}\n?[^\n:]{0,6}:[ \t]{0,2}(?:我叫|叫)?(?!姓)(?=[\u4e00-\u9fff]{2,4}[。,!\n])"
)
_LABEL_PERSON = re.compile(
    rf"(?<!{HAN}){PERSON}{_COLON}(?:[老小](?!{HAN}{{2}}))?|(?<={HAN})(?:签[名字]?|[医]?[师生]|护士|者|人){_COLON}"
)
_ITEM = re.compile(
    r"[ \t]{0,3}(?:\([^()\n]{0,12}\))?[ \t]{0,2}(?:[、,;/]|及|和)[ \t]{0,3}(?:进修医生|进修医师|研究生|规培(?:医师|生)?|实习生|住院医师|主治医师|护士)?"
)
_LABEL_ROLE = re.compile(rf"(?:(?P<kin>{KIN})|{ROLE})(?P<gap>[ \t]{{1,3}}|[(-](?={HAN})|(?={HAN}))")
_ANY_LABEL = re.compile(
    rf"(?<!{HAN}){HAN}{{0,7}}[员人者师生士长签字告核记录作刀助诊方报办送接收检][:】 \t][: \t]{{0,3}}"
)
_IN_FRONT = re.compile(
    r"[ ]?\((?=\+?\d{5}|[A-Z]{0,3}-?\d{5}|[父母夫妻子女兄弟姐妹儿媳孙]{1,2}[,)]|工号|证件|身份证|电话|手机|户名|ID)"
)
_HEAD_OF_LINE = re.compile(
    rf"(?m)^[ \t|]{{0,6}}(?P<v>{HAN}{{3}})(?=[:,(])|^[ \t|]{{0,6}}(?P<w>{HAN}{{3}})(?=[ \t]{{1,3}}[\dA-Z男女(])"
)
_DEPARTMENT = re.compile(
    rf"(?:[内外]科|科|中心|病区|麻醉|放疗|影像|病理|药剂|随|和|与|护士长)(?={HAN}{{3}}(?:[、,;。)\s]|[主副住]))"
)
# A label that the name is glued to: 记录员孙博轩, 十二床练彩红, 其侄毛妹.
_GLUED = re.compile(
    rf"(?:[员人师者属工童签教名侄姨舅姑]|家(?!庄)|床(?!位)|[学医先]生)(?={HAN}{{2,3}}(?:[、,;。)(:\s/]|$|{NEXT.pattern}))"
)
_STAFF_SHORT = re.compile(
    rf"(?:调配|核对|发药|复核|审核|报告|上级|主管|医师|医生|护士|签字取|接种员|医保办|更换|记录|签收|取药|录入|校对|采样|{HAN}[员科])[: \t]{{1,3}}(?P<v>{HAN})(?=[\s,;、/。]|$)"
)
# A surname alone behind a duty: 值班吴/ 技师蓬、焦, 受邀:心内科张.
_ON_DUTY = re.compile(
    rf"(?:值班|技术员|技师|物理师|上级|下级|签收|带教|管床|经管|接班|交班|(?<![A-Za-z])RN|[邀请]:{HAN}{{1,4}}科)[: \t]{{0,3}}(?P<v>{HAN})(?:、(?P<w>{HAN}))?(?=[ \t]{{0,3}}(?:[,;、/。(\n;]|(?:报告|复核|审核|上级)[: \t]|$))"
)
# Whose mother or father: 谈母身体不好, 李父来电.
_PARENT = re.compile(
    rf"(?:(?<!{HAN})|(?<=[由与和经向嘱请对]))(?P<v>{HAN})[父母](?=身体|[代来要说称诉表签及同也已在年]|为患|于)"
)
_NO_PARENT = frozenset("祖伯岳生养继师乳孕叔姑姨舅父母义字其家云全酵")
# The team of an operation, each by surname alone: 一助解,二助全,器械应,巡回从.
_TEAM = re.compile(rf"{TEAM}(?P<v>{HAN})(?=[,。;、\n]|$)")
_READ_OUT = re.compile(
    rf"(?:诊断|复诊|检验科|科)[:]?[ \t]{{0,2}}(?P<v>{HAN})(?=[ \t]{{1,4}}(?:复诊|复核|审核|→|->|(?:19|20)\d\d)|[ \t]{{1,4}}→)"
)


def _latin(text: str, start: int) -> int | None:
    match = re.compile(LATIN).match(text, start)
    return match.end() if match and len(match[0]) > 1 else None


def find_labelled(text: str) -> Iterator[PhiSpan]:
    """Behind 姓名: anything that can be a name; behind 家属:, 术者:, 签名: what looks like one."""
    for match in _LABEL_NAMED.finditer(text):
        start, colon = match.end(), match["colon"] is not None
        end = (
            _latin(text, start) or marked_name(text, start) or spaced_name(text, start, broken=True)
        )
        end = end or (closed_name(text, start) if colon else None) or open_name(text, start)
        if end is not None and not stop(text[start:end]):
            yield name_span(start, end, 0.97 if colon else 0.8)
    for match in _ASKED.finditer(text):
        if end := closed_name(text, match.end()):
            yield name_span(match.end(), end, 0.9)
    for match in _LABEL_PERSON.finditer(text):
        yield from _listed(text, match.end())
    for match in _READ_OUT.finditer(text):
        if surname_length(text, match.start("v")):
            yield name_span(match.start("v"), match.end("v"), 0.7)


def find_neighbours(text: str) -> Iterator[PhiSpan]:
    """A name between any label and a stop, before a number in brackets, behind a department."""
    for match in _ANY_LABEL.finditer(text):
        if end := _closed(text, match.end()):
            yield name_span(match.end(), end, 0.5)
    for match in _IN_FRONT.finditer(text):
        end = match.start()
        start = next((end - n for n in (3, 2, 4) if _stands(text, end - n, end)), None)
        if start is not None:
            yield name_span(start, end, 0.6)
    for match in _GLUED.finditer(text):
        for length in (3, 2):
            end = match.end() + length
            closed = ends_here(text, end) or (length == 3 and NEXT.match(text, end) is not None)
            if closed and _stands(text, match.end(), end) and not in_word(text, match.end(), end):
                yield name_span(match.end(), end, 0.5)
                break
    for match in _STAFF_SHORT.finditer(text):
        if surname_length(text, match.start("v")) and not ambiguous(match["v"]):
            yield name_span(match.start("v"), match.end("v"), 0.5)
    for match in _ON_DUTY.finditer(text):
        for group in ("v", "w"):
            if match[group] and surname_length(text, match.start(group)):
                yield name_span(*match.span(group), 0.5)
    for match in _PARENT.finditer(text):
        if surname_length(text, match.start("v")) and match["v"] not in _NO_PARENT:
            yield name_span(*match.span("v"), 0.6)
    team = [m for m in _TEAM.finditer(text) if surname_length(text, m.start("v"))]
    for match in team:
        led = len(team) > 2 and "助" in text[team[0].start() : team[-1].end()]
        if (led or not ambiguous(match["v"])) and match["v"] not in "史毕":
            yield name_span(*match.span("v"), 0.7)
    for match in _HEAD_OF_LINE.finditer(text):
        group = "v" if match["v"] else "w"
        if _stands(text, *match.span(group)):
            yield name_span(*match.span(group), 0.5)
    for match in _DEPARTMENT.finditer(text):
        if _stands(text, match.end(), match.end() + 3):
            yield name_span(match.end(), match.end() + 3, 0.5)


def _closed(text: str, start: int) -> int | None:
    """The end of a run of two or three characters at ``start`` that can only be a name."""
    run = re.compile(rf"{HAN}{{2,4}}(?!{HAN})").match(text, start)
    return run.end() if run and _stands(text, start, run.end()) else None


def _stands(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is made like a name and like nothing else."""
    if start < 0 or end > len(text) or not _whole(text, start, end):
        return False
    word, lexicon = text[start:end], chinese()
    does = NEXT.match(word, surname_length(word, 0))  # 护士长宁|查房
    return not (
        (does and does.end() == len(word) and len(does[0]) > 1)
        or ambiguous(word[0])
        or stop(word)
        or TITLE.search(word)
        or any(c in "未无已不" for c in word[1:])  # 章未盖
        or lexicon.plain(word)
        or lexicon.starts_word(word, 0)
    )


def _listed(text: str, start: int) -> Iterator[PhiSpan]:
    """One or several names behind a label, of which each may be a surname alone."""
    for _ in range(20):
        end = _person(text, start)
        if end is None:
            return
        yield name_span(start, end, 0.92)
        following = TITLE.match(text, end)
        item = _ITEM.match(text, following.end() if following else end)
        if item is None:
            return
        start = item.end()


def _person(text: str, start: int) -> int | None:
    """The end of a person behind a label and a colon."""
    if (end := _latin(text, start)) is not None:
        word = text[start:end]
        return (
            end
            if re.match(r"[A-Z][a-z]|[A-Z]+,? [A-Z]", word)
            and not re.fullmatch(r"(?:[A-Z]{2,4} ?){1,2}", word)
            else None
        )
    if (end := marked_name(text, start) or spaced_name(text, start)) is not None:
        return end
    surname = surname_length(text, start)
    lone = start + surname
    if surname and (ends_here(text, lone) or TITLE.match(text, lone)):
        spoken = (
            surname == 1 and ambiguous(text[start]) and text[lone : lone + 1] in (",", "!", "。")
        )
        return None if spoken else lone
    end = closed_name(text, start) or open_name(text, start) or foreign_run(text, start)
    return end if end is not None and _plausible(text, start, end, surname) else None


def _plausible(text: str, start: int, end: int, surname: int) -> bool:
    """Whether a whole run behind a label is a name: 马上 is if nothing but a bracket follows."""
    lexicon, word = chinese(), text[start:end]
    if stop(word):
        return False
    if surname:
        return not (
            lexicon.plain(word)
            and (len(word) > 3 or not re.match(r"\s?\(|\s|[,、]|$", text[end : end + 2]))
        )
    known = word in lexicon.other_names or word in lexicon.nicknames or unlisted(word)
    odd = len(word) == 2 and strange(word) and word[1] in lexicon.given  # 管床:续婷
    return (
        known
        or (odd and not lexicon.plain(word))
        or (
            len(word) > 2
            and not lexicon.starts_word(text, start)
            and all(c in lexicon.foreign for c in word)
        )
    )


# --- roles --------------------------------------------------------------------------------------

_TELLS = re.compile(
    r"[ \t]{0,2}[,(、 \t]?[ \t]{0,2}(?:[男女](?![友孩儿])|\(?\+?\d{3}|\([^()\n]{0,20}\d{5}|\d{1,3}岁)"
)
_FOREIGN_ROLE = re.compile(
    rf"(?:{KIN}|{ROLE}|[Ww]ife|[Hh]usband|[Mm]other|[Ff]ather|[Ss]on|[Dd]aughter|[Rr]oom-?mate)[ \t]{{0,2}}(?P<v>[A-Z][a-z]{{1,15}}(?: [A-Z][a-z]{{1,15}}){{0,2}})(?![A-Za-z\d-])"
)
# Dr 莘, husband 卜勇, Attending 费.
_LATIN_ROLE = re.compile(
    rf"(?<![A-Za-z])(?i:dr|prof|pt|patient|attending|resident|nurse|rn|np|pa|wife|husband|mother|father|mom|dad|son|daughter|sister|brother|family|with|by|w/)\.?[ \t]{{1,2}}(?P<v>{HAN}{{1,4}})(?!{HAN})"
)
_NEW_NAME = re.compile(rf"(?P<v>{HAN}{{2,4}})之[女子妻夫母父](?!宫)")


def find_roles(text: str) -> Iterator[PhiSpan]:
    """Right behind 患者, 其父, 护士, 委托: a name by surname, or one of another people."""
    for match in _LABEL_ROLE.finditer(text):
        end = _behind_role(text, match)
        if end is not None and not stop(text[match.end() : end]):
            yield name_span(match.end(), end, 0.8)
    for match in _FOREIGN_ROLE.finditer(text):
        yield name_span(match.start("v"), match.end("v"), 0.7)
    for match in _LATIN_ROLE.finditer(text):
        word = match["v"]
        lone = surname_length(word, 0) == len(word) and not ambiguous(word[0])
        if lone or (_whole(text, *match.span("v")) and not (stop(word) or chinese().plain(word))):
            yield name_span(*match.span("v"), 0.7)
    for match in _NEW_NAME.finditer(text):
        start = next(
            (
                s
                for s in range(match.start("v"), match.end("v") - 1)
                if _whole(text, s, match.end("v"))
            ),
            None,
        )
        if start is not None:
            yield name_span(start, match.end("v"), 0.8)


def _behind_role(text: str, match: re.Match[str]) -> int | None:
    start, lexicon, gap = match.end(), chinese(), match["gap"]
    if TITLE.match(text, start) or (
        _LABEL_ROLE.match(text, start) and not surname_length(text, start)
    ):
        return None
    if end := marked_name(text, start) or spaced_name(text, start):
        return end
    if known := _of_others(text, start):
        return known
    whole = re.compile(rf"{HAN}{{2,3}}(?!{HAN})").match(text, start)
    word = not gap and meet(text[start : start + 2]) > 1  # 医生慎重, 家属崇拜
    if word or lexicon.starts_word(text, start):
        # 外甥女安全 0898…, 患者任何,男: only what follows tells that the word is a name.
        told = whole and surname_length(text, start) and _TELLS.match(text, whole.end())
        return whole.end() if told and whole else None
    end = open_name(text, start) or foreign_run(text, start) or _strange_run(text, start)
    does = NEXT.match(text, start + 1)  # 护士长宁|查房
    grammar = text[start : start + 1] in _NO_FIRST and (
        meet(text[start + 1 : start + 3]) > 1 or _LABEL_ROLE.match(text, start + 1)
    )
    if grammar or ((leads := NEXT.match(text, start)) and leads.end() > start + 1):
        return None  # 母亲从家中, 病人和弟弟, 主任要求
    free = not ambiguous(text[start : start + 1]) and not (does and does.end() > start + 2)
    if end is None and free and _stands(text, start, start + 3):
        end = start + 3
    if end is None:
        end = _surname_alone(text, start, gap) or _given_alone(
            text, start, kin=match["kin"] is not None
        )
    if end is None or lives(text, start, end):
        return None
    doubtful = meet(text[start:end]) > 0 or ambiguous(text[start])
    ordinary = not gap and end - start == 2 and doubtful  # 医生慎重
    if (ordinary or lexicon.plain(text[start:end])) and not _TELLS.match(text, end):
        return None
    return end


def _of_others(text: str, start: int) -> int | None:
    """The end of a name of another people, or of a part of such names, at ``start``: 队友索南."""
    lexicon = chinese()
    for size in (6, 5, 4, 3, 2):
        word = text[start : start + size]
        known = word in lexicon.other_names or word in lexicon.elements
        if len(word) == size and known and not lexicon.plain(word):
            return start + size
    return None


def _strange_run(text: str, start: int) -> int | None:
    """The end of a run of two or three characters that hardly ever meet: 初写尤岗."""
    run = re.compile(rf"{HAN}{{2,3}}(?!{HAN})").match(text, start)
    if run and surname_length(text, start) and not ambiguous(text[start]) and strange(run[0]):
        does = NEXT.match(text, start + 1)  # 老师程|批:
        spoken = does is not None and does.end() > run.end()
        return None if spoken or stop(run[0]) or TITLE.search(run[0], 1) else run.end()
    return None


# 主管医师阴。: who is on duty may be called like a word, but not like a preposition.
_OF_DUTY = re.compile(
    r"(?:主管|责任|经治|值班|管床|主治|上级|入院|接诊|记录|当班|床位)(?:医[师生]|护士)$"
)
_HISTORY = re.compile(r"(?:麻醉|手术|家属?)史|[医护]师章")
_NO_FIRST = GRAMMAR | frozenset("和不未无已")
_SHUT = re.compile(r"[ \t]?(?:[。、/;\n|]|$)")


def _surname_alone(text: str, start: int, gap: str) -> int | None:
    """药师 古 2024, 医生 梁,回读, 护士潘已完成."""
    surname = surname_length(text, start)
    end = start + surname
    if not surname or _HISTORY.search(text, max(0, start - 2), start + 1):
        return None
    if surname == 1 and ambiguous(text[start]):
        signs = not gap and _OF_DUTY.search(text, max(0, start - 6), start)
        return end if signs and text[start] not in _NO_FIRST and _SHUT.match(text, end) else None
    if (gap in ("", " ", "  ") and ends_here(text, end)) or re.match(
        r"[已予示查批]", text[end : end + 1]
    ):
        return end
    return None


def _given_alone(text: str, start: int, *, kin: bool) -> int | None:
    """女儿佳蓉说, 女儿丽丽, 家属-宁宁: a given name of two characters or a pet name."""
    lexicon, pair = chinese(), text[start : start + 2]
    doubled = len(pair) == 2 and pair[0] == pair[1] and pair[0] in lexicon.given
    known = pair in lexicon.given_names or pair in lexicon.nicknames or doubled
    known = known or (kin and len(pair) == 2 and all(c in lexicon.given for c in pair))
    if (
        len(pair) < 2
        or not known
        or pair[0] in "老小"
        or lexicon.plain(pair)
        or lexicon.starts_word(text, start)
        or NEXT.match(text, start)  # 父母健在
        or _LABEL_ROLE.match(text, start)
    ):
        return None
    follows = ends_here(text, start + 2) or re.match(
        r"[说称诉来手电陪在的签打]", text[start + 2 : start + 3]
    )
    return start + 2 if follows else None


def _whole(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is a surname with one or two characters of a given name."""
    surname = surname_length(text, start)
    given = text[start + surname : end]
    return bool(surname) and 1 <= len(given) <= 2 and all(c in chinese().parts for c in given)


# --- sex and age --------------------------------------------------------------------------------

_SEX = re.compile(
    r"(?:[ \t]{0,4}[,、(|/;][ \t|]{0,4}|[ \t]{1,6})(?:性别:?[ \t]{0,3})?(?:[男女](?=[,、 \t)\d|/;。]|$|性[,、 )])|[MF][ /,](?=\d)|(?P<age>\d{1,3}岁|孕\d{1,2}周))",
    re.MULTILINE,
)
_RUN_BEFORE = re.compile(
    rf"(?P<v>{HAN}{{1,9}}(?:{DOT}{HAN}{{1,10}}){{1,3}}|(?<!{HAN}){HAN}(?:[ \t]{{1,4}}{HAN}){{1,3}}|(?<!{HAN}){HAN}{{1,2}}[ \t\r\n]{{1,6}}{HAN}{{1,2}}|{HAN}{{1,10}})$"
)
_ROLE_HEAD = re.compile(rf"^(?:{ROLE}|{KIN}|示教|现有|兹有|今有|收治|介绍)+")


def find_described(text: str) -> Iterator[PhiSpan]:
    """A name before sex or age: 明白,女 / 徐长卿 男 52岁 / 央金,孕32周."""
    for match in _SEX.finditer(text):
        for before in _runs(text, match.start()):
            run, start = before["v"], before.start("v")
            role = _ROLE_HEAD.match(run)
            if role:
                run, start = run[role.end() :], start + role.end()
            score = _described(
                text, start, run, role=role is not None, age=match["age"] is not None
            )
            if score:
                yield name_span(start, start + len(run), score)
                break


def _runs(text: str, end: int) -> Iterator[re.Match[str]]:
    """What may be a name right before ``end``: with the gaps in it, then its last piece alone."""
    if match := _RUN_BEFORE.search(text, max(0, end - 24), end):
        yield match
    if match := re.compile(rf"(?P<v>{HAN}{{1,6}})$").search(text, max(0, end - 6), end):
        yield match


def _described(text: str, start: int, run: str, *, role: bool, age: bool) -> float:
    """How sure it is that ``run`` is a name; 0 if it is none."""
    lexicon, compact = chinese(), re.sub(r"\s", "", run)
    if not compact or stop(compact) or TITLE.search(compact, 1 if len(compact) > 1 else 0):
        return 0.0
    if compact[-1] == "族":
        return 0.0
    if re.search(DOT, compact):
        return 0.9
    alone = role or start == 0 or not re.match(HAN, text[start - 1])
    head = _line_head(text, start)
    if not alone or re.search(rf"{MASK}$", compact):
        return 0.0
    if compact in lexicon.other_names or compact in lexicon.nicknames:
        return 0.75
    surname = surname_length(compact, 0)
    given = compact[surname:]
    if not surname:
        foreign = len(compact) > 1 and all(c in lexicon.foreign for c in compact)
        return 0.7 if foreign and (role or head) and not age and not lexicon.plain(compact) else 0.0
    if (
        len(given) > 2
        or (not given and not (head and not age))
        or (age and lexicon.starts_word(compact, 0) and not role)
    ):
        return 0.0
    if compact in lexicon.words and not (role or head):
        return 0.0
    return 0.85 if role else 0.7


def _line_head(text: str, start: int) -> bool:
    """Whether nothing but the number of a bed stands before ``start`` on its line."""
    return not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t|#*1234567890.、床加")
