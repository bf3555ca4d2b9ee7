"""Places below a state, and institutions: addresses, ZIP codes, cities, hospitals."""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_word
from llmsafe.scrub.detect.lexicon import english, read_json, read_words
from llmsafe.scrub.detect.outline import fold, outline, word_set
from llmsafe.scrub.detect.windows import around, find_at, find_from, find_in

_STREET = (
    r"street|avenue|boulevard|drive|road|lane|court|place|terrace|parkway|highway|square|trail|way"
    r"|circle|crossing|landing|plaza|alley|turnpike|loop|row|pike|run|ridge|camp|throughway|esplanade"
)
_STREET_SHORT = r"st|ave?|blvd|dr|rd|ln|ct|pl|ter|pkwy|pky|hwy|sq|trl|cir|xing"
_UNIT = r"(?:[,\s]{1,2}(?:apt|apartment|suite|ste|unit|floor|fl|room|rm|bldg|#)\.?\s?#?\s?[\w-]{1,6}){0,2}"
_TITLE_CASE = r"[A-Z][a-z]{1,20}(?:['’-][A-Z]?[a-z]{1,20})?"
_CAP = r"[A-Z][\w'.-]{0,20}"
STREET_WORDS = word_set(f"{_STREET}|{_STREET_SHORT} av".replace("|", " ").replace("ave?", "ave"))
_ADDRESS = re.compile(
    rf"(?<![\w/.])\d{{1,6}}[A-Za-z]?(?:-\d{{1,5}})?[ \t]{{1,2}}(?:(?:[NSEW]|North|South|East|West|NE|NW|SE|SW)\.?[ ])?"
    rf"(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD|TH))[ ]){{1,4}}?"
    rf"(?:(?i:{_STREET})\b|(?i:{_STREET_SHORT})\b\.?)(?:\s(?:[NSEW]|NE|NW|SE|SW)\b\.?)?(?i:{_UNIT})"
)
_ADDRESS_LOWER = re.compile(
    rf"(?<![\w/.])\d{{2,6}} (?:[a-z]{{3,15}} ){{1,3}}(?:street|avenue|boulevard|drive|road|lane)\b"
    rf"(?i:{_UNIT})|\b\d{{1,3}}(?:st|nd|rd|th) (?:avenue|street|ave|st)\b",
)
_HOUR = re.compile(r"\d{1,4}\s{1,2}(?:[AP]\.?M\b|hrs?\b|HRS?\b)")  # 11:20 PM Dr. Lee came
_STREET_NAME = re.compile(
    rf"(?<!\w)(?:{_CAP}[ ]){{1,3}}(?:Street|Avenue|Boulevard|Parkway|Highway|Lane|Road|Blvd)\b"
)
_BOX = re.compile(r"\bP\.?\s?O\.?\s?Box\s{1,2}#?\d{1,8}", re.IGNORECASE)
_BOXES = word_set("box")
_ZIP = re.compile(
    r"\b(?:zip|zip ?code|postal code|postcode)\W{0,4}(?P<z>\d{5}(?:-\d{4})?|\d(?:[- ]\d){4})(?![\d-])",
    re.IGNORECASE,
)
_NAMED_STREETS = word_set("Street Avenue Boulevard Parkway Highway Lane Road Blvd")
_COUNTIES = word_set("County Township Parish Borough")
_COUNTY = re.compile(rf"(?<!\w)(?:{_CAP}[ ]){{1,2}}(?:County|Township|Parish|Borough)\b")
# State codes that are also clinical or English words: only a known city or a ZIP decides.
_DOUBTFUL = frozenset(
    [
        "MD",
        "PA",
        "MA",
        "MS",
        "ND",
        "DC",
        "LA",
        "DE",
        "ME",
        "OR",
        "IN",
        "OK",
        "HI",
        "AL",
        "ID",
        "CT",
        "VA",
        "CA",
        "MI",
        "MO",
        "SD",
        "CO",
        "PR",
        "AR",
    ]
)
_HEADS = (
    r"(?:(?:regional|general|community|memorial|university|children'?s|county|city|veterans|va|state"
    r"|women'?s|rehabilitation|psychiatric|orthopedic|heart|cancer|medical|surgical|health|surgery"
    r"|nursing|urgent|eye|dental|family|specialty|teaching|research|primary|care|center|wellness"
    r"|oncology|neurology|cardiology|dialysis|imaging|radiology)\s){0,4}"
    r"(?:hospitals?(?:\scenter)?|hosp\b\.?|clinics?|medical\s(?:center|ctr|cntr|group|associates|office|offices"
    r"|practice|plaza|pavilion)|med\.?\s(?:center|ctr|cntr)|health\s?(?:center|system|care|network"
    r"|services|partners|clinic|ctr)|healthcare|healthcenter|infirmary|nursing\s(?:home|facility)"
    r"|(?:cancer|heart|surgery|surgical|oncology|rehab|rehabilitation|trauma|care|eye|birth|imaging"
    r"|dialysis|wellness|treatment|recovery|research|behavioral\shealth)\s(?:center|institute|ctr)"
    r"|institute|hospice|sanatorium|assisted\sliving|senior\sliving|retirement\s(?:home|community)"
    r"|care\shome|manor|university|college|academy|(?:high|middle|elementary|nursing|medical)\sschool"
    r"|pharmacy|laborator(?:y|ies)|medical|health(?:\splan)?|(?:internal\smedicine|specialty|medical"
    r"|surgical|family|pediatric|health|heart|women'?s|cardiology|orthopedic)\s(?:associates|partners"
    r"|physicians|specialists|group)|associates|family\smedicine|internal\smedicine|primary\scare"
    r"|family\spractice|physicians|pediatrics|home\shealth|hospice\scare|nursing\sand\srehab(?:ilitation)?"
    r"|(?:health\s)?insurance|mutual|school\sdistrict)"
)
# Every head has one of these.
HEAD_WORDS = word_set(
    "hospital hospitals hosp clinic clinics medical med health healthcenter healthsystem healthcare healthnetwork"
    " healthservices healthpartners healthclinic healthctr infirmary nursing center institute ctr hospice sanatorium"
    " living retirement care manor university college academy school pharmacy laboratory laboratories associates partners"
    " physicians specialists group medicine practice pediatrics insurance mutual"
)
_MOD = (
    r"(?:(?:St|Mt|Ft|Ste)\.?|Saint|Mount|[A-Z][A-Za-z'’]{1,20}(?:-[A-Z][a-z]{1,20})?|VA|U\.?S\.?)"
)
_INSTITUTION = re.compile(
    rf"(?<![\w])(?P<mods>(?:{_MOD}(?:\s(?:of|and|&|for|the)(?:\sthe)?)?[ ]){{1,5}})"
    rf"(?P<head>(?i:{_HEADS}))(?![\w'])"
    rf"(?P<tail>\s(?:of|at|for)\s(?:the\s)?{_MOD}(?:\s{_MOD}){{0,2}}|,?\s(?:Inc|LLC|PLLC)\b\.?)?"
)
_UPPER = re.compile(
    r"(?<!\w)(?:(?:ST|MT|FT)\.[ ]|[A-Z][A-Z']{1,20}[ ]){1,5}(?:HOSPITAL|CLINIC|MEDICAL CENTER|HEALTH SYSTEM|HEALTH|LABORATOR(?:Y|IES)|LABS|HOSPICE|PHARMACY|ACADEMY|COLLEGE|UNIVERSITY|HOME CARE|CARE CENTER|"
    r"HEALTHCARE|HEALTH CENTER|NURSING HOME|INFIRMARY|ASSOCIATES|PHYSICIANS|PRIMARY CARE|FAMILY MEDICINE)(?!\w)(?:, INC\b)?"
)
_CLINICAL = re.compile(
    r"(?:sy|ia|is|oma|logy|ics|tion|ment|ing|ency|pathy|plasty|ectomy|emia|uria)\Z"
)
_UPPER_WORDS = word_set(
    "LABORATORY LABORATORIES LABS HOSPICE PHARMACY ACADEMY COLLEGE UNIVERSITY HOME CARE HOSPITAL CLINIC MEDICAL HEALTH HEALTHCARE NURSING INFIRMARY ASSOCIATES PHYSICIANS PRIMARY FAMILY"
)
_SAINTS = word_set("St Saint Mt Mount")
_SAINT = re.compile(
    r"(?<!\w)(?:St\.|Saint|Mt\.|Mount) (?P<n>[A-Z][a-z]{2,15})(?P<s>'s|’s)?(?!\w| (?:[Ww]ort|fire)\b)"
)
_NO_NAME = read_words("scrub_generic.txt")
_LEADING = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "our",
        "your",
        "his",
        "her",
        "at",
        "in",
        "from",
        "to",
        "of",
        "and",
        "for",
        "with",
        "on",
        "by",
        "she",
        "he",
        "they",
        "seen",
        "dr",
        "mr",
        "mrs",
        "ms",
        "patient",
        "pt",
        "admitted",
        "transferred",
        "referred",
        "please",
        "follow",
        "contact",
        "call",
        "dear",
        "per",
        "via",
        "when",
        "after",
        "before",
        "then",
        "also",
        "if",
        "as",
        "is",
        "was",
        "were",
        "has",
        "had",
        "will",
        "can",
        "should",
        "continue",
        "discharge",
    ]
)
# Two ordinary words, yet written with capitals they name one institution.
_FIXED = frozenset(
    """general hospital|general hosp|children's hospital|memorial hospital|university hospital
    |community hospital|regional medical center|community medical center|university medical center
    |community health center|regional hospital""".replace("\n    ", "").split("|")
)
LIVES_WORDS = word_set(
    "stay stays stayed staying roommate live lives lived living resides residing resided born"
    " raised grew home house apartment moved relocated native visiting travel travels traveled travelled trip returned"
    " formerly originally man woman male female gentleman lady boy girl m f"
)
_LIVES = re.compile(
    r"(?:\b(?i:(?:formerly|originally)(?= (?:in|of|from))|stay(?:s|ed|ing)?|roommate|lives?|lived|living|resid(?:es|ing|ed)|born|raised|grew up|home|house|apartment|moved"
    r"|relocated|native|visiting|travel(?:s|ed|led)?|trip|returned)\b[^.\n;:]{0,30}?\b(?i:in|to|of|from|near)"
    r"|\b(?i:man|woman|male|female|gentleman|lady|boy|girl|[mf])\s(?:originally\s)?(?i:from))\s"
    rf"(?P<c>{_TITLE_CASE}(?:\s{_TITLE_CASE})?|[A-Z]{{4,20}}(?!\w))"
)
WORKS_WORDS = word_set(
    "work works worked working employed employer job on retired manager clerk driver teacher letter"
)
_WORKS = re.compile(
    r"\b(?i:works?|worked|working|employed|employer|job|on leave|retired|manager|clerk|driver|teacher"
    r"|letter)\b[^.\n;:]{0,40}?\b(?:at|for|by|from|with)\s(?:the\s)?"
    rf"(?P<o>{_TITLE_CASE}(?:\s(?:{_TITLE_CASE}|&|and|of)){{1,3}})"
)
_TOOL = re.compile(
    r"(?:'s)?\s(?:bipolar|dissectors?|graspers?|clamps?|forceps|retractors?|scissors|bag|tube|vascular clamp)\b"
)
EMPLOYER_WORDS = word_set(
    "employer facility hospital clinic agency pharmacy school job form forms note"
)
_EMPLOYER = re.compile(
    r"\b(?i:employer|facility|hospital|clinic|agency|pharmacy|school|job|forms? for|note for)(?:\s?:|(?<=for))\s{1,2}"
    rf"(?P<o>{_TITLE_CASE}(?:\s(?:{_TITLE_CASE}|&|and|of)){{0,4}})"
)
JOB_WORDS = word_set("job occupation employment")
_JOB = re.compile(
    r"\b(?i:job|occupation|employment)\s?[:=-]\s?[A-Za-z][A-Za-z -]{2,30},\s"
    rf"(?P<o>(?:{_TITLE_CASE}|(?:Mc|Mac|O['’])[A-Z][a-z]+)(?:\s(?:{_TITLE_CASE}|&|and|of)){{1,3}}|[A-Z]{{3,20}}(?:\s(?:[A-Z]{{3,20}}|&)){{1,3}})"
)
_FIRM = re.compile(
    r"(?i)\b(?:software|systems|logistics|foods|construction|industries|motors|media|energy|solutions"
    r"|consulting|partners|company|group|holdings|manufacturing|textiles|freight|trucking|realty)\Z"
)
_BEFORE_CITY = re.compile(
    r"(?:\b(?:in|from|at|near|to|of|lives?|living|resid(?:es|ing|ent)|native|outside|downtown|born"
    r"|moved|traveled|city|via|around|visiting|hospital|clinic|center|university|health)\s(?:in\s|to\s|of\s|the\s)?|,\s?)$",
    re.IGNORECASE,
)


