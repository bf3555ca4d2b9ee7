"""Staff in the cells of a table: a surname alone, a name, a word, below 签名 or at the end of rows.

    日期时间|观察与处置|签名
    4/6 22:10|胃管脱出, 已重置|莎
    4/7 06:00|空腹血糖5.9|邝敏/常乐

What heads the column tells that somebody signs there; so do times at the head of rows that end in
the same few short words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words
from llmsafe.scrub.detect.zh.reading import (
    HAN,
    ambiguous,
    meet,
    name_span,
    stop,
    surname_length,
)
from llmsafe.scrub.detect.zh.roles import TITLE

_STAFF = re.compile(
    r"(?:责任|值班|执行|巡[视回]|记录|核对|操作|接班|交班|主管|经治|管床|手术|麻醉|上机|下机|采集|发药|审核|报告)*"
    r"(?:护士|医师|医生|药师|技师|者|人|人员|员|签名|签字|签章|签|护理)[12一二]?"
)
_TIME = re.compile(
    r"[ \t|]*(?:(?:\d{4}[-/.])?\d{1,2}[-/.]\d{1,2}|(?:\d{1,2}[-/]\d{1,2} ?)?\d{1,2}:\d\d)"
)
_CELL = re.compile(r"[^|\n]*")
_PERSON = re.compile(rf"{HAN}{{1,4}}|{HAN}(?:[ \t]{{1,2}}{HAN}){{1,2}}")
_BETWEEN = re.compile(r"[ \t]*(?:/|、|→|->|,)[ \t]*")
_NOBODY = split_words(
    "无 未 是 否 有 好 差 可 稳 平 平稳 正常 良好 完成 同前 同上 略 已 待 见 阴性 阳性 通畅 在位"
)
_FEWEST = 2
"""Rows that the same word must end for it to be a signature."""


def find_cells(text: str) -> Iterator[PhiSpan]:
    """Names in columns that staff sign."""
    if text.count("|") < 4:
        return
    columns: set[int] = set()
    width = 0
    timed: list[tuple[int, int]] = []
    for line in re.finditer(r"[^\n]+", text):
        cells = [m.span() for m in _CELL.finditer(text, *line.span()) if m[0].strip(" \t-:")]
        if len(cells) < 2:
            columns = set()
            continue
        heads = {n for n, span in enumerate(cells) if _STAFF.fullmatch(text[slice(*span)].strip())}
        if heads and len(cells) > 2:
            columns, width = heads, len(cells)
            continue
        if len(cells) == width:
            for column in columns:
                yield from _people(text, *cells[column], signed=True)
        if _TIME.match(text, line.start()) and cells[-1][1] >= line.end() - 2:
            timed.append(cells[-1])
    said = Counter(text[slice(*cell)].strip() for cell in timed)
    for cell in timed:
        if said[text[slice(*cell)].strip()] >= _FEWEST:
            yield from _people(text, *cell, signed=False)


def _people(text: str, start: int, end: int, *, signed: bool) -> Iterator[PhiSpan]:
    """The people in a cell, if there is nothing else in it."""
    found: list[PhiSpan] = []
    at = start + len(text[start:end]) - len(text[start:end].lstrip())
    end = start + len(text[start:end].rstrip())
    while at < end:
        match = _PERSON.match(text, at, end)
        if match is None or not _signs(match[0], signed=signed):
            return
        found.append(name_span(*match.span(), 0.7))
        between = _BETWEEN.match(text, match.end(), end)
        if between is None and match.end() < end:
            return
        at = between.end() if between else end
    yield from found


def _signs(word: str, *, signed: bool) -> bool:
    """Whether a word can be a signature. ``signed``: the head of the column says that it is one."""
    lexicon, word = chinese(), re.sub(r"\s", "", word)
    if word in _NOBODY or stop(word) or TITLE.fullmatch(word) or meet(word) > 1:
        return False
    if len(word) == 1:
        return signed or (word in lexicon.single and not ambiguous(word))
    if signed:
        return word not in lexicon.words or surname_length(word, 0) > 0 or word in lexicon.telling
    return word not in lexicon.words and all(meet(word[i : i + 2]) < 2 for i in range(len(word)))
