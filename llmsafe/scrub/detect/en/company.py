"""What the rest of a note says of a finding: PHI keeps company, and a table says what it lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.eponyms import in_phrase
from llmsafe.scrub.detect.en.measured import is_clone
from llmsafe.scrub.detect.en.tables import things
from llmsafe.scrub.detect.en.vocabulary import is_eponym, is_name, is_other, is_product
from llmsafe.scrub.detect.en.words import after_person, is_workplace, parts_of
from llmsafe.scrub.detect.lexicon import english

# So many of so many lymph nodes: pN1a (1/22).
_NODES = re.compile(r"(?i)\bp?N[0-3x][a-c]?(?:\(\w+\))?\s?[(,:]\s?\Z|\b(?:nodes?|lns?)[ :(]{1,3}\Z")
_SHARE = re.compile(r"(\d{1,2})/(\d{1,2})")
_TOP = 12
_WHEN = re.compile(r"(?i)\b(?:on|since|around|about|by|from|before|after|until|till)\s\Z")
_WORDED = ("NAME", "LOCATION", "ORGANIZATION")
_ASKING = frozenset(("tagger", "listed names", "unknown names", "reversed names", "cities"))
"""Findings that the heading of a column can deny."""
_LONE = ("DEVICE", "VEHICLE", "OTHER_ID", "URL", "BIOMETRIC", "PHONE")
_CALLED = re.compile(r"(?i)\b(?:call|tele?|phone|ph|ext|pager|cb|callback|fax)[.:# ]{1,3}\Z")
_PHRASED = _ASKING | {
    "titled names", "labelled names", "names by trade", "names by what they do", "everyday names",
    "institutions", "firms",
}  # fmt: skip
_DOUBTFUL, _SURE = 0.45, 0.485  # of the tagger: half its chance
_ALONE = 0.3475  # of the tagger; what is less sure counts only among findings of rules
_FAINT = 0.3  # the same for a number or a date: a chance of 0.6
_MANY, _WELL = 3, 0.8  # so many of them, with such a score
_SPREAD = 300  # characters to each of them at most: a long report with three dates is no company
_POINTING = 2  # so many numbers and addresses of somebody are company in a note of any length
_COMMON = frozenset(("NAME", "LOCATION", "ORGANIZATION", "DATE", "AGE"))
_NOTE = 250  # characters
_SUREST = 0.495  # of the tagger, half its chance
_RULED = 0.85  # of a rule that has a list behind it
_UNSURE = frozenset(("tagger", "listed names", "unknown names", "reversed names", "echo", "whole"))
# What makes a lone strange word somebody or somewhere: what people do, where they are, thanks.
_CUE_AFTER = re.compile(
    r"(?i)['’]s\b|,? (?:covering|refus\w+|paged|notified|tolerat\w+|to (?:follow|ct|mri|or|icu)"
    r"|is|was|has|had|will|came|says?|said|feels?|felt|lives?|lived|denies|denied"
    r"|reports?|reported|called|wants?|asks?|asked|went|can|does|did|agrees?|takes?|needs?|here"
    r"|and (?:i|his|her|the)\b)\b"
)
_CUE_BEFORE = re.compile(
    r"(?i)(?:\b(?:dear|hi|hello|hey|thanks|thank you|thx|from|in|at|near|to|by|per|for|of"
    r"|(?:seen|spoke|met|reviewed|discussed|d) ?(?:with|w)/?|under|signed|page|paged|spouse|nurse"
    r"|admit|admitted|dr|mr|mrs|ms|miss|cc|attn|re|regards|sincerely|best|love|am|is|it's|name"
    r"|called|named|employer|facility)[.,:]{0,2}\s+|[-–—~]\s?)\Z"
)


def kept(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """``found`` without names of what a table calls a drug or a scale, names in lists of such,
    parts of phrases that name nobody, and what is only half believed in a note in which nobody has
    found anything else, or believed less still in one in which rules have not found several to a
    page."""
    cells = things(text)
    company = _company(found)
    rules = [span for span in found if span.source != "tagger" and span.score >= _WELL]
    ruled = {span.start for span in rules}
    pointing = {span.start for span in rules if span.category not in _COMMON}
    near = len(ruled) * _SPREAD >= len(text) or len(pointing) >= _POINTING
    among = len(ruled) >= _MANY and near
    # A sentence is too short for want of company to tell anything.
    long = len(text) >= _NOTE
    alone = long and not any(map(_is_sure, found)) and _names(text, found) < 3
    for span in found:
        least = _ALONE if span.category in _WORDED else _FAINT
        if span.source == "tagger" and span.score <= least and not among:
            continue
        called = _CALLED.search(text, max(0, span.start - 12), span.start)
        number = span.category in _LONE and _is_tagged(span, _SURE) and not called
        if number and long and not company:
            continue  # that no rule knows, and nothing else
        if span.category in _WORDED and span.source in _PHRASED and _in_phrase(text, span):
            continue
        if span.category in _WORDED and span.source in _ASKING:
            thing = any(start <= span.start and span.end <= end for start, end in cells)
            listed = span.category == "NAME" and _with_things(text, span)
            lonely = _is_tagged(span, _DOUBTFUL) and not company
            lonely = lonely or (alone and not _is_meant(text, span))
            if thing or listed or lonely:
                continue
        if span.source == "number formats" and is_clone(text, span):
            continue
        if span.category == "DATE" and _NODES.search(text[max(0, span.start - 24) : span.start]):
            continue
        if span.category == "DATE" and _is_tagged(span, _SURE) and _share(text, span):
            dates = (other for other in found if other.category == "DATE")
            if all(_share(text, other) for other in dates):
                continue
        yield span


def _in_phrase(text: str, span: PhiSpan) -> bool:
    working = span.category != "NAME" and is_workplace(text, span)
    return not working and in_phrase(text, span)


def _is_sure(span: PhiSpan) -> bool:
    """Whether it shows that a note holds PHI: what a rule knows by more than one sign."""
    if span.source == "tagger":
        return span.category not in _WORDED and span.score >= _SURE
    if span.source in _UNSURE or span.category == "DATE":
        return span.score >= _RULED
    return True


def _names(text: str, found: Sequence[PhiSpan]) -> int:
    """How many findings of which the tagger has little doubt are made of listed names."""
    sure = (span for span in found if span.category == "NAME" and span.score >= _SUREST)
    return sum(any(map(is_name, parts_of(text[span.start : span.end]))) for span in sure)


def _is_meant(text: str, span: PhiSpan) -> bool:
    """Whether somebody or some place is meant: a word beside it says so; or it is a given name that
    is no word, of which the tagger is sure; or a first and a last name, neither of them known as
    something else: no word but a given name, no product, no eponym."""
    if after_person(text, span) or _CUE_AFTER.match(text, span.end):
        return True
    if _CUE_BEFORE.search(text[max(0, span.start - 24) : span.start]):
        return True
    parts = parts_of(text[span.start : span.end])
    if span.category != "NAME" or not parts:
        return not parts  # spelled letter by letter
    first, last = parts[0], parts[-1]
    lexicon = english()
    if len(parts) == 1:
        given = first in lexicon.first and not (is_other(first) or lexicon.plain(first))
        return given and span.score >= _SUREST
    called = first in lexicon.first or not (is_other(first) or lexicon.plain(first))
    other = is_other(last) or lexicon.plain(last) or last in lexicon.eponyms
    return called and not other and "," not in text[span.start : span.end]


def _is_tagged(span: PhiSpan, below: float) -> bool:
    return span.source == "tagger" and span.score < below


_BREAK = re.compile(r"[.;:]\s|\n|\Z")
_CAPITAL = re.compile(r"[A-Z][a-z]+(?:['’-][A-Za-z]+)*")


def _with_things(text: str, span: PhiSpan) -> bool:
    """Whether it is of a list of three or more short items, in one sentence, with what is nobody:
    "Grover, Sweet, Schamberg"; and nothing says that somebody is meant."""
    low, high = max(0, span.start - 200), min(len(text), span.end + 200)
    beside = "," in text[max(0, span.start - 6) : span.end + 12]
    if not beside or text.count(",", low, high) < 2:
        return False
    start = max((m.end() for m in _BREAK.finditer(text, low, span.start)), default=low)
    end = _BREAK.search(text, span.end, high)
    sentence = text[start : end.start() if end else high]
    items = sentence.split(",")
    if len(items) < 3 or after_person(text, span):
        return False
    first = sentence.count(",", 0, span.start - start)
    last = first + text.count(",", span.start, span.end)
    near = items[max(0, first - 1) : last + 2]
    if any(len(item.split()) > 4 for item in near):
        return False
    words = [word for word in _CAPITAL.findall(sentence) if word not in text[span.start : span.end]]
    inside = _CAPITAL.findall(text, span.start, span.end)
    number = sum(_is_thing(re.sub(r"['’]s$", "", word.lower())) for word in (*words, *inside))
    return number > 1 or (number == 1 and len(words) < 3)


def _is_thing(word: str) -> bool:
    return any(is_product(part) or is_eponym(part) for part in (word, *word.split("-")))


def _share(text: str, span: PhiSpan) -> bool:
    """Whether it is written like a score: 6/8, 3/3."""
    match = _SHARE.fullmatch(text, span.start, span.end)
    if _WHEN.search(text[max(0, span.start - 10) : span.start]):
        return False
    return match is not None and int(match[1]) <= int(match[2]) <= _TOP


def _company(found: Sequence[PhiSpan]) -> bool:
    return any(other.source != "tagger" or other.score >= _SURE for other in found)