def find_addresses(text: str) -> Iterator[PhiSpan]:
    """Street addresses, post office boxes, ZIP codes by label, counties."""
    note = outline(text)
    streets = around(text, note.places(STREET_WORDS), 140, 100)
    for pattern, score, ranges in (
        (_ADDRESS, 0.9, streets),
        (_ADDRESS_LOWER, 0.7, streets),
        (_BOX, 0.95, around(text, note.places(_BOXES), 10, 20)),
        (_STREET_NAME, 0.6, around(text, note.exact(_NAMED_STREETS), 70, 12)),
    ):
        for match in find_in(pattern, text, ranges):
            if _HOUR.match(match[0]):
                continue
            if pattern is _STREET_NAME and match[0].split()[0].lower() in _NO_NAME:
                continue
            yield PhiSpan(*match.span(), "LOCATION", score)
    for match in _ZIP.finditer(text) if "zip" in note.signs or "post" in note.signs else ():
        yield PhiSpan(*match.span("z"), "LOCATION", 0.95)
    for match in find_in(_COUNTY, text, around(text, note.exact(_COUNTIES), 50, 12)):
        if match[0].split()[0].lower() not in _NO_NAME:
            yield PhiSpan(*match.span(), "LOCATION", 0.7)


_LOUD_WORDS = frozenset(("HOME", "REHAB", "HOSPICE", "HOUSE"))
_CORNER = re.compile(
    r"(?<![\w/])(?:(?i:near|at|corner of|between|off|intersection of)) (?P<c>(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]{2,15}) (?:and|&) "
    r"(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]{2,15}))(?![\w-])"
)
CORNER_WORDS = word_set("near at corner between off intersection")


