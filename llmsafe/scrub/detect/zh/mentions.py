"""Chinese names by title, by how people are spoken of, by place on the line; romanised.

老张, 张先生, 何晓光主任, 姓晏, 张某, 热合曼·图尔迪, a signature alone on its line, Zhuang Xiaomei.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    GRAMMAR,
    HAN,
    MASK,
    NEXT,
    ambiguous,
    dotted_name,
    ends_here,
    in_word,
    lives,
    meet,
    name_span,
    open_name,
    stop,
    straddled,
    strange,
    surname_length,
    unlisted,
)
from llmsafe.scrub.detect.zh.roles import GENERIC, KIN, ROLE, TEAM, TITLE
from llmsafe.scrub.detect.zh.things import words

# What may stand right before a name in running text.
_BEFORE = re.compile(
    r"(?:[^\u4e00-\u9fff]|^|[由请经与及和遵嘱为找报在是姓对向给让跟叫同到于被托约按问说告诉的科室部院师生士任母父妻夫子女儿邻乡事老小者人区床刀台警随])$"
)
_NEVER = GRAMMAR | frozenset("和上下前内外中大小多少")
_OLD_YOUNG = re.compile(r"(?<![幼弱从缩减变最大较很太过微极古])[老小阿](?=[\u4e00-\u9fff])")
# Behind these somebody is meant, whose surname may be a word of grammar: 与高医生, 报告安主任.
_WHOM = re.compile(
    r"(?:[与请由经找挂约遵随跟报至按受依据照听问询叫嘱喊托替陪][告请示诊求照从]?|联[系络]|报告|汇报|通知|告知|告诉|请[求示]|邀请?|医嘱|同意|接到|麻醉|[内外骨妇儿]科"
    r"|护士|医生|医师|[早晚]上|[夜白值当][班日]|[上下中]午|今[日晨天]|这里是|我是|窗口|[,、;。:\s]|^)$"
)
_OPERATES = re.compile(rf"{TEAM}[: ]?$")
# A preposition, an auxiliary or an adverb and the bare title: 应主任要求, 由医生陪同, 曾于医生处.
_ASKED_BY = re.compile(r"(?:之邀|邀请?|要求|请求|建议|之托)")
_TOLD = re.compile(
    rf"{HAN}{{0,3}}?(?:咨询|汇报|报告|请示|说明|反映|询问|交[代待]|求助|提出|学习|问)"
)
_THERE = re.compile(r"处|那[里边]|家(?!属)|站|办公室|门诊|诊室|岗|角度|手[中里]|节")
_DOCTOR = re.compile(
    rf"(?:(?<!{HAN})|(?<=[请由经与找通知报告嘱]))(?P<v>{HAN})[医护](?=[,。;:、)\s]|$|[知嘱看查已会诊接值](?![生院师疗治学士理]))"
)
# Titles that need a name.
_PERSONAL = split_words("先生 女士 大爷 大妈 大娘 大叔 老先生 老太太 老爷子")
_STAFF = re.compile(r"医[生师]$|护士$|主任$")
_JOINED = frozenset("由对关至鉴等属位转住职作送求生限止源低高大小少多优急诊曾已现在便利适基趋处院")
_AFTER_OLD = re.compile(
    r"[^\u4e00-\u9fff]|$|[说来找去打用今几家那在的和与及已称也都要会请让给带陪送您你约缘代替把被先帮问讲到从按又还能可有是姓吃做看交回]"
    r"|师[傅父]|姐|哥|妹|弟|叔|家属|妈|爸|医生|护士"
    r"|[突便即诉感神一病昨入因于自无未仍又曾近夜晨](?!年)|外出|安静|逐渐|平[素卧]|侧卧|半卧|清醒|目前|精神|情绪|出现|[三四五六七八九十两][天个周月年]"
)
# Surnames that make a thing, a place or a measure with 老 or 小; any other is a person's.
_THINGS = frozenset(
    "包石方金管叶车关水高平安花白木米田牛马羊鱼山洞路房门池井盘钱单束段节项班组区家农年时便于计结支干汗青柴苗伍通银虎豆梅毛皮麻杜江河湖左右"
    "师友乡板公伴化干性者手鼠练成生红黄蓝绿黑灰紫血肠胸腹头脑腿脚指趾骨肌脉沟孔窦柳桂林海常满宝卫苏商党军国店广司强库法火官名明全丰富康宁"
    "相信和合能从由向应要有会在可来去何易战居别时原连经容占终束薄厚冷温热凉乐计应边危查"
)
_NOT_OLD = split_words(
    "小时 小于 小米 小麦 小满 小白 小包 小单 小安 小便 小常 小年 老年 老师 老公 "
    "老家 老板 老班 老乡 小项 小管 小应 小计 小结 小方 小水 小车 小关 小叶 小高 "
    "小平 老化 小能 小支 阿胶 阿是 老友 小丛 小束 小牛 小花 老干 小汗 小青 老宁 "
    "小柴 小金 小蓟 小茴 小伍 小木 小银 老姜 小通 小段 小池 小班 小洞 小区 小苏 "
    "小苗 小卫 小山 小石 小左 小成"
)
_MASKED = re.compile(
    rf"{HAN}{{1,3}}(?:某{{1,3}}(?![些种个人处时日年月位地])|×{{1,3}}|[xX*○]{{2,3}}(?![*A-Za-z\d])|\*(?=[,。;)\s先女医]))"
)
_DOTTED = re.compile(rf"(?<![A-Za-z\d]){HAN}{{1,9}}(?:{DOT}{HAN}{{1,10}}){{1,3}}")
_EPONYM = re.compile(r"(?:综合征|症候群|病|征|氏|现象|试验|反射|手术|线|三角|法|式|分级|分型|评分)")
_SURNAMED = re.compile(r"(?<![同百])(?<!(?<!免)贵)姓(?!名|氏|别|甚|什|啥)(?=[\u4e00-\u9fff])")
_AGED = frozenset("幼衰古年苍养敬早抗防偏")  # 老 is a part of these
_SINGLE_NAME = re.compile(rf"单名(?:一个)?(?P<v>{HAN})")
_ROLE_HEAD = re.compile(rf"^(?:{ROLE}|{KIN})+")


def find_titled(text: str) -> Iterator[PhiSpan]:
    """Before a title: 张 in 张先生, 何晓光 in 何晓光主任, 万俟 in 万俟师傅, 仁青 in 仁青医生."""
    for match in TITLE.finditer(text):
        end = match.start() - (text[match.start() - 1 : match.start()] == " ")
        start = next(
            (end - n for n in (4, 3, 2, 1) if _before_title(text, end - n, end, match[0])), None
        )
        if start is not None:
            yield name_span(start, end, 0.85)
    for match in _DOCTOR.finditer(text):  # 柴医, 经李护
        if surname_length(text, match.start("v")) and not ambiguous(match["v"]):
            yield name_span(*match.span("v"), 0.6)
    for match in re.finditer(rf"(?P<v>{HAN}{{1,2}}) ?(?:MD|Dr)(?![A-Za-z])", text):
        if surname_length(text, match.start()):
            yield name_span(match.start("v"), match.end("v"), 0.8)


def _before_title(text: str, start: int, end: int, title: str) -> bool:
    """Whether ``text[start:end]`` is the name that ``title`` belongs to."""
    if start < 0 or not re.fullmatch(rf"{HAN}{{1,4}}", text[start:end]):
        return False
    lexicon, name = chinese(), text[start:end]
    if name in lexicon.other_names and len(name) > 1:
        return True
    surname = surname_length(text, start)
    given = name[surname:]
    if not surname or len(given) > 2 or not all(c in lexicon.given for c in given):
        return False
    if given and (title == "工" or chinese().plain(text[end - 1 : end + len(title)])):
        return False  # 皇甫学|工, 冷牛|奶
    if not given:
        return _lone_surname(text, start, end, title)
    blocked = (
        stop(name) or name in lexicon.words or lexicon.starts_word(name, 0) or TITLE.search(name)
    )
    unsure = surname == 1 and ambiguous(name[0]) and title in GENERIC
    later = surname == 1 and len(name) == 3 and surname_length(name, 2) > 0
    blocked = blocked or (later and lexicon.plain(name[:2]))  # 明天|万主任
    # 由梁女士: a preposition and a surname.
    unsure |= name[0] in "由与和经从对应请找呼" and len(given) == surname_length(given, 0)
    odd = re.search(r"[主经副管接]", name) and surname == 1
    clear = (
        len(name) > 2
        and not ambiguous(name[0])
        and text[max(0, start - 1) : start + 1] not in lexicon.words
    )
    return (clear or bool(_BEFORE.search(text[max(0, start - 1) : start]))) and not (
        blocked or unsure or odd
    )


def _lone_surname(text: str, start: int, end: int, title: str) -> bool:
    """Whether a surname alone before a title is one: not 向医生, not 车工, not 最高."""
    character, before = text[start:end], text[max(0, start - 1) : start]
    whole = end + len(title)
    if (
        (character == "管" and before in "经主分监")
        or (character == "牙" and title[0] == "医")
        or before + character == "主刀"
        or (title == "工" and character in "车电钳焊木瓦")
    ):
        return False
    if chinese().plain(text[start:whole]) or in_word(text, start, whole):  # 牛奶, 克雷伯菌
        return False
    if len(character) == 1 and ambiguous(character):
        if _OPERATES.search(text, max(0, start - 4), start):
            return True  # 主刀同主任
        after_role = re.match(r"[^\u4e00-\u9fff]|[刀老小母父床]|$", before)
        meant = _WHOM.search(text, max(0, start - 3), start)
        if character in _NEVER and not (meant and _subject(text, start, end + len(title))):
            return False
        if title in GENERIC and not (after_role or meant):
            return False
    if title in _PERSONAL or _STAFF.search(text, max(0, start - 2), start):
        return True  # 活动时|段大爷, 医生|姜教授: no word before can have this title
    return not in_word(text[:end], start, end)  # 宗教授 is no 宗教


def _subject(text: str, start: int, end: int) -> bool:
    """Whether a word of grammar at ``start`` before a title that ends at ``end`` is a surname: 汇报
    向医生, 按应副主任指示, 于主任审阅; not 向医生汇报, 应主任之邀, 由医生陪同."""
    word, before = text[start], text[max(0, start - 1) : start]
    clause = not re.match(HAN, before)
    if word == "于":
        return before not in _JOINED and not _THERE.match(text, end)
    if word == "向":
        return not _TOLD.match(text, end)
    if word == "应":
        return not (clause and _ASKED_BY.match(text, end)) and before not in "可须不需"
    if word == "从" and clause:
        return re.compile("查房|查看|审阅|会诊|看过|指示").match(text, end) is not None
    if word in "由从":  # 汇报与由主任, not 申请由社工
        return before in "与跟找和经随" and not (clause or _THERE.match(text, end))
    return not clause and before not in "与由经随跟至据照"


def find_addressed(text: str) -> Iterator[PhiSpan]:
    """老张, 小李, 姓晏, 单名一个时: a surname by how people speak of others."""
    words = chinese().words
    for match in _OLD_YOUNG.finditer(text):
        start = match.end()
        end = start + surname_length(text, start)
        before = text[max(0, match.start() - 1) : match.start()]
        lone = end - start == 1
        if start == end or (lone and _doubtful_old(text, match.start(), end)):
            continue
        if text[match.start() : end] in words | _NOT_OLD and before not in tuple("师士工安友"):
            continue
        if (re.match(HAN, before) and before + match[0] in words) or (
            match[0] == "阿" and re.match(HAN, before)
        ):
            continue
        yield name_span(start, end, 0.7)
    for match in _SURNAMED.finditer(text):
        end = match.end() + surname_length(text, match.end())
        if end > match.end() and (ends_here(text, end) or text.startswith("的", end)):
            yield name_span(match.end(), end, 0.9)
    for match in re.finditer(rf"(?P<v>{HAN})姓(?=[患业男女员司老家]|某)", text):
        if surname_length(text, match.start()):
            yield name_span(match.start(), match.start() + 1, 0.7)
    for match in _SINGLE_NAME.finditer(text):
        yield name_span(match.start("v"), match.end("v"), 0.9)


def _doubtful_old(text: str, start: int, end: int) -> bool:
    """Whether what 老, 小 or 阿 at ``start`` makes of one character may be no person."""
    if _AFTER_OLD.match(text, end):
        return False
    before = text[max(0, start - 1) : start]
    return (
        text[start] == "阿"
        or text[end - 1] in _THINGS
        or ambiguous(text[end - 1])
        or before in _AGED
        or meet(text[start:end]) > 1
        or chinese().starts_word(text, end - 1)
        or straddled(text, start, end)
    )


_MEDICINES = ("drugs", "brands", "remedies", "foods", "herbs", "points")


def find_marked(text: str) -> Iterator[PhiSpan]:
    """张某, 李××, 丹增罗布, and names with a dot, unless an eponym goes on behind."""
    for match in _MASKED.finditer(text):
        for start in range(match.start(), match.end() - 1):
            length = surname_length(text, start)
            year = text[start] == "年" and text[max(0, start - 1) : start].isdigit()  # 12年×20支
            if length and not year and re.fullmatch(rf"{MASK}", text[start + length : match.end()]):
                yield name_span(start, match.end(), 0.9)
                break
    for match in _DOTTED.finditer(text):
        if not _EPONYM.match(text, match.end()):
            role = _ROLE_HEAD.match(match[0])
            start = match.start() + (role.end() if role and role.end() < match[0].find("·") else 0)
            name = dotted_name(text, start, match.end())
            parts = re.split(DOT, match[0])
            medicine = any(words().get(part) in _MEDICINES for part in parts)  # 头孢·奥硝唑
            if name and not medicine and not chinese().starts_word(text, name[0]):
                yield name_span(*name, 0.85)
    for match in _composed().finditer(text):
        yield name_span(*match.span(), 0.85)


@cache
def _composed() -> re.Pattern[str]:
    """丹增罗布, 乌云其木格: elements that hardly stand beside each other elsewhere."""
    element = "|".join(sorted(chinese().elements, key=len, reverse=True))
    return re.compile(rf"(?:{element}){{2,3}}[玛措姆吉草加太甲]?|(?:其木格|其其格|图雅)[玛娜]")


# A signature with its role or a second one: 全家涵(主治医师), 许梓瑾/沈沐晴(核对).
_SIGNED = re.compile(
    rf"(?:(?<!{HAN})|(?<=[/、]))(?P<v>{HAN}{{2,4}})[ \t]?(?=(?:/{HAN}{{2,4}})?\([^()\n]{{0,6}}(?:医师|医生|护师|护士|药师|技师|主任|教授|双签|核对|审核|复核|记录|代签|签名)[^()\n]{{0,4}}\))"
)
_NO_END = frozenset("病症癌炎肾瘤斑人者属史其")
# Before what somebody is to the patient: 韩月桂(小妹), 牛彦(大女儿):.
_KIN_BEHIND = re.compile(
    rf"(?P<v>{HAN}{{2,4}}) ?(?=\((?:系|为|是)?(?:患者|病人|其|之)?(?:的|之)?{KIN}(?:[,:;、 )]|\d))"
)
# Who speaks in a chat, more than once.
_SPEAKER = re.compile(rf"(?m)^[ \t]{{0,4}}(?P<v>{HAN}{{2,4}})[ \t]?(?=:)")
_CALLED = re.compile(
    rf"(?:(?<!{HAN})|(?<=[人收找托系知由请与]))(?P<v>{HAN}{{2,3}})(?=[,、 (]{{0,2}}(?:电话|手机)?[: ]?(?:\+86[ -]?)?1[3-9]\d[- ]?\d{{4}})"
)


def find_signed(text: str) -> Iterator[PhiSpan]:
    """Before a role in brackets, at the head of lines of a chat, before a mobile number."""
    for match in (*_SIGNED.finditer(text), *_CALLED.finditer(text)):
        if _signed(match["v"]):
            yield name_span(*match.span("v"), 0.6)
    for match in _KIN_BEHIND.finditer(text):
        start, end = match.span("v")
        begin = _begun(text, start, end)
        word = text[begin:end]
        likely = surname_length(word, 0) > 0 or strange(word)
        if likely and word[-1] not in _NO_END and (_signed(word) or not _spoken(word)):
            yield name_span(begin, end, 0.6)
    said = Counter(match["v"] for match in _SPEAKER.finditer(text))
    for match in _SPEAKER.finditer(text):
        word = match["v"]
        # Who speaks twice may begin like a word: 林可悦, 白芷晴.
        if said[word] > 1 and (_signed(word) or (len(word) == 3 and _made_like(word))):
            yield name_span(*match.span("v"), 0.6)


def _begun(text: str, start: int, end: int) -> int:
    """Where the name begins that ends in ``text[start:end]``: 家人中|黄宏雯, 与|何玉敏, 感谢|李明."""
    for size in (4, 3, 2):
        surname = surname_length(text, end - size) if end - start >= size else 0
        given = text[end - size + surname : end]
        if surname > 0 and 0 < len(given) < 3 and all(c in chinese().given for c in given):
            return end - size
    return next((at for at in range(start, end - 1) if surname_length(text, at)), start)


def _made_like(word: str) -> bool:
    """Whether a word of three is a surname with a given name, and ends in no word."""
    lexicon = chinese()
    return (
        surname_length(word, 0) == 1
        and all(c in lexicon.given for c in word[1:])
        and not (stop(word) or lexicon.plain(word) or lexicon.plain(word[1:]))
        and not TITLE.search(word, 1)
    )


def _signed(word: str) -> bool:
    """Whether ``word`` begins with a surname and is none of the words that stand there."""
    lexicon, surname = chinese(), surname_length(word, 0)
    given = word[surname:]
    if not surname and unlisted(word):
        surname, given = 1, word[1:]
    if not surname or not 1 <= len(given) <= 2 or stop(word) or lexicon.plain(word):
        return False
    if word[-1] in "科室区楼部":
        return False
    return not _spoken(word)


def _spoken(word: str) -> bool:
    """Whether an ordinary word, a title or a role stands in ``word``."""
    lexicon, behind = chinese(), max(1, surname_length(word, 0))
    told = TITLE.search(word, behind) or re.search(f"{ROLE}|{KIN}", word[behind:])
    return told is not None or stop(word) or lexicon.plain(word) or lexicon.starts_word(word, 0)


_FREE = re.compile(rf"(?={HAN}{{2,3}})")
_LEADS = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|[请由与找知托送收给向姐妹哥弟父母妻夫儿女亲到至挂约站报告录诉交络系日号让受经])$"
)


BARE = 0.32
"""The score of a name that nothing but its characters tells."""
_OF_STAFF = frozenset("医药技护老教律厨导")
_OF_YEAR = re.compile(r"(?<=[\d全整常多历每周成])年")


def find_free(text: str) -> Iterator[PhiSpan]:
    """A whole name that only its form and its neighbours tell. Of a surname that is a word too, of
    two characters, and behind other words, the tagger must see a trace: their score is 0.35; it must
    see more of one that no neighbour tells: :data:`BARE`."""
    lexicon = chinese()
    for match in _FREE.finditer(text):
        start = match.start()
        whole = open_name(text, start)
        end = whole or _bare(text, start)
        if end is None or text[start] in _NEVER or _OF_YEAR.search(text, start, start + 1):
            continue
        word, led = text[start:end], _LEADS.search(text, max(0, start - 1), start)
        surname = surname_length(word, 0)
        given = word[surname:]
        if (
            (text.startswith("了", end) and word[0] in "那怎")
            or lives(text, start, end)
            or (word[0] == "师" and text[start - 1 : start] in _OF_STAFF)
        ):
            continue  # 那高兴了, 医师蓝天
        short, doubtful = surname < 2 and len(given) < 2, surname < 2 and ambiguous(word[0])
        if short and not (led and led[0] and led[0] in "请由找挂知"):
            continue
        if not led and (doubtful or straddled(text, start, end)):
            continue
        ordinary = (
            lexicon.plain(word)
            or given in lexicon.words
            or lexicon.starts_word(word, 0)
            or TITLE.search(word)
        )
        if not (ordinary or in_word(text, start, end)) and all(c in lexicon.given for c in given):
            score = 0.35 if short or doubtful or not led else 0.4
            yield name_span(start, end, score if whole else BARE)


_ENDS = frozenset("师刀者班家官管查费工员位年籍")  # surnames that roles, offices and verbs end in


def _bare(text: str, start: int) -> int | None:
    """The end of a whole name of a surname that is no word and two characters that only given names
    are likely to put together, whatever follows."""
    surname = surname_length(text, start)
    end = start + surname + 2
    given, lexicon = text[start + surname : end], chinese()
    if (
        not surname
        or ambiguous(text[start])
        or text[start] in _ENDS
        or not all(c in lexicon.given for c in given)
    ):
        return None
    if any(open_name(text, start + n) for n in range(1, surname + 1)):  # 医师|林伟生
        return None
    if meet(text[end - 1 : end + 1]) > 1:  # 龚锐确|认
        return None
    if len(given) < 2 or lexicon.plain(given) or straddled(text, start, end) or TITLE.search(given):
        return None
    return None if NEXT.match(text, end - 1) or NEXT.match(text, end - 2) else end


_WHOLE_LINE = re.compile(
    rf"(?m)^[ \t|]{{0,20}}(?P<v>{HAN}{{2,4}}|{HAN}(?: {{1,3}}{HAN}){{1,3}})[ \t]{{0,6}}(?:(?:19|20)\d\d[年./-][\d年月日./-]{{3,8}})?[ \t\r]{{0,6}}$"
)
_ON_BED = re.compile(
    rf"(?m)(?:^|[;。 ])[ \t|]{{0,4}}(?:(?:加)?\d{{1,3}}[床号]?|\d{{1,2}}-\d{{1,2}}床?|加\d{{1,2}}|[ABCDEFG]\d{{1,2}})[ \t]{{1,4}}(?P<v>{HAN}{{2,4}})(?=[ \t,(:]|$)|\d{{1,3}}床(?P<w>{HAN}{{2,3}})(?=[ ,(:]|$)"
)
_CELL = re.compile(rf"\|[ \t]{{0,3}}(?P<v>{HAN}{{2,4}})[ \t]{{0,3}}(?=\|)")
_ALONE = re.compile(rf"(?<=[,。:;(! ?])(?P<v>{HAN}{{3}}|{HAN}{{4}})(?=[,。;)! \n]|$)")


_PET = re.compile(
    rf"(?<!{HAN})(?P<v>{HAN}{{2,3}})(?=便[有感出]|逐渐|突[发然感]|平素|在家|外出|无不适|精神|神[志清]|夜间|一般情况|今[日晨])"
)


# Of another people, and does or has something: 加措自1天前, 索南诉头痛.
_OTHER_ACTS = re.compile(
    rf"(?<!{HAN})(?P<v>{HAN}{{2,6}}?)(?=[自于]\d|[诉称说]|今[日晨天]|昨|因|入院|出院)"
)


def find_listed(text: str) -> Iterator[PhiSpan]:
    """A name alone on its line, behind the number of a bed, in a cell, between two stops."""
    last = len(text.rstrip()) - 14
    for pattern, score in ((_ON_BED, 0.7), (_WHOLE_LINE, 0.5), (_CELL, 0.5), (_ALONE, 0.4)):
        for match in pattern.finditer(text):
            group = "v" if match["v"] else "w"
            word = re.sub(r"\s", "", match[group])
            signed = pattern is _WHOLE_LINE and match.start(group) >= last and len(word) == 3
            if _listed(word, signed=signed, certain=pattern is _ALONE):
                yield name_span(match.start(group), match.end(group), score)
    lexicon = chinese()
    for match in _PET.finditer(text):
        if match["v"] in lexicon.nicknames or re.fullmatch("阿.", match["v"]):
            yield name_span(*match.span("v"), 0.5)
    for match in re.finditer(rf"(?<!{HAN}){HAN}{{2,8}}(?!{HAN})", text):
        if match[0] in lexicon.other_names and not lexicon.plain(match[0]):
            yield name_span(*match.span(), 0.7)
    for match in _OTHER_ACTS.finditer(text):
        known = match["v"] in lexicon.other_names or match["v"] in lexicon.elements
        if known and not lexicon.plain(match["v"]):
            yield name_span(*match.span("v"), 0.7)
    for match in _long_names().finditer(text):
        yield name_span(*match.span(), 0.7)


@cache
def _long_names() -> re.Pattern[str]:
    """Names of other peoples that are so long that they need no sign around them."""
    names = (name for name in chinese().other_names if len(name) > 3 and "·" not in name)
    return re.compile("|".join(sorted(names, key=len, reverse=True)))


def _listed(word: str, *, signed: bool, certain: bool) -> bool:
    """Whether ``word`` is made like a name. ``signed``: it ends the note; ``certain``: nothing but
    its own form speaks for it, and the given name must be a known one."""
    lexicon, surname = chinese(), surname_length(word, 0)
    given = word[surname:]
    if not surname or not 1 <= len(given) <= 2 or not all(c in lexicon.given for c in given):
        return False
    if TITLE.search(word, surname) or stop(word) or lexicon.plain(word):
        return False
    if certain and (ambiguous(word[0]) or len(given) < 2):
        return False
    return signed or not lexicon.starts_word(word, 0)
