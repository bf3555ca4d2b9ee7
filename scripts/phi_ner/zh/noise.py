"""What happens to a Chinese note on its way: wide letters, invisible signs, lost columns, machines
that listen or read. Every function keeps the pieces, so that the labels stay where they are."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable

from ..core import words
from ..noise import DIGITS, Piece
from . import script
from .numerals import ONES, counted
from .script import is_han

_INVISIBLE = ("\u200b", "\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u00ad")
_ASCII_SIGNS = str.maketrans("，。：；（）？！、“”", ',.:;()?!,""')
_SIGNS = "，。、；：,.;:"
# Characters that sound alike: people type one for the other.
_ALIKE_SOUND = words(
    "的得地 在再 做作坐座 他她它 以已意义 是事市式 里理李礼 名明鸣 章张 程陈成 王汪 黄皇 刘流 林临 "
    "红宏洪鸿 伟卫玮 静靖净 丽莉利 芳方 强墙 军君均 杰洁捷 华花 建健剑 国果 英瑛莺 平萍苹 敏民闽 "
    "霞夏 涛桃 玲铃凌 龙隆 文雯 志智治 清青轻 东冬 新欣心 兰蓝岚 云芸 路录 园院元 号好 痛通 症证正 "
    "急及 疗料 记计 查察 帐账 像象 侯候 复付负 幅副 住主 近进 期其 反返 由有 家加佳"
)
# Characters that look alike: machines read one for the other.
_ALIKE_SHAPE = words(
    "口囗日曰目 己已巳 未末 土士 人入八 千干于 大太犬 天夫 王玉主 白自 午牛 力刀 木本术 又叉 "
    "田由甲申 贝见 冶治 候侯 戊戌戍 晴睛 拨拔 析折 今令 住往 班斑 科料 间问 兰三 洒酒 免兔 乌鸟 "
    "历厉 复夏 萧肃 史吏 汪注 洁法 竞竟 弛驰 〇O 一— 二＝ 名各 李季 汁汗"
)


def _table(groups: Iterable[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for group in groups:
        for c in group:
            table[c] = table.get(c, "") + group.replace(c, "")
    return table


_SOUND, _SHAPE = _table(_ALIKE_SOUND), _table(_ALIKE_SHAPE)


def each(pieces: list[Piece], change: Callable[[str], str]) -> list[Piece]:
    """Every text changed."""
    return [(change(text), category) for text, category in pieces]


def values(pieces: list[Piece], change: Callable[[str], str]) -> list[Piece]:
    """The values changed, what is around them kept."""
    return [(change(text) if category else text, category) for text, category in pieces]


def full_width(pieces: list[Piece]) -> list[Piece]:
    """Letters, digits and signs as wide as characters."""
    return each(pieces, script.full_width)


def full_digits(pieces: list[Piece]) -> list[Piece]:
    """Digits as wide as characters."""
    return each(pieces, script.full_digits)


def traditional(pieces: list[Piece]) -> list[Piece]:
    """Traditional script, as far as the small table goes."""
    return each(pieces, script.traditional)


def invisible(pieces: list[Piece], rng: random.Random, rate: float) -> list[Piece]:
    """Signs that nobody sees, more of them inside values."""

    def scatter(text: str, share: float) -> str:
        return "".join(c + (rng.choice(_INVISIBLE) if rng.random() < share else "") for c in text)

    return [
        (scatter(text[:-1], 5 * rate) + text[-1:] if category else scatter(text, rate), category)
        for text, category in pieces
    ]


def spaced(pieces: list[Piece], rng: random.Random, share: float) -> list[Piece]:
    """Gaps between the characters of some values, as forms have them."""
    gap = rng.choice((" ", " ", "\u3000"))

    def widen(text: str) -> str:
        return gap.join(text) if len(text) < 25 and rng.random() < share else text

    return values(pieces, widen)


def spaced_lines(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """A gap after every character, as some printers write."""
    gap = rng.choice((" ", " ", "\u3000"))
    return [
        (re.sub(r"(?<=[^\s])(?=[^\s])", gap, text) + ("" if text[-1:].isspace() else gap), category)
        for text, category in pieces
    ]


def without_punctuation(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Stops and commas go or become gaps; those between digits stay."""
    instead = rng.choice(("", "", " "))
    pattern = re.compile(rf"(?<!\d)[{_SIGNS}]|[{_SIGNS}](?!\d)")
    return [(text if c else pattern.sub(instead, text), c) for text, c in pieces]


def ascii_punctuation(pieces: list[Piece]) -> list[Piece]:
    """The signs of Latin script."""
    return each(pieces, lambda text: text.translate(_ASCII_SIGNS))


def one_line(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Line ends lost, or each note line joined by a separator."""
    joint = rng.choice(("", "", " ", " ", "；", " | ", "\t"))
    return [(text.replace("\n", "" if c else joint), c) for text, c in pieces]


def wrapped(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Lines broken at a column, inside values too."""
    width, column = rng.randrange(14, 60), 0
    out: list[Piece] = []
    for text, category in pieces:
        made: list[str] = []
        for character in text:
            column = 0 if character == "\n" else column + 1
            if column > width:
                made.append("\n")
                column = 1
            made.append(character)
        out.append(("".join(made), category))
    return out


def swapped(
    pieces: list[Piece], rng: random.Random, rate: float, table: dict[str, str]
) -> list[Piece]:
    """Characters replaced by others of a table."""

    def swap(text: str) -> str:
        return "".join(
            rng.choice(table[c]) if c in table and rng.random() < rate else c for c in text
        )

    return each(pieces, swap)


def typed(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Characters that sound alike; some doubled or lost."""

    def slip(text: str) -> str:
        draws = [rng.random() if is_han(c) else 1.0 for c in text]
        return "".join(
            "" if draw < 0.004 and len(text) > 2 else c * 2 if draw < 0.008 else c
            for c, draw in zip(text, draws, strict=True)
        )

    return each(swapped(pieces, rng, rng.choice((0.03, 0.08)), _SOUND), slip)


def scanned(pieces: list[Piece], rng: random.Random, rate: float) -> list[Piece]:
    """Characters and digits misread, words broken."""

    def gap(text: str) -> str:
        return "".join(
            f"{c} " if is_han(c) and i + 1 < len(text) and rng.random() < rate else c
            for i, c in enumerate(text)
        )

    return each(swapped(pieces, rng, 2 * rate, {**_SHAPE, **DIGITS}), gap)


def heard(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """As a machine writes what it hears: numbers in words, no signs, small letters."""
    one = rng.choice("一幺幺")

    def word(match: re.Match[str]) -> str:
        digits = match["digits"]
        if len(digits) > 3 or (len(digits) > 1 and digits[0] == "0"):
            said = "".join(ONES[int(c)] for c in digits)
            return said.replace("一", one) if len(digits) > 4 else said
        return counted(int(digits))

    def hear(text: str) -> str:
        text = re.sub(r"(?<=\d)\.(?=\d)", "点", text)
        text = re.sub(r"(?<=\d)%", "个百分点", text) if rng.random() < 0.3 else text
        text = re.sub(r"(?P<digits>[0-9]+)", word, text.lower())
        return re.sub(r"[，。、；：“”（）()\[\]【】,;:!?！？\-/…]", "", text)

    return each(pieces, hear)