def find_corners(text: str) -> Iterator[PhiSpan]:
    """Where two streets meet, one of them a number: "near 1st and Cherry"."""
    for match in find_at(_CORNER, text, outline(text).places(CORNER_WORDS)):
        words = match["c"].split()
        first, second = words[0][0], words[-1][0]
        sure = match[0].lower().startswith(("corner", "inter"))
        strange = not any(
            w.lower() in english().first or w.lower() in english().words for w in words
        )
        near = match[0].lower().startswith("near") and (sure or strange)
        if first.isdigit() != second.isdigit() or (sure and not first.isdigit()) or near:
            yield PhiSpan(*match.span("c"), "LOCATION", 0.6)


# in Normal, Illinois; a town before a state's full name, though the word is an ordinary one.
_BEFORE_TOWN = re.compile(r"(?:\b(?:in|from|to|near|outside|of)|[#\d],) \Z")


def find_cities(text: str) -> Iterator[PhiSpan]:
    """Cities of the gazetteer, and "City, ST 12345" whatever the city."""
    cities, doubtful = _cities()
    note = outline(text)
    pattern, first_words = _city_pattern()
    for match in find_at(pattern, text, note.places(first_words)):
        name, start = match[0], match.start()
        if name in doubtful and not _BEFORE_CITY.search(text[max(0, start - 14) : start]):
            continue
        if re.match(
            r"(?:'s)?\s(?:[A-Z][a-z]+\s)?(?:II|III|sci|scientific|study|heart|score|criteria|scale|virus|classification|disease|bag)\b",
            text[match.end() : match.end() + 32],
            re.IGNORECASE,
        ):
            continue
        yield PhiSpan(start, match.end(), "LOCATION", 0.8)
    for match in find_at(_LIVES, text, note.places(LIVES_WORDS)):
        words = match["c"].split()
        if match["c"].title() in cities | doubtful and match["c"] not in _LOUD_WORDS:
            yield PhiSpan(*match.span("c"), "LOCATION", 0.85)
            continue
        if match["c"].isupper() and (words[0].lower() in _NO_NAME or words[0].title() in states()):
            continue
        if match["c"] in read_json("scrub_places.json")["countries"]:
            continue
        kept = [w for w in words if not english().plain(w.lower()) and w not in states()]
        if kept and kept[0] == words[0]:
            length = len(" ".join(kept)) if len(kept) == len(words) else len(words[0])
            yield PhiSpan(match.start("c"), match.start("c") + length, "LOCATION", 0.6)
    pattern, first_words = _state_pattern()
    for match in find_in(pattern, text, around(text, note.exact(first_words), 80, 40)):
        city, code, zip_code = match["city"], match["code"], match["zip"]
        words = city.split(" ")
        known = any(" ".join(words[at:]) in cities for at in range(len(words)))
        if match["name"] == "Maryland" and _TOOL.match(text, match.end()):
            continue  # "Cadiere, Maryland bipolar"
        sure = match["comma"].startswith(",") and (not code or code not in _DOUBTFUL)
        if zip_code or known or (sure and len(city) > 2):
            start = match.start("city")
            last = city.split()[-1].lower()
            ordinary = not known and not zip_code and english().plain(last) and last not in doubtful
            if ordinary and not (
                match["name"] and _BEFORE_TOWN.search(text, max(0, start - 12), start)
            ):
                continue
            yield PhiSpan(start, match.end(), "LOCATION", 0.9)


