"""Tables: what a column holds is said once, above it.

Rows are cut at bars, tabs, semicolons or, in lines that have neither, at gaps of two spaces or more;
a row of words of which two or more are known as headings says what stands below them.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_name, is_other
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set

_SIGNS = ("|", "\t", ";")
_GAP = re.compile(r"[ ]{2,}")
_KINDS: Mapping[str, frozenset[str]] = {
    "PERSON": word_set(
        "name patient pt names attending provider surgeon nurse staff who physician doctor dr md rn np"
        " resident contact caregiver student child resp client consultant technician reader assistant"
        " scrub circ circulator anesthesia member sibling parent guardian relative donor recipient"
        " operator crew medic inmate worker employee teacher counselor therapist responsible person"
    ),
    "WHO": word_set(
        "by init inits initials initial sig signed signature given tech witness verified checked"
    ),
    "DATE": word_set(
        "date dates dob born birthdate dos day when seen due next last visit visits admit admitted dc"
        " discharged out in placed read collected coll received rec'd reported given drawn started start"
        " stop stopped end onset returned expires exp opened appt appointment review sent"
    ),
    "AGE": word_set("age ages"),
    "PLACE": word_set("village city town county address street zip residence home"),
    "PHONE": word_set("phone ph tel telephone mobile cell pager"),
    "NUMBER": word_set("mrn mr chart serial sn s/n account acct id member policy ssn badge"),
    "THING": word_set(
        "drug med medication medications scale score scales test tests tool instrument item procedure dx diagnosis"
        " vaccine organism antibiotic analyte device lead measure stain marker gene"
    ),
    "OTHER": word_set(
        "time hr bp map rr temp spo2 dose route freq result ref range flag unit units bed room sex op size qty code"
        " status note notes comments comment reason cpt icd amt fee tooth cut value inr wk wt weight height tag no # emp"
        " lot site class grade dept rate mode specimen charge type level reading action plan area location ward service"
        " lab priority order mm last max min"
    ),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
HEAD_WORDS = frozenset().union(
    *(words for kind, words in _KINDS.items() if kind not in ("OTHER", "NUMBER", "AGE"))
)
_WORD = re.compile(r"[A-Za-z#][\w'/]*")
# A month and a day, or a year too; further days of the same month.
_DAY = re.compile(
    r"(?<![\d/.-])(?:0?[1-9]|1[0-2]|[12]\d|3[01])[/.-](?:0?[1-9]|[12]\d|3[01])(?:[/.-](?:\d{4}|\d{2}))?(?![\d/.-])"
)
_FURTHER = re.compile(r"(?<=, )(?:[12]?\d|3[01])(?=,|\s*\Z)")
_MONTHLY = re.compile(r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d")
_NAME = re.compile(r"[^\W\d_][\w'’.-]{1,20}(?:,? [^\W\d_][\w'’.-]{0,20}){0,3}")
_SIGNED = re.compile(r"(?:[A-Z]{2,3}|[a-z]{2,3})(?:/(?:[A-Z]{2,3}|[a-z]{2,3}))*")
_CODE = re.compile(r"[A-Z0-9]{1,8}(?:-?[A-Z0-9]{2,12}){0,3}")
_OLD = re.compile(r"(?:9\d|1[01]\d)(?![\w.])")
_NOBODY = word_set(
    "none no yes na n/a same spare empty vacant lost tbd unknown self pt patient mom dad nurse staff rn md np pa lpn"
    " cna np ma rt pt ot am pm ok neg pos wnl nkda prn po iv im sq bid tid qid ns lr see me we us or ed er icu lab or"
    " new old ref refused pending sent done left right home open closed on off nil void total tot held na declined team"
    " day night eve float agency other in out"
)

Cell = tuple[int, int]


def find_cells(text: str) -> Iterator[PhiSpan]:
    """Names, initials and dates in the columns whose heading says so."""
    for cell, kind in _tables(text):
        yield from _cell(text, cell, kind)


def things(text: str) -> list[Cell]:
    """Cells of columns whose heading says that no person stands there: a scale, a drug."""
    return [cell for cell, kind in _tables(text) if kind == "THING"]


@lru_cache(maxsize=2)
def _tables(text: str) -> tuple[tuple[Cell, str], ...]:
    """The cells below or beside a heading that tells what they are."""
    if not ("   " in text or any(text.count(sign) > 1 for sign in _SIGNS)):
        return ()
    found: list[tuple[Cell, str]] = []
    done = -1
    for place in outline(text).places(HEAD_WORDS):
        if place < done:
            continue
        start = text.rfind("\n", 0, place) + 1
        done = _line_end(text, place)
        cells, sign = _cells(text, start, done)
        kinds = _heads(text, cells) if len(cells) > 1 else None
        if kinds is None:
            found += _beside(text, cells)
            continue
        found += [(cell, "THING") for cell in cells]
        while done < len(text):
            start, end = done + 1, _line_end(text, done + 1)
            cells, cut = _cells(text, start, end)
            rule = text.startswith(("|--", "---"), start) or start == end
            if not rule and (cut != sign or not 1 < len(cells) <= len(kinds) + 1):
                break
            found += _beside(text, cells) if len(cells) == 2 else ()
            found += [(c, k) for c, k in zip(cells, kinds, strict=False) if k and c[0] < c[1]]
            done = end
    return tuple(found)


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _cells(text: str, start: int, end: int) -> tuple[list[Cell], str | None]:
    """The cells of a line, and what parts them."""
    for sign in _SIGNS:
        if text.count(sign, start, end) >= 2:
            places = [start - 1]
            place = text.find(sign, start, end)
            while place >= 0:
                places.append(place)
                place = text.find(sign, place + 1, end)
            places.append(end)
            cells = [(a + 1, b) for a, b in pairwise(places)]
            if sign == "|" and not text[cells[0][0] : cells[0][1]].strip():
                cells = cells[1:]
            return [_strip(text, *cell) for cell in cells], sign
    gaps = list(_GAP.finditer(text, start, end))
    if len(gaps) < 2:
        return [], None
    borders = [start, *(place for gap in gaps for place in gap.span()), end]
    cells = list(zip(borders[::2], borders[1::2], strict=True))
    return [cell for cell in cells if cell[0] < cell[1]], "  "


def _strip(text: str, start: int, end: int) -> Cell:
    while start < end and text[start] in " \t":
        start += 1
    while end > start and text[end - 1] in " \t":
        end -= 1
    return start, end


def _heads(text: str, cells: list[Cell]) -> list[str | None] | None:
    """The kind of each column, where the cells are headings."""
    kinds: list[str | None] = []
    known = told = 0
    for start, end in cells:
        words = [word.lower().strip(".'") for word in _WORD.findall(text, start, end)]
        if end - start > 24 or len(words) > 4 or ":" in text[start : end - 1]:
            return None  # labels with what they are for
        kind = next((_KIND_OF[word] for word in reversed(words) if word in _KIND_OF), None)
        first = next((_KIND_OF[word] for word in words if word in _KIND_OF), None)
        kind = (
            first
            if first in ("DATE", "PERSON") and kind in ("DATE", "OTHER", "NUMBER", "AGE")
            else kind
        )
        if first == "PERSON" and "id" in words:
            kind = "NUMBER"
        if kind is None and any(
            len(w) > 2 and is_name(w) and not is_other(w) and w not in english().words
            for w in words
        ):
            return None  # a row of names
        known += kind is not None
        told += kind not in ("OTHER", "NUMBER", "AGE", None)
        kinds.append(kind if kind != "OTHER" else None)
    filled = sum(start < end for start, end in cells)
    if any(not any(map(str.isalpha, text[a:b])) for a, b in cells if a < b and text[a:b] != "#"):
        return None  # a number or a sign
    return kinds if told and known >= 2 and 2 * known >= filled else None


def _beside(text: str, cells: list[Cell]) -> Iterator[tuple[Cell, str]]:
    """The cells to the right of a heading: surgeon, then who it was."""
    for left, right in pairwise(cells):
        heading = text[slice(*left)].lower().rstrip(".:")
        found = text[slice(*right)]
        if _KIND_OF.get(heading) == "PERSON" and found and found.lower().split()[0] not in _KIND_OF:
            yield right, "BESIDE"


def _cell(text: str, cell: Cell, kind: str) -> Iterator[PhiSpan]:
    start, end = cell
    found = text[start:end]
    if not found or end - start > 60:
        return
    match kind:
        case "DATE":
            for match in _DAY.finditer(text, start, end):
                yield PhiSpan(*match.span(), "DATE", 0.7)
            if _MONTHLY.search(text, start, end):
                for match in _FURTHER.finditer(text, start, end):
                    yield PhiSpan(*match.span(), "DATE", 0.7)
        case "PERSON" | "WHO" | "BESIDE":
            if (
                kind != "BESIDE"
                and _SIGNED.fullmatch(found)
                and not any(w in _NOBODY for w in found.lower().split("/"))
            ):
                place = start
                for part in found.split("/"):
                    yield PhiSpan(place, place + len(part), "NAME", 0.7)
                    place += len(part) + 1
            elif _NAME.fullmatch(found) and _is_somebody(found):
                yield PhiSpan(start, end, "NAME", 0.8)
        case "AGE" if match := _OLD.match(text, start, end):
            yield PhiSpan(*match.span(), "AGE", 0.8)
        case "PHONE" if sum(map(str.isdigit, found)) > 6 and not any(map(str.isalpha, found)):
            yield PhiSpan(start, end, "PHONE", 0.9)
        case "NUMBER" if _CODE.fullmatch(found) and sum(map(str.isdigit, found)) > 3:
            yield PhiSpan(start, end, "OTHER_ID", 0.6)
        case "PLACE":
            words = _WORD.findall(found)
            strange = words and words[0][0].isupper() and not is_other(words[0].lower())
            if strange and _NAME.fullmatch(found) and words[0].lower() not in _NOBODY:
                yield PhiSpan(start, end, "LOCATION", 0.6)
        case _:
            pass


def _is_somebody(found: str) -> bool:
    """Whether a cell of names holds one rather than a remark."""
    words = [
        word.lower().strip(".") for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*\.?", found)
    ]
    if not words or not found[0].isupper() or words[0] in _NOBODY:
        return False
    small = [word for word in found.split() if word[0].islower()]
    if any(is_other(word.strip(".,").lower()) for word in small):
        return False
    return any(not is_other(word) for word in words if len(word) > 1)
