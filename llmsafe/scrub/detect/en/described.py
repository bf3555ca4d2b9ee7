"""People by their whole name and what only a person has or does, though both words be ordinary.

"Ambrose Weeks is a 67-y/o man", "Marigold Carpenter complains of", "her identity (Jade Evans)",
"Social worker Bud Richter", "BEST, SUE" on top of a note, "RN, 9:48 PM" under one: no list tells
that these are names; the sentence does.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.hints import TRADE_WORDS
from llmsafe.scrub.detect.en.names import CLINICAL_NEXT, RELATIVE_WORDS
from llmsafe.scrub.detect.en.vocabulary import is_eponym, is_product
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

_CAP = r"[A-Z](?:[a-z'’-]|[A-Z]){1,20}"
_WHOLE = rf"(?P<first>{_CAP})(?: [A-Z]\.?)? (?P<last>{_CAP})"
_BEFORE = re.compile(rf"(?<![\w.'’-])(?P<n>{_WHOLE}) (?i:also |additionally |still |now )?\Z")
# Months and days are of a child: a cure may last as long.
_IS_AGED = re.compile(
    r"(?:is|IS|was|WAS) (?i:an? |the )?\d{1,3}(?i:[ -]?(?:y/?o\b|yrs?\b|years?[ -]?old)"
    r"|[ -](?:months?|days?|weeks?)[ -]old|[ -]?years? (?:male|female|man|woman))"
)
_IS = frozenset(("is", "IS", "was", "WAS"))
_DOES = word_set("denies denied complains complained admits admitted endorses states")
_SEEN = re.compile(r"(?i)is seen (?:w/|with|for|in|by|today|at)(?!\w)")
_IDENTITY = re.compile(rf"(?i:identity) \((?P<n>{_WHOLE})\)")
_TRADE = "worker|manager|planner|coordinator|navigator|counselor|chaplain|interpreter|dietitian|therapist|pharmacist|sitter"
_TRADED = re.compile(rf"(?i:{_TRADE}) (?P<n>{_WHOLE})(?![\w-])")
_IDENTITIES = word_set("identity identities")
_TRADES = word_set(_TRADE.replace("|", " "))
_HEADER = re.compile(
    r"(?m)^[ \t]*(?P<n>(?P<last>[A-Z][A-Za-z'’-]{1,20}), (?P<first>[A-Z][A-Za-z'’-]{1,20})(?: [A-Z]\.?)?)[ \t]*$"
)
_TOP = 160  # characters in which the patient is named
# Under a telephone note: the initials of who wrote it, which a credential may be.
_SIGNS_OFF = re.compile(
    r"(?:^|\n)[ \t~-]{0,3}(?P<n>[A-Z]{2,3}), (?:\d{1,2}/\d{1,2}(?:/\d{2,4})?,? )?(?:0?\d|1\d|2[0-3]):[0-5]\d ?(?:[AaPp]\.?[Mm]\.?)?\s*(?=\n|\Z)"
)
_RECEIVED = re.compile(
    r"(?i:call|message|fax|voicemail|request)s? (?i:received|taken)[^\n]{0,40}? by (?P<n>[A-Z]{2,3})(?= (?i:re|regarding)\b)"
)
_CALLS = word_set("call calls message messages fax faxes voicemail request requests")
_NOBODY = word_set(
    "patient patients pt pts baby boy girl infant newborn child male female man woman he she it this"
    " that the who mr mrs ms miss dr also additionally still now today currently again never further"
    " history review systems complaint illness she's he's"
).union(RELATIVE_WORDS, TRADE_WORDS)
# What is done or measured at an hour.
_ORDERED = word_set(
    "CT MR MRI INR EKG ECG EEG NPO CXR US XR BP HR RR ABG VBG CBC BMP CMP PT OT PTT DC ED ER OR ICU IV PO AM PM MD"
)
# As first names these are verbs elsewhere: "Therapist will evaluate", "Interpreter may be".
_VERBS = word_set(
    "will may can must might mark chase grant pat art faith grace joy hope rob sue bill drew"
)
_PLAN = re.compile(
    r"(?i:covered|insured|insurance|payer|coverage)(?: (?i:through|by|under|with|is)|:)? (?P<v>(?:[A-Z][A-Za-z]+ ){1,3}(?:PPO|HMO|EPO))\b"
)
_PLANS = word_set("covered insured insurance payer coverage")


def find_described(text: str) -> Iterator[PhiSpan]:
    """First and last name before an age, before what people say of themselves, behind a trade or in
    brackets behind "identity"; "Last, First" alone on a line at the top; initials that sign off."""
    note = outline(text)
    for place in note.exact(_IS):
        aged = _IS_AGED.match(text, place) is not None
        if aged or _SEEN.match(text, place):
            yield from _named(text, place, listed=not aged)
    for place in note.places(_DOES):
        yield from _named(text, place, listed=True)
    for pattern, words in ((_IDENTITY, _IDENTITIES), (_TRADED, _TRADES)):
        for match in find_at(pattern, text, note.places(words)):
            clear = match["first"].lower() not in _VERBS or match["last"].lower() in english().last
            if clear and _is_person(match, listed=True) and not _goes_on(text, match):
                yield PhiSpan(*match.span("n"), "NAME", 0.7)
    for match in _HEADER.finditer(text, 0, min(len(text), 2 * _TOP)):
        if match.start() < _TOP and _is_person(match, listed=True):
            yield PhiSpan(*match.span("n"), "NAME", 0.7)
    tail = len(text.rstrip())
    for match in _SIGNS_OFF.finditer(text, max(0, tail - 24)):
        if match["n"] not in _ORDERED:
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
    for match in find_at(_RECEIVED, text, note.places(_CALLS)):
        yield PhiSpan(*match.span("n"), "NAME", 0.6)


def find_plans(text: str) -> Iterator[PhiSpan]:
    """The plan that covers somebody: "covered through Beechcroft Care PPO"."""
    for match in find_at(_PLAN, text, outline(text).places(_PLANS)):
        yield PhiSpan(*match.span("v"), "ORGANIZATION", 0.6)


def _named(text: str, place: int, *, listed: bool) -> Iterator[PhiSpan]:
    """The whole name that ends right before ``place``."""
    match = _BEFORE.search(text, max(0, place - 60), place)
    if match is None or not _is_person(match, listed=listed):
        return
    first, last = match["first"].lower(), match["last"].lower()
    ordinary = listed and last in english().words and last not in english().last
    if not (
        ordinary or is_product(first) or (listed and is_eponym(first))
    ):  # Van Driver, Baker Cyst
        yield PhiSpan(*match.span("n"), "NAME", 0.75)


def _goes_on(text: str, match: re.Match[str]) -> bool:
    return CLINICAL_NEXT.match(text, match.end("n")) is not None


def _is_person(match: re.Match[str], *, listed: bool) -> bool:
    """Whether two words can be first and last name; ``listed``: people must be called by the first."""
    first, last = match["first"].lower(), match["last"].lower()
    lexicon = english()
    if {first, last} & _NOBODY:
        return False
    if first in _VERBS and match["first"].isupper() and last not in lexicon.last:
        return False  # THERAPIST WILL EVALUATE
    called = first in lexicon.first or first in lexicon.everyday
    return called or (not listed and not lexicon.plain(first))
