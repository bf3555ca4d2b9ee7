"""Things that a Chinese note speaks of: food, medicines, herbs, makers, discoverers of signs.

东坡肉, 泰诺林, 左归丸 and 托马斯征 are nobody, though half of their characters are surnames. People
are called like some of them (姓名:杜仲): whether one is meant is for :mod:`.meant` to say.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from llmsafe.scrub.detect.lexicon import read_words
from llmsafe.scrub.detect.zh.lexicon import chinese, simplified
from llmsafe.scrub.detect.zh.reading import DOT, HAN, meet, surname_length

_KINDS = (
    "foods", "goods", "herbs", "remedies", "drugs", "brands", "makers", "eponyms", "points",
    "physicians",
)  # fmt: skip
_NAMING = ("eponyms", "makers")
"""Kinds whose words are names of people too, unless more of the thing's name follows."""
_GIVEN = ("foods", "goods", "herbs", "brands", "points", "eponyms", "makers")
"""Kinds whose words of two characters stand in names: 王百合, 安素珍."""

_SIGN = re.compile(
    r"(?:颗粒|胶囊|口服液|注射液|滴丸|软膏|乳膏|糖浆|滴眼液|药酒|药膏)|(?:氏)?(?:征(?![得求询集兆象])|综合征|症候群|试验|现象|反射|分级|分型|分期|评分|量表|三角|染色|憩室|杆菌|球菌)"
    r"|术式|术(?=[、,。;)])|韧带"
)
"""What makes of a foreign name before it that of a sign or a medicine: 托马斯征, 惠普尔综合征."""


class Thing(NamedTuple):
    """Where one stands in a text, and of which kind it is."""

    start: int
    end: int
    kind: str

    @property
    def given(self) -> bool:
        """Whether it may be a part of a longer name."""
        return self.end - self.start == 2 and self.kind in _GIVEN


@cache
def words() -> Mapping[str, str]:
    """All the words, and the kind of each."""
    return {
        simplified(word): kind for kind in _KINDS for word in read_words(f"scrub_zh/{kind}.txt")
    }


@cache
def _lengths() -> Mapping[str, tuple[int, ...]]:
    """How long the words are that begin with two characters, the longest first."""
    found: dict[str, set[int]] = {}
    for word in words():
        found.setdefault(word[:2], set()).add(len(word))
    return {head: tuple(sorted(sizes, reverse=True)) for head, sizes in found.items()}


@lru_cache(maxsize=4)
def _things(text: str) -> tuple[tuple[int, ...], tuple[Thing, ...]]:
    """The things in a text in order, and where they start."""
    found: list[Thing] = []
    heads, known, at, last = _lengths(), words(), 0, len(text) - 1
    while at < last:
        for size in heads.get(text[at : at + 2], ()):
            kind = known.get(text[at : at + size]) if at + size <= len(text) else None
            cut = size == 2 and at > 0 and meet(text[at - 1 : at + 1]) > 1  # 医|生姜|教授
            if kind is not None and not cut:
                found.append(Thing(at, at + size, kind))
                at += size
                break
        else:
            at += 1
    return tuple(thing.start for thing in found), tuple(found)


@cache
def _stems() -> re.Pattern[str]:
    listed = sorted(read_words("scrub_zh/stems.txt"), key=len, reverse=True)
    return re.compile("|".join(listed))


def thing_at(text: str, start: int) -> Thing | None:
    """The thing that begins at ``start``."""
    starts, found = _things(text)
    at = bisect_right(starts, start) - 1
    return found[at] if at >= 0 and starts[at] == start else None


def touched(text: str, start: int, end: int) -> list[Thing]:
    """The things that stand in or over ``text[start:end]``, unless they are meant as names."""
    starts, found = _things(text)
    at = max(0, bisect_right(starts, start) - 1)
    several = [thing for thing in found[at : bisect_right(starts, end - 1)] if thing.end > start]
    return [thing for thing in several if not (thing.kind in _NAMING and _acts(text, thing.end))]


