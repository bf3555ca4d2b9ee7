"""Numbers and addresses that identify: by label, by format, by check digit.

A plain number is no identifier. A label ("MRN", "Acct #") makes one of what follows it; a format
(telephone, SSN, e-mail) speaks for itself; a check digit (VIN, DEA, card) settles a doubt.
Every quantifier is bounded, so the time is linear in the length of the note.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

_LINK = (
    r"(?:[ \t]{0,2}(?:\b(?:number|numbers|num|nbr|no|id|identifier|code|is|was|of|ending|in|on file"
    r"|card)\b\.?|[#:=.(\[-]|\*)){0,5}[ \t]{0,3}"
)
_VALUE = r"(?P<v>[#*]?(?:[A-Z]{2,4} (?=\d{5})|(?-i:[A-Z]{2,4} (?=(?!(?:19|20)\d\d\b)\d{4}|\d\d-\d{3})))?(?=[\w./*-]{0,24}\d)[A-Za-z0-9*]{1,24}(?:[-./_][A-Za-z0-9*]{1,24}){0,5}(?: \d{2,8}(?![\w/.,]\d|%)){0,3})"

# Label -> category, tried in order; a strong label needs less of the value that follows.
_LABELS: tuple[tuple[str, str, bool], ...] = (
    ("MRN", r"m\.?r\.?n\.?|(?:med(?:ical)?\.?[ -]?)rec(?:ord)?s?\.?|medrec|mr ?#|chart ?(?:#|no|num|id)|hospital (?:id|no\.|num(?:ber)?|#)|unit (?:no\.?|num(?:ber)?|#)|(?:patient|pt\.?) ?(?:id|identifier|no\.|num(?:ber)?|#)|(?:id|name|wrist) ?band(?: (?:checked|verified|confirmed))?|record ?(?=#|no|num|id)", True),
    ("SSN", r"ssn|ss ?#|soc(?:ial)?\.? sec(?:urity)?\.?(?: ?#)?|social(?= (?:is|number|#|ending))", True),
    ("FAX", r"fax|facsimile", True),
    ("PHONE", r"phone|tele?phone|tel|cell(?: phone)?|mobile|pager|beeper|call(?:[- ]?back)?|contact(?: info)?|home|work|reached? at|phone ?#|ph|extension|ext|voice ?mail|text", True),
    ("LICENSE", r"licen[sc]e(?! plate)|lic\.?|driver'?s? lic(?:en[sc]e)?|dl ?(?=#|no|num|:)|(?-i:DL)(?= [A-Z*]{1,9}\d)|npi|clia|dea|upin|certificat(?:e|ion)|cert\.? ?(?=#|no)|state id|medical licen[sc]e", True),
    ("VEHICLE", r"licen[sc]e plate|plate|(?:vehicle|car|truck) (?:id|tag|reg(?:istration)?|plate)|vin|registration plate|tag ?(?=#|no)", True),
    ("HEALTH_PLAN", r"insurance(?: policy| plan| member| card)?|ins(?:ur)?\.? (?=id|#|no|policy)|health ?(?:care)? ?plan(?: beneficiary| member)?|plan (?=id|#|no|num)|policy(?: holder)?|member(?:ship)?|subscriber|group ?(?=id|#|no|num)|beneficiary|hicn|mbi|medicare(?: ?(?=#|id|no|num|beneficiary|:))|medicaid(?: ?(?=#|id|no|num|:))|payer id", True),
    ("ACCOUNT", r"account|acct|a/c|invoice|claim|bill(?:ing)? ?(?=#|no|num|id|acc)|guarantor|har ?(?=#|:)|iban|routing|(?:credit|debit) card|bank", True),
    ("DEVICE", r"serial(?: ?(?=#|no|num|:))?|s/n|sn(?=[ :#])|udi|device (?=id|#|no|serial)|imei|implant (?=id|#|no)|model/serial|pacemaker (?=id|#|no|serial)", True),
    ("BIOMETRIC", r"(?:finger ?print|retina(?:l)? ?(?:scan)?|iris (?:scan|id|code)|voice ?print|palm ?print|face ?(?:id|print)|biometric|facial (?:scan|id|recognition))(?: (?:template|hash|ref(?:erence)?|record|scan|id))?", True),
    ("OTHER_ID", r"accession|hugs(?: tag)?|(?:infant|security) tag|specimen|case ?(?=id|#|no|num|:)|encounter|csn|fin|visit ?(?=id|#|no|num)|order ?(?=id|#|no|num)|study ?(?=id|#|no|num)|subject ?(?=id|#|no|num)|participant|enrol{1,2}ment|confirmation|application|docket|warrant|voucher|receipt|ref(?:erence)?\.? ?(?=id|#|no|num|code|:)|rx ?(?=#|no|num)|prescription ?(?=#|no|num)|passport|employee|badge|student ?(?=id|#|no)|id|identifier|user ?(?:name|id)|login|ticket|tracking|site ?(?=id|#|no)|order|requisition|referral ?(?=#|no)|authorization|auth ?(?=#|no)|pathology ?(?=#|no)|serial|claim(?= ref)|ref(?:erence)?\.?(?= [A-Z]{1,4}\d{2})", False),
)  # fmt: skip
LABELLED = tuple(
    (
        category,
        strong,
        re.compile(rf"(?<![\w])(?:{label})(?:(?<=\s)|(?!\w)){_LINK}{_VALUE}", re.IGNORECASE),
    )
    for category, label, strong in _LABELS
)
# With which word a label of each pattern begins; tests/scrub/test_outline.py spells the labels out.
_FIRST = {
    "MRN": "m mr mrn med medical medrec medrecs medrecord medrecords medicalrec medicalrecs medicalrecord medicalrecords chart chartno chartnum chartid hospital unit patient patientid patientidentifier patientno patientnum patientnumber pt ptid ptidentifier ptno ptnum ptnumber id idband name nameband wrist wristband record",
    "SSN": "ssn ss soc social",
    "FAX": "fax facsimile",
    "PHONE": "phone telephone telphone tel cell mobile pager beeper call callback contact home work reached reache ph extension ext voice voicemail text",
    "LICENSE": "license licence lic driver drivers dl npi clia dea upin certificate certification cert state medical",
    "VEHICLE": "license licence plate vehicle car truck vin registration tag",
    "HEALTH_PLAN": "insurance ins insur health healthplan healthcare healthcareplan plan policy member membership subscriber group beneficiary hicn mbi medicare medicaid payer",
    "ACCOUNT": "account acct a invoice claim bill billing guarantor har iban routing credit debit bank",
    "DEVICE": "serial s sn udi device imei implant model pacemaker",
    "BIOMETRIC": "finger fingerprint retina retinal retinascan retinalscan iris voice voiceprint palm palmprint face faceid faceprint biometric facial",
    "OTHER_ID": "accession hugs infant security specimen case encounter csn fin visit order study subject participant enrolment enrollment confirmation application docket warrant voucher receipt ref reference rx prescription passport employee badge student id identifier user username userid login ticket tracking site requisition referral authorization auth pathology serial claim",
}
LABEL_WORDS = tuple(word_set(_FIRST[category]) for category, _, _ in _LABELS)
_CALL = re.compile(
    r"\b(?:call|reach|dial|page|contact|phone|question)(?:ed|s)?\b(?:[^.\n]{0,40}?\b(?:at|on|to))?\s"
    r"(?!(?:[01]\d|2[0-3])[0-5]\d\b)(?P<v>\d{4,5})(?!\w|[/.,]\d)",
    re.IGNORECASE,
)
# A code that opens a door is short.
_CODE = re.compile(
    r"\b(?:gate|door|alarm|entry|access|garage|lock ?box|keypad|security|family|privacy|visitor) (?:code|pin)(?: is| no\.?|:|=)?[ ]{1,2}(?P<v>[#*]?\d{3,8}[#*]?)(?![\w])",
    re.IGNORECASE,
)
CODE_WORDS = word_set(
    "gate door alarm entry access garage lock lockbox keypad security family privacy visitor"
)
# "Band no. 2210-77", whatever is numbered, unless others have the same number.
_NUMBERED = re.compile(
    r"(?:no\.|numbers?|num\.?|nbr\.?)(?: is|:)?[ ]{1,2}#?(?P<v>(?=(?:[A-Z-]{0,4}\d[A-Z/-]?){4})[A-Z\d]{1,12}(?:[-/][A-Z\d]{1,12}){0,3})(?![\w%]|[.,/]\d)",
    re.IGNORECASE,
)
NUMBER_WORDS = word_set("no number numbers num nbr")
_NUMBERED_THING = re.compile(r"\b(?P<w>[A-Za-z]{3,15}) \Z")
_SHARED = word_set(
    "lot cat catalog catalogue model part item size batch version ndc product protocol grant total the and this that"
    " room bed ward floor unit chapter page figure table act rule code reference stock style large small any same"
    " upc formula order patent edition release release's series count copy chromosome her his their our your has had"
)
# Aircraft: an N-number of the United States.
_TAIL = re.compile(
    r"(?:tail|aircraft|helicopter|helo|airframe)(?: (?:no\.?|number|#|reg(?:istration)?))?[: ]{1,2}(?P<v>N(?=\w{3})\d{1,5}[A-Z]{0,2})(?!\w)",
    re.IGNORECASE,
)
TAIL_WORDS = word_set("tail aircraft helicopter helo airframe")
# Digit by digit: "page me on 0-4-4-7".
_APART = re.compile(
    r"(?:call|page|dial|reach|ext|beeper|pager|text|phone|cell)\b[^.\n]{0,24}? (?P<v>\d(?:-\d){3,11})(?![\w/-]|\.\d)",
    re.IGNORECASE,
)
APART_WORDS = word_set("call page dial reach ext beeper pager text phone cell")
_USER = re.compile(
    r"\b(?:user ?name|user ?id|login|patient portal user)\s?[:=]\s?(?P<v>[\w.@-]{3,40})",
    re.IGNORECASE,
)

CALL_WORDS = word_set(
    "call called calls reach reached reachs dial dialed dials page pageed pages contact contacted"
    " contacts phone phoneed phones question questioned questions"
)
USER_WORDS = word_set("username user userid login patient")

_PATTERNS: tuple[tuple[str, float, str], ...] = (
    ("EMAIL", 0.99, r"(?<![\w.+%-])[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"),
    ("EMAIL", 0.9, r"(?<![\w.+-])[\w.+-]{1,64}\s?[\[(]\s?at\s?[\])]\s?[A-Za-z0-9-]{1,63}(?:\s?[\[(]\s?dot\s?[\])]\s?[A-Za-z0-9-]{1,63}|\.[A-Za-z]{2,10}){1,4}"),
    ("EMAIL", 0.8, r"(?<![\w.+-])[\w.+-]{1,64} at [A-Za-z0-9-]{2,63} dot (?:com|org|net|edu|gov)\b"),
    ("URL", 0.98, r"(?:https?|ftp|hxxps?)://[^\s<>\"')\]]{1,2000}|(?<![\w@.])www\.[^\s<>\"')\]]{1,2000}"),
    ("URL", 0.85, r"(?<![\w@./-])(?:[A-Za-z0-9-]{1,63}\.){1,4}(?:com|org|net|edu|gov|io|health|info|co\.uk)(?:/[^\s<>\"')\]]{0,2000})?(?![\w@-])"),
    ("SSN", 0.9, r"(?<![\w-])(?!000)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    ("SSN", 0.8, r"(?<![\w-])(?:[xX*]{3}[- ]?[xX*]{2}[- ]?)\d{4}(?!\w)"),
    ("IP", 0.85, r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]\d|\w)(?:/\d{1,2})?"),
    ("IP", 0.9, r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){1,6}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,5})?(?![\w:])"),
    ("DEVICE", 0.9, r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])"),
    ("DEVICE", 0.95, r"\(01\)\d{14}(?:\(\d{2}\)[A-Za-z0-9./-]{1,20}){0,5}"),
    ("OTHER_ID", 0.95, r"(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])"),
    ("PHONE", 0.9, r"(?<![\w.-])(?:\+?1[-. ]?)?(?:\(\d{3}\)[ -]?|\d{3}[-. /])\d{3}[-. ]\d{4}(?:,?\s?(?:x|ext\.?|extension)\s?\d{1,6})?(?![\w-]|\.\d)"),
    ("PHONE", 0.9, r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}(?!\w)"),
    ("PHONE", 0.7, r"(?<![\w.-])1-8(?:00|88|77|66|55|44|33)-[A-Z0-9]{3,7}(?:-[A-Z0-9]{4})?(?!\w)"),
    ("PHONE", 0.7, r"(?<=[ (,;])x\d{4,5}(?![\w.]|\s?(?:mg|ml|days?|times))"),
    ("VEHICLE", 0.7, r"(?<![\w-])[A-Z]{2}[0-7]\d [A-HJ-PR-Z]{3}(?![\w-])"),  # United Kingdom since 2001
    ("OTHER_ID", 0.7, r"(?<![\w-])(?!NCT|ISRCTN|PMC|PMID|ICD|CPT|HPV|COVID)[A-Z]{1,5}-?\d{2,4}-?\d{3,12}(?:-?[A-Z])?(?![\w-])"),
    ("MRN", 0.6, r"(?<![\w/.-])\d{3}-\d{2}-\d{2,3}(?![\w/-]|\.\d)"),
    ("MRN", 0.5, r"(?<![\w/.-])(?=\d{4}-\d{4})(?!(?:1[89]|20)\d\d-)(?!(?:[01]\d|2[0-4])[0-5]\d-(?:[01]\d|2[0-4])[0-5]\d)\d{4}-\d{4}(?![\w/-]|\.\d)"),
    ("OTHER_ID", 0.5, r"(?<![\w.,/-])\d{6,9}[A-Z](?![\w-])"),
    ("OTHER_ID", 0.5, r"(?m)(?:^|(?<=[A-Za-z.]  )|(?<=\()|(?<=/))[ \t]{0,4}\d{6,9}(?=\)|[ \t]{0,3}/ |[ \t\r]{0,4}$)"),
    ("SSN", 0.9, r"(?i)(?<=last four )\d{4}(?!\w)|(?<=last 4 )\d{4}(?!\w)|(?<=ending in )\d{4}(?!\w)|(?<=last four: )\d{4}(?!\w)"),
    ("ACCOUNT", 0.8, r"(?i)\b(?:visa|master ?card|mc|amex|discover|card|debit|credit|checking|savings|acct|account)(?: card)? (?:ending|ends|end)(?: (?:in|with))? (?P<v>\d{4})(?!\d)"),
    ("OTHER_ID", 0.8, r"\bextension=\"(?=[^\"]*\d)(?P<v>[\w.-]{3,40})\""),
    ("OTHER_ID", 0.6, r"(?<![\w#])#\s?(?=[A-Z\d-]{5,24}(?!\w))(?:[A-Z]{1,6}-?)?\d{4,16}(?:-\d{1,10}){0,3}"),
    ("OTHER_ID", 0.5, r"(?<![\w.,/$-])(?!\d*0{5})\d{9,25}(?![\w,/%-]|\.\d)"),
)  # fmt: skip
FORMATS = tuple(
    (category, score, re.compile(pattern, re.IGNORECASE if category in ("URL", "EMAIL") else 0))
    for category, score, pattern in _PATTERNS
)


# One of these stands in every match of the pattern in the same place, in lower case with all digits 0:
# signs, or patterns that begin with one, for which the engine can look quickly.
_SIGNS: tuple[tuple[str | re.Pattern[str], ...], ...] = (
    ("@",),
    (re.compile(r"at\s?[\])]"),),
    (" dot ",),
    ("://", "www."),
    (re.compile(r"\.(?:com|org|net|edu|gov|io|health|info|co\.uk)"),),
    ("000-00-0000",),
    ("xx", "**", "x*"),
    ("0.0.0", "0.00.0", "0.000.0"),
    (re.compile(r":[0a-f]{0,4}:"),),
    (re.compile(r":(?:[0a-f]{2}[:-]){4}"), re.compile(r"-(?:[0a-f]{2}[:-]){4}")),
    ("(00)00000000000000",),
    (re.compile(r"-[0a-f]{4}-[0a-f]{4}-"),),
    ("000-0000", "000.0000", "000 0000"),
    ("+0",),
    ("0-000-",),
    ("x0000",),
    (re.compile(r"00 [a-z]{3}(?<=[a-z]{2}00 [a-z]{3})"),),
    ("00000", "00-000"),
    (re.compile(r"000-00-0(?<!0000-00-0)"),),
    ("0000-0000",),
    ("000000",),
    ("000000",),
    ("last four", "last 0", "ending in"),
    ("end 0000", "ends 0000", "ending 0000", "in 0000", "with 0000"),
    ("extension=",),
    (re.compile(r"#\s?(?:[a-z]{1,6}-?)?0000"),),
    ("000000000",),
)


_MARKS = frozenset(mark for marks in _SIGNS for mark in marks if isinstance(mark, str))
_HINTS = frozenset(mark for marks in _SIGNS for mark in marks if isinstance(mark, re.Pattern))


def _may_match(signs: str) -> list[tuple[str, float, re.Pattern[str]]]:
    """The formats of which a sign is there."""
    seen = {mark for mark in _MARKS if mark in signs} | {h for h in _HINTS if h.search(signs)}
    return [f for f, marks in zip(FORMATS, _SIGNS, strict=True) if not seen.isdisjoint(marks)]


_VIN = re.compile(r"(?<!\w)[A-HJ-NPR-Z0-9]{17}(?!\w)")
_DEA = re.compile(r"(?<!\w)[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}(?!\w)")
_CARD = re.compile(r"(?<![\w-])\d{4}[- ]?\d{4}[- ]?\d{4}[- ]?\d{1,7}(?![\w-])")
_FAX_BEFORE = re.compile(r"\b(?:fax|facsimile|f)\b\W{0,4}(?:\w{1,6}\W{0,3})?$", re.IGNORECASE)
# What looks like an address of a machine or like an SSN and is of a product.
_VERSION = re.compile(
    r"(?i)\b(?:firmware|fw|driver|version|ver|software|protocol|build|release|catalog(?:ue)?|cat|model|part)"
    r"\b[^\w\n]{0,4}(?:no\.?|number|v)?[^\w\n]{0,3}$"
)
_YEAR = re.compile(r"(?:18|19|20)\d\d")


# What somebody drives, and its plate: a silver Malibu, DXR 4402; grey Kia CK 71 882.
CAR_WORDS = word_set(
    "acura altima accord audi bmw buick cadillac camry chevrolet chevy chrysler civic corolla dodge"
    " elantra equinox explorer fiat ford gmc honda hyundai impala infiniti jeep jetta kia lexus"
    " malibu maxima mazda mercedes minivan mitsubishi mustang nissan odyssey outback pickup prius"
    " rav4 sedan sentra silverado sonata subaru suv suzuki tacoma tesla tahoe toyota truck tundra"
    " van volkswagen volvo vw wrangler"
)
_DRIVEN = re.compile(
    rf"\b(?i:{'|'.join(sorted(CAR_WORDS))})\b"
    r"(?:[ ](?:[A-Z][\w-]{1,12}|\d{4})){0,2}[,;]?[ ]\(?(?P<v>(?!MRI|CTA? |PET|GCS|EMS|ETA|MVC|XR |US |[TV]\d)(?=[A-Z\d -]{0,6}\d)(?=[\d -]{0,6}[A-Z])"
    r"[A-Z\d]{2,4}[ -][A-Z\d]{2,4}(?:[ -][A-Z\d]{2,4})?|(?=[A-Z\d]{0,5}\d{3})[A-Z]{1,3}\d{3,5}[A-Z]{0,2}|\d[A-Z]{3}\d{3})(?![\w/%]|[.,]\d)"
)


def find_labelled(text: str) -> Iterator[PhiSpan]:
    """What a label says is an identifier: at least three digits (five after a weak label)."""
    note = outline(text)
    for (category, strong, pattern), first in zip(LABELLED, LABEL_WORDS, strict=True):
        for match in find_at(pattern, text, note.places(first)):
            value = match["v"]
            digits = sum(c.isdigit() for c in value)
            letters = any(c.isalpha() for c in value)
            if category in ("PHONE", "FAX"):
                short = re.match(r"pager|beeper|ext", match[0], re.IGNORECASE)
                if digits < (3 if short else 7) or letters:
                    continue
            elif digits < (3 if strong else 4) or (not strong and not letters and digits < 5):
                continue
            if _YEAR.fullmatch(value) or re.fullmatch(r"\d{1,2}/\d{1,2}(/\d{2,4})?", value):
                continue
            yield PhiSpan(match.start("v"), match.end("v"), category, 0.97 if strong else 0.8)
    for match in find_at(_CALL, text, note.places(CALL_WORDS)):
        yield PhiSpan(match.start("v"), match.end("v"), "PHONE", 0.6)
    for match in find_at(_CODE, text, note.places(CODE_WORDS)):
        yield PhiSpan(match.start("v"), match.end("v"), "OTHER_ID", 0.8)
    for match in find_at(_NUMBERED, text, note.places(NUMBER_WORDS)):
        noun = _NUMBERED_THING.search(text[max(0, match.start() - 17) : match.start()])
        if noun and noun["w"].lower() not in _SHARED and not _YEAR.fullmatch(match["v"]):
            yield PhiSpan(match.start("v"), match.end("v"), "OTHER_ID", 0.6)
    for match in find_at(_TAIL, text, note.places(TAIL_WORDS)):
        yield PhiSpan(match.start("v"), match.end("v"), "VEHICLE", 0.8)
    for match in find_at(_DRIVEN, text, note.places(CAR_WORDS)):
        yield PhiSpan(*match.span("v"), "VEHICLE", 0.7)
    for match in find_at(_APART, text, note.places(APART_WORDS) if "0-0-0-0" in note.signs else ()):
        yield PhiSpan(match.start("v"), match.end("v"), "PHONE", 0.7)
    for match in find_at(_USER, text, note.places(USER_WORDS)):
        yield PhiSpan(match.start("v"), match.end("v"), "OTHER_ID", 0.8)


def find_formats(text: str) -> Iterator[PhiSpan]:
    """What its own form gives away: telephone, SSN, e-mail, URL, IP, UUID, MAC, UDI, codes."""
    for category, score, pattern in _may_match(outline(text).signs):
        for match in pattern.finditer(text):
            start, end = match.span("v" if "v" in pattern.groupindex else 0)
            found = category
            if category in ("URL", "EMAIL"):
                end -= len(match[0]) - len(match[0].rstrip(".,;:!?"))
            elif category in ("IP", "SSN") and _VERSION.search(text[max(0, start - 24) : start]):
                continue
            elif category == "PHONE" and _FAX_BEFORE.search(text[max(0, start - 20) : start]):
                found = "FAX"
            yield PhiSpan(start, end, found, score)


def find_checked(text: str) -> Iterator[PhiSpan]:
    """What a check digit confirms: VIN, DEA number, payment card."""
    note = outline(text)
    for match in find_at(_VIN, text, note.long(17)):
        if vin_valid(match[0]):
            yield PhiSpan(*match.span(), "VEHICLE", 0.95)
    for match in _DEA.finditer(text) if "0000000" in note.signs else ():
        if dea_valid(match[0]):
            yield PhiSpan(*match.span(), "LICENSE", 0.95)
    groups = ("00000000", "0000-0000", "0000 0000")
    card = any(group in note.signs for group in groups)
    for match in _CARD.finditer(text) if card else ():
        if luhn_valid(re.sub(r"\D", "", match[0])):
            yield PhiSpan(*match.span(), "ACCOUNT", 0.9)


def luhn_valid(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B; an NPI is checked as ``luhn_valid("80840" + npi)``."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value // 10 + value % 10
    return total % 10 == 0 and len(digits) > 1


def dea_valid(number: str) -> bool:
    """Drug Enforcement Administration: (d1+d3+d5) + 2(d2+d4+d6) ends in d7."""
    d = [int(c) for c in number[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def vin_valid(vin: str) -> bool:
    """49 CFR 565.15: the weighted sum modulo 11 stands in the ninth place."""
    values = {**{str(i): i for i in range(10)}, **dict(zip("ABCDEFGH", range(1, 9), strict=True))}
    values |= dict(zip("JKLMN", range(1, 6), strict=True)) | {"P": 7, "R": 9}
    values |= dict(zip("STUVWXYZ", range(2, 10), strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    check = sum(values[c] * w for c, w in zip(vin, weights, strict=True)) % 11
    return vin[8] == ("X" if check == 10 else str(check)) and any(c.isalpha() for c in vin)
