"""Employers, schools, churches and shops, by the kind of firm that ends their name.

Hospitals and the like are found by :mod:`.places`.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_thing
from llmsafe.scrub.detect.lexicon import english, read_words
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import around, find_from

# Words that end nothing but the name of a firm, a school, a church.
_FIRM = (
    r"Dairy|Hardware|Software|Steel|Hotel|Motel|Resort|Casino|Credit Union|Auto Parts|Auto Body|Auto Repair"
    r"|Nursery|Nurseries|Library|Fire Department|Police Department|Fire Dept|Police Dept|Foods|Motors"
    r"|Logistics|Trucking|Freight|Construction|Roofing|Plumbing|Manufacturing|Industries|Farms|Orchards"
    r"|Vineyards|Bakery|Diner|Staffing|Transit|Lumber|Lumber Mill|Mills|Foundry|Plating|Elementary"
    r"|Elementary School|Middle School|High School|Charter School|Preparatory|Preschool|Daycare|Day Care"
    r"|Baptist Church|Methodist Church|Lutheran Church|Catholic Church|Church|Mosque|Synagogue|Cathedral"
    r"|Ministries|Airlines|Airways|Railroad|Landscaping|Packing|Meats|Seafood|Fisheries|Supermarket|Grocery"
    r"|Books|Cleaners|Diagnostics|Pathology|Ambulance|Paper Mill|Paper|Brewery|Brewing|Quarry|Shipyard"
    r"|Technologies|Enterprises|Holdings|Partners|Bros|Brothers|Savings|Rehab|Gear Works|Iron Works|Ironworks"
    r"|Country Club|Golf Club|Public Schools|School District|Community College|Rehabilitation|Drug Store|Drugs"
    r"|Unified|Prep|Montessori|Junior High|Jr High|Shelter|Mission|Food Bank|Food Pantry|Ranch|Cafe|Deli|Bistro|Grill|Tavern"
    r"|Winery|Cannery|Packers|Sawmill|Textiles|Apparel|Realty|Propane|Towing|Electric|Welding|Theater|Playhouse|Museum|Speedway"
    r"|Fitness|Salon|Barbershop|Ambulance Service|EMS|Dental|Pediatrics|Eye Care"
    r"|Adult Day|Adult Day Care|Correctional|Correctional Center|Detention Center|Group Home|Halfway House"
    r"|Nursing|Dialysis|Orthopedics|Orthopaedics|Dermatology|Cardiology|Urgent Care|Home Care|Assisted Living"
)
_FORMS = set(_FIRM.split("|"))
FIRM_WORDS = word_set(
    " ".join(sorted({f.split()[0] for f in _FORMS} | {f.split()[0].upper() for f in _FORMS}))
)
_LETTERS = r"[A-Z](?:[a-z]{2,20}(?:['’]s)?(?:-[A-Z][a-z]{1,20})?|['’][A-Z][a-z]{1,20})"
_TITLED = re.compile(
    rf"(?<![\w'’.-])(?P<o>{_LETTERS}(?:[ ](?:(?:of|the|and)[ ])?{_LETTERS}|[ ]&[ ]{_LETTERS}){{0,2}})[ ](?:{_FIRM})(?![\w-])"
)
_LOUD_LETTERS = r"[A-Z]{3,20}(?:['’]S)?(?:-[A-Z]{2,20})?"
_LOUD = re.compile(
    rf"(?<![\w'’.-])(?P<o>{_LOUD_LETTERS}(?:[ ]{_LOUD_LETTERS}){{0,2}})[ ](?:{_FIRM.upper()})(?![\w-])"
)
# A clinic or a hospital as a scanner has misread it.
_MISREAD = re.compile(
    r"(?<![\w'’.-])(?P<o>[A-Z][\w'’]{2,20}(?:[ ]{1,2}[A-Z][\w'’]{2,20}){0,3})[ ]{1,2}(?i:H[o0]sp[il1]ta[l1]|C[l1i][il1]n[il1]c|Med[il1]ca[l1]|[il1]nst[il1]tute|[o0]rth[o0]pa?ed[il1]cs|Hea[l1]th|Ped[il1]atr[il1]cs|Pharmacy|Assoc[il1]ates|Ass[uo]rance|[il1]nsurance|Schoo[l1]|Church)(?![\w-])"
)
# Two words with capitals before what they are, which has none: "Open Table shelter".
_HEADED = re.compile(
    rf"(?<![\w'’.-])(?P<o>{_LETTERS}(?:[ ](?:(?:of|the|and)[ ])?{_LETTERS}){{0,2}})[ ](?:shelter|group home|halfway house|sober living|adult day|food bank|food pantry|preschool|daycare"
    r"|cannery|sawmill|shipyard|foundry|brewery|bakery|diner|casino|dairy|prison|jail|nursing home|church|parish|temple|mosque|synagogue)(?![\w-])"
)
HEAD_WORDS = word_set(
    "shelter group halfway sober adult food preschool daycare cannery sawmill shipyard foundry brewery bakery diner"
    " casino dairy prison jail nursing church parish temple mosque synagogue"
)
# Of shops and firms: "behind the Pump & Pantry", but the clinic of Head & Neck.
_JOINED = re.compile(
    rf"(?<![\w'’.&-])(?P<o>{_LETTERS}[ ]&[ ]{_LETTERS}(?:[ ](?:Co|Inc|LLC|LLP|OMS|DDS|Sons|Bros)\b\.?)?)(?![\w-])"
)
_AT = re.compile(
    r"(?i)\b(?:(?:behind|outside|inside|near|opposite|at|of|from) the|(?:across|down) from|works? (?:at|for|with)|worked (?:at|for)|job (?:at|with)|shift at"
    r"|employed (?:at|by)|(?:ate|shops?|dinner|lunch|collapsed|found|fell|clerk|cook|cashier|manager|driver|server|waitress) (?:at|for)|owns|owner of|he ran|she ran|desk|at)[,:]? \Z"
)
_FIELDS = word_set(
    "head neck ear ears nose throat heart lung lungs bone joint joints skin bowel bladder pain spine hand foot wound"
    " women men labor delivery rehab surgery emergency trauma critical allergy asthma hearing speech sleep food dining"
    " nutrition health safety risk quality discharge intake history assessment obstetrics signs"
)
_DIGIT = re.compile(r"\d")
_SCANNED = re.compile(r"(?i)(?<=\w)[01](?=[a-z]{2})")
# Behind these somebody's work, school or church is named, whatever the words.
_PLACE = re.compile(
    r"(?i)\b(?:works?|worked|working|employed|employer|job|retired|occupation|attends?|attended|goes|enrolled"
    r"|student|teacher|teaches|member|parish|shift|return(?:s|ed)? to (?:work|school)?|laid off|fired|clerk"
    r"|cook|driver|manager|cashier|machinist|mechanic|secretary|welder|foreman|pastor|deacon)\b[^.\n;]{0,40}\Z"
)


def find_firms(text: str) -> Iterator[PhiSpan]:
    """Named firms, schools and churches: a strange word before what they are, or ordinary ones
    behind a word for work, school or church."""
    note = outline(text)
    near = around(text, note.exact(FIRM_WORDS), 72, 32)
    for match in _MISREAD.finditer(text) if _SCANNED.search(text) else ():
        if _DIGIT.search(match[0]):
            yield PhiSpan(*match.span(), "ORGANIZATION", 0.6)
    for pattern in (_TITLED, _LOUD):
        for match in find_from(pattern, text, note.capitals, near):
            words = list(re.finditer(r"[A-Za-z'’-]{2,}", match["o"]))
            start = match.start()
            said = [at for at, word in enumerate(words) if word[0].lower() in _LEADING]
            words = words[said[-1] + 1 :] if said else words
            if not words:
                continue
            start += words[0].start()
            if _strange(words[0][0]) or (
                _PLACE.search(text[max(0, start - 60) : start]) and _proper(words[0][0])
            ):
                yield PhiSpan(start, match.end(), "ORGANIZATION", 0.6)
    yield from _small_heads(text)
    for match in find_from(_JOINED, text, note.capitals, [(0, len(text))]) if " & " in text else ():
        words = [word.lower() for word in re.findall(r"[A-Z][a-z]+", match["o"])]
        if not _FIELDS.isdisjoint(words) or any(_CLINICAL.search(word) for word in words):
            continue
        if _AT.search(text[max(0, match.start() - 24) : match.start()]):
            yield PhiSpan(*match.span("o"), "ORGANIZATION", 0.6)


_CLINICAL = re.compile(r"(?:ology|iatrics?|iatry|opedics|therapy|surgery|medicine|etrics)\Z")


def _small_heads(text: str) -> Iterator[PhiSpan]:
    note = outline(text)
    near = around(text, note.places(HEAD_WORDS), 72, 20)
    for match in find_from(_HEADED, text, note.capitals, near):
        words = list(re.finditer(r"[A-Z][\w'’-]{1,}", match["o"]))
        if words[0][0].lower() in _LEADING:
            words = words[1:]
        named = [word[0].lower() for word in words]
        if len(named) > 1 and not any(word in _generic() or is_thing(word) for word in named):
            yield PhiSpan(match.start("o") + words[0].start(), match.end(), "ORGANIZATION", 0.6)


def _strange(word: str) -> bool:
    lexicon, lower = english(), re.sub(r"['’]s$", "", word.lower())
    return not lexicon.plain(lower) and lower not in lexicon.eponyms and lower not in _generic()


def _proper(word: str) -> bool:
    return word.lower() not in _generic() and word.lower() not in english().words


def _generic() -> frozenset[str]:
    return read_words("scrub_generic.txt")


_LEADING = word_set(
    "a an the this that our your his her at in from to of and for with on by she he they seen dr mr mrs"
    " ms patient pt admitted transferred referred please follow contact call per via when after before"
    " then also if as is was no new current prior former local department division"
)
