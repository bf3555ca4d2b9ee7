"""People whose name is a word: 患者熟地,女,34岁; 签名:和平; 责任护士黎明交班; 3床牛黄今晨发热.

Nothing in such a name tells that it is one. What stands around must: a label and a colon, a role
and what only people have or do, a title.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.reading import HAN, NEXT, meet, name_span, stop, surname_length
from llmsafe.scrub.detect.zh.roles import KIN, NAMED, alternatives
from llmsafe.scrub.detect.zh.things import is_part, words

_STAFF = alternatives(
    "医师 医生 大夫 护士 护士长 护理师 护师 药师 技师 麻醉师 治疗师 营养师 康复师 助产士 主任 主治 主刀 术者 一助 二助 三助 助手 规培生 实习生 护工 护理员 社工 "
    "志愿者 司机 村医 收费员 导诊 医者 学生 实习同学 进修生"
)
_OTHERS_OF = alternatives("工友 家人 同事 邻居 室友 同学 爱人 口子 老乡 战友 保姆 看护 陪护")
_PATIENT = alternatives("患者 病人 患儿 病患 产妇 孕妇 伤者 死者 受检者 受试者 病员 病者")
_COLON = r"[ \t]{0,3}(?:\([^()\n]{0,8}\))?[ \t]{0,2}[:|][ \t|_]{0,4}"
_OTHERS = rf"(?:{HAN}{{1,4}}(?:[、/][ \t]?|[ \t]{{2,4}})){{0,4}}"
_DUTY = alternatives(
    "审方 复核 核对 发药 调配 记录 审核 报告 交班 接班 抄方 主刀 一助 二助 值班 签名 签字 签章 签收 代表 联系人 复阅 书写 录入 带教 主诊 主检 经治 管床 责护"
)
# A label that only a person stands behind; ``speaks``: or what that person says.
_LABEL = re.compile(
    rf"(?:(?P<named>{NAMED})|(?P<speaks>(?<!{HAN})(?:(?P<staff>{_STAFF})|{_PATIENT}|{KIN}|家属|管理员))|{HAN}{{0,4}}(?:者|人|员|{_STAFF}|{KIN}|家属|{_DUTY}))(?:\(?签[名字]?\)?)?{_COLON}{_OTHERS}$"
)
_CLOSED = re.compile(r"[ \t]*(?:$|[\n;|/、()])|[ \t]+|[ \t]?(?:19|20)\d\d|签|日期")
_ROLE = re.compile(
    rf"(?:(?P<staff>{_STAFF})|(?P<patient>{_PATIENT}|(?<!\d)\d{{1,3}}床)|(?P<kin>{KIN}|{_OTHERS_OF}))[ \t]{{0,2}}{_OTHERS}$"
)
_TOLD = re.compile(
    r"[ \t]{0,2}[,(、 \t|]{1,2}[ \t]{0,2}(?:性别:?)?[男女]性?(?=[,、 \t\d|)。;]|$)|[ \t]{0,2}[,( ]{1,2}\d{1,3}岁|[ \t]?(?:\(|,?电话:?|,?手机:?)[ \t]?1[3-9]\d"
    r"|[ \t]?\((?:[父母夫妻子女兄弟姐妹儿媳孙]{1,2}\)|\d{1,3}床\))"
)
_WORKS = re.compile(
    r"[ \t]?(?:$|[,;。)\n/、](?![ \t]?\d)|执行|[交接]班|[值当]班|查房|查看|指示|建议|嘱|审方|审核|[复覆]核|核对|会诊|接诊|主刀|记录|签|报告|汇报|陪|送|巡视|告知|说|讲|已?通知|来电|护送|代|操作|穿刺|主持|带教)"
)
_ACTS = re.compile(
    r"(?:强烈|坚决|一再|再三)要求|扶送|护送|赶来|出差|[来到]院|抱[来送]|背[来送]|代[取签诉领办缴述]|签[字名署]|来[电院诊]|陪[同护诊]|呕吐|发热|腹[痛泻]|咳嗽|头[晕痛]|胸闷|神志|体温|血压|不?同意|[诉称](?![^,。]{0,2}不)|要求|[于因](?=\d|[今昨前\"“])|[说讲]|今[日晨晚](?!餐)|昨[日晚]|入院|送来|到场|自带|本人|之[父母子女夫妻]|已[听阅知签]|知情|(?:神情|情绪|言语)"
)
_DOSE = re.compile(
    r"[ \t]?\d+(?:\.\d+)?(?:[ \t]{0,2}(?:m?g|m?l|[μu]g|[uU]|IU|[片粒支丸袋克两贴勺个只份斤碗杯块瓶盒枚]|%|\(|[bt]id|q[dn])|[ \t]{1,2}[\u4e00-\u9fff]{2,4}\d)"
)
_TITLE = re.compile(
    r"[ \t]?(?:先生|女士|小姐|太太|医生|医师|大夫|护士|护师|主任|副主任|教授|老师(?!傅)|药师|技师|同学|阿姨|叔叔|伯伯|大爷|大妈|师傅)"
)


# Sex or another name in brackets is told of people only, wherever they stand: 请我科看田七(男,58,
# 2.薄荷(女,其姓薄), 小满(患儿小名).
_SEXED = re.compile(
    r"[ \t]?\((?:[男女][,、)]|(?:患[儿者]|孩子|其)?(?:小名|乳名|化名|昵称|绰号|笔名|真名|原名|本名))"
)
_HANDLED = re.compile(rf"(?:[看由送见找给和与为查收接转请叫治及]|会诊|接诊|查看|{HAN}诊)$")
# Whose kin acts: 胡椒妈妈接, 冷静丈夫路通来电.
_KIN_OF = re.compile(
    r"(?:妈妈|爸爸|奶奶|爷爷|姥姥|姥爷|外婆|外公|丈夫|妻子|老公|老婆|父亲|母亲|儿子|女儿|爱人|[爸妈])"
    rf"(?:[接来称说诉签代陪打致问到取要表在去抱]|{HAN}{{2,3}}[来签陪代打]|:)"
)


_GIVEN_TO = re.compile(r"[由请让嘱找给与和向叫遵至入]$")
_OWNS = re.compile(
    r"本人|名下|的(?:同[船车行伴事学屋]|室友|家人|家属|丈夫|妻子|爱人|[父母]亲?|[妈爸])"
)


def again(text: str, start: int, end: int) -> bool:
    """Whether a word that a note has told to be somebody's name is so at this place too: 田七昨日
    自服田七粉, 由海洋送来, 江河的同船."""
    before = text[max(0, start - 1) : start]
    if re.match(HAN, before) and not _GIVEN_TO.search(before):
        return False
    if _DOSE.match(text, end):
        return False
    return any(form.match(text, end) for form in (_ACTS, _OWNS, _KIN_OF, _SEXED))


def told(text: str, start: int, end: int) -> bool:
    """Whether what stands around ``text[start:end]`` says that it is somebody's name."""
    if end - start < 2 or not re.match(HAN, text[start]):
        return False
    line = text.rfind("\n", max(0, start - 24), start) + 1 or max(0, start - 24)
    before = text[line:start]
    if label := _LABEL.search(before):
        ends = _CLOSED.match(text, end) is not None
        if label["speaks"] and text.startswith("、", end) and not label["staff"]:
            ends = False  # 奶奶:络活喜、阿司匹林
        ends = ends or (not label["speaks"] and text[end] in ",。")
        if ends or label["named"] or _TOLD.match(text, end):
            return True
    if _DOSE.match(text, end):
        return False
    if _TITLE.match(text, end) and (not re.search(f"{HAN}$", before) or _GIVEN_TO.search(before)):
        return True
    head = not re.search(f"{HAN}$", before)
    sexed = _SEXED.match(text, end) and (head or _HANDLED.search(before))
    if sexed or (head and _KIN_OF.match(text, end)):
        return True
    described = _TOLD.match(text, end)
    if described and not before.strip(" \t|"):
        return True
    role = _ROLE.search(before)
    if role is None or described:
        return role is not None
    return (_WORKS if role["staff"] else _ACTS).match(text, end) is not None


