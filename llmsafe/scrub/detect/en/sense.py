"""What a reader of notes knows and a small tagger does not.

:func:`senseless` tells findings that cannot be PHI by their form and neighbours: a strength of 5/4
in a row of strengths, the hour "oh nine hundred", a diagnosis code, an eponym in the possessive.
:func:`apart` parts neighbours whom a sign joins: "Maria Lopez, John Smith" are two people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.dates import HOLIDAY_WORDS, is_rating
from llmsafe.scrub.detect.en.eponyms import DISEASES, is_pair
from llmsafe.scrub.detect.en.measured import is_clone, is_measured
from llmsafe.scrub.detect.en.vocabulary import is_brand, is_other, is_product, is_word
from llmsafe.scrub.detect.en.words import (
    DOUBT,
    SURE,
    after_person,
    all_plain,
    is_product_name,
    is_small,
    is_spelled_word,
    is_usage,
    is_word_of_list,
    is_workplace,
    parts_of,
)
from llmsafe.scrub.detect.lexicon import english, read_json

_NUMBERED = frozenset(
    ("PHONE", "FAX", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE",
     "OTHER_ID")
)  # fmt: skip
_SERIES = re.compile(r"\d{1,3}(?:-\d{1,3}){3,}")  # 19-14-11-8: scores, hour by hour
_TELEPHONE = (7, 10, 11)
_GRADE = re.compile(r"(?<![\w/.-])[0-5][+-]?/[0-5][+-]?(?![\w/])")
_EQUAL = re.compile(r"(?<![\w/.-])([0-5])[+-]?/\1[+-]?(?![\w/])")
_ICD = re.compile(r"[A-TV-Z]\d[\dA-B]\.[\dA-TV-Z]{1,4}")
_CLOCK = re.compile(
    r"(?i)(?:(?:oh|o|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w{3,5}teen"
    r"|twenty|thirty|fifteen|forty)[\s,-]*|and\s)+"
)
_MIXED = re.compile(r"\d{1,2}-\d{1,2}/\d{1,2}")
_FRACTION = re.compile(r"(?:\d{1,2}-)?\d/\d")
_TIMES = re.compile(r"[ -](?:years?|months?|weeks?|days?|hours?|inch(?:es)?|cm|mm)\b")
_SCORED = re.compile(
    r"\d{1,2}/\d{1,2},? (?:on|in|for) (?:the |his |her |a )?"
    r"(?:MMSE|MoCA|MOCA|SLUMS|GCS|PHQ|GAD|BDI|Mini[- ]Mental|ADOS|Apgar|APGAR)\b"
)
_SEVENTHS = re.compile(r"/7(?:ths?)?(?!\d|[/-])")
_INSTITUTION = re.compile(
    r"(?i)\b(?:hosp\w*|clinics?|cent(?:er|re)|health\w*|institute|university|college|school|home|manor"
    r"|group|associates|pharmacy|labs?|laboratory|company|inc|llc|bank|church|agency|services?)\b"
)
# A kind of place, not one of them.
_ANY = re.compile(
    r"(?i)(?:(?:behaviou?ral|mental|home|public|primary|urgent|acute|sub-?acute|long[- ]term"
    r"|critical|intensive|palliative|wound|skilled|extended|assisted|rehab(?:ilitation)?|nursing"
    r")[ -])*(?:health|care|living|medical|nursing)"
    r"(?: (?:center|care|facility|unit|clinic|services?|home))*"
    r"|(?:labor (?:and|&) delivery|emergency|operating|recovery|pre-?operative|post-?anesthesia"
    r"|same[- ]day surgery|holding|radiology|ambulatory surgery"
    r")"
    r"(?: (?:department|room|suite|unit|area|triage|holding|care))*"
)
_PROGRAM = re.compile(
    r"(?i)(?:care|treatment|clinical|nursing|billing|surgical|medical|rehab|transplant|research|study"
    r"|school|stroke) (?:team|desk|staff|office|coordinator)|meals on wheels|area agency on aging"
    r"|(?:alcoholics|narcotics|gamblers|overeaters|cocaine) anonymous|silver ?sneakers|head start"
    r"|early intervention"
)
_WEEKDAY = re.compile(
    r"(?i)(?:on |this |last |next )?(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
    r"(?: (?:morning|afternoon|evening|night)s?)?"
)
_YEARS = re.compile(r"(?:(?:19|20)\d\d(?:,? (?:and|or|to) |[,/& -]+)?){2,}")
_BARE_YEAR = re.compile(r"(?:19|20)\d\d")
_VERTEBRAE = re.compile(r"(?i)[CTLS]\d{1,2}(?:[-,& ]+[CTLS]?\d{1,2})*")
_NTH = re.compile(r"\d(?:st|nd|rd|th)\Z")
_ANATOMY = re.compile(
    r"(?i)(?:,? (?:(?:and|or|to|through|&) )?\d{1,2}(?:st|nd|rd|th))* (?:cranial |left |right )?"
    r"(?:nerves?|ribs?|intercostal|ics|toes?|fingers?|digits?|metatarsals?|metacarpals?|rays?|webspace"
    r"|percentiles?|grade|degree|trimester|ventricle|dose|attempt|pass)\b"
)
_CARDINAL = re.compile(
    r"(?i)(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)?[ -]?(?:one|two|three|four|five|six|seven|eight|nine)?"  # noqa: E501
)
_COUNTED = re.compile(
    r"(?i)\b(?:photos|images|pages|pp|slides|items|figs?|questions|ages|steps|rooms|beds|rev)\.? \Z"
)
# A suture of 3-0; 20w3d of gestation; in 2 / 4 / 6 weeks.
_WEEKS = re.compile(r"(?<!\d)\d{1,2}w\d?d?\Z")
_SPACED = re.compile(r"\d{1,2}(?: / \d{1,2}){2}")
_AROUND = re.compile(r"\d{1,4}s")  # in the 600s
_DOTTED = re.compile(r"\b(?:p\.r\.n|n\.p\.o|[btq]\.i\.d|q\.[hdo]\.[sd]?|w\.n\.l)\b")
_HUNDRED = re.compile(r"(?i)\s*hundred\b")
_SPELLED = re.compile(r"(?:[A-Z]-){2,}[A-Z]")
_POSSESSIVE = re.compile(
    r"['’]s?(?=\s*(?:$|[.,;:)?!\n/]|(?:and|or|but|is|was|runs|with|for|since)\b))"
)


_QUESTION = re.compile(r"(?:May|Will|Can) (?:I|we|you|he|she|they) [a-z]")  # "Doctor May I go"
_ARTICLE = re.compile(r"(?i)\b(?:the|an?|with|using|via|w/)\s\Z")
_INSTRUMENT = re.compile(
    r"(?:['’]s?)?[- ](?:[a-z]+ )?(?:rings?|markers?|hooks?|forceps|clamps?|retractors?|scissors|needles?"  # noqa: E501
    r"|cannulas?|catheters?|tubes?|drains?|screws?|plates?|rods?|nails?|pins?|wires?|stents?|grafts?"
    r"|valves?|trocars?|speculum|blades?|laryngoscope|elevators?|curettes?|splints?|braces?|casts?"
    r"|criteria|classification|scores?|scale|index|signs?|test|stain|maneuver|technique|procedure"
    r"|incision|approach|position|fracture|lesion|syndrome|disease|array|assay)\b"
)


@cache
def _regions() -> frozenset[str]:
    """States in full, which Safe Harbor lets stay, and countries, but for those that are cities or
    names too."""
    places = read_json("scrub_places.json")
    states: Mapping[str, str] = places["states"]
    names = {name.lower() for pair in states.items() for name in pair if len(name) > 2}
    names |= {name.lower() for name in places["countries"]}
    return frozenset(names - {"new york", "washington", "georgia", "virginia", "dakota", "israel"})


def _is_instrument(text: str, span: PhiSpan) -> bool:
    """Whether an instrument is called so: "with the Mendez ring"; people have no article."""
    before = text[max(0, span.start - 8) : span.start]
    lone = " " not in text[span.start : span.end]
    return bool(lone and _ARTICLE.search(before) and _INSTRUMENT.match(text, span.end))


def senseless(text: str, span: PhiSpan) -> bool:
    """Whether a finding of the tagger cannot be what it is taken for."""
    found = text[span.start : span.end]
    if span.category not in _NUMBERED and found.islower() and is_usage(text, span):
        return True
    if span.category in _WORDED:
        if _is_heading(text, span):
            return True
        if span.score < SURE and is_product_name(text, span):
            return True
        if is_measured(text, span) and not after_person(text, span):
            return True
    match span.category:
        case "DATE":
            return _in_series(text, span) or _is_grade(text, span) or _is_score(text, span)
        case "NAME":
            spelled = _SPELLED.fullmatch(found)
            return (
                bool(spelled and (len(found) > 22 or not set("AEIOUY") & set(found)))
                or _is_disease(text, span)
                or bool(_QUESTION.match(text, span.start))
                or _is_instrument(text, span)
                or _is_eponym(text, span)
                or _is_abbreviation(text, span)
                or is_word_of_list(text, span)
            )
        case "ORGANIZATION" if _is_any(text, span):
            return True
        case "LOCATION" | "ORGANIZATION" if found.lower().rstrip(" 0123456789") in _regions():
            return True
        case "LOCATION" | "ORGANIZATION" if _COAST.fullmatch(found):
            return "the " in text[max(0, span.start - 4) : span.start + 4].lower()
        case "LOCATION" | "ORGANIZATION":
            if span.score < DOUBT and found.islower() and all_plain(found):
                return True
            lone = span.category == "LOCATION" and span.score < SURE and found.islower()
            if (
                lone
                and is_word(found)
                and not _WHERE.search(text[max(0, span.start - 8) : span.start])
            ):
                return True  # march up hills
            small = span.category == "LOCATION" and is_small(text, span)
            return small or any(
                test(text, span)
                for test in (_is_instrument, _is_eponym, _is_maker, is_spelled_word)
            )
        case category if category in _NUMBERED:
            if _is_public(text, span):
                return True
            if category == "OTHER_ID" and _BARE_YEAR.fullmatch(found):
                return True
            odd = _ICD.fullmatch(found) or _AROUND.fullmatch(found)
            return bool(odd) or _is_hour(text, span) or _in_series(text, span)
        case _:
            return False


# What follows is of a product, a price list, a book, a price.
_PUBLIC = re.compile(
    r"(?:\b(?:REF|LOT|CPT|CDT|NDC|HCPCS|ICD|ICD-10|LOINC|NCT|PMID|DRG|APC|CARC|RARC|POS)|\b(?i:model|catalog(?:ue)?|version))"
    r"(?i:[ ]?(?:no\.?|number|code|#))?[ :.#]{1,3}\Z"
)
_PRICE = re.compile(r"\d{1,3}(?:,\d{3})*\.\d\d")
_VARIANT = re.compile(r"[cgpmr]\.[\d*+-]*[A-Z_>\d]+[a-z]{0,3}\d*")
_PROCEDURE = re.compile(r"[A-V]\d{4}")
# Why a claim was denied, as X12 lists it.
_REASON = re.compile(r"(?:CO|PR|OA|PI|CR)-?\d{1,3}|(?:MA?|N)\d{2,3}")


def _is_public(text: str, span: PhiSpan) -> bool:
    """Whether it is a catalogue number, a code of a price list, a price or a gene variant."""
    found = text[span.start : span.end]
    if span.category in ("PHONE", "FAX", "SSN", "VEHICLE"):
        return False
    if _PRICE.fullmatch(found) or _VARIANT.fullmatch(found):
        return True
    if _REASON.fullmatch(found):
        return True
    if is_clone(text, span):
        return True
    coded = span.category in ("MRN", "OTHER_ID", "ACCOUNT")
    if coded and span.score < _NEARLY and _PROCEDURE.fullmatch(found):
        return True
    return _PUBLIC.search(text[max(0, span.start - 16) : span.start]) is not None


def _is_any(text: str, span: PhiSpan) -> bool:
    """Whether it is a kind of place, or the first words of one: "Labor and Delivery"."""
    kinds = (pattern.match(text, span.start) for pattern in (_ANY, _PROGRAM))
    if any(kind is not None and kind.end() >= span.end for kind in kinds):
        return True
    found = text[span.start : span.end]
    described = any(part in english().eponyms for part in parts_of(found))
    short = (
        (word.isupper() and len(word) < 5) or _described(word.lower()) for word in found.split()
    )
    return described and not _INSTITUTION.search(found) and all(short)  # MVP Barlow


_COUNTING = re.compile(r"\d{1,2}(?:, ?\d{1,2}){2,}")
_LABEL_BEFORE = re.compile(
    r"(?i)\b(?:pager|page|call|back|cb|phone|tel|ext|pin|id|code|passcode)[.:# ]{1,3}\Z"
)
_SIDE = r"(?:east|west|gulf)(?:ern)? coast"
_COAST = re.compile(rf"(?i)(?:the )?{_SIDE}(?: (?:to|and|or) the {_SIDE})?")


def _in_series(text: str, span: PhiSpan) -> bool:
    """Whether it is in a row of small numbers, of which no telephone number has the length, or
    counts up: teeth 7, 8, 9, 10."""
    called = _LABEL_BEFORE.search(text, max(0, span.start - 14), span.start)
    if _COUNTING.fullmatch(text, span.start, span.end) and not called:
        numbers = [int(number) for number in text[span.start : span.end].split(",")]
        if all(one < other for one, other in pairwise(numbers)):
            return True
    low, high = max(0, span.start - 60), min(len(text), span.end + 60)
    for series in _SERIES.finditer(text, low, high):
        if series.start() <= span.start and span.end <= series.end():
            numbers = series[0].split("-")
            single = all(len(number) == 1 for number in numbers)
            if single:
                return len(numbers) not in _TELEPHONE
            return span.category == "DATE" and all(len(number) < 3 for number in numbers)
    return False


def _is_grade(text: str, span: PhiSpan) -> bool:
    """Whether it is one of several strengths or pulses on a line: 3/3, 5/4, 5/5."""
    if not _GRADE.fullmatch(text, span.start, span.end):
        return False
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    line = text[start : end if end >= 0 else len(text)][:400]
    return len(_GRADE.findall(line)) >= 3 and bool(_EQUAL.search(line))


def _is_score(text: str, span: PhiSpan) -> bool:
    """A pain of 4-5/10, 39-4/7 weeks (no date mixes its signs), years alone, vertebrae, nerves."""
    found = text[span.start : span.end]
    if _SIZE.fullmatch(found) or _is_nonsense(found) or is_product(found.lower()):
        return True
    if _CARDINAL.fullmatch(found) or _COUNTED.search(text[max(0, span.start - 12) : span.start]):
        return True
    if text.startswith("-0", span.end) or _WEEKS.search(found) or _SPACED.match(text, span.start):
        return True
    if _YEARS.fullmatch(found) or _WEEKDAY.fullmatch(found) or _VERTEBRAE.fullmatch(found):
        return True
    if _FRACTION.fullmatch(found) and _TIMES.match(text, span.end):
        return True  # 3-1/2 years
    scored = _SCORED.search(text, span.start, span.end + 24)
    if scored and scored.start() < span.end:
        return True  # 14/27 on MMSE
    if is_rating(text, span.start, found) or (
        _NTH.search(found) and _ANATOMY.match(text, span.end)
    ):
        return True
    return bool(_MIXED.fullmatch(text, span.start, span.end) or _SEVENTHS.match(text, span.end))


_SIZE = re.compile(r"\d{1,3}(?:\.\d)? ?[x×] ?\d{1,3}(?:\.\d)?(?: ?[x×] ?\d{1,3})?")
_LONG = re.compile(r"[A-Za-z]{3,}")


_DAY_OF_MONTH = re.compile(r"\d[/-]\d")


def _is_nonsense(found: str) -> bool:
    """Whether it begins and ends with letters and holds numbers and no word of a date: "Puy / 2.8
    / R"."""
    if not (found[0].isalpha() and found[-1].isalpha() and any(map(str.isdigit, found))):
        return False
    words = _LONG.findall(found)
    if _DAY_OF_MONTH.search(found):
        return False  # Ames 3/20 Suite
    return bool(words) and not (_DATED.search(re.sub(r"\d", "", found)) or _is_holiday(words))


