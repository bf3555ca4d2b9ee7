"""Names of people by the lists of given and family names, and pairs of words that no list knows.

What stands beside a name counts little here; :mod:`.names` finds those.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.dates import MONTHS
from llmsafe.scrub.detect.en.eponyms import is_pair, phrases
from llmsafe.scrub.detect.en.names import ALL, CAP, CLINICAL_NEXT, INITIAL, PARTICLE, PIECE, end_of
from llmsafe.scrub.detect.en.vocabulary import is_other, is_thing
from llmsafe.scrub.detect.lexicon import Lexicon, english
from llmsafe.scrub.detect.outline import outline
from llmsafe.scrub.detect.windows import find_at, find_in, windows

_REVERSED = re.compile(
    rf"(?<![\w,] )(?<!\w)(?P<last>{CAP}|{ALL}),[ ]{{0,2}}\n?[ ]?(?P<first>{CAP}|{ALL})(?P<mid>[ ](?:[A-Z]\.?(?!\w)|{CAP}))?"
)
_RUN = re.compile(
    rf"(?<![\w'’.@/-])(?:{CAP}|{ALL}|{INITIAL})(?:(?:[ ]{{1,2}}|[ ]?\n[ ]?|(?<=\.)){PARTICLE}?(?:{CAP}|{ALL}|{INITIAL})){{0,4}}"
)
_UNIT = re.compile(r"\d ?\Z")
_GRADE = re.compile(
    r"(?i)\b(?:grade|class|type|stage|group|hepatitis|vitamin|influenza|flu|protein|factor|part|level|child|strep)\s\Z"
)
_SIDE = re.compile(r"[a-z]{3} \Z")
_PRODUCT = re.compile(r"[A-Z][a-z]{3,}[A-Z][a-z]")  # VerteFill, but MacLeod and DeVries
_COMMA = re.compile(r",[ ]{0,2}\n?[ ]?[A-Z]")
_HEADER = re.compile(r"[ ,]{1,4}(?:MRN|DOB|Unit|Acct)\b", re.IGNORECASE)


def find_reversed(text: str) -> Iterator[PhiSpan]:
    """ "Last, First M." when the word list knows one of them and neither is ordinary."""
    lexicon = english()
    # Around the comma; before it the longest family name.
    for match in find_in(_REVERSED, text, windows(text, _COMMA, 240, 500)):
        last, first = match["last"].lower(), match["first"].lower()
        parts = last.split("-")
        known_last = any(part in lexicon.last for part in parts)
        known_first = first in lexicon.first
        if {first, last} & MONTH_WORDS or text[match.start() - 1 : match.start()] == "&":
            continue  # A&Ox3
        if any(w in lexicon.words and w not in lexicon.everyday for w in (first, last)):
            continue
        both_plain = lexicon.plain(last) and lexicon.plain(first)
        sure_last = known_last and not lexicon.plain(last) and last not in lexicon.eponyms
        odd_first = not lexicon.plain(first) and first not in lexicon.eponyms and len(first) > 2
        odd_first = odd_first or (first in lexicon.everyday and bool(match["mid"]))
        header = match["mid"] or _HEADER.match(text, match.end())
        if (
            (known_first and (known_last or not lexicon.plain(last)) and not both_plain)
            or (sure_last and odd_first)
            or (both_plain and known_first and header)
            or _shouted(text, match)
        ):
            end = match.end()
            if match["mid"] and len(match["mid"].strip(" .")) > 1:
                middle = match["mid"].strip().lower()
                if middle not in lexicon.first and middle not in lexicon.last:
                    end = match.end("first")
            yield PhiSpan(match.start(), end, "NAME", 0.85)


def _shouted(text: str, match: re.Match[str]) -> bool:
    """Whether it is two strange words in capitals in a line that has small letters, and no more in a
    row: "Pre-op: SZABO, PIROSKA"."""
    last, first = match["last"], match["first"]
    if not (last.isupper() and first.isupper() and min(len(last), len(first)) > 3):
        return False
    if any(set("AEIOUY").isdisjoint(word) for word in (last, first)):
        return False  # LDDST, ACTH
    if text.startswith(",", match.end("first")) or any(
        map(is_other, (last.lower(), first.lower()))
    ):
        return False
    start = text.rfind("\n", 0, match.start()) + 1
    return any(map(str.islower, text[start : match.start()] + text[match.end() : match.end() + 60]))


# What people do in notes: "Elmer has viral gastroenteritis", "Kayla is being treated".
_ACTS = re.compile(
    r" (?:also |additionally )?(?:is|was|has|had|will|came|says|said|feels|felt|lives|lived|denies"
    r"|denied|admits|admitted|reports|reported|complains|complained|states|stated|mentions|mentioned"
    r"|presents|presented)\b"
)


def find_listed(text: str) -> Iterator[PhiSpan]:
    """Runs of capitalised words that the lists of given and family names know."""
    lexicon = english()
    for run in find_at(_RUN, text, outline(text).capitals):
        pieces = list(PIECE.finditer(text, run.start(), run.end()))
        kinds = "".join([_kind(piece[0].lower().rstrip("."), piece[0]) for piece in pieces])
        if _NAMED.isdisjoint(kinds):
            continue
        position = 0
        while position < len(pieces):
            length, score = _name_at(pieces, kinds, position, lexicon, text)
            if length:
                start, end = pieces[position].start(), pieces[position + length - 1].end()
                following = pieces[position + length : position + length + 1]
                ends = [end, *(piece.end() for piece in following)]  # "Lou Gehrig's disease"
                if kinds[position] in "FB" and _ACTS.match(text, end):
                    score = max(score, 0.85)  # so that nobody is asked whether it is an eponym
                if not any(CLINICAL_NEXT.match(text, at) for at in ends):
                    yield PhiSpan(start, end_of(text, end), "NAME", score)
                position += length
            else:
                position += 1


def _name_at(
    pieces: list[re.Match[str]], kinds: str, at: int, lexicon: Lexicon, text: str
) -> tuple[int, float]:
    """How many pieces from ``at`` on, of these kinds, are a name, and how sure that is; (0, 0) if
    none."""
    start = pieces[at].start()
    word = pieces[at][0].lower().rstrip(".")
    if len(word) == 1 and _GRADE.search(text[max(0, start - 12) : start]):
        return 0, 0.0  # LA grade A. Schatzki
    if word in ("c", "f", "l") and _UNIT.search(text[max(0, start - 2) : start]):
        return 0, 0.0  # degrees and litres
    shape = kinds[at : at + 4]
    first_upper = pieces[at][0].isupper() and len(word) > 1
    for pattern, score in _SHAPES_UPPER if first_upper else _SHAPES:
        if match := pattern.match(shape):
            both = " ".join(piece[0].lower().rstrip(".") for piece in pieces[at : at + 2])
            side = word in ("l", "r") and kinds[at + 1 : at + 2] == "e"
            if side and _SIDE.search(text[max(0, start - 12) : start]):
                return 0, 0.0  # the clips are on the left, and a Foley is in
            if kinds[at] == "e" and len(match[0]) == 2 and pieces[at + 1][0].isalpha():
                return 0, 0.0  # Fanconi C; but Smith J., as people are written
            if is_pair(both, text, start, pieces[min(at + 1, len(pieces) - 1)].end()):
                return 0, 0.0
            return len(match[0]), score
    if (
        shape[:1] in "FL"
        and shape[:1]
        and not first_upper
        and _lonely(pieces[at], text, word, lexicon)
    ):
        return 1, 0.6
    return 0, 0.0


# One letter per word: F given name, f given name that is an everyday word, L family name, l family
# name that is an everyday word, e family name that is an eponym, B both, b both and everyday,
# I initial, U unknown, N not a name.
_NAMED = frozenset("FfLleBb")  # each of the shapes has one of them
_SHAPES = tuple(
    (re.compile(pattern), score)
    for pattern, score in (
        (r"[FB][IFBfbU]?[LBlbe]", 0.92),
        (r"[FB]I?I[LBlbeU]", 0.9),
        (r"[FB][FBfb]U", 0.8),
        (r"[fb][IFB]?[LBe]", 0.85),
        (r"UI[LBle]", 0.7),
        (r"[FB]I", 0.85),
        (r"[FB][UF]", 0.85),
        (r"II?[LBe]", 0.85),
        (r"[LBe]I(?![A-Za-z])", 0.8),
        (r"[fb]I[lbU]", 0.8),
        (r"U[LB](?!N)", 0.7),
        (r"[fb][lb]", 0.6),
        (r"[FB]l", 0.85),
        (r"lI?L", 0.6),
        (r"[fb]I(?![A-Za-z])", 0.6),
    )
)
_SHAPES_UPPER = tuple(
    (re.compile(pattern), score)
    for pattern, score in (
        (r"[FB][IFB]?[LBe]", 0.85),
        (r"[LBe][FB]", 0.7),
        (r"[FB][lbU]", 0.6),
        (r"[fb]I?[LB]", 0.7),
        (r"[fbl]I[lbLB]", 0.7),
        (r"[FB]I[lbLBe]", 0.8),
    )
)


@lru_cache(maxsize=20_000)
def _kind(word: str, written: str) -> str:
    lexicon = english()
    if len(word) == 1:
        return "I"
    if "-" in word:
        return _double(word.split("-"), lexicon)
    if word.replace("'", "").replace("’", "") in lexicon.last:
        word = word.replace("'", "").replace("’", "")
    first, last = word in lexicon.first, word in lexicon.last
    ordinary = lexicon.plain(word) or word in MONTH_WORDS
    if word in MONTH_WORDS and not (first or last):
        return "N"
    if first and last:
        return "b" if ordinary else "B"
    if first:
        return "f" if ordinary else "F"
    if word in lexicon.eponyms and not ordinary:
        return "e"
    if last:
        return "l" if ordinary else "L"
    if word in lexicon.everyday:
        return "l"
    unknown = not ordinary and not written.isupper()
    return "U" if unknown and len(word) > 2 else "N"


def _double(halves: list[str], lexicon: Lexicon) -> str:
    """The kind of a hyphenated word: "Mallory-Weiss" is an eponym, "Garcia-Lopez" a family name."""
    listed = [half in lexicon.last or half in lexicon.first for half in halves]
    listed = [a and half not in lexicon.everyday for a, half in zip(listed, halves, strict=True)]
    strange = [half not in lexicon.words and len(half) > 1 for half in halves]
    if not any(listed) or not all(a or b for a, b in zip(listed, strange, strict=True)):
        return "N"
    if any(half in lexicon.eponyms for half in halves):
        return "e"
    return "N" if all(lexicon.plain(half) for half in halves) else "L"


MONTH_WORDS = frozenset(
    [
        *MONTHS,
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ]
)


def _lonely(piece: re.Match[str], text: str, word: str, lexicon: Lexicon) -> bool:
    """Whether a lone listed name is one: no eponym, no part of a place or a product."""
    if word in lexicon.eponyms or is_pair(word, text, *piece.span()) or len(word) < 3:
        return False
    after = text[piece.end() : piece.end() + 2]
    before = text[max(0, piece.start() - 1) : piece.start()]
    left = _LEFT_WORD.search(text, max(0, piece.start() - 16), piece.start())
    right = _RIGHT_WORD.match(text, piece.end())
    if right and is_pair(f"{word} {right[1].lower()}", text, piece.start(), right.end()):
        return False
    if _CITED.match(text, piece.end()) or (left and f"{left[1].lower()} {word}" in phrases()):
        return False
    return not after.startswith(("-", "®", "™")) and before not in ("-", "/")


# "McDonald 2017 criteria met": the year of a paper.
_CITED = re.compile(
    r" (?:19|20)\d\d (?:criteria|met|positive|negative|classification|guidelines?|revision)\b"
)
_RIGHT_WORD = re.compile(r"[ -]([A-Z][a-z]+)\b")
_LEFT_WORD = re.compile(r"\b([A-Z][a-z]+)[ -]\Z")
_UNKNOWN_PAIR = re.compile(rf"(?<![\w.'’-])(?P<a>{CAP})[ ](?:[A-Z]\.? )?(?P<b>{CAP})(?![\w-])")

_NUMBERED = re.compile(r"[A-Z][a-z'’]+\d{1,3}")
_ARTICLE = re.compile(r"(?i)\b(?:the|an?|with|using|and)\s$")
# A word with a capital and another behind it.
_BEFORE_CAPITAL = re.compile(r"[A-Z](?<![\w.'’-][A-Z])[\w'’-]*(?= [A-Z])")


def find_unknown(text: str) -> Iterator[PhiSpan]:
    """Two capitalised words in a row that no list knows, or that carry digits ("Marine542 Ai120")."""
    for match in find_at(_UNKNOWN_PAIR, text, [m.start() for m in _BEFORE_CAPITAL.finditer(text)]):
        words = match["a"], match["b"]
        if all(_NUMBERED.fullmatch(word) for word in words):
            yield PhiSpan(*match.span(), "NAME", 0.8)
        elif (
            all(_kind(word.lower(), word) == "U" for word in words)
            and not any(_PRODUCT.match(word) or is_thing(word.lower()) for word in words)
            and not _ARTICLE.search(text[max(0, match.start() - 8) : match.start()])
            and not CLINICAL_NEXT.match(text, match.end())
        ):
            yield PhiSpan(*match.span(), "NAME", 0.5)