def find_institutions(text: str) -> Iterator[PhiSpan]:
    """Hospitals, clinics, schools and the like by their head noun, by gazetteer, by "St. X's"."""
    note = outline(text)
    heads = around(text, note.places(HEAD_WORDS), 400, 240)
    for match in find_from(_INSTITUTION, text, note.capitals, heads):
        words = list(re.finditer(r"\S+", match["mods"]))
        while words and words[0][0].lower().strip(".,") in _LEADING:
            words.pop(0)
        if not words and not match["tail"]:
            continue
        start = match.start() + (words[0].start() if words else len(match["mods"]))
        names = [w[0].lower().strip(".,") for w in words]
        proper = any(w not in _NO_NAME for w in names)
        if match[0].isupper():  # a heading in capitals: only a strange word makes it a name
            proper = any(w not in _NO_NAME and not english().plain(w) for w in names)
        fixed = text[start : match.end()].lower().rstrip(".") in _FIXED
        if len(names) == 1 and names[0] in english().words and _CLINICAL.search(names[0]):
            continue  # the epilepsy clinic
        if proper or fixed or match["tail"]:
            strange = any(_strange(word[0]) for word in words)
            yield PhiSpan(start, match.end(), "ORGANIZATION", 0.95 if strange else 0.85)
    works = find_at(_WORKS, text, note.places(WORKS_WORDS))
    employers = find_at(_EMPLOYER, text, note.places(EMPLOYER_WORDS))
    for match in (*works, *employers):
        if not all(w.lower().strip(".,") in _NO_NAME for w in match["o"].split()):
            yield PhiSpan(*match.span("o"), "ORGANIZATION", 0.6)
    for match in find_at(_JOB, text, note.places(JOB_WORDS)):
        strange = not english().plain(match["o"].split()[0].lower())
        if strange or _FIRM.search(match["o"]):  # "cashier, Millrace Software", "Ball Software"
            yield PhiSpan(*match.span("o"), "ORGANIZATION", 0.95)
    for match in find_in(_UPPER, text, around(text, note.exact(_UPPER_WORDS), 120, 40)):
        words = match[0].split()
        if not all(_ordinary(word.lower().strip(".,'")) for word in words[:-1]):
            strange = any(map(_strange, words[:-1]))
            yield PhiSpan(*match.span(), "ORGANIZATION", 0.95 if strange else 0.7)
    for match in find_at(_SAINT, text, note.exact(_SAINTS)):
        if match["s"] or match["n"].lower() in english().first:
            yield PhiSpan(*match.span(), "ORGANIZATION", 0.7)
    pattern, first_words = _institution_pattern()
    for match in find_at(pattern, text, note.exact(first_words)):
        if _TOOL.match(text, match.end()):
            continue
        yield PhiSpan(*match.span(), "ORGANIZATION", 0.85)