_DOES = re.compile(
    r"[,(、 ]?[男女](?![友孩])|[诉说称讲]|要求|拒绝|同意|签|来[院诊电]|入院|出院|陪|先生|女士|小姐"
    r"|医生|医师|护士|教授|主任|老师|今[日晨]|[因于](?=\d)"
)


def _acts(text: str, end: int) -> bool:
    """Whether somebody does something behind ``end``: 米勒要求出院."""
    return _DOES.match(text, end) is not None


def left(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """What of ``text[start:end]`` is no thing, nor glued to one."""
    rest, at = list[tuple[int, int]](), start
    for thing in touched(text, start, end):
        if not _within_name(text, start, end, thing):
            rest.append((at, thing.start))
            at = thing.end
    rest.append((at, end))
    return [
        (first, last)
        for first, last in rest
        if first < last
        and (first == start or text[first].isspace())
        and (last == end or text[last - 1].isspace())
    ]


def _within_name(text: str, start: int, end: int, thing: Thing) -> bool:
    """Whether ``text[start:end]`` is a name with the word in it (王百合, 安素珍, 阿迪力), or
    runs into a word of two characters: 付永飞|书写."""
    if re.search(DOT, text[start:end]):
        return True
    foreign = end - start > 3 and all(c in chinese().foreign for c in text[start:end])
    if foreign and thing.end - thing.start == 2:
        return True  # 苏和巴特
    before, behind, surname = thing.start - start, end - thing.end, surname_length(text, start)
    if thing.end - thing.start == 2 and before * behind < 0:
        return True
    if thing.kind in _NAMING and not before and behind > 0:
        return all(c in chinese().foreign for c in text[thing.end : end])
    if not thing.given:
        return False
    if before > 0:
        return before == surname and not behind
    return before == 0 and behind > 0 and (surname > 1 or (surname == 1 and behind == 1))


def is_part(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is a thing or has a part of one in it; or, where it is not made
    like somebody's name, more of the name of one stands behind it, or a dose, or things around."""
    several = touched(text, start, end)
    if len(several) > 1 or any(not _within_name(text, start, end, thing) for thing in several):
        return True  # 蒙牛|牛奶
    if _made_like_a_name(text[start:end]):
        return False  # 陈明亮青霉素过敏, 王芳5mg吗啡肌注
    return goes_on(text, end) or _among_things(text, start, end)


def _made_like_a_name(word: str) -> bool:
    """Whether it is a surname with one or two characters that given names are made of."""
    surname = surname_length(word, 0)
    given = word[surname:]
    return surname > 0 and 0 < len(given) < 3 and all(c in chinese().given for c in given)


_DOSE = re.compile(r"[ \t]?\d+(?:\.\d+)?[ \t]?(?:m?g|[μu]g|IU)(?![A-Za-z])")


def _among_things(text: str, start: int, end: int) -> bool:
    """Whether a dose stands behind, or things stand right before and behind in a list."""
    if _DOSE.match(text, end):
        return True
    if not (text.startswith("、", end) and text[start - 1 : start] == "、"):
        return False
    after = thing_at(text, end + 1)
    before = touched(text, max(0, start - 2), start - 1)
    return after is not None and bool(before)


def listed(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is a thing beside another in a list: 合谷、天柱、大椎."""
    here = any((thing.start, thing.end) == (start, end) for thing in touched(text, start, end))
    before = text[start - 1 : start] == "、" and touched(text, max(0, start - 2), start - 1)
    return here and bool(before or (text.startswith("、", end) and thing_at(text, end + 1)))


def goes_on(text: str, end: int) -> bool:
    """Whether what ends at ``end``, if it is no person, is by what follows the name of a sign or a
    medicine, or stands right before one."""
    if _SIGN.match(text, end):
        return True
    stem = _stems().search(text, end - 1, end + 4)
    return stem is not None and re.fullmatch(f"{HAN}*", text[end : stem.start()]) is not None
