"""What a word before or behind gives away: whom a service has sent, the day of an operation, rows of
days and values, codes and handles of accounts, a room in a building."""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_other
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

CATEGORIES = ("NAME", "DATE", "OTHER_ID", "LOCATION")
_SERVICES = (
    "urology cardiology neurology nephrology oncology hematology pulmonology gastroenterology endocrinology rheumatology"
    " dermatology ophthalmology orthopedics ortho surgery neurosurgery psychiatry podiatry radiology anesthesia gi id ent"
    " pcp derm neuro cards renal onc pulm rheum endo heme ob obgyn peds palliative hospice pharmacy nutrition therapist"
    " counselor dentist landlord lawyer attorney caseworker teacher interpreter prosthetist orthotist rep hospitalist"
)
SERVICE_WORDS = word_set(_SERVICES)
_SENT = re.compile(
    rf"(?i:{'|'.join(_SERVICES.split())}) \((?:Dr\.? )?(?P<n>[A-Z][a-z]{{2,20}}(?:-[A-Z][a-z]{{1,20}})?)\)"
)
_MD = r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])"
_PAIR = re.compile(r"\d(?<!\d\d)\d?/\d")
# An operation by somebody, an order per somebody, a visit with somebody.
_DONE_BY = re.compile(
    rf"(?<![\w/.,:+-])(?P<d>{_MD}) (?:by|per|w/|w|with) (?:(?i:dr\.?|np|pa|rn|md) [A-Za-z]|(?P<n>[A-Z][a-z]{{2,20}})(?!\w))"
)
_ROW = re.compile(
    rf"(?<![\w/.+-])(?P<first>{_MD})(?P<rest>(?:[: ]+\d{{1,4}}(?:\.\d{{1,2}})?(?: ?(?:lbs?|kg|g|%))?[,;] (?:and )?{_MD}){{1,8}})[: ]+\d{{1,4}}(?:\.\d{{1,2}})?(?![\d/])"
)
_NEXT = re.compile(rf"(?<![\d/.]){_MD}(?![\d/])")
_ACCOUNTS = "instagram insta ig twitter tiktok snap snapchat facebook fb venmo discord telegram twitch handle gamertag username whatsapp"
HANDLE_WORDS = word_set(_ACCOUNTS)
_HANDLE = re.compile(
    rf"(?i:{'|'.join(_ACCOUNTS.split())})(?: (?:handle|user|name|account|id|is))?[ :=]{{1,3}}(?P<h>@[\w.]{{3,30}}|(?=[\w.]*[\d_])[A-Za-z_][\w.]{{3,30}})"
)
_SECRETS = "code pin passcode key token"
CODE_WORDS = word_set(_SECRETS)
_CODE = re.compile(
    rf"(?i:{'|'.join(_SECRETS.split())})(?: is|:|=|#)?[ ]{{1,2}}#?(?P<c>(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])(?=(?:[A-Z0-9-]*\d){{2}})[A-Z0-9]{{2,8}}-?[A-Z0-9]{{4,10}})(?![\w-])"
)
_DIAGNOSIS = re.compile(r"[A-Z]\d{2}[A-Z0-9]{0,4}|[A-Z]\d{4}|\d{4}[FTU]")
_PUBLIC_CODE = re.compile(
    r"(?i)\b(?:taxonomy|procedure|billing|error|denial|condition|revenue|drug|product|bar|zip|icd|cpt|area|dx|diagnosis|source|lot|reason)\s\Z"
)
HOUSE_WORDS = word_set("Pavilion Tower Building Bldg Hall Wing Annex Suite Ste")
_ROOM = re.compile(
    r"(?P<l>(?:Pavilion|Tower|Building|Bldg\.?|Hall|Wing|Annex) [A-Z0-9]{1,3},? (?i:room|rm\.?|suite|ste\.?) #?\d{1,5}[A-Z]?"
    r"|(?:Suite|Ste\.?) \w{1,5}, \d{1,5} [A-Z][a-z]{2,20}(?: [A-Z][a-z]{1,20}){0,2} (?:St|Ave|Rd|Dr|Blvd|Ln|Way|Ct|Pl|Pkwy|Hwy|Street|Avenue|Road|Drive|Lane|Court|Place))(?!\w)"
)
_BLOCKS = word_set("blk block")
_BLOCK = re.compile(
    r"(?P<l>\d{2,5} (?i:blk|block)(?: (?i:of))? (?:[NSEW]\.? )?(?:[A-Z]\w{2,20}|\d{1,3}(?:st|nd|rd|th|ST|ND|RD|TH))(?: (?i:st|ave|rd|dr|blvd|ln|way|ct|pl|street|avenue|road|drive|lane|court|place)\b)?)"
)
_NUMBER_BEFORE = re.compile(r"\d{2,5} \Z")


def find_clues(text: str) -> Iterator[PhiSpan]:
    """People, days, codes, handles, rooms and blocks that a word beside them gives away."""
    note, lexicon = outline(text), english()
    for match in find_at(_SENT, text, note.places(SERVICE_WORDS)):
        word = match["n"].lower()
        if (
            word in lexicon.last
            or word in lexicon.first
            or not (is_other(word) or lexicon.plain(word))
        ):
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
    if "0/0" in note.signs:
        yield from _days(text)
    for match in find_at(_HANDLE, text, note.places(HANDLE_WORDS)):
        yield PhiSpan(*match.span("h"), "OTHER_ID", 0.8)
    for match in find_at(_CODE, text, note.places(CODE_WORDS)):
        before = text[max(0, match.start() - 14) : match.start()]
        if not _DIAGNOSIS.fullmatch(match["c"]) and not _PUBLIC_CODE.search(before):
            yield PhiSpan(*match.span("c"), "OTHER_ID", 0.6)
    for match in find_at(_ROOM, text, note.exact(HOUSE_WORDS)):
        yield PhiSpan(*match.span("l"), "LOCATION", 0.7)
    numbers = [
        place - len(left[0])
        for place in note.places(_BLOCKS)
        if (left := _NUMBER_BEFORE.search(text[max(0, place - 6) : place]))
    ]
    for match in find_at(_BLOCK, text, numbers):
        yield PhiSpan(*match.span("l"), "LOCATION", 0.7)


def _days(text: str) -> Iterator[PhiSpan]:
    """Days with whom something was done, and rows of days and values: "3/2 118, 4/6 114"."""
    places = [match.start() for match in _PAIR.finditer(text)]
    for match in find_at(_DONE_BY, text, places):
        month, day = (int(number) for number in match["d"].split("/"))
        share = month <= day <= 10
        if not share and not (match["n"] and is_other(match["n"].lower())):
            yield PhiSpan(*match.span("d"), "DATE", 0.6)
    for match in find_at(_ROW, text, places):
        days = [match.span("first"), *(m.span() for m in _NEXT.finditer(text, *match.span("rest")))]
        pairs = [tuple(map(int, text[start:end].split("/"))) for start, end in days]
        if sorted(pairs) == pairs and len({day for _, day in pairs}) > 1:
            for start, end in days:
                yield PhiSpan(start, end, "DATE", 0.6)
