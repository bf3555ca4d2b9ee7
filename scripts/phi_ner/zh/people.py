"""Invented people and the ways to write their names."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmsafe.scrub.detect.zh.lexicon import chinese

from ..core import Context, Lexicon, Slot, Slots, read_lists, words
from .script import is_han, traditional

SLOTS = Slots()
_HONG_KONG = words(
    "Chan Wong Lee Cheung Lau Chow Ng Ho Leung Lam Yip Kwok Tang Cheng Tsang Fung Tam Mak Lo Yeung "
    "Tse Chiu Poon Siu Hui Kwan Szeto Au-Yeung Chung Fong Hung Kong Kwong Lai Lui Luk Ma Mok Pang "
    "Shum So Sung To Tong Tsui Wan Woo Wu Yau Yiu Yuen Choi Chu Fok Kan Ko Lok Ngai Sit Suen Tsoi"
)
_SYLLABLES = words(
    "Tai Man Siu Ming Ka Fai Wai Ling Mei Yee Kwok Keung Chi Hung Wing Sze Yuk Lan Hiu Tung Lok "
    "Yan Kin Shing Chun Kit Pui Shan Suk Fan Sau Ying Mei Yin Kam Ho Yuet Ngan Chung Hin Tsz Ching "
    "Kwan Long Hei Lai Wah Oi Lin Hoi Kei Sum Yi Nga Man Po Chu Fung Yu Hang Tak Wan Bik"
)
_ENGLISH = words(
    "Peter Mary David Amy Kelvin Jenny Raymond Winnie Jason Carmen Ivan Joyce Patrick Fanny Eric"
)
_ANY = ("given", "given_word", "full_word", "nick", "place", "road", "herb", "company", "estate")
_UNKNOWN = ("某", "某", "某某", "某某", "××", "XX", "**", "*", "某甲", "○○", "×", "xx")


@dataclass(frozen=True)
class Person:
    """Somebody whom a note mentions, perhaps more than once."""

    last: str
    given: str
    nick: str
    born: datetime.date


def read_lexicon(folder: Path) -> Lexicon:
    """The lists of a folder, and those made of them: the ``usual`` characters of given names,
    ``town`` and ``hamlet``, and the parts of names of minorities and foreigners."""
    lists = read_lists(folder)
    lists["usual"] = [c for name in lists["given"] for c in name]
    lists["any"] = sorted({c for kind in _ANY for name in lists[kind] for c in name if is_han(c)})
    lists["surname_rare"] = sorted(chinese().single)
    lists["town"] = [name for name in lists["village"] if name[-1] in "镇乡"]
    lists["hamlet"] = [name for name in lists["village"] if name[-1] not in "镇乡"]
    for kind in ("minority", "foreign"):
        pairs = [name.split("·", 1) for name in lists[kind] if "·" in name]
        lists[f"{kind}_given"], lists[f"{kind}_last"] = map(list, zip(*pairs, strict=True))
    return Lexicon(lists)


# --- people ---------------------------------------------------------------------------------------


def surname(context: Context) -> str:
    """A family name; the head of the list, which is the most frequent, is drawn most."""
    rng, lists = context.rng, context.lexicon.lists
    draw = rng.random()
    if draw < 0.04:
        return context.pick("surname_compound")
    if draw < 0.05:
        return context.pick("usual")  # one that no list has
    if draw < 0.08:
        return context.pick("surname_rare")
    family = lists["surname"]
    return family[int(len(family) * rng.random() ** 3)]


def given_name(context: Context, length: int = 0) -> str:
    """A given name of ``length`` characters, 0 for any; a third is in no list."""
    rng = context.rng
    draw = rng.random()
    if not length and draw < 0.1:
        # What characters a name is made of nobody can foresee: 糯米, 岗, 栖迟.
        return "".join(context.pick("any") for _ in range(rng.choice((1, 2, 2, 2))))
    if length or draw < 0.32:
        size = length or rng.choice((1, 2, 2, 2, 2))
        return "".join(context.pick("usual") for _ in range(size))
    return context.pick("given_word" if draw < 0.39 else "given")


def invent(context: Context) -> Person:
    """A new person; some names are ordinary words as a whole, some are in no list."""
    rng = context.rng
    last, given = surname(context), given_name(context)
    if rng.random() < 0.07:
        whole = context.pick("full_word")
        last, given = whole[0], whole[1:]
    if context.style == "traditional" and rng.random() < 0.5:
        last, given = context.pick("trad_last"), context.pick("trad_given")
    year = rng.randrange(1926, 2024)
    born = datetime.date(year, 1, 1) + datetime.timedelta(days=rng.randrange(365))
    return Person(last, given, _nick(context, given), born)


def _nick(context: Context, given: str) -> str:
    rng, c = context.rng, given[-1]
    made = (f"{c}{c}", f"{c}{c}", f"小{c}", f"阿{c}", f"{c}儿", f"{c}子", f"{c}{c}子", f"大{c}")
    return context.pick("nick") if rng.random() < 0.6 else rng.choice(made)


def somebody(context: Context, tie: str | None) -> Person:
    """The person of a tie, or a new one."""
    return context.tied("person", tie, invent)


# --- names ----------------------------------------------------------------------------------------

Writer = Callable[[Context, Person], str]


def _written(slot: str) -> Callable[[Writer], Writer]:
    """Registers a way to write a person's name."""

    def register(write: Writer) -> Writer:
        SLOTS[slot] = Slot("NAME", lambda context, tie: write(context, somebody(context, tie)))
        return write

    return register