def _is_holiday(words: list[str]) -> bool:
    """Whether one of the words begins the name of a holiday or is a season or a day."""
    return any(w.lower() in HOLIDAY_WORDS or _DAY_WORD.match(w) for w in words)


_DAY_WORD = re.compile(
    r"(?i)(?:mon|tue|wed|thu|fri|sat|sun|spring|summer|fall|autumn|winter|day|eve)"
)


def _is_heading(text: str, span: PhiSpan) -> bool:
    """Whether it is a heading of ordinary words: "# Chief Complaint", "• Medical Reasoning: …"."""
    begin = text.rfind("\n", 0, span.start) + 1
    hashed = text.startswith("#", begin)
    if not (hashed or (span.category == "ORGANIZATION" and text.startswith(":", span.end))):
        return False
    words = [word.lower() for word in _WORD.findall(text, span.start, span.end)]
    ordinary = all(word in english().words and word not in english().everyday for word in words)
    heads = not any(map(str.isalnum, text[begin : span.start]))
    return heads and ordinary and not _INSTITUTION.search(text[span.start : span.end])


def _is_abbreviation(text: str, span: PhiSpan) -> bool:
    """Whether it is, or ends after ordinary words in, a letter of p.r.n. or n.p.o."""
    *words, last = re.split(r"\W+", text[span.start : span.end])
    around = _DOTTED.finditer(text, max(0, span.end - 5), span.end + 5)
    inside = any(match.start() < span.end <= match.end() for match in around)
    ordinary = all(len(word) < 2 or word.lower() in english().words for word in words)
    return inside and len(last) == 1 and ordinary