def could_name(word: str) -> bool:
    """Whether a word is one that people are called by."""
    lexicon = chinese()
    if word in lexicon.telling or word in words() or word in lexicon.given_names:
        return True
    made = surname_length(word, 0) == 1 and 1 < len(word) < 4
    made = made or (len(word) == 2 and not meet(word) and word[0] in lexicon.given)  # 随缘, 承欢
    ordinary = word in lexicon.words or meet(word) > 1 or NEXT.match(word) is not None
    return made and not ordinary and all(c in lexicon.given for c in word[1:])


def people(find: Callable[[str], Iterable[PhiSpan]]) -> Callable[[str], Iterator[PhiSpan]]:
    """``find`` without what :func:`is_part` says is no name, unless somebody is meant."""

    def found(text: str) -> Iterator[PhiSpan]:
        for span in find(text):
            if not is_part(text, span.start, span.end) or told(text, span.start, span.end):
                yield span

    return found


_PLACE = re.compile(
    rf"(?:{_STAFF}|{_PATIENT}|{KIN}|{_OTHERS_OF}|(?<!\d)\d{{1,3}}床|(?:者|人|员|代表|签名|签字|签章|家属)(?={_COLON}))(?:\(?签[名字]?\)?)?(?:{_COLON}|[ \t]{{0,2}})(?={HAN}{{2}})"
    rf"|(?<={HAN})[/、](?={HAN}{{2,3}}(?!{HAN}))"
    rf"|(?<!{HAN})(?={HAN}{{2,3}}(?:先生|女士|小姐|太太|{_KIN_OF.pattern}))"
    rf"|(?={HAN}{{2,3}}{_SEXED.pattern})"
    rf"|(?<!{HAN})(?={HAN}{{2,3}}\((?:患[儿者]|孩子|其)?(?:小名|乳名))"
)


_SIGNED = re.compile(
    rf"(?:者|人|员|{_STAFF}|签名|签字|签章)(?:\(?签[名字]?\)?)?{_COLON}(?P<v>{HAN}{{2,3}})(?=[ \t]*(?:[\n;|/、]|$)|[ \t]+\S|[ \t]?(?:19|20)\d\d|\()"
)


def find_meant(text: str) -> Iterator[PhiSpan]:
    """A word that people are called by, where somebody is meant; and any word alone behind the
    label of a signature that is made of what names are made of."""
    lexicon = chinese()
    for match in _SIGNED.finditer(text):
        word = match["v"]
        if all(c in lexicon.parts for c in word) and not (stop(word) or word in lexicon.words):
            yield name_span(*match.span("v"), 0.5)
    for match in _PLACE.finditer(text):
        start = match.end()
        for size in (4, 3, 2):
            end = start + size
            word = text[start:end]
            if len(word) == size and could_name(word) and not stop(word) and told(text, start, end):
                yield name_span(start, end, 0.8)
                break
