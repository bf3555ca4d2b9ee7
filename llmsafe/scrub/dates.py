"""Dates in notes: finding them, and moving them by a number of days without changing their form.

A date is anything finer than a year (HIPAA Safe Harbor (C)); a bare year, a weekday and "last
week" are none. Moves are whole weeks, so a weekday beside a date stays true.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from llmsafe.notes import PhiSpan
from llmsafe.scrub.windows import find_in, windows

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
_MONTH = (
    r"(?P<mon>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_D = r"(?P<d>0?[1-9]|[12]\d|3[01])"
_M = r"(?P<m>0?[1-9]|1[0-2])"
_Y4 = r"(?P<y>(?:18|19|20)\d\d)"
_Y = r"(?P<y>(?:18|19|20)\d\d|\d\d)"
_ORDINAL = r"(?P<ord>st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s{1,2})?"
_CLOCK = r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_WORDS: str = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty[- ]first "
    "twenty[- ]second twenty[- ]third twenty[- ]fourth twenty[- ]fifth twenty[- ]sixth "
    "twenty[- ]seventh twenty[- ]eighth twenty[- ]ninth thirtieth thirty[- ]first"
).replace("[- ]", "@")
_SPELLED = "|".join(word.replace("@", "[- ]") for word in reversed(_WORDS.split()))
_BEFORE_MONTH = (
    r"(?:in|since|until|till|by|of|last|this|next|early|late|mid|during|from|to|through|between"
    r"|and|before|after|around|beginning|end)"
)


@dataclass(frozen=True)
class Form:
    """A written form of a date: a pattern with the groups y, m, mon, d, ord as far as it has them,
    and the score of a match. ``guard`` must accept a match (what surrounds it decides)."""

    name: str
    pattern: re.Pattern[str]
    score: float


def _form(name: str, pattern: str, score: float, *, flags: int = re.IGNORECASE) -> Form:
    return Form(name, re.compile(pattern, flags), score)


FORMS: tuple[Form, ...] = (
    _form("iso", rf"(?<![\d/.-]){_Y4}([-/.]){_M}\2{_D}{_CLOCK}(?![\d])", 0.98),
    _form(
        "numeric",
        rf"(?<![\w/.-])(?:{_M}(?P<s>[-/]){_D}(?P=s){_Y}|(?P<m2>0?[1-9]|1[0-2])\.(?P<d2>0?[1-9]"
        r"|[12]\d|3[01])\.(?P<y2>(?:18|19|20)\d\d))(?![\w/-]|\.\d)",
        0.95,
    ),
    _form(
        "day first",
        rf"(?<![\w/.-])(?P<d>1[3-9]|2\d|3[01])(?P<s>[-/.]){_M}(?P=s){_Y}(?![\w/-]|\.\d)",
        0.9,
    ),
    _form(
        "month day year",
        rf"(?<!\w){_WEEKDAY}{_MONTH}\.?[\s-]{{1,3}}(?:the )?{_D}\s?{_ORDINAL},?(?:\s{{0,2}}-?|\sof\s)"
        rf"'?{_Y}(?!\w|[.,/-]\d|:\d)",
        0.98,
    ),
    _form(
        "day month year",
        rf"(?<!\w){_WEEKDAY}(?:the )?{_D}\s?{_ORDINAL}[\s/-]{{0,2}}(?:of\s)?{_MONTH}\.?,?[\s/-]{{0,2}}'?{_Y}"
        r"(?!\w|[.,/-]\d|:\d)",
        0.98,
    ),
    _form("month year", rf"(?<!\w){_MONTH}\.?,?(?:\s(?:of\s)?|-|/)'?{_Y4}(?!\w)", 0.95),
    _form("month short year", rf"(?<!\w){_MONTH}\.?,?\s?'(?P<y>\d\d)(?!\w)", 0.95),
    _form("numeric month year", rf"(?<![\w/.-]){_M}/{_Y4}(?![\w/-]|\.\d)", 0.85),
    _form(
        "compact",
        r"(?<![\w.-])(?P<y>(?:19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?![\w-]|\.\d)",
        0.6,
    ),
    _form(
        "spelled",
        rf"(?<!\w){_MONTH}\.?\s(?:the\s)?(?P<word>{_SPELLED})(?!\w)"
        r"(?:,?\s(?:(?:18|19|20)\d\d|(?:nineteen|two thousand|twenty)(?:[- ](?:and[- ])?"
        r"(?:hundred|oh|ten|eleven|twelve|\w{3,5}teen|twenty|thirty|forty|fifty|sixty|seventy"
        r"|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){0,3})(?!\w))?",
        0.9,
    ),
    _form(
        "month day",
        rf"(?<!\w){_WEEKDAY}{_MONTH}\.?[\s-](?:the )?{_D}\s?{_ORDINAL}(?!\w|[.,/-]?\d|:\d|\s?%)",
        0.8,
    ),
    _form(
        "day month",
        rf"(?<![\w/.])(?:the )?{_D}(?:\s?(?P<ord>st|nd|rd|th)\s(?:of\s)?|[- ]of |[- ]|(?=[A-Z])){_MONTH}(?![\w])",
        0.8,
    ),
    _form(
        "month alone",
        rf"(?<!\w){_BEFORE_MONTH}[\s-]{_MONTH}\b(?!\.?\s?\d)",
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
        r"(?<!\w)(?:thanksgiving(?: day)?|christmas(?: eve| day)?|xmas|new year'?s(?: eve| day)?"
        r"|halloween|valentine'?s day|easter(?: sunday| monday)?|memorial day|labor day"
        r"|independence day|veterans'? day|(?:4th|fourth) of july|mother'?s day|father'?s day"
        r"|st\.? patrick'?s day|mlk day|presidents'? day|columbus day|cinco de mayo"
        rf"|hanukkah|passover|ramadan|diwali|eid al-?\w{{4,5}}|good friday)(?!\w)(?: (?:of )?{_Y4}\b)?",
        0.75,
    ),
)
# Month and day by numbers alone look like blood pressures, scores and fractions; words decide.
_PARTIAL = re.compile(
    rf"(?:\b(?:(?P<sure>on|since|seen|until|dated|for)|dated?|dos|dob|admitted|discharged|admit|d/c|until|till|through|thru"
    rf"|as of|starting|effective|visit|surgery|collected|drawn|from|by|last|ordered|due|to"
    rf"|about|around|before|after|between|and|pos|positive|week of|appt|appointment|called|call|d|t|of|done|study)\b[:\s]{{1,2}}"
    rf"|[(\[]\s?|^\s{{0,4}})(?P<all>{_M}(?P<s>[-/]){_D})(?![\w/%-]|\.\d|\s?(?:strength|power|murmur"
    r"|systolic|pain|tab|cup|of|on|mm|mg|ml|points?|visits?|days?|weeks?|times|muscle|pulses?|dose))",
    re.IGNORECASE | re.MULTILINE,
)
_PADDED = re.compile(
    r"(?<![\w/.-])(?:0[1-9]/(?:0[1-9]|[12]\d|3[01])|1[0-2]/0[1-9])(?![\w/%-]|\.\d)"
)
_SCALES = frozenset(("3", "4", "5", "6", "8", "10"))
_CAPITAL_ONLY = frozenset(("may", "march", "mar"))
_HINT_MONTH = re.compile(r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", re.IGNORECASE)
_HINT_NUMBER = re.compile(r"\d[-/.]\d|\d{8}")
_AGE = re.compile(
    r"(?<![\w.])(?P<n>9\d|1[0-2]\d)(?:[- ]?(?:years?|yrs?)[- ]?(?:old|of age)|[- ]?y/?o\b|[- ]?y\.o\."
    r"|[- ]?(?:year|yr)[- ]old|\s?[MF]\b(?!\w))"
    r"|\b(?:aged?|age of|turned|turning|age is|age was)\s?[:=]?\s?(?P<n2>9\d|1[0-2]\d)"
    r"(?!\w|\.\d|\s?(?:%|days?|weeks?|months?|mg|ml))"
    r"|\b(?P<n3>ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|one hundred"
    r"(?:[- ](?:and[- ])?\w{3,5})?)[- ]years?[- ]old",
    re.IGNORECASE,
)


def find_dates(text: str) -> Iterator[PhiSpan]:
    """Every date in any of the :data:`FORMS`, and month/day pairs where the words say so."""
    by_hint = {hint: windows(text, hint, 40, 120) for hint in (_HINT_MONTH, _HINT_NUMBER)}
    for form in FORMS:
        hint = _HINT_MONTH if "mon" in form.pattern.groupindex else _HINT_NUMBER
        whole = form.name in ("season", "holiday")
        ranges = [(0, len(text))] if whole else by_hint[hint]
        for match in find_in(form.pattern, text, ranges):
            if not _sense(form, match):
                continue
            start = match.start("mon") if form.name == "month alone" else match.start()
            yield PhiSpan(start, match.end(), "DATE", form.score)
    for match in find_in(_PADDED, text, by_hint[_HINT_NUMBER]):
        yield PhiSpan(*match.span(), "DATE", 0.6)
    for match in find_in(_PARTIAL, text, by_hint[_HINT_NUMBER]):
        low_scale = match["d"] in _SCALES and int(match["m"]) <= int(match["d"])
        if low_scale and not match["sure"] and len(match["m"] + match["d"]) < 3:
            continue
        if match["m"] == "1" and match["d"] in "234" and match["s"] == "/":
            continue  # a half, a third, a quarter
        if match["s"] == "-" and not match["m"].startswith("0") and not match["d"].startswith("0"):
            continue  # a range: 2-3
        yield PhiSpan(match.start("all"), match.end("all"), "DATE", 0.6)


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
    for match in _AGE.finditer(text):
        name = next(group for group in ("n", "n2", "n3") if match[group] is not None)
        yield PhiSpan(match.start(name), match.end(name), "AGE", 0.9)


# --- moving -------------------------------------------------------------------------------------


def shift_date(text: str, days: int, year: int | None = None) -> str | None:
    """``text``, a whole date in one of the :data:`FORMS`, moved by ``days`` in the same form.

    ``year`` is assumed for a date without one. A form without a day is moved as the middle of its
    month. Returns ``None`` for what cannot be moved (a holiday, a season, the year 9999).
    """
    for form in (*FORMS, _PAIR, _LONE):
        match = form.pattern.fullmatch(text)
        if match is None or not ({"m", "mon"} & match.groupdict().keys()):
            continue
        groups = match.groupdict()
        part = {name[0] if name in ("y2", "m2", "d2") else name: name for name in groups}
        if groups.get("m2"):
            part |= {"y": "y2", "m": "m2", "d": "d2"}
        elif "m2" in groups:
            part |= {"y": "y", "m": "m", "d": "d"}
        moved = _moved({k: groups.get(v) for k, v in part.items()}, days, year)
        if moved is not None:
            return _render(text, match, part, moved)
    return None


_PAIR = _form("pair", rf"{_M}[-/]{_D}", 0.0)
_LONE = _form("lone", rf"{_MONTH}\.?", 0.0)


def _moved(values: dict[str, str | None], days: int, year: int | None) -> date | None:
    month_name, number, day = values.get("mon"), values.get("m"), values.get("d")
    word = values.get("word")
    if word:
        plain = re.sub(r"[- ]", "@", word.lower())
        day = str([*_WORDS.split()].index(plain) + 1)
    month = _month_number(month_name) if month_name else int(number or 0)
    written = values.get("y")
    # 2024 is a leap year: 29 February stays readable where no year is known.
    century = _full_year(written) if written else (year or 2024)
    try:
        return date(century, month, int(day) if day else 15) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def _month_number(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, 1) if month.startswith(name[:3].lower()))


def _full_year(written: str) -> int:
    value = int(written)
    return value if value > 99 else value + (2000 if value < 40 else 1900)


def _render(text: str, match: re.Match[str], part: dict[str, str], moved: date) -> str | None:
    """Write ``moved`` over the groups of ``match``, each in the style it had."""
    padded = any(
        match[part[key]] and match[part[key]].startswith("0") for key in ("m", "d") if key in part
    )
    short = any(
        match[part[key]] and len(match[part[key]]) == 1 for key in ("m", "d") if key in part
    )
    new: dict[str, str] = {}
    if "word" in part:
        new["word"] = _WORDS.split()[moved.day - 1].replace("@", "-")
        if re.search(r"\d|nineteen|thousand|twenty[- ]\w+$", text[match.end("word") :]):
            return None  # a year in words beside it would no longer fit
    if "y" in part and match[part["y"]]:
        new["y"] = f"{moved.year:04d}" if len(match[part["y"]]) == 4 else f"{moved.year % 100:02d}"
    for key, value in (("m", moved.month), ("d", moved.day)):
        if key in part and match[part[key]]:
            alone = "mon" in part and match[part["mon"]]
            pad = padded or (not short and not alone)
            new[key] = f"{value:02d}" if pad else str(value)
    if "mon" in part:
        new["mon"] = _style_month(match["mon"], moved.month)
    if "ord" in part and match["ord"]:
        suffix = _ordinal(moved.day)
        new["ord"] = suffix.upper() if match["ord"].isupper() else suffix
    out, position = "", 0
    for start, end, value in sorted((*match.span(part[key]), value) for key, value in new.items()):
        out += text[position:start] + value
        position = end
    return out + text[position:]


def _style_month(written: str, month: int) -> str:
    name = MONTHS[month - 1]
    full = written.lower() in MONTHS
    styled = name if full else (name[:4] if name == "september" and len(written) == 4 else name[:3])
    if written.isupper():
        return styled.upper()
    return styled.capitalize() if written[0].isupper() else styled


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