def _is_hour(text: str, span: PhiSpan) -> bool:
    """ "oh five and oh nine hundred"."""
    if _HUNDRED.fullmatch(text, span.start, span.end):
        return True
    clock = _CLOCK.match(text, span.start)
    return bool(clock and clock.end() >= span.end and _HUNDRED.match(text, clock.end()))


_NEARLY = 0.99
_WHERE = re.compile(r"\b(?:in|at|to|from|near|of|via|@)\s\Z")
_HYPHENATED = re.compile(r"-[A-Z][a-z]+")
_WORDED = frozenset(("NAME", "LOCATION", "ORGANIZATION"))
_MISREAD = str.maketrans("015", "ois")


def _is_eponym(text: str, span: PhiSpan) -> bool:
    """Whether every word is known of signs, scores, stains and procedures, and as nobody's name,
    and no word for a person stands before it."""
    lexicon = english()
    rest = _HYPHENATED.match(text, span.end)
    words = [w.lower() for w in _WORD.findall(text, span.start, rest.end() if rest else span.end)]
    parts = [part for word in words for part in re.sub(r"['’]s?$", "", word).split("-")]
    if is_pair(" ".join(parts), text, span.start, rest.end() if rest else span.end):
        return True
    parts = [part for part in parts if len(part) > 1]  # Rutgeerts i2
    known = bool(parts) and all(
        _described(part) and not (part in lexicon.first or part in lexicon.last) for part in parts
    )
    return known and not after_person(text, span)