def _ordinary(word: str) -> bool:
    """Whether a word in capitals names nothing; Hope and Waters name houses."""
    lexicon = english()
    known = word in lexicon.words or word in lexicon.capitals or word in lexicon.eponyms
    return word in _NO_NAME or len(word) < 3 or (known and word not in lexicon.everyday)


def _strange(written: str) -> bool:
    """Whether a word is of no list of words, so that before "clinic" it can only name one."""
    word = re.sub(r"['’]s?$", "", written.strip(".,").lower())
    short = len(word) < 5 or word in english().first
    return not short and not is_word(word) and not _ordinary(word)


@cache
def states() -> frozenset[str]:
    """Words of the names of states, which may stay."""
    return frozenset(
        w for name in read_json("scrub_places.json")["states"].values() for w in name.split()
    )


@cache
def _cities() -> tuple[frozenset[str], frozenset[str]]:
    places = read_json("scrub_places.json")
    doubtful = frozenset(places["city_words"])
    return frozenset(places["cities"]), doubtful


def _first_words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", name)[0] for name in names)


@cache
def _city_pattern() -> tuple[re.Pattern[str], frozenset[str]]:
    """With the words that its matches begin with, in lower case."""
    cities, doubtful = _cities()
    names = sorted(cities | doubtful, key=len, reverse=True)
    loud = [n.upper() for n in names if " " in n or (len(n) > 4 and n not in doubtful)]
    both = names + loud
    pattern = re.compile(rf"(?<![\w'])(?=[A-Z])(?:{'|'.join(map(re.escape, both))})(?![\w])")
    return pattern, _first_words(map(fold, both))


