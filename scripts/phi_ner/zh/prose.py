"""Notes from ordinary Chinese prose, in which people, places and firms take the place of others.

Templates cannot hold the language. Prose tells what is an ordinary word, and a name that stands
where 他 or 申请人 stood tells what one looks like between such words. A passage that may name
somebody or some place already is left out, for what is not marked counts as no PHI.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..core import Context, Lexicon, Slot, words
from ..noise import Piece
from . import dates, people, places

_HAN = r"[\u4e00-\u9fff]"
# What may be an identifier: a place, a date, a firm, a masked or a foreign name.
_NAMING = re.compile(
    r"某|[·×＊*]|\d{4}年\d|\d月|月\d{1,2}日|[一二三四五六七八九十]月|\d{5}|http|www|@"
    r"|北京|天津|上海|重庆|河北|山西|内蒙古|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南"
    r"|广东|广西|海南|四川|贵州|云南|西藏|陕西|甘肃|青海|宁夏|新疆|香港|澳门|台湾|台北|深圳|广州|东京"
    r"|[纽伦]约|伦敦|巴黎|波士顿|日本|美国|英国|法国|德国|迈克|约翰|杰克|玛丽|汤姆|比尔|鲍勃|肯[^定]"
    r"|主席|总理|春节|元旦|国庆|中秋|除夕|清明|端午|圣诞"
)
_NUMBERED = re.compile(
    r"^(?:第[一二三四五六七八九十百千零]{1,9}条(?:之[一二三四五])?|[（(][一二三四五六七八九十]+[）)])\s*"
)
_PERSON = (
    r"(?<![其吉])[他她](?![们人国乡])|申请人|当事人|原告|被告|受害人|劳动者|消费者|驾驶人|投保人|受益人|继承人|委托人"
    r"|代理人|监护人|证人|负责人|经办人|经营者|承包人|出租人|承租人|债务人|债权人|旅客|患者|医师|护士|教师"
    r"|老师|学生|同学|朋友|妈妈|爸爸|母亲|父亲|妻子|丈夫|儿子|女儿|孩子"
)
_FIRM = r"用人单位|建设单位|施工单位|生产单位|医疗机构|公司(?!法)|学校|医院|工厂|银行(?!业|卡)"
_SPOT = r"本市|本省|当地|家里|城里|乡下|学校附近"
_TIME = r"今天|昨天|明天|前天|当日|近日|去年|上周|上个月"
_SLOT = re.compile(f"(?P<person>{_PERSON})|(?P<firm>{_FIRM})|(?P<spot>{_SPOT})|(?P<time>{_TIME})")
_BORDER = re.compile(r"(?<=[，。；：、！？,;:\n由请向与经])|(?<=告知)|(?<=通知)")
_TITLES = words(
    "先生 女士 医生 医师 主任 护士 老师 大夫 教授 主治医师 主任医师 护士长 药师 师傅 经理 同志 "
    "阿姨 大爷 大妈 大哥 大姐 小姐 院长 技师 律师 法官 警官 会计 书记 村长 主管 组长"
)
_NAMES = ("full",) * 14 + ("minority", "mou")
_FIRMS = ("company", "company", "hospital", "school", "home", "office")
_SPOTS = ("city", "city", "district", "address", "road", "estate", "village", "place")
_TIMES = ("date", "date", "date_short", "month", "day", "festival", "cn_date")
_ALL: dict[str, Slot] = {**people.SLOTS, **places.SLOTS, **dates.SLOTS}


def read_prose(folder: Path) -> list[list[str]]:
    """Of each file of plain text in a folder the passages, one a line, that name nobody."""
    found: list[list[str]] = []
    for path in sorted(folder.glob("*.txt")):
        passages = list[str]()
        for line in path.read_text(encoding="utf-8").splitlines():
            line = _NUMBERED.sub("", line.strip())
            if len(line) >= 12:
                passages += _pieces(line)
        found.append(passages)
    return found


def _pieces(line: str) -> Iterator[str]:
    """Sentences together, up to some 200 characters, of which none names anything."""
    made = ""
    for sentence in re.split(r"(?<=[。！？；])", line):
        if _NAMING.search(sentence) or len(sentence) > 240:
            sentence = ""
        if len(made) + len(sentence) > 200 or not sentence:
            if len(made) >= 10:
                yield made
            made = ""
        made += sentence
    if len(made) >= 10:
        yield made


def prose_pieces(
    sources: Sequence[Sequence[str]], lexicon: Lexicon, rng: random.Random
) -> Iterator[list[Piece]]:
    """Passages without end, as many of each source: a third as they are, the others with people and
    places in them."""
    while True:
        text = rng.choice(rng.choice(sources))
        style = "traditional" if rng.random() < 0.1 else "prose"
        if rng.random() < 0.35:
            yield [(text, None)]
            continue
        context = Context.start(rng, lexicon, style, len(dates.FORMS))
        yield list(_peopled(text, context))


def _peopled(text: str, context: Context) -> Iterator[Piece]:
    rng = context.rng
    at, tie = 0, 0
    inserted = rng.random() < 0.5
    marks = [(m.start(), m.end(), m.lastgroup or "") for m in _SLOT.finditer(text)]
    if inserted or not marks:
        borders = [m.start() for m in _BORDER.finditer(text)] + [0, len(text)]
        count = min(len(borders), rng.choice((1, 1, 2, 3)))
        marks += [(border, border, "person") for border in rng.sample(borders, count)]
    for start, end, kind in sorted(marks):
        if start < at or (end > start and rng.random() < 0.35):
            continue
        yield text[at:start], None
        tie = tie + 1 if rng.random() < 0.8 else max(1, tie)
        yield from _value(context, kind, text[start:end], str(tie))
        at = end
    yield text[at:], None


def _value(context: Context, kind: str, word: str, tie: str) -> Iterator[Piece]:
    rng = context.rng
    if kind != "person":
        slot = rng.choice({"firm": _FIRMS, "spot": _SPOTS, "time": _TIMES}[kind])
        yield _ALL[slot].draw(context, None), _ALL[slot].category
        return
    form = rng.random()
    if len(word) > 1 and form < 0.3:
        yield word, None  # 申请人张三
    slot = "last" if 0.3 <= form < 0.42 else rng.choice(_NAMES)
    yield _ALL[slot].draw(context, tie), "NAME"
    if slot == "last" or form > 0.85:
        yield rng.choice(_TITLES), None
    elif form > 0.8:
        yield rng.choice("、，和与及"), None
        yield _ALL["full"].draw(context, tie + "b"), "NAME"
    elif not word and form > 0.6:
        yield rng.choice("，：:（(/／ \n"), None


def pairs(texts: Iterable[str]) -> Counter[str]:
    """How often two Chinese characters stand beside each other."""
    found = Counter[str]()
    for text in texts:
        for run in re.findall(f"{_HAN}{{2,}}", text):
            found.update(run[i : i + 2] for i in range(len(run) - 1))
    return found
