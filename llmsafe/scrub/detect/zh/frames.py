"""Frames that only a name fits, whatever the word: 向儿子游泳说明, 汇至满意名下, 时间本人来电.

:mod:`.meant` asks of a word first whether people are called by it. Here what stands around leaves
room for nothing else, so that the word only must be no role, no pronoun and no adverb.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words
from llmsafe.scrub.detect.zh.meant import could_name
from llmsafe.scrub.detect.zh.reading import (
    HAN,
    ambiguous,
    in_word,
    meet,
    name_span,
    stop,
    strange,
    surname_length,
)
from llmsafe.scrub.detect.zh.roles import KIN, ROLE, TITLE, alternatives

_WORD = rf"(?P<v>{HAN}{{2,3}}?)"
_STAFF = alternatives(
    "医师 医生 大夫 护士 护师 药师 技师 麻醉师 治疗师 检验师 告知人 操作者 术者 主刀 见证人 见证护士 记录者 审核者"
)
_COLON = r"[ \t]{0,3}:[ \t_]{0,4}"
_EXPLAINS = alternatives("说明 讲解 交代 交待 告知 解释 谈话 沟通 介绍 宣教 讲明 转告 通报")
# How something is explained, which stands where a name would.
_HOW = split_words(
    "简要 补充 婉转 初次 通俗 友好 简单 明确 时常 全面 全程 经常 详细 反复 充分 口头 当面 耐心 多次 逐一 重点 电话 书面 初步 进行 仔细 "
    "一一 再次 再三 认真 及时 及家属 本人 等人 两人 二人 双方 都已 均已 已经 已再次 又再次 方面 亲自 也已 共同 "
    "一并 分别 单独 着重 反复多 详尽 明白 全部 大致 大概 提前 事先 术前 术后 今日 昨日"
)
# What may stand behind the label of a person in an insurance or postal form instead of a name.
_ENTRY = split_words(
    "支付 关系 单位 时间 金额 全名 明细 全称 车牌 方式 应付 不详 同上 签收 签字 代收 信息 电话 地址 "
    "姓名 法定 微信 支付宝 现金 转账 拒收 拒绝 确认 申请 账户 账号 身份 单号 签名 如下 为本人 是本人 亲自 邮编 城市 所在 部门"
)
_WAS = r"(?:[为為是系]|分别[为為])"
_SHIFT = r"(?:大夜|小夜|[夜白早中晚值带])班?"
_RANK = r"(?<![A-Za-z\d])(?:VS|CR|PGY\d?|R[1-6]|Fellow|Intern|Clerk)[ ]?"
_PRONOUN = re.compile(
    r"[我你您他她它其谁这那该此每各]|孩子|宝宝|大家|自己|必须|需要|要求|是否|确系|应由|须由|经由"
)
_NO_ENTRY = split_words(
    "值班 实习 进修 规培 当班 轮转 上级 外院 待定 待签 手签 空白 未填 未签 电子 小心 救命 "
    "安全 时任 孤老 留陪 陪护 陪同 陪伴 照料 照顾 照看 看护 护送 代诉 代签 代办"
)
_COUNTED = re.compile("[一二两三四五六七八九十数]+[名位人个]")
# Surnames that say how it was, alone in a line or at the end of a note.
_STATE = "平安可无和好同全明余常时高"
_FORM = "[,。;(\n]|$"


def _made(word: str) -> bool:
    """Whether a word is one that people are called by, or a surname with what names are made of."""
    surname = surname_length(word, 0)
    given = word[surname:]
    made = surname > 0 and 0 < len(given) < 3 and all(c in chinese().parts for c in given)
    return could_name(word) or made


def _anybody(word: str) -> bool:
    """Whether a word is no role, pronoun, title or refusal."""
    if word in _NO_ENTRY or _COUNTED.match(word):
        return False
    spoken = _PRONOUN.search(word) or re.search(f"{ROLE}|{KIN}", word) or TITLE.search(word)
    return not (spoken or stop(word))


def _explained(word: str) -> bool:
    likely = surname_length(word, 0) > 0 or could_name(word) or strange(word)
    return _anybody(word) and word not in _HOW and likely


def _entered(word: str) -> bool:
    return _anybody(word) and word not in _ENTRY and _made(word)


def _owner(word: str) -> bool:
    return _anybody(word) and _made(word) and not (ambiguous(word[0]) and not could_name(word))


def _himself(word: str) -> bool:
    likely = could_name(word) or (strange(word) and word not in chinese().words)
    return _anybody(word) and likely


def _called(word: str) -> bool:
    pet = word[0] == "阿" and word not in chinese().words
    return pet or word in chinese().nicknames or (_anybody(word) and _made(word))


def _person(word: str) -> bool:
    unusual = strange(word) and surname_length(word, 0) == len(word) - 2 and not ambiguous(word[0])
    named = could_name(word) or (_made(word) and word not in chinese().words) or unusual
    return _anybody(word) and named


def _introduced(word: str) -> bool:
    if not _made(word) or word in chinese().words or word[-1] in "人者员生的":
        return False
    whole = len(word) > 2 and all(c in chinese().given for c in word[1:])
    return _anybody(word) and (whole or not ambiguous(word[0]))


def _titled(word: str) -> bool:
    return _anybody(word) and (could_name(word) or strange(word)) and not meet(word[:2]) > 1


# A frame and what a word in it must be.
_FRAMES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    # 医师:汤药(执业证号110…
    (rf"{_STAFF}{_COLON}{_WORD}(?=\((?:执业|工号|证号|资格|编号|签))", _anybody),
    # 告知人:终南医师(执业证…
    (rf"{HAN}{{0,4}}人{_COLON}{_WORD}(?=(?:医[生师]|护士|技师|药师)[ (,。\n])", _titled),
    (rf"[向对与跟同](?:患者|病人|其)?(?:的)?{KIN}{_WORD}(?=(?:再次|详细)?{_EXPLAINS})", _explained),
    # 第二核对人为简沁, 接听者是黄蝶: what somebody did, and who it was
    (rf"(?<![本何病成患试料情])[人者]{_WAS}(?P<v>{HAN}{{2,3}})(?=[,。;、(\n]|$)", _person),
    # 这边是呼吸科,我是左心凝。
    (rf"我是(?P<v>{HAN}{{2,3}})(?=[,。!\n]|$)", _introduced),
    # 汇至满意名下账户
    (rf"(?:[汇转打]?[至到入]|登记在|[在由,:])(?P<v>{HAN}{{2,3}})(?=名下)", _owner),
    # 向阳,名字挺好记
    (rf"(?<!{HAN})(?P<v>{HAN}{{2,3}})(?=,(?:[你您]?这|[你您]的?|她的?|他的?)?名字(?:挺|真|很|好|怎么|[取起]得|有意思|不错|少见|特别))", _anybody),
    # 盖房,盖房子的盖房: how a name is written
    (rf"(?<!{HAN})(?P<v>(?P<a>{HAN}){HAN}{{1,2}})(?=,(?P=a){HAN}{{0,5}}的(?P=v)(?!{HAN}))", _anybody),
    (rf"(?<!{HAN})(?P<a>{HAN})(?P<b>{HAN}{{1,2}}),(?P=a){HAN}{{0,5}}的(?P<v>(?P=a)(?P=b))(?!{HAN})", _anybody),
    # 喊"阿明"
    (rf"[喊叫唤呼](?:着|名字)?[\"“「『'‘](?P<v>{HAN}{{2,3}})[\"”」』'’]", _called),
    (rf"(?:被保险人|投保人|受益人|收款人|汇款人|付款人|收件人|寄件人|收货人|立据人|借款人)(?P<v>{HAN}{{2,3}})(?={_FORM})", _entered),
    (rf"(?:(?<!{HAN})|(?<=称))(?P<v>{HAN}{{2,3}})(?=本人(?:[接听签来称系说诉到电自未已要于,]|[^\u4e00-\u9fff]))", _himself),
    # 有事找我弟中雁, 侄女带喜每周送餐
    (rf"[找叫让由问][我他她其](?:的)?{KIN}(?P<v>{HAN}{{2,3}})(?=[,。;])", _himself),
    (rf"{KIN}{_WORD}(?=每[周日天月晚早]|半夜|连夜|(?:强烈|坚决|一再|再三|执意)要求)", _himself),
    # 助手 R3 童话、PGY Amy
    (rf"(?:助手?|主刀|医[师生]|值班)[^\n。;]{{0,12}}?{_RANK}(?P<v>{HAN}{{2,3}})(?=[、,;(。\n]|$)", _anybody),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), likely) for pattern, likely in _FRAMES)
_LATIN_RANK = re.compile(r"(?<![A-Za-z\d])PGY\d? ?(?P<v>[A-Z][a-z]{1,12})(?![A-Za-z])")
_TYPED = re.compile(
    r"(?:打字|听打|录入|誊写|[Tt]yped by|[Tt]ranscribed by)[ \t]?:?[ \t]?(?P<v>[A-Za-z]{2,3})(?=[ \t]*(?:$|[\n。;]))"
)
_SPEAKS = re.compile(
    rf"(?m)^(?:病人|患者|家属|护士|个管师|医师|医生)(?P<v>[小阿]{HAN}{{1,2}})(?=:)"
)
# A surname alone: on the telephone for a department, on a shift, behind the last full stop.
_RANG = re.compile(
    rf"(?:{HAN}[科室库台]|急诊|病理|检验|输血)(?P<v>{HAN})(?=(?:电话|来电|致电|电告|回报)(?:通知|告知|报告|回报|[:,。报]|$))"
)
_ON_SHIFT = re.compile(
    rf"(?m)(?:^|(?<=[。;])|(?<=[。;] )){_SHIFT}[ \t]?:[ \t]?(?P<v>{HAN})(?=[ \t]*(?:$|[。;]))"
)
_SIGNS = re.compile(r"(?:[。!]|[^\d.]\d{1,2}[./]\d{1,2} ?)(?P<v>[\u4e00-\u9fff])\s{0,9}\Z")
_SPACED = re.compile(
    rf"(?:{_STAFF}|签名|签字)(?:\(?签[名字]?\)?)?{_COLON}(?P<v>{HAN}[ \t]{{1,2}}{HAN})(?=[ \t]*(?:$|[\n。;]))"
)


def find_framed(text: str) -> Iterator[PhiSpan]:
    """A word in a frame that only a name fits; initials of who typed; a surname that signs."""
    for pattern, likely in _COMPILED:
        for match in pattern.finditer(text):
            if likely(match["v"]):
                yield name_span(*match.span("v"), 0.75)
    for pattern in (_LATIN_RANK, _TYPED):
        for match in pattern.finditer(text):
            if match["v"].lower() in ("ok", "no", "na", "nil", "yes", "ai", "pc", "his"):
                continue
            yield name_span(*match.span("v"), 0.7)
    for match in _SPEAKS.finditer(text):
        word = match["v"]
        unusual = word in chinese().nicknames or word[0] == "阿" or not meet(word[:2]) > 1
        if unusual and word not in chinese().words and not stop(word):
            yield name_span(*match.span("v"), 0.7)
    for match in _RANG.finditer(text):
        start, end = match.span("v")
        word = ambiguous(match["v"]) or in_word(text, start, end)
        if surname_length(match["v"], 0) and not word:
            yield name_span(start, end, 0.6)
    for match in _ON_SHIFT.finditer(text):
        if surname_length(match["v"], 0) and match["v"] not in _STATE:
            yield name_span(*match.span("v"), 0.6)
    for match in _SIGNS.finditer(text):
        known = re.search(f"[小老]{match['v']}", text) is not None
        state = match["v"] in _STATE or ambiguous(match["v"])
        if surname_length(match["v"], 0) and (known or not state):
            yield name_span(*match.span("v"), 0.6)
    for match in _SPACED.finditer(text):
        word = re.sub(r"\s", "", match["v"])
        if surname_length(word, 0) and not (stop(word) or word in _NO_ENTRY):
            yield name_span(*match.span("v"), 0.7)