_PLACED = re.compile(r"\b(?:at|from|near)\s\Z")


def _is_maker(text: str, span: PhiSpan) -> bool:
    """Whether it is products and makers alone, and nothing says that somebody is there or works
    there: "Accredo", "Progressa"."""
    parts = parts_of(text[span.start : span.end])
    known = text[span.start].isupper() and bool(parts) and is_brand(parts[0])
    known = known and not is_word(parts[0])
    known = known and all(map(is_other, parts[1:]))
    if known and _SPELLED.search(text, span.start, span.end + 12):
        return False  # Zephyr, Z-E-P-H-Y-R
    if known and span.category == "LOCATION" and all(map(is_product, parts)):
        return not _PLACED.search(text[max(0, span.start - 6) : span.start])
    return known and not is_workplace(text, span)


def _described(word: str) -> bool:
    """Whether a word is an eponym, also as a scanner may have misread it: McBumey."""
    eponyms = english().eponyms
    if word in eponyms or len(word) < 5:
        return word in eponyms
    joined = (f"{word[:at]}rn{word[at + 1 :]}" for at, letter in enumerate(word) if letter == "m")
    return not eponyms.isdisjoint((*joined, word.replace("rn", "m"), word.translate(_MISREAD)))


def _is_disease(text: str, span: PhiSpan) -> bool:
    """Whether a lone name is a disease: "Google says Addison's"."""
    found = re.sub(r"['’]s?$", "", text[span.start : span.end]).lower()
    return found in DISEASES and bool(_POSSESSIVE.match(text, span.start + len(found)))