@_written("full")
def full(context: Context, who: Person) -> str:
    """张三; sometimes with a gap."""
    rng = context.rng
    gap = ""
    if rng.random() < (0.12 if context.style == "fullwidth" else 0.015):
        gap = rng.choice((" ", "\u3000", "  "))
    return gap.join(who.last + who.given) if gap else who.last + who.given


@_written("last")
def last(context: Context, who: Person) -> str:
    """张."""
    return who.last


@_written("given")
def given(context: Context, who: Person) -> str:
    """The given name alone; nobody calls a person by a single character."""
    return who.given if len(who.given) > 1 else who.last + who.given


@_written("nick")
def nick(context: Context, who: Person) -> str:
    """豆豆."""
    return who.nick


@_written("mou")
def mou(context: Context, who: Person) -> str:
    """张某, 李××, 王*华."""
    rng = context.rng
    if len(who.given) > 1 and rng.random() < 0.25:
        return f"{who.last}{rng.choice('某×*Xx○')}{who.given[-1]}"
    return who.last + rng.choice(_UNKNOWN)


@_written("trad")
def trad(context: Context, who: Person) -> str:
    """張三."""
    return traditional(who.last + who.given)


@SLOTS.value("NAME", "minority")
def minority(context: Context) -> str:
    """阿卜杜拉·买买提, 扎西."""
    return _dotted(context, "minority")


@SLOTS.value("NAME", "foreign")
def foreign(context: Context) -> str:
    """约翰·史密斯."""
    return _dotted(context, "foreign")


def _dotted(context: Context, kind: str) -> str:
    rng = context.rng
    name = context.pick(kind)
    if "·" in name and rng.random() < 0.6:
        name = f"{context.pick(f'{kind}_given')}·{context.pick(f'{kind}_last')}"
    return name.replace("·", rng.choice("····•．.・")) if rng.random() < 0.3 else name


def pinyin_given(context: Context) -> str:
    """Wei, Xiaoming."""
    count = context.rng.choice((1, 2, 2))
    return "".join(context.pick("pinyin_syllable") for _ in range(count)).capitalize()


@SLOTS.value("NAME", "pinyin")
def pinyin(context: Context) -> str:
    """Zhang Wei, WANG Fang, Wei Zhang."""
    rng = context.rng
    a, b = context.pick("pinyin_last"), pinyin_given(context)
    usual = (f"{a} {b}", f"{a} {b}", f"{a.upper()} {b}", f"{a.upper()} {b.upper()}", f"{b} {a}")
    small = (f"{a.lower()} {b.lower()}", f"{a}{b}".lower(), f"{a}{b}")
    short = (f"{b[0]}. {a}", f"{a} {b[0]}.", f"{a}, {b}", f"{a.upper()}, {b}")
    english = f"{rng.choice(_ENGLISH)} {a}"
    return rng.choice((*usual, *usual, *usual, *small, *short, english))


@SLOTS.value("NAME", "hk_pinyin")
def hk_pinyin(context: Context) -> str:
    """Chan Tai Man, CHAN Tai-man, Peter Chan."""
    rng = context.rng
    family, a, b = rng.choice(_HONG_KONG), rng.choice(_SYLLABLES), rng.choice(_SYLLABLES)
    forms = (
        f"{family} {a} {b}",
        f"{family.upper()} {a} {b}",
        f"{family.upper()} {a}-{b.lower()}",
        f"{family} {a}-{b.lower()}",
        f"{family.upper()}, {a} {b}",
        f"{family} {a} {b}".upper(),
        f"{rng.choice(_ENGLISH)} {family}",
        f"{family} {a} {b} {rng.choice(_ENGLISH)}",
    )
    return rng.choice(forms)


def rename(context: Context, name: str) -> str:
    """Another name in place of a literal one, with its gaps; none for long and foreign ones."""
    characters = re.sub(r"[\s\u200b]", "", name)
    if not is_han(characters) or len(characters) > 3:
        return name
    length = len(characters)
    family = surname(context)
    while len(family) > 1:
        family = surname(context)
    new = family + (given_name(context, length - 1) if length > 1 else "")
    if length == 2 and context.rng.random() < 0.6:
        new = context.pick("full_word")[:2]
    rest = iter(new)
    return "".join(next(rest) if is_han(c) else c for c in name)
