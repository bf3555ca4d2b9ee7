"""Month and day behind what happened then: a scan, a visit, a fall; and the days that follow.

3/12 may be a score or a share of cores, so what stands before and behind decides.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

_MD = r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])"
# Looked at, taken, done to somebody.
_DONE = (
    "ct cta mri mra mrcp cxr kub xr xray xrays us tte tee echo ekg ecg eeg emg ncs pft pfts hrct pet dexa dxa mammo"
    " mammogram scan scans cath mbss fees egd colonoscopy cscope biopsy lab labs culture cultures bcx ucx swab"
    " decort vats orif tka tha cabg pci ercp eus lp surgery op sx mugga muga holter loop stress ultrasound sono"
    " appt appts appointment court hearing mtg meeting clinic refill refilled refills shot booster vaccine tdap"
    " flu ppd igra rabies missed seen interrogated interrogation checked fell fall injury injured hurt mvc mva onset"
    " lmp edd edc arrived transferred moved stopped held resumed changed sent faxed mailed emailed texted scheduled"
    " rescheduled signed delivered deliver delivery delivers born died extubated intubated decannulated weaned"
    " transfused infused implanted replaced revised exchanged reported resulted received completed finished"
    " expires expired exp due eff effective since dated returned discharged admitted consult consulted eval evaluated"
    " evaluation assessment reassessed screened enrolled consented randomized randomised dosed start started starts"
    " stop stops end ends ended begin begins began rtc rtw doi dos dob lv ov tc call called msg message email letter"
    " goal target anticipated estimated stick needlestick exposure exposed setup bring note report filled dispensed picked shipped visited came"
)
# Counted: the sixth of twelve.
_COUNTED = (
    "visit visits session sessions cycle cycles treatment treatments tx class week day dose doses"
)
EVENT_WORDS = word_set(f"{_DONE} {_COUNTED}")
_COUNTS = word_set(_COUNTED)
_TOTALS = frozenset((2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 16, 18, 20, 21, 24, 25, 28, 30))
_NOT_BEHIND = (
    r"(?![\w/%+-]|\.\d|:\d|\s?(?:cores?|nodes?|lymph|specimens?|samples?|quadrants?|fields?|leads?|joints?|criteria"
    r"|correct|items?|words?|attempts?|tries|trials|strength|power|murmur|systolic|pain|points?|visits?|sessions?"
    r"|days?|weeks?|wks?|times|positive|pos|involved|intact|of|on|mm|mg|ml|cm|stations?|bottles?|sets?|tabs?|cups?)\b)"
)
_EVENT = re.compile(
    rf"(?P<w>[A-Za-z]+)(?:\(s\))?[.:,]?[ ]{{1,2}}(?:[A-Z]{{1,3}}[ ])?(?:[x×]\d{{1,2}}:?[ ])?(?:(?:on|of|was|from|to|done|for|by)[ ])?(?P<d>{_MD}){_NOT_BEHIND}"
)
_CHAIN = re.compile(
    rf"(?P<first>{_MD})(?![\w/%+-]|\.\d|:\d)(?P<rest>(?:(?:\s?[,;&+✓✔]|\s(?:and|or|then|to))\s?(?:and\s)?{_MD}(?![\w/%+-]|\.\d|:\d)){{1,8}})"
)
# A row of a flowsheet: 3/3 2300.
_ROW = re.compile(rf"(?m)^[ \t|]{{0,4}}(?P<d>{_MD})[ \t|]{{1,3}}(?:[01]\d|2[0-3])[0-5]\d(?![\d/-])")
_NEXT = re.compile(rf"{_MD}(?!\d)")


def find_events(text: str) -> Iterator[PhiSpan]:
    """Month and day of what is known to happen on a day."""
    note = outline(text)
    if "0/0" not in note.signs:
        return
    for match in find_at(_EVENT, text, note.places(EVENT_WORDS)):
        month, day = (int(number) for number in match["d"].split("/"))
        word = match["w"].lower()
        if word in _COUNTS and month <= day and day in _TOTALS:
            continue
        if word in ("pain", "scale") or (day == 10 and word == "report"):
            continue
        yield PhiSpan(*match.span("d"), "DATE", 0.6)
    if "/0 0000" in note.signs or "/00 0000" in note.signs:
        for match in _ROW.finditer(text):
            yield PhiSpan(*match.span("d"), "DATE", 0.6)


_DAYS = re.compile(
    r"(?i)(?<!\w)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? (?:[12]?\d|3[01])(?P<rest>(?:(?:, | and | & |, and | or )(?:[12]?\d|3[01])(?!\d|[:/%-]|\.\d|,\d{3}| ?(?:mg|ml|mcg|units?|%|x|years?|days?|weeks?|hours?|min|tab(?:let)?s?|pills?|puffs?|doses?|drops?|cap(?:sule)?s?|times|more|of)\b)){1,6})(?=[.,;:)\s]|\Z)"
)
_DAY = re.compile(r"\d{1,2}")


def followers(text: str, found: list[PhiSpan]) -> Iterator[PhiSpan]:
    """The days that stand in a row with a date: 10/2, 10/9; Feb 19, 21 and 23."""
    dates = [span for span in found if span.category == "DATE"]
    for span in dates:
        if "/" in text[span.start : span.end]:
            match = _CHAIN.match(text, span.start)
            if match and match.end("first") == span.end:
                for day in _NEXT.finditer(text, *match.span("rest")):
                    yield PhiSpan(*day.span(), "DATE", 0.6, "day")
        elif text[span.start].isalpha() and (match := _DAYS.match(text, span.start)):
            for day in _DAY.finditer(text, *match.span("rest")):
                yield PhiSpan(*day.span(), "DATE", 0.6, "day")
