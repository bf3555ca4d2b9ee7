"""How an author writes: abbreviations, headers, lists, dates, capitals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal

from llmsafe.synthetic.draw import chance, derive, pick

ABBREVIATIONS: tuple[tuple[str, str], ...] = (
    ("history of", "h/o"), ("shortness of breath", "SOB"), ("chest pain", "CP"),
    ("with", "w/"), ("without", "w/o"), ("patient", "pt"), ("bilateral", "b/l"),
    ("bilaterally", "b/l"), ("within normal limits", "WNL"), ("follow up", "f/u"),
    ("follow-up", "f/u"), ("followup", "f/u"), ("status post", "s/p"), ("abdominal", "abd"),
    ("abdomen", "abd"), ("temperature", "temp"), ("blood pressure", "BP"), ("heart rate", "HR"),
    ("respiratory rate", "RR"), ("oxygen saturation", "O2 sat"), ("room air", "RA"),
    ("emergency department", "ED"), ("emergency room", "ER"), ("operating room", "OR"),
    ("medications", "meds"), ("medication", "med"), ("antibiotics", "abx"), ("evaluation", "eval"),
    ("every day", "qd"), ("twice a day", "bid"), ("three times a day", "tid"), ("negative", "neg"),
    ("positive", "pos"), ("secondary to", "2/2"), ("left lower extremity", "LLE"),
    ("right lower extremity", "RLE"), ("normal", "nl"), ("increased", "incr"),
    ("decreased", "decr"), ("right lower quadrant", "RLQ"), ("right upper quadrant", "RUQ"),
    ("left lower quadrant", "LLQ"),
    ("nausea and vomiting", "N/V"), ("diabetes mellitus", "DM"), ("hypertension", "HTN"),
    ("coronary artery disease", "CAD"), ("atrial fibrillation", "AFib"), ("discharge", "d/c"),
    ("discharged", "d/c'd"), ("primary care", "PCP"), ("appointment", "appt"), ("weeks", "wks"),
    ("year-old", "y/o"), ("hours", "hrs"), ("minutes", "min"), ("continue", "cont"),
    ("laboratory", "lab"), ("approximately", "~"), ("intravenous", "IV"), ("complaints", "c/o"),
    ("complains of", "c/o"), ("between", "btwn"), ("examination", "exam"), ("tenderness", "TTP"),
    ("no acute distress", "NAD"), ("regular rate and rhythm", "RRR"), ("range of motion", "ROM"),
    ("clear to auscultation", "CTA"), ("extremities", "ext"), ("because", "b/c"),
    ("urinary tract infection", "UTI"), ("creatinine", "Cr"), ("hemoglobin", "Hgb"),
    ("potassium", "K"), ("white count", "WBC"), ("procedure", "px"), ("questions", "qs"),
    ("physical therapy", "PT"), ("chronic kidney disease", "CKD"), ("diagnosis", "dx"),
    ("treatment", "tx"), ("symptoms", "sx"), ("prescription", "Rx"), ("regarding", "re"),
    ("instructed", "instr"), ("tolerated", "tol"), ("tomorrow", "tmrw"), ("before", "prior to"),
    ("ultrasound", "US"), ("chest x-ray", "CXR"), ("two", "2"), ("three", "3"), ("four", "4"),
)  # fmt: skip
DATE_FORMS = (
    "{m:02d}/{d:02d}/{Y}", "{m}/{d}/{y:02d}", "{m}/{d}/{Y}", "{B} {d}, {Y}", "{b} {d}, {Y}",
    "{d:02d}-{b}-{Y}", "{Y}-{m:02d}-{d:02d}", "{m:02d}-{d:02d}-{y:02d}", "{d} {B} {Y}",
    "{m:02d}.{d:02d}.{Y}", "{b} {d} {Y}", "{m:02d}/{d:02d}/{y:02d}",
)  # fmt: skip
SHORT_DATE_FORMS = ("{m}/{d}", "{m:02d}/{d:02d}", "{B} {d}", "{b} {d}", "the {o} of {B}", "{B} {o}")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
Layout = Literal["block", "inline", "run-on"]


@dataclass(frozen=True)
class Style:
    """One way of writing; `layout` says how sections are set off."""

    number: int
    layout: Layout
    caps: bool
    colon: str
    bullet: str
    terse: bool
    upper: bool
    date_form: str
    blank_lines: int
    abbreviations: dict[str, str]
    _pattern: re.Pattern[str] | None
    _cache: dict[str, str] = field(default_factory=dict[str, str], compare=False)

    def restyle(self, text: str) -> str:
        """Literal text as this author would shorten it."""
        if self._pattern is None:
            return text
        done = self._cache.get(text)
        if done is None:
            done = self._pattern.sub(lambda match: self.abbreviations[match[0]], text)
            if len(self._cache) < 40_000:
                self._cache[text] = done
        return done

    def date(self, day: date, form: str | None = None) -> str:
        """The date in the author's notation, or in `form`."""
        month = MONTHS[day.month - 1]
        return (form or self.date_form).format(
            d=day.day,
            m=day.month,
            Y=day.year,
            y=day.year % 100,
            B=month,
            b=month[:3],
            o=f"{day.day}{_ordinal(day.day)}",
        )


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


@lru_cache(maxsize=64)
def style(number: int) -> Style:
    """Style `number`, always the same."""
    rng = derive("style", number)
    terse = chance(rng, 0.4)
    share = 0.75 if terse else pick(rng, (0.0, 0.0, 0.12, 0.25))
    short = {long: abbr for long, abbr in ABBREVIATIONS if chance(rng, share)}
    words = sorted(short, key=len, reverse=True)
    pattern = (
        re.compile(rf"(?<![\w/])(?:{'|'.join(map(re.escape, words))})(?![\w-])") if words else None
    )
    layouts: tuple[Layout, ...] = ("block", "block", "inline", "inline", "run-on")
    return Style(
        number=number,
        layout="block" if terse else pick(rng, layouts),
        caps=chance(rng, 0.6),
        colon=pick(rng, (":", ":", ":", "", " -")),
        bullet=pick(rng, ("1.", "1.", "-", "*", "1)", "#", "")),
        terse=terse,
        upper=chance(rng, 0.07),
        date_form=pick(rng, DATE_FORMS),
        blank_lines=1 if chance(rng, 0.6) else 2,
        abbreviations=short,
        _pattern=pattern,
    )
