"""Dates in notes and ages over 89: finding them. :mod:`llmsafe.scrub.replace.shift` moves them.

A date is anything finer than a year (HIPAA Safe Harbor (C)); a bare year, a weekday and "last
week" are none.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import Range, around, find_at, find_in, windows
from llmsafe.scrub.replace.spelled import ORDINALS

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
MONTH = (
    r"(?P<mon>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_D = r"(?P<d>0?[1-9]|[12]\d|3[01])"
_M = r"(?P<m>0?[1-9]|1[0-2])"
_Y4 = r"(?P<y>(?:18|19|20)\d\d)"
_Y = r"(?P<y>(?:18|19|20)\d\d|\d\d)"
_ORDINAL = r"(?P<ord>st|nd|rd|th)?"
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s{1,2})?"
_CLOCK = r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_SPELLED = "|".join(word.replace("-", "[- ]") for word in reversed(ORDINALS))
_BEFORE_MONTH = (
    r"(?:in|since|until|till|by|of|last|this|next|early|late|mid|during|from|to|through|between"
    r"|and|before|after|around|beginning|end)"
)


@dataclass(frozen=True)
class Form:
    """A written form of a date: a pattern with the groups y, m, mon, d, ord, word (an ordinal) and
    year (in words) as far as it has them, and the score of a match."""

    name: str
    pattern: re.Pattern[str]
    score: float


def _form(name: str, pattern: str, score: float, *, flags: int = re.IGNORECASE) -> Form:
    return Form(name, re.compile(pattern, flags), score)


FORMS: tuple[Form, ...] = (
    _form("iso", rf"(?<![\d/.-]){_Y4}([-/.]){_M}\2{_D}{_CLOCK}(?![\d])", 0.98),
    _form(
        "numeric",
        rf"(?<![\w/.-]){WEEKDAY}(?:{_M}(?P<s>[-/]){_D}(?P=s){_Y}|(?P<m2>0?[1-9]|1[0-2])\.(?P<d2>0?[1-9]"
        r"|[12]\d|3[01])\.(?P<y2>(?:18|19|20)\d\d))(?![\w/-]|\.\d)",
        0.95,
    ),
    _form(
        "day first",
        rf"(?<![\w/.-]){WEEKDAY}(?P<d>1[3-9]|2\d|3[01])(?P<s>[-/.]){_M}(?P=s){_Y}(?![\w/-]|\.\d)",
        0.9,
    ),
    _form(
        "month day year",
        rf"(?<!\w){WEEKDAY}{MONTH}\.?[\s-]{{1,3}}(?:the )?(?!\d{{4}}(?!\d)){_D}\s?{_ORDINAL},?(?:\s{{0,2}}-?|\sof\s)"
        rf"'?{_Y}(?!\w|[.,/-]\d|:\d)",
        0.98,
    ),
    _form(
        "day month year",
        rf"(?<!\w){WEEKDAY}(?:the )?{_D}\s?{_ORDINAL}[\s/-]{{0,2}}(?:of\s)?{MONTH}\.?,?[\s/-]{{0,2}}'?{_Y}"
        r"(?!\w|[.,/-]\d|:\d)",
        0.98,
    ),
    _form("month year", rf"(?<!\w){MONTH}\.?,?(?:\s(?:of\s)?|-|/)'?{_Y4}(?!\w)", 0.95),
    _form("month short year", rf"(?<!\w){MONTH}\.?,?\s?'(?P<y>\d\d)(?!\w)", 0.95),
    _form("numeric month year", rf"(?<![\w/.-]){_M}/{_Y4}(?![\w/-]|\.\d)", 0.85),
    _form(
        "compact",
        r"(?<![\w.-])(?P<y>(?:19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?:T(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}Z?)?(?![\w-]|\.\d)",
        0.6,
    ),
    _form(  # of HL7: with hour, minute and second, which stay, and the zone
        "stamp",
        r"(?<![\w.-])(?P<y>(?:18|19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])"
        r"(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}(?:\.\d{1,4})?(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
        r"(?![\w-]|\.\d)",
        0.85,
    ),
    _form(
        "spelled",
        rf"(?<!\w){MONTH}\.?\s(?:the\s)?(?P<word>{_SPELLED})(?!\w)"
        r"(?:,?\s(?:(?P<y>(?:18|19|20)\d\d)|(?P<year>(?:nineteen|two thousand|twenty)(?:[- ](?:and[- ])?"
        r"(?:hundred|oh|ten|eleven|twelve|\w{3,5}teen|twenty|thirty|forty|fifty|sixty|seventy"
        r"|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){0,3}))(?!\w))?",
        0.9,
    ),
    _form(
        "month day",
        rf"(?<!\w){WEEKDAY}{MONTH}\.?[\s-](?:the )?{_D}\s?{_ORDINAL}(?!\w|[.,/-]?\d|:\d|\s?%)",
        0.8,
    ),
    _form(
        "day month",
        rf"(?<![\w/.]){WEEKDAY}(?:the )?{_D}(?:\s?(?P<ord>st|nd|rd|th)\s(?:of\s)?|[- ]of |[- ]|(?=[A-Z])){MONTH}(?![\w])",
        0.8,
    ),
    _form(
        "month alone",
        rf"(?<!\w){_BEFORE_MONTH}[\s-]{MONTH}\b(?!\.?\s?\d)",
        0.7,
    ),
    _form(
        "season",
        r"(?<!\w)(?:(?:early|late|mid)[- ])?(?:spring|summer|fall|autumn|winter)(?:,|\sof)?\s"
        rf"{_Y4}(?!\w)",
        0.7,
    ),
    _form(
        "holiday",
        r"(?<!\w)(?:thanksgiving(?: day)?|christmas(?: eve| day)?|xmas|new year'?s(?: eve| day)?|(?<=after )new year(?! of)|(?<=before )new year(?! of)|(?<=since )new year(?! of)"
        r"|halloween|valentine'?s day|easter(?: sunday| monday)?|memorial day|labor day"
        r"|independence day|veterans'? day|(?:4th|fourth) of july|mother'?s day|father'?s day"
        r"|st\.? patrick'?s day|mlk day|presidents'? day|columbus day|cinco de mayo"
        r"|boxing day|palm sunday|ash wednesday|juneteenth|mardi gras|groundhog day|flag day"
        r"|canada day|bastille day|guy fawkes(?: night| day)?|bonfire night|anzac day"
        r"|remembrance day|armistice day|indigenous peoples'? day|black friday|cyber monday"
        r"|super bowl sunday|election day|tax day|all saints'? day|all souls'? day"
        r"|dia de los muertos|(?:chinese|lunar) new year|nowruz|holi|purim|sukkot|shavuot"
        r"|yom kippur|rosh hashanah|kwanzaa|pentecost|whit monday|hanukkah|chanukah|passover|pesach"
        r"|ramadan|diwali|vaisakhi|navratri|eid (?:al|ul)-?\s?\w{4,5}|good friday)"
        rf"(?!\w)(?: (?:of )?{_Y4}\b)?",
        0.75,
    ),
)
# Forms that only a longer text gives a meaning; they are moved, and found by other patterns.
PARTS: tuple[Form, ...] = (
    _form("pair", rf"{WEEKDAY}{_M}[-/]{_D}", 0.0),
    _form("pair, day first", rf"{WEEKDAY}(?P<d>1[3-9]|2\d|3[01])[-/]{_M}", 0.0),
    _form("lone month", rf"{MONTH}\.?", 0.0),
    # As tables of known dates are searched for.
    _form("loose", rf"{_M}[-/., ]{{1,2}}{_D}[-/., ]{{1,2}}'?{_Y}", 0.0),
    _form("loose, day first", rf"{_D}[-/., ]{{1,2}}{_M}[-/., ]{{1,2}}'?{_Y}", 0.0),
    _form("loose iso", rf"{_Y4}[-/., ]{{1,2}}{_M}[-/., ]{{1,2}}{_D}", 0.0),
    _form("month first, compact", rf"(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01]){_Y4}", 0.0),
)
# Month and day by numbers alone look like blood pressures, scores and fractions; words decide.
_PARTIAL = re.compile(
    rf"(?:\b(?P<weekday>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|saturday|sunday)\.?,?\s{{1,2}}"
    rf"|\b(?:(?P<day>(?:night|morning|evening|afternoon|eve) of)|(?P<sure>on|since|seen|until|dated|for|began|begun|onset|last seen)|started|follow[ -]?up|f/?u|given|placed|removed|repeat(?:ed)?|recheck|next|return(?:ed)?|dated?|prior|stent(?:ed)?|lanced|drained|inserted|excised|sutured|transfused|intubated|extubated|transferred|faxed|mailed|resumed|restarted|dos|dob|admitted|discharged|admit|d/c|until|till|through|thru"
    rf"|as of|starting|effective|visit|surgery|collected|drawn|from|by|last|ordered|due|to"
    rf"|about|around|before|after|between|and|pos|positive|week of|appt|appointment|called|call|d|t|of|done|study)\b[:\s]{{1,2}}"
    rf"|[(\[]\s?|^\s{{0,4}})(?P<all>{_M}(?P<s>[-/]){_D})(?![\w/%-]|\.\d|\s?(?:strength|power|murmur"
    r"|systolic|pain|tab|cup|of|on|mm|mg|ml|points?|visits?|days?|weeks?|times|muscle|pulses?|dose))",
    re.IGNORECASE | re.MULTILINE,
)
# Of former films, behind an operation, of when something began, where no murmur or strength follows.
_PLACED = re.compile(
    rf"(?:\bcomparison:|\bcompared (?:to|with)|(?:plasty|ectomy|otomy|repair|fusion|graft|replacement|revision),"
    rf"|\b(?:began|begun|started|onset) (?:around|about|circa|approx\w{{0,8}}))\s(?P<all>{_M}/{_D})(?=[.,;)]?(?:\s|\Z))(?!/10)(?!\s?(?:strength|cup|tab|of\b|on\b|in\b|dose|systolic|diastolic|murmur|sem\b|sutures?))",
    re.IGNORECASE,
)
_PADDED = re.compile(
    r"(?<![\w/.-])(?:0[1-9]/(?:0[1-9]|[12]\d|3[01])|1[0-2]/0[1-9])(?![\w/%-]|\.\d)"
)
_SCALES = frozenset(("3", "4", "5", "6", "8", "10"))
_CAPITAL_ONLY = frozenset(("may", "march", "mar"))
_MONTH_WORD = re.compile(MONTH + r"(?![a-z])", re.IGNORECASE)
_SHORT = tuple(month[:3] for month in MONTHS)
# Where a date in numbers can begin, in the text with every digit a 0: the engine looks quickly for
# one character.
_NUMERIC = re.compile(r"0(?<!00)(?:0{0,3}[-/.]0|0{7})")
_PAIR = re.compile(r"0(?<![\w/.-]0)0?[-/]0")
# One of these stands in every match of a form, with all digits 0.
_SIGNS = {
    "iso": ("0000-0", "0000/0", "0000.0"),
    "numeric month year": ("0/0000",),
    "compact": ("00000000",),
    "stamp": ("000000000000",),
}
_SEASONS = word_set("spring summer fall autumn winter")
HOLIDAY_WORDS = word_set(
    "thanksgiving christmas xmas new halloween valentine valentines easter memorial labor"
    " independence veterans 4th fourth mother mothers father fathers st mlk"
    " president presidents columbus cinco hanukkah passover ramadan diwali eid good"
    " boxing palm ash juneteenth mardi groundhog flag canada bastille guy bonfire anzac remembrance"
    " armistice indigenous black cyber super election tax all dia chinese lunar nowruz holi"
    " purim sukkot shavuot yom rosh kwanzaa pentecost whit chanukah pesach vaisakhi navratri"
)
_SMALL = re.compile(r"0(?<!00)00?(?!0)")  # a number of two or three digits
_OLD_WORDS = word_set("ninety one")
_AGE = re.compile(
    r"(?<![\w.-])(?P<n>9\d|1[0-2]\d)(?:[- ]?(?:years?|yrs?)[- ]?(?:old|of age)|[- ]?y/?o[MFmf]?\b|[- ]?y\.o\."
    r"|[- ]?(?:year|yr)[- ]old|\s?(?:yrs?\s)?[MF]\b(?!\w)|(?-i:/[MF])\b)"
    r"|\b(?:aged?|age of|turned|turning|age is|age was|(?:alive|well|living|healthy|died|d\.|dead|passed|deceased|survived)(?: away)?(?: and well)? (?:at|to)|lived (?:to(?: be)?|till|until|past)|\bd\.)\s?[:=]?\s?(?P<n2>9\d|1[0-2]\d)"
    r"(?![\w+]|\.\d|\s?(?:%|days?|weeks?|months?|mg|ml))",
    re.IGNORECASE,
)
# "Pt is 101!", but "she is 98 on room air".
_IS_OLD = re.compile(
    r"\b(?:pt|patient|he|she|who|mom|mum|mother|dad|father|wife|husband|grandma|grandpa|aunt|uncle|sister|brother)"
    r"(?:'s| is| was)(?: now| already| only| just| almost| nearly)? (?P<n>9\d|1[01]\d)"
    r"(?=[!,;]|\.(?!\d)|\)|\s*$| and (?:lives|still|very|has|is|was|active|alert|frail|independent)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_KIN = (
    "mother father mom mum dad sister brother aunt uncle grandmother grandfather grandma grandpa wife"
    " husband spouse widow widower pgm pgf mgm mgf gma gpa"
)
_KIN_AGE = re.compile(
    rf"\b(?:{_KIN.replace(' ', '|')})(?: is|'s|:)?(?: d\.?| died| alive)?(?:,? (?-i:[A-Z][a-z]{{1,15}}))?,?[ ](?P<n>9\d|1[01]\d)"
    r"(?=[,;)]|\.(?!\d)|\s*$| (?:a&w|w/|and (?:well|healthy)|alive|healthy|living|in (?:good|fair|poor)|of \w+|with))",
    re.IGNORECASE | re.MULTILINE,
)
_OLD_BEFORE = re.compile(
    r"(?i)\b(?:turned|turning|aged?|lived (?:to(?: be)?|till|until)|(?:died|passed(?: away)?|dead|alive) at|age of) \Z"
)
_OLD = re.compile(
    r"(?P<n>ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|one hundred(?:[- ](?:and[- ])?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve))?)(?![\w-]| (?:percent|pounds|days|mg|degrees))",
    re.IGNORECASE,
)
_AGE_SPELLED = re.compile(
    r"\b(?P<n3>ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|one hundred"
    r"(?:[- ](?:and[- ])?\w{3,5})?)[- ]years?[- ]old",
    re.IGNORECASE,
)


def find_dates(text: str) -> Iterator[PhiSpan]:
    """Every date in any of the :data:`FORMS`, and month/day pairs where the words say so."""
    note = outline(text)
    months = near_months(text, 40, 120)
    starts = [match.start() for match in _NUMERIC.finditer(note.signs)]
    numbers = [_with_weekday(text, start) for start in starts]
    for form in FORMS:
        if not any(sign in note.signs for sign in _SIGNS.get(form.name, ("",))):
            continue
        if form.name == "season":
            found = find_in(form.pattern, text, around(text, note.places(_SEASONS), 10, 24))
        elif form.name == "holiday":
            found = find_at(form.pattern, text, note.places(HOLIDAY_WORDS))
        elif "mon" in form.pattern.groupindex:
            found = find_in(form.pattern, text, months)
        else:
            found = find_at(form.pattern, text, numbers)
        for match in found:
            if not _sense(form, match):
                continue
            start = match.start("mon") if form.name == "month alone" else match.start()
            yield PhiSpan(start, match.end(), "DATE", form.score)
    for match in find_at(_PADDED, text, starts):
        yield PhiSpan(*match.span(), "DATE", 0.6)
    for match in find_in(_WEEKDAY_NTH, text, windows(note.signs, _NTHS, 20, 8)):
        yield PhiSpan(*match.span(), "DATE", 0.7)
    for match in find_in(_PLACED, text, windows(note.signs, _PAIR, 40, 40)):
        if match["all"].endswith(("/10", "/5", "/2")) and "omparison" not in match[0].lower():
            continue  # pain, strength, halves
        yield PhiSpan(*match.span("all"), "DATE", 0.7)
    for match in find_in(_PARTIAL, text, windows(note.signs, _PAIR, 40, 40)):
        low_scale = match["d"] in _SCALES and int(match["m"]) <= int(match["d"])
        sure = match["sure"] or match["weekday"] or match["day"]
        if low_scale and not sure and len(match["m"] + match["d"]) < 3:
            continue
        if is_rating(text, match.start("all"), match["all"]) or _is_share(text, match):
            continue
        if match["m"] == "1" and match["d"] in "234" and match["s"] == "/":
            continue  # a half, a third, a quarter
        padded = match["m"].startswith("0") or match["d"].startswith("0")
        if match["s"] == "-" and not padded and not match["day"]:
            continue  # a range: 2-3
        first = "weekday" if match["weekday"] else "all"
        yield PhiSpan(match.start(first), match.end("all"), "DATE", 0.6)


_COUNTED = re.compile(r" (?:cores?|(?:lymph )?nodes?|lns?)\b")
_SAID_WHEN = re.compile(r"(?i)\b(?:on|seen|dos|returned|drawn|dated|from|since)\s\Z")


def _is_share(text: str, match: re.Match[str]) -> bool:
    """Whether it is so many of so many: 8/12 cores, 2/10 lymph nodes."""
    start = match.start("m")
    part = int(match["m"]) <= int(match["d"]) and _COUNTED.match(text, match.end())
    return bool(part) and not _SAID_WHEN.search(text[max(0, start - 10) : start])


# Ends of the names of weekdays, so that most numbers need no pattern.
_WEEKDAY_BEFORE = re.compile(rf"(?i)(?<![\w/.-]){WEEKDAY[:-1]}\Z")
_ENDS_WEEKDAY = re.compile(r"(?i)(?:[ydneusti][.,]?|\.,)\s{1,2}\Z")


def _with_weekday(text: str, start: int) -> int:
    """Where the weekday before a number begins, which is hidden and moved with it."""
    before = text[max(0, start - 4) : start]
    if not before or not before[-1].isspace() or not _ENDS_WEEKDAY.search(before):
        return start
    match = _WEEKDAY_BEFORE.search(text, max(0, start - 16), start)
    return match.start() if match else start


# What scores are out of, months of gestation and doses; no other day is a denominator.
_DENOMINATORS = frozenset((12, 14, 15, 16, 18, 20, 21, 24, 25, 27, 28, 30))
_BARE = re.compile(
    rf"(?<![\w/.,:+-]){_M}/(?P<d>1[3-9]|2\d|3[01])(?![\w/%+-]|\.\d|:\d|\s?(?:mm|inch|\"|strength|points?|correct))"
)


# The days of a stay: "28th: Palliative met her."
_HEADED = re.compile(
    r"(?m)(?:^[ \t•*-]{0,4}|(?<=[.!?;] ))(?P<d>(?:1\d|2\d|3[01])(?:th|st|nd|rd))(?=:\s)"
)
_WEEKDAY_NTH = re.compile(
    rf"(?i)(?<!\w){WEEKDAY[:-1]}(?:the )?(?:[12]?(?:1st|2nd|3rd|\dth)|1[123]th|30th|31st)(?![\w/-])"
)
_NTHS = re.compile(r"0(?:st|nd|rd|th)\b")  # with every digit a 0


def find_bare(text: str) -> Iterator[PhiSpan]:
    """Month and day without a word that says so, of which no score is made (5/17), and days of a
    stay in front of what happened then."""
    signs = outline(text).signs
    for match in find_in(_HEADED, text, windows(signs, _NTHS, 6, 8)):
        yield PhiSpan(*match.span("d"), "DATE", 0.5)
    pairs = _PAIR.finditer(signs) if "/00" in signs else ()
    for match in find_at(_BARE, text, [match.start() for match in pairs]):
        if int(match["d"]) not in _DENOMINATORS:
            yield PhiSpan(*match.span(), "DATE", 0.5)


_RATED = re.compile(
    r"(?i)\b(?:pain|rates?|rated|rating|severity|intensity|scores?|scale|worst|best|vas|nrs)\b[^\n]*\Z"
)


def is_rating(text: str, start: int, found: str) -> bool:
    """Whether it is a rating out of ten: "pain at best: 2/10"."""
    return found.endswith("/10") and bool(_RATED.search(text[max(0, start - 60) : start]))


def near_months(text: str, before: int, after: int) -> list[Range]:
    """Stretches around what may be the name of a month, for patterns with a :data:`MONTH` that no
    letter follows."""
    return around(text, _month_places(text), before, after)


@lru_cache(maxsize=4)
def _month_places(text: str) -> list[int]:
    signs = outline(text).signs
    places: list[int] = []
    for month in _SHORT:
        place = signs.find(month)
        while place >= 0:
            if _MONTH_WORD.match(text, place):
                places.append(place)
            place = signs.find(month, place + 1)
    return sorted(places)


def _sense(form: Form, match: re.Match[str]) -> bool:
    """Whether a match is a date: "may 5" and "march 3" are verbs unless capitalised or dated."""
    month = match.groupdict().get("mon")
    if month is None or form.name in ("month day year", "day month year", "month year"):
        return (
            month is None
            or month[0].isupper()
            or month.lower() not in _CAPITAL_ONLY
            or (form.name != "day month year")
        )
    if form.name == "month alone":
        return month[0].isupper() and len(month) > 2 and month.lower() not in ("mar", "dec", "jan")
    return month[0].isupper() or month.lower() not in _CAPITAL_ONLY


def find_ages(text: str) -> Iterator[PhiSpan]:
    """Ages of 90 and more; the span is the number alone."""
    note = outline(text)
    spelled = find_at(_AGE_SPELLED, text, note.places(_OLD_WORDS))
    small = (match.span() for match in _SMALL.finditer(note.signs))
    near = around(text, (start for start, end in small if 90 <= int(text[start:end]) < 130), 24, 40)
    numbers = (find_in(pattern, text, near) for pattern in (_AGE, _IS_OLD, _KIN_AGE))
    alone = (
        match
        for match in find_at(_OLD, text, note.places(_OLD_WORDS))
        if _OLD_BEFORE.search(text[max(0, match.start() - 20) : match.start()])
    )
    for match in (*chain.from_iterable(numbers), *spelled, *alone):
        name = next(name for name, value in match.groupdict().items() if value is not None)
        yield PhiSpan(match.start(name), match.end(name), "AGE", 0.9)
