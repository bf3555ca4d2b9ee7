"""Stand-ins for Chinese places and institutions, level by level.

The province stays (it is no identifier), every level below it has its own stand-in of the same
unit: 昆明市盘龙区白龙路8号 becomes 青阳市云溪区光华路3号. A place in two notes of a patient
keeps its stand-in, and so does each level of it.
"""

from __future__ import annotations

import re
from functools import cache

from llmsafe.scrub.detect.lexicon import read_json
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.lexicon import chinese, simplified
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.numbers import number_stream
from llmsafe.scrub.replace.person import Person
from llmsafe.scrub.replace.zh.names import traditional
from llmsafe.scrub.replace.zh.numbers import full_width, is_full_width

_UNITS = (
    ("estate", r"(?:小区|花园|家园|公寓|大厦|广场|山庄|新城|[苑邨园城院])"),
    ("city", r"(?:自治州|地区|[市盟])"),
    ("district", r"(?:开发区|高新区|新区|自治县|自治旗|[区县旗])"),
    ("town", r"(?:街道|苏木|[镇乡])"),
    ("village", r"(?:社区|嘎查|新村|[村屯寨庄堡组])"),
    ("road", r"(?:大道|大街|胡同|公路|高速|[东南西北中一二三四五六七八九]?[路街道]|[巷弄里])"),
)
_LEVEL = re.compile(
    r"(?P<name>(?:(?![号栋幢座室楼])[\u4e00-\u9fff]){1,8}?)(?:"
    + "|".join(f"(?P<{kind}>{unit})" for kind, unit in _UNITS)
    + ")"
)
_HEAD = re.compile(
    r"(?:人民医院|中心医院|中医医?院|妇幼保健院|儿童医院|职业病防治院|附属医院|中心卫生院|卫生院|社区卫生服务中心|卫生服务站|医院|诊所|门诊部|保健院|防治[院所]|疗养院|康复院|疾控中心|体检中心|养老院|敬老院|护理院|老年公寓|福利院|长照中心"
    r"|大学|学院|高级中学|实验中学|第[一二三四五六七八九十]中学|中学|小学|国中|国小|幼儿园|学校|有限公司|分公司|公司|集团|派出所|税务分局|税务局|公安局|法院|研究所|银行|支行|酒店|超市|农场|厂|矿|局|所|站|中心|[中院]|社区|街道|大队|支队)$"
)
_HOUSE = re.compile(r"\d|[A-Za-z]")


def chinese_place(key: Key, person: Person, text: str) -> str | None:
    """The stand-in for a place; ``None`` if it has no Chinese character."""
    plain = normalise(text).text
    if not re.search(r"[\u4e00-\u9fff]", plain):
        return None
    if _HEAD.search(simplified(plain)) and len(_HEAD.search(simplified(plain))[0]) > 1:  # type: ignore[index]
        return chinese_institution(key, person, text)
    return _as_written(text, plain, _levels(key, person, simplified(plain)))


def _levels(key: Key, person: Person, plain: str) -> str:
    province = _province().match(plain)
    done = province[0] if province else ""
    rest = plain[len(done) :]
    if not rest:
        return done if province else _choice(key, person, "city_short", plain)
    position, out = 0, done
    for match in _LEVEL.finditer(rest):
        kind = match.lastgroup or "city"
        out += _leftover(key, person, rest[position : match.start()])
        new = _choice(key, person, kind, match["name"])
        out += (new.removesuffix("市") if kind == "city" else new) + match[kind]
        position = match.end()
    return out + _leftover(key, person, rest[position:], alone=not position and not done)


def _leftover(key: Key, person: Person, text: str, *, alone: bool = False) -> str:
    """House numbers, and names without a unit: a city of the lists, or an estate."""
    stream = number_stream(key, *person.draw, "zh house", text)

    def change(match: re.Match[str]) -> str:
        piece = match[0]
        if piece[0].isdigit():
            first = str(1 + next(stream) % 9)
            return first + "".join(str(next(stream) % 10) for _ in piece[1:])
        if piece.isascii():
            return "ABCDEFGH"[next(stream) % 8]
        if re.fullmatch(
            r"[号栋幢座弄单元室户层楼期段门组队院社与和口桥東南西北中籍乡下一二三四五六七八九十]+",
            piece,
        ):
            return piece
        return _choice(
            key, person, "city_short" if alone or piece in chinese().cities else "estate", piece
        )

    return re.sub(r"\d+|[A-Za-z]|[\u4e00-\u9fff]+", change, text)


def chinese_institution(key: Key, person: Person, text: str) -> str | None:
    """The stand-in for an institution: another stem, the same kind."""
    plain = normalise(text).text
    if not re.search(r"[\u4e00-\u9fff]", plain):
        return None
    head = _HEAD.search(simplified(plain))
    stem = _choice(key, person, "stem", simplified(plain))
    return _as_written(text, plain, stem + (head[0] if head else "中心"))


@cache
def _province() -> re.Pattern[str]:
    wide = (
        "新疆维吾尔自治区",
        "内蒙古自治区",
        "广西壮族自治区",
        "宁夏回族自治区",
        "西藏自治区",
        "新疆",
        "内蒙古",
        "广西",
        "宁夏",
        "西藏",
    )
    municipal = ("北京", "上海", "天津", "重庆")
    names = [p for p in chinese().provinces if not p.startswith(municipal)]
    return re.compile("|".join(sorted({*names, *wide}, key=len, reverse=True)))


def _choice(key: Key, person: Person, kind: str, original: str) -> str:
    words: list[str] = read_json("scrub_zh/surrogates.json")[kind].split()
    for attempt in range(50 * len(words)):
        word = key.choice(words, "pick", kind, *person.draw, "zh place", original, str(attempt))
        if word != original and word not in person.avoid and word not in original:
            return word
    raise LookupError(kind)


def _as_written(text: str, plain: str, new: str) -> str:
    if plain != simplified(plain):
        new = traditional(new)
    return full_width(new) if is_full_width(text) else new
