"""What stands at the ends of a finding and is no part of it: a title, a degree, an hour, a label.

A finding of two rules, or of a rule and the tagger, reaches as far as either; the tagger takes a
neighbour for a part where it is not sure. Only what is known as something else is left out.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.names import RELATIVE_WORDS
from llmsafe.scrub.detect.en.vocabulary import is_name, is_word

_TITLES = (
    r"Drs?|Mrs?|Ms|Miss|Mx|Mister|Prof|Professor|Doctor|Rev|Reverend|Fr|Sr|Sra|Srta|Señora?|Don|Doña|Sgt|Cpl|Pvt"
    r"|Capt|Captain|Lt|Maj|Col|Spc|PFC|SSgt|Sergeant|Corporal|Judge|Justice|Officer|Ofc|Trooper|Deputy|Dep|Det"
    r"|Detective|Sheriff|Marshal|Chief|Chaplain|Pastor|Rabbi|Imam|Cantor|Deacon|Elder|Bishop|Father|Sister|Brother"
    r"|Nurse|Coach|Medic|Paramedic|Decedent|Prosector|Proband|Inmate|Handler|Payee|Recipient|Donor|Volunteer|Site|Counselor|CNA|LPN|LVN|RN|NP|PA|EMT|CRNA|CMA|Baby (?:Boy|Girl)|Baby"
)
_LEADING = {
    "NAME": re.compile(
        rf"(?i)(?:(?:{_TITLES}|{'|'.join(sorted(RELATIVE_WORDS - {'in'}))}|gran|nan|nana|auntie|aunty|dtr|sig)\b(?!['’-])[.,:]?\s+|\d+/\d+\s+(?:\d{{1,3}}\s+)*)+(?=[^\W\d_])"
    ),
    "DATE": re.compile(r"(?:(?i:on|of|by|from|in|at|rec|to)|[A-Z]{2}(?=\s\d))\s+"),
    "LOCATION": re.compile(r"(?i)(?:off|near|on|at|in|from|to|of|via|claims|memory|s),?\s+"),
    "ORGANIZATION": re.compile(r"(?i)(?:at|in|from|to|of|via|by)\s+"),
}
_DEGREE = (
    r"MD|DO|RN|NP|PA(?:-C)?|MA|DDS|DMD|DPM|DVM|OD|PhD|PharmD|PsyD|DNP|DPT|RD|RDN|LDN|LD|RDMS|RVT|RDCS|RT|RRT|PT|OT|OTR|SLP|CCC"
    r"|LCSW|MSW|LMFT|LPC|LMHC|BCC|BCBA|CDCES|CWOCN|APRN|ARNP|FNP|CNM|CRNA|CNA|LPN|EMT|CPhT|RPh|MPH|MBBS|FACS|GMC|NMC|HCPC|ESQ|PGY-?\d|MS-?[1-4]"
)
_TRAILING = {
    "NAME": re.compile(
        rf"(?:(?:[\s,–—(]+|\s-\s)(?:{_DEGREE}|\d{{1,3}}[MFmf]?|Sex|SEX|MRI|CT|d\.?o\.?b|D\.?O\.?B|MRN|DOB|VIN|and|is|was|[Aa]t|[Ii]n)\.?)+\Z"
        r"|\s{1,3}[MF](?=\Z)"
    ),
    "DATE": re.compile(
        r"(?<=[\d/-])(?:,?\s+(?:at\s+)?(?:[01]\d|2[0-3]):?[0-5]\d(?:\s?h(?:rs?)?)?|\s*/\s*\d{1,2}w\d?d?|[.,;]?\s+[A-Za-z]{2,}(?:\s[A-Za-z]{2,})*)\Z"
    ),
    "ORGANIZATION": re.compile(
        r"(?i)(?:\s+(?:[01]\d|2[0-3])[0-5]\d|,?\s+(?:on|and|at|for|to|with|set|by|in|from))\Z"
    ),
    "LOCATION": re.compile(r"(?i),?\s+(?:on|and|at|for|to|with|by|in|from)\Z"),
}
_MONTH_NAME = re.compile(
    r"(?i)[^\W\d_]*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(?:1[89]|20)\d\d\Z"
)
_AFTER_SEX = re.compile(r"[ \t]{1,3}\d{1,3}\b")
_NUMBERED = frozenset(
    ("PHONE", "FAX", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE",
     "OTHER_ID", "URL", "EMAIL")
)  # fmt: skip
_FIRST_WORD = re.compile(
    r"(?:(?i:mailto|tel|e-?mail|fax|phone|cell):|(?:(?!star|pound|hash)[a-z]{1,10}|[A-Z][a-z]{2,12}):?\s+)(?=\S*\d|\S*\.\S)"
)
_COMPONENTS = re.compile(r"\^+[A-Za-z^]{1,8}\Z")  # of HL7
_LAST_WORD = re.compile(r"([.;,]?)\s+\(?([A-Za-z]{2,20})\Z")
_LABELS = frozenset(
    (
        "mac",
        "mrn",
        "eob",
        "stmt",
        "dob",
        "vin",
        "ssn",
        "icd",
        "rec",
        "exp",
        "hh",
        "ndc",
        "tel",
        "fax",
        "via",
        "and",
        "or",
        "for",
        "to",
        "on",
        "at",
        "by",
    )
)
_SPOKEN = re.compile(
    r"(?i)\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|dot|at|dash|slash|hyphen"
    r"|alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november"
    r"|oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiskey|x-?ray|yankee|zulu)\b"
)
_SMALL_FIRST = re.compile(r"([a-z]{3,20})\s+")
_SMALL_LAST = re.compile(r",?\s+([a-z]{3,20})\Z")
_APART = re.compile(r"(?:[ \t]{3,}|\t|(?<=[a-z]{3})[.;]\s+)([A-Z][a-z]{3,20})\Z")
# PONV behind a name that is not written so; a patient's own "MARTINEZ" is listed.
_SHOUTED = re.compile(r"(?<=[a-z]{3})[ ]([A-Z]{3,12}|[a-z])\Z")
_HEAD = re.compile(r"([A-Z][A-Za-z]{3,20})(?:[ \t]{2,}|\n|\t)")
_NO_WORDS = frozenset(
    (
        "van",
        "von",
        "der",
        "den",
        "del",
        "della",
        "los",
        "las",
        "bin",
        "ibn",
        "dos",
        "das",
        "ter",
        "the",
    )
)


def trimmed(text: str, span: PhiSpan) -> PhiSpan:
    """``span`` without what is at its ends and no part of it; never nothing."""
    start, end = span.start, span.end
    if span.category == "NAME" and text[start:end].isalpha():
        return span
    for _ in range(4):
        before = (start, end)
        start, end = _trim(text, span.category, start, end)
        if (start, end) == before:
            break
    return span if (start, end) == (span.start, span.end) else replace(span, start=start, end=end)


def _trim(text: str, category: str, start: int, end: int) -> tuple[int, int]:
    left, right = start, end
    if (pattern := _LEADING.get(category)) and (match := pattern.match(text, start, end)):
        left = match.end()
    if (pattern := _TRAILING.get(category)) and (match := pattern.search(text[left:end])):
        cut = match[0]
        kept = category == "DATE" and _MONTH_NAME.match(cut.strip().strip(".,; "))
        sex = cut.strip() in ("M", "F") and not _AFTER_SEX.match(text, end)
        right = end if kept or sex else left + match.start()
    told = end - start > 12 and len(_SPOKEN.findall(text, start, end)) > 1
    if told or "as in" in text[start:end]:
        pass
    elif category in _NUMBERED:
        left, right = _number(text, left, right)
    elif category == "NAME":
        left, right = _words(text, left, right)
    found = text[left:right]
    if not any(map(str.isalnum, found)) or (category == "NAME" and len(found.strip(" .")) < 2):
        return start, end
    return left, right


def _number(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the words before and behind a number or an address."""
    if (match := _FIRST_WORD.match(text, start, end)) and match.end() < end:
        start = match.end()
    if match := _COMPONENTS.search(text[start:end]):
        end = start + match.start()
    match = _LAST_WORD.search(text[start:end])
    before = text[start : start + match.start()] if match else ""
    if match and ("www." in before or any(sign.isdigit() or sign == "@" for sign in before)):
        word = match[2].lower()
        if match[1] in (".", ";") or word in _LABELS or (len(word) > 3 and is_word(word)):
            end = start + match.start()
    return start, end


def _words(text: str, start: int, end: int) -> tuple[int, int]:
    """Without small words at the ends of a name that are nobody's, and without headings."""
    for pattern in (_SMALL_FIRST, _HEAD):
        if (match := pattern.match(text, start, end)) and match.end() < end:
            word = match[1].lower()
            if word not in _NO_WORDS and is_word(word) and not is_name(word):
                start = match.end()
    for pattern in (_SMALL_LAST, _APART):
        if match := pattern.search(text[start:end]):
            word = match[1].lower()
            if word not in _NO_WORDS and is_word(word) and (pattern is _APART or not is_name(word)):
                end = start + match.start()
    tail = _SHOUTED.search(text[start:end])
    if tail and not is_name(tail[1].lower()) and "&" not in text[start:end]:
        end = start + tail.start()
    return start, end


_GAP = re.compile(r"[ ]{3,}|\t")


def columns(text: str, span: PhiSpan) -> Iterator[PhiSpan]:
    """A name, or what stands of it in each of two columns of a table."""
    start = span.start
    if span.category == "NAME":
        for gap in _GAP.finditer(text, span.start, span.end):
            yield replace(span, start=start, end=gap.start())
            start = gap.end()
    yield replace(span, start=start)
