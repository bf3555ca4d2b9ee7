"""What of a finding of the Chinese tagger is a name: it is believed if it is made like one.

The rules that read names correct its borders, for these hang on one character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.meant import could_name, told
from llmsafe.scrub.detect.zh.organizations import is_ware
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    GRAMMAR,
    HAN,
    MASK,
    NEXT,
    SPACE,
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
from llmsafe.scrub.detect.zh.things import is_part, left

FAINT, LIKELY, LONE, ODD, STRANGE = 0.2, 0.4, 0.85, 0.96, 0.995
"""How sure the tagger must be of a name that the rules would read too, of what is made like a name,
of a surname alone, of what is not made like one, of what is nearly always something else."""


NEVER = 2.0
OTHER = 0.65
"""And of a name whose given name has characters that few have."""


_ROLE_ENDS = "由让代人者夫妹弟姐家"  # 爱人|阿旺平措, no beginning of a foreign name
_PIECE = re.compile(
    rf"{HAN}(?:[ \t]{{0,4}}{HAN})*(?:{DOT}{HAN}+)*{MASK}?"
    r"|[A-Z][A-Za-z'’.-]*(?:[ ,]{1,2}[A-Z][A-Za-z'’.-]*){0,3}"
)
_PEOPLES = re.compile(
    "哈萨克|柯尔克孜|乌孜别克|塔吉克|塔塔尔|俄罗斯|维吾尔|鄂温克|鄂伦春|达斡尔|土家|朝鲜|裕固|纳西|傈僳"
    "|拉祜|布依|仡佬|毛南|仫佬|撒拉|东乡|保安|景颇|布朗|阿昌|普米|基诺|德昂|独龙|门巴|珞巴|高山|赫哲|锡伯|蒙古"
    "|[汉苗彝藏回满侗瑶白壮傣黎畲水土羌怒京佤]"
)
_MODEL_OF = re.compile(
    r"(?:西门子|飞利浦|联影|东软|佳能|(?<![A-Za-z])GE|机型|型号|设备)[^,。;\n]{0,6}$"
)
_TWICE = re.compile(rf"({HAN})\1({HAN})\2")  # 安安静静
_GAP = re.compile(r"[ \t]+")
_LED = re.compile(r"[由请与找给跟和向呈报嘱遵托让叫经属的]$")  # before a whole name: 呈|方金松
_MASKED_ON = re.compile(rf"{HAN}某[均又再仍亦自曾将]")
_ROLE_OVER = re.compile(rf"(?:{ROLE}|洗手|流动|友人|对象|个管师|护理师)$")
_SHORT_TITLE = re.compile(r"[主师护](?=[说知嘱看曰云查示])")
_KIN_HEAD = re.compile(rf"{KIN}(?={HAN}{{2}}$)")
_KIN = re.compile(f"{KIN}$")  # 老公高明在旁
_WHO = re.compile(rf"(?:{KIN}|家属|患者|病人|护士|医[生师])$")
_RUN = re.compile(rf"{HAN}{{2,5}}(?!{HAN})")
_YEAR = re.compile(r"[\d〇零一二三四五六七八九]年$")  # a surname too


def read_name(text: str, span: PhiSpan) -> PhiSpan | None:
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
        if _PEOPLES.fullmatch(text, *piece) and text.startswith("族", piece[1]):
            yield None
            continue
        start, end = _borders(text, *piece)
        if _likely(text[slice(*piece)], span.score) and told(text, *piece):
            yield piece
            continue
        if is_part(text, start, end) or is_ware(text, start, end):
            yield None
            continue
        if span.score >= doubt(text, start, end):
            yield start, end
            continue
        # 梁银芳门, 林益财顾问: a name to which a character or a word too many was added.
        less = [(start, end - 1), (start + 1, end)] if end - start > 2 else []
        if ambiguous(text[start]):
            less.reverse()  # 向|向庆玉
        if (named := open_name(text, start)) is not None and named < end:
            less.insert(len(less) // 2, (start, named))
        if span.score >= ODD:  # 美娇|学会
            less = [one for one in less if not (straddled(text, *one) or _in_two(text, one[1]))]
        enough = LONE if span.score >= ODD else LIKELY
        kept = next((one for one in less if doubt(text, *one) <= enough <= span.score), None)
        named = surname_length(text, start) == 1 and not ambiguous(text[start])
        yield (start, end) if kept == (start + 1, end) and named else kept  # 姜|占强


def _in_two(text: str, at: int) -> bool:
    """Whether ``at`` cuts a word that is also a name: 那高|兴了."""
    return chinese().plain(text[at - 1 : at + 1])


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
    gap = _GAP.search(text, start, end)
    if gap and gap.start() - start > max(1, surname_length(text, start)):
        end = gap.start()  # 何升|  经治医师
    titles = (TITLE.match(text, at) for at in range(start + 1, end))
    over = next((title for title in titles if title and title.end() > end), None)
    if over and not surname_length(text, start):
        end = over.start()  # 林益|财|专科医生
    if end - start == 1 and _whole_before(text, start):
        return start - 2, end
    kin = _KIN_HEAD.match(text, start, end)
    if kin and kin.end() < end and could_name(text[kin.end() : end]):
        start = kin.end()  # 哥|海洋
    if text.startswith("友人", start) and end - start > 3:
        start += 2  # 友人|杰克逊
    over = end - start > 1 and _ROLE_OVER.search(text, max(0, start - 2), start + 1)
    if (
        over
        and over.start() < start
        and (surname_length(text, start + 1) or doubt(text, start + 1, end) <= LONE)
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
        before, met = text[start - 1], meet(text[start - 1 : start + 1])
        led = before not in GRAMMAR and _LED.search(text, max(0, start - 2), start - 1)
        # 与姜|占强: 占 is a surname, too; 由高|国洋: and 高 is a word
        start -= bool(led) or not (ambiguous(before) or met)
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
        if run and run.end() - end in (1, 2) and doubt(text, start, run.end()) <= LONE:
            return start, run.end()  # 找梁|颂恩。
    longer = open_name(text, start)
    if longer is not None and longer > end:
        return start, longer
    does = NEXT.match(text, end - 1)  # 魏旭|改过
    cut = meet(text[end - 1 : end + 1]) > 1 and not meet(text[end - 2 : end])
    cut = cut or (does is not None and does.end() > end)
    if not surname and end - start == 3 and does is not None and does.end() > end:
        return start, end - 1  # 美娇|学会
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


def _whole_before(text: str, start: int) -> bool:
    """Whether the character at ``start`` ends a whole name: 林益|财."""
    given = text[max(0, start - 1) : start + 1]
    surname = start > 1 and surname_length(text, start - 2) == 1 and not ambiguous(text[start - 2])
    word = meet(text[max(0, start - 2) : start]) > 1 or meet(given) > 1  # 谢谢|计医师
    return surname and not word and all(c in chinese().parts for c in given)


def _stops(text: str, end: int) -> bool:
    """Whether what stands at ``end`` is no more of a name."""
    follows = NEXT.match(text, end) or TITLE.match(text, end)
    return follows is not None or ends_here(text, end)


def _closed(text: str, start: int, end: int) -> bool:
    """Whether the given name of ``text[start:end]`` is one by its characters and ends there."""
    given = text[start + surname_length(text, start) : end]
    return all(c in chinese().given for c in given) and _stops(text, end)


def doubt(text: str, start: int, end: int) -> float:
    """How sure the tagger must be that this is a name; ``NEVER`` of a word, which only the context
    that a rule knows makes a name."""
    lexicon, name = chinese(), SPACE.sub("", text[start:end])
    if not re.search(HAN, name):
        made = _MODEL_OF.search(text, max(0, start - 12), start)
        return NEVER if made or len(name) < 2 else ODD
    if re.search(rf"{HAN}{DOT}{HAN}", name):
        return LIKELY
    if re.search(rf"{MASK}$", name):
        return LIKELY if surname_length(name, 0) else NEVER
    if _is_nobody(text, start, end, name):
        return NEVER
    if lexicon.plain(name):
        titled = len(name) == 1 and TITLE.match(text, end)
        kin = name not in lexicon.words and _KIN.search(text, max(0, start - 3), start)
        meant = name in lexicon.nicknames or (kin and _closed(text, start, end))
        if titled or meant:
            return OTHER if titled else LONE
        called = STRANGE if name in lexicon.words else ODD
        return called if could_name(name) else NEVER
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
            return STRANGE if name in "由经" or not TITLE.match(text, end) else OTHER
        if lexicon.plain(given):
            named = len(given) == 2 and given not in lexicon.words and _stops(text, end)
            return OTHER if named else NEVER  # 相建军
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


def _is_nobody(text: str, start: int, end: int, name: str) -> bool:
    """Whether ``name``, at ``start`` to ``end``, is a role, a pronoun, a verb, part of a word."""
    if len(name) > 8 or name[-1] in "族吧吗呢呀啦嘛" or _YEAR.search(text, 0, start + 1):
        return True
    if name in GENERIC or name in "我你您他她它听" or stop(name) or TITLE.fullmatch(name):
        return True
    twice = _TWICE.finditer(text, max(0, start - 2), end + 2)
    if any(m.start() <= start and end <= m.end() for m in twice):
        return True
    does = NEXT.match(name)
    if len(name) > 1 and does and does.end() == len(name):
        return True  # 陶然|拜上
    if text.startswith("了", end) and name[0] in "那怎" and chinese().plain(name[1:]):
        return True  # 那高兴|了
    return in_word(text, start, end)


def _ordinary(name: str, given: str) -> bool:
    """Whether the name or the given name, no usual one, is a word by how often it is written."""
    lexicon = chinese()
    whole = len(name) == 2 and meet(name) > 0 and name not in lexicon.given_names
    return whole or (len(given) == 2 and meet(given) > 1 and given not in lexicon.given_names)
