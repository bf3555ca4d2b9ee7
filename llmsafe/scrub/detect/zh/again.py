"""People of whom a note has told the name, spoken of again.

张伟 once found is 张伟 wherever it stands, and for the note he is also 老张, 张先生, 阿伟 and 伟伟:
words that elsewhere may be a grade, a drug or a measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words
from llmsafe.scrub.detect.zh.meant import again
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    GRAMMAR,
    HAN,
    NEXT,
    ends_here,
    in_word,
    meet,
    stop,
    straddled,
    surname_length,
)
from llmsafe.scrub.detect.zh.roles import KIN, ROLE, TITLE
from llmsafe.scrub.detect.zh.things import is_part

_SURE = 0.45
"""How sure a name must be to say that somebody of its surname is in the note."""
# What 老 and 小 make of a surname that is a word of measure, place or sign too.
_MEASURES = split_words(
    "小时 小于 小便 小年 老年 老师 小计 小结 小管 小项 小水 小洞 小汗 小叶 "
    "小关 小班 小应 小包 小区 小平 小常 小单"
)
# What goes on behind 小金 and 老方 and makes another word of it.
_GOES_ON = re.compile(r"[丸片散汤法式子头块脉桌额型性化]")
_ROW = re.compile(rf"[、/](?P<v>{HAN}{{2,3}})(?=[,。;:)(\s/、]|$)")
# 向医生咨询: a surname that is a preposition here.
_ASKS = re.compile(
    rf"(?:{HAN}{{0,3}})(?:咨询|汇报|报告|请示|说明|反映|询问|交[代待]|求助|处|那里|家|站|办公室)"
)


def echoes(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """The other mentions of names that were found: whole, by given name, by surname with 老, 小 or
    a title, by 阿 or twice one character of the given name.

    A name that is a word too (马上, 任何) is not looked for again: only context tells which it is.
    """
    covered = bytearray(len(text))
    for span in found:
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
    wanted, telling, surnames, given = _people(text, found)
    for name in wanted:
        at = text.find(name)
        while at >= 0:
            if not (all(covered[at : at + len(name)]) or is_part(text, at, at + len(name))):
                yield _echo(at, at + len(name))
            at = text.find(name, at + len(name))
    yield from _words_again(text, found, telling, covered)
    for start, end in (
        *_in_a_row(text, found),
        *_with_surname(text, found),
        *_by_telling(text, telling),
        *_by_surname(text, surnames),
        *_by_given(text, given),
    ):
        if not (all(covered[start:end]) or is_part(text, start, end)):
            yield _echo(start, end)


def _words_again(
    text: str, found: Sequence[PhiSpan], given: Iterable[str], covered: bytearray
) -> Iterator[PhiSpan]:
    """Names that are words too (和平, 田七), and ``given`` names that are, where what stands around
    says that one is meant."""
    lexicon = chinese()
    said = {
        re.sub(r"\s", "", text[span.start : span.end])
        for span in found
        if span.category == "NAME" and span.score >= _SURE
    }
    for name in sorted(said.union(given)):
        if not re.fullmatch(rf"{HAN}{{2,3}}", name):
            continue
        if not (lexicon.plain(name) or is_part(name, 0, len(name))):
            continue
        at = text.find(name)
        while at >= 0:
            end = at + len(name)
            if not all(covered[at:end]) and again(text, at, end):
                yield _echo(at, end)
            at = text.find(name, end)


def _echo(start: int, end: int) -> PhiSpan:
    return PhiSpan(start, end, "NAME", 0.6, "echo")


def _people(
    text: str, found: Sequence[PhiSpan]
) -> tuple[dict[str, None], dict[str, None], dict[str, None], dict[str, None]]:
    """Names to look for, given names that are words too, surnames, and the characters of the given
    names."""
    lexicon = chinese()
    wanted: dict[str, None] = {}
    telling: dict[str, None] = {}
    surnames: dict[str, None] = {}
    characters: dict[str, None] = {}
    for span in found:
        name = re.sub(r"\s", "", text[span.start : span.end])
        if span.category != "NAME" or not re.fullmatch(rf"(?:{HAN}|{DOT}){{2,24}}", name):
            continue
        length = surname_length(name, 0)
        given = name[length:]
        if not lexicon.plain(name):
            wanted[name] = None
        if re.search(DOT, name):
            parts = [part for part in re.split(DOT, name) if 2 < len(part) < len(name)]
            wanted.update(dict.fromkeys(parts))
            continue
        if len(given) == 2 and len(name) > 2 and not (lexicon.plain(given) or lexicon.plain(name)):
            wanted[given] = None
        elif len(given) == 2 and len(name) > 2 and given not in lexicon.words:
            telling[given] = None
        if length and 1 <= len(given) <= 2 and span.score >= _SURE:
            surnames[name[:length]] = None
            characters.update(dict.fromkeys(given))
    return wanted, telling, surnames, characters


_ROLE_BEFORE = re.compile(rf"(?:{ROLE}|{KIN}|{TITLE.pattern})[: ]?$")
_HEAD_BEFORE = re.compile(r"(?:^|[\n。;:] ?|\d[.、] ?)$")
_NO_SURNAME = GRAMMAR | frozenset(
    "和叫找系请嘱称说的不未无已将把跟其小老阿看送呈接问陪见带让请领替代帮"
)


def _with_surname(text: str, found: Sequence[PhiSpan]) -> Iterator[tuple[int, int]]:
    """Given names with the surname that was taken for another word: 医生单|卫, 妻子后|秀琴; or with
    one that no list has, where a role stands before and nothing behind: 医师忒|召草."""
    for span in found:
        start, end = span.start, span.end
        if span.category != "NAME" or end - start > 2 or not start or end > len(text):
            continue
        if not re.fullmatch(rf"{HAN}{{1,3}}", text[start - 1 : end]):
            continue
        if text[start - 1] in _NO_SURNAME or meet(text[start - 1 : start + 1]) > 1:
            continue
        role = _ROLE_BEFORE.search(text, max(0, start - 8), start - 1)
        head = _HEAD_BEFORE.search(text, max(0, start - 4), start - 1)
        listed = surname_length(text, start - 1) == 1
        whole = ends_here(text, end) or text[start:end] in chinese().given_names
        odd = end - start == 1 and head and not meet(text[start - 1 : start + 1])  # :糜|芳
        if (role or head) and (listed or odd or (end - start == 2 and whole)):
            yield start - 1, end


def _in_a_row(text: str, found: Sequence[PhiSpan]) -> Iterator[tuple[int, int]]:
    """羊珺 in 核对:武昕妍、羊珺,条码: what is made like a name and stands beside one in a list."""
    for span in found:
        if span.category != "NAME" or not 1 < span.end - span.start < 5:
            continue
        match = _ROW.match(text, span.end)
        if match and surname_length(text, match.start("v")):
            word = match["v"]
            if not (stop(word) or chinese().plain(word) or TITLE.search(word, 1)):
                yield match.span("v")


def _by_surname(text: str, surnames: Sequence[str] | dict[str, None]) -> Iterator[tuple[int, int]]:
    """老方, 小金, 于副主任 where somebody is called 方, 金 or 于."""
    if not surnames:
        return
    listed = "|".join(surnames)
    lexicon = chinese()
    for match in re.finditer(rf"[老小](?P<v>{listed})", text):
        start, end = match.span("v")
        if match[0] in _MEASURES or _GOES_ON.match(text, end):
            continue
        if lexicon.starts_word(text, start) or in_word(text, match.start(), end):
            continue
        if not straddled(text, match.start(), end):
            yield start, end
    for match in re.finditer(rf"(?P<v>{listed}) ?(?={TITLE.pattern})", text):
        title = TITLE.match(text, match.end())
        spoken = title and _ASKS.match(text, title.end()) and match["v"] in "向于从由对"
        if not spoken and not in_word(text, match.start(), match.end()):
            yield match.span("v")


def _by_telling(text: str, given: Sequence[str] | dict[str, None]) -> Iterator[tuple[int, int]]:
    """春梅 and 建国, words too, where they stand alone before what people do."""
    for word in given:
        for match in re.finditer(rf"(?<!{HAN}){word}", text):
            if NEXT.match(text, match.end()):
                yield match.span()


def _by_given(text: str, given: Sequence[str] | dict[str, None]) -> Iterator[tuple[int, int]]:
    """阿珠 and 珠珠 where somebody is called 美珠."""
    if not given:
        return
    lexicon = chinese()
    for match in re.finditer(rf"阿[{''.join(given)}]|([{''.join(given)}])\1", text):
        plain = lexicon.plain(match[0]) or in_word(text, *match.span())
        if not plain and not lexicon.starts_word(text, match.start()):
            yield match.span()