_HOUR = re.compile(r"(?:[01]?\d|2[0-3]):?[0-5]\d(?:\s?[ap]m?)?|\d{1,2}w\d?d?", re.IGNORECASE)
_DATED = re.compile(
    r"(?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|teen|(?:st|nd|rd|th)\b|\d"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|first|second|third|fifth|oh)\b"
)


def beside_date(text: str, piece: PhiSpan) -> bool:
    """Whether what the tagger sees beside a date that a rule has read is an hour or a word."""
    found = text[piece.start : piece.end].strip(" .,;/")
    if _HOUR.fullmatch(found):
        return True
    parts = parts_of(found)
    return bool(parts) and not _DATED.search(found) and all(map(is_word, parts))


# --- neighbours ---------------------------------------------------------------------------------

_JOINT = re.compile(r"\s*(?:[,;/&]|(?<=[a-z]{3})\.(?=\s)|\n)\s*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NO_NAME = frozenset(("jr", "sr", "ii", "iii", "iv", "md", "do", "rn", "np", "pa", "phd"))
_SHORT = re.compile(r"(?i)(?:drs?|mrs?|ms|prof|rev|jr|sr|st|nurse|doctor)\.?$")


def apart(text: str, span: PhiSpan) -> Iterator[PhiSpan]:
    """The span, or where it is several names in full one after the other, each of them.

    "Maria Lopez, John Smith" is two, "Lopez, Maria" and "Lopez Garcia, Maria" are one.
    """
    if span.category == "NAME":
        for joint in _JOINT.finditer(text, span.start, span.end):
            left, right = text[span.start : joint.start()], text[joint.end() : span.end]
            if _full(left) and _full(_JOINT.split(right, maxsplit=1)[0]) and not _surnames(left):
                yield replace(span, end=joint.start())
                yield from apart(text, replace(span, start=joint.end()))
                return
    yield span


def _full(name: str) -> bool:
    """Whether a name has two words or more, its initials counted, and does not end in a title."""
    words = [word for word in _WORD.findall(name) if word.lower() not in _NO_NAME]
    return len(words) >= 2 and len(words[-1]) > 1 and not _SHORT.search(name)


def _surnames(name: str) -> bool:
    """Whether it begins with what is a family name and no given one, as "Lopez Garcia" does."""
    first = _WORD.findall(name)[0].lower()
    return first in english().last and first not in english().first