@cache
def _state_pattern() -> tuple[re.Pattern[str], frozenset[str]]:
    """With the words that codes and names of states begin with."""
    states = read_json("scrub_places.json")["states"]
    codes, names = "|".join(states), "|".join(states.values())
    pattern = re.compile(
        rf"(?<![\w])(?P<city>(?:(?:St|Ft|Mt)\.\s)?[A-Z][A-Za-z'-]{{1,20}}(?:\s[A-Z][A-Za-z'-]{{1,20}}){{0,2}})"
        rf"(?P<comma>,\s?|\s)(?:(?P<code>{codes})|(?P<name>{names}))\b(?:,?\s{{1,2}}(?P<zip>\d{{5}}(?:-\d{{4}})?)(?!\d))?"
    )
    return pattern, _first_words([*states, *states.values()])


@cache
def _institution_pattern() -> tuple[re.Pattern[str], frozenset[str]]:
    """With the words that its matches begin with."""
    places = read_json("scrub_places.json")
    names = sorted(places["institutions"], key=len, reverse=True)
    codes = "|".join(map(re.escape, places["institution_codes"]))
    single = "|".join(places["institution_words"])
    pattern = re.compile(
        rf"(?<!\w)(?:(?:{'|'.join(map(re.escape, names))}|{codes})(?!\w)(?:\s(?:Hospital|Clinic"
        r"|(?:Med(?:ical|\.)?|med|medical)\s(?:Center|Ctr|Cntr|center|ctr)|Health))?"
        rf"|(?<=at )(?:{single})(?!\w)|(?<=from )(?:{single})(?!\w))"
    )
    known = (*names, *places["institution_codes"], *places["institution_words"])
    return pattern, _first_words(known)
