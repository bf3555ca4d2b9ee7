"""Who charted, by initials alone: behind an hour, in the rows of a sheet, before a credential.

Two or three letters are mostly an abbreviation, so that each place asks for what only a person does
there, and known abbreviations and words are nobody's.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_word
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

_NOBODY = word_set(
    "ac adl af aka ama amb amp an ap as asa at bid bka bkr bld bm bmp bp bpm br brp bs bun by ca cad cal cap cbc cbg cc chf ck cl cm cns cpr cr cst ct"
    " cva cvp cxr dc dka dnr dob doc dt dvt dx ed edt eeg ekg ecg est er etoh ett fhr fi fr ft gcs gi gm gtt gu hct he hd hg hgb hob hr hrs hs ht htn hx"
    " hz icu id im in inr io is it iu iv ivf jp jvd kcl kg kub la lab lb lbs ldh lft lle llq lmp loc lr lue luq lul ma map mar mcg md me med meq mg mi min"
    " ml mm mmp mri mvc na nad nc neb neg ng ngt nka no noc np npo nrb ns nsr ntg nv nwb ob od of ok on oob op or os ot oz pa pca pcp pe peg ph picc pm po"
    " pos ppd pr prbc prn ps pst pt ptt pvc px qd qhs qid ra rbc rll rle rlq rlu rn rom ros rr rt rue rul ruq rx sa sb sec si sl so sob sp spo sq sr ssi st"
    " stat std su svn sx tab tbd tele th tia tid tko tlc tm to tpn tr trx tsh tsp tv tx ua un up ur us usa utc uti vac vas vs vsd vss vt wb wbat wbc wk wnl wt"
    " xr yo yr zn dr mr ms rd nd hh tt bg gl fs lo hi wa ad es ea ap vp ar br min max hh sat tmp temp pap vol mv rsp bsa bmi pip fio pp pf nl abn ill hep lmx ect"
    " hpi pmh tmj abd ext res cv ent neuro psy ms gyn resp mon tue wed thu fri sun jan feb mar apr may jun jul aug sep oct nov dec end eom fyi rtc lpn cna"
    " chg cp doa emr ehr avs lvn emt otr slp lsw msw ltd inc llc usp mls pcs cps abx bcx ucx tnt trop ekgs cts mts abg vbg o2 nai nkda fna cnb dni dns nos nec sig ref qty dis po2 co2"
)
_BY = re.compile(
    r"(?<![\d/.,:])(?:[01]\d|2[0-3]):?[0-5]\d (?:by )?(?P<n>[a-z]{2,3})(?=\.?(?:\s*\n|\s*\Z|[ ][A-Z])|;)"
)
_CLOCK = re.compile(r"0(?<![\d/.,:]0)0:?00 [a-z]")
_ROLE = re.compile(r"(?<![\w/&.-])(?P<n>[A-Z]{2,3})/(?:RN|LPN|LVN|CNA|NP|RT|EMT|MA|PCT)(?![\w/])")
ROLE_WORDS = frozenset(("RN", "LPN", "LVN", "CNA", "NP", "RT", "EMT", "MA", "PCT"))
_PAIRED = re.compile(
    r"(?:wasted|witnessed|verified|checked|cosigned|co-signed|counted|confirmed)\b[^\n]{0,24}? (?:w/|with|by) ?(?P<n>(?-i:[A-Z]{2}(?:/[A-Z]{2})?))(?=[.,;)\n]|\s*\Z)",
    re.IGNORECASE,
)
PAIRED_WORDS = word_set("wasted witnessed verified checked cosigned co counted confirmed")
_ROW = re.compile(
    r"(?m)^[ \t|]{0,4}(?:[01]\d|2[0-3]):?[0-5]\d\b(?=[^\n]{0,80}\d)[^\n]{2,120}?[ \t|]{1,6}(?P<n>[a-z]{2,3}|[A-Z]{2})[ \t|]{0,4}$"
)
_DONE = re.compile(
    r"(?:returned|called|faxed|scheduled|mailed|cancelled|rescheduled|done|sent|filed|closed|entered|given)\b[^.()\n]{0,40} \((?P<n>(?-i:[A-Z]{2,3}))\)(?=[.\s]{0,3}(?:\n|\Z))",
    re.IGNORECASE,
)
DONE_WORDS = word_set(
    "returned called faxed scheduled mailed cancelled rescheduled done sent filed closed entered given"
)
_LAST = re.compile(
    r"(?:[.!?)] {1,2}|\n[ \t~-]{0,3})(?P<n>[a-z]{2,3})[ ]{0,3}\Z"
    r"|[ \n](?P<r>[a-z]{2,3}),? (?:rn|lpn|lvn|cna|otr|pta?|cota|slp|np|msw|lcsw|rd)[. ]{0,3}\Z"
)
_GROSS = re.compile(
    r"(?:GROSS|Gross|MICRO\w{0,12}|Micro\w{0,12})(?: \w{4,12})? \((?P<n>[a-z]{2,3})\)(?=:|\n)"
)
_GROSS_WORDS = frozenset(("GROSS", "Gross", "MICRO", "Micro", "MICROSCOPIC", "Microscopic"))


def find_charted(text: str) -> Iterator[PhiSpan]:
    """The initials of who did or charted something."""
    note = outline(text)
    places = [match.start() for match in _CLOCK.finditer(note.signs)]
    matches = [
        *find_at(_BY, text, places),
        *find_at(_PAIRED, text, note.places(PAIRED_WORDS)),
        *find_at(_DONE, text, note.places(DONE_WORDS)),
        *find_at(_GROSS, text, note.exact(_GROSS_WORDS)),
        *find_at(_ROLE, text, _before(text, note.exact(ROLE_WORDS))),
    ]
    for match in matches:
        yield from _initials(match)
    rows = [match for match in _ROW.finditer(text) if _somebody(match["n"])]
    for match in rows if len(rows) > 1 else ():
        yield from _initials(match)
    tail = len(text.rstrip())
    last = _LAST.search(text, max(0, tail - 14), tail)
    if last:
        group = "n" if last["n"] else "r"
        if _somebody(last[group]):
            yield PhiSpan(*last.span(group), "NAME", 0.6)


def _before(text: str, roles: Sequence[int]) -> list[int]:
    """Where the two or three letters begin that a slash joins to a role."""
    places: list[int] = []
    for role in roles:
        start = role - 1
        while start > 0 and role - start < 5 and text[start - 1].isalpha():
            start -= 1
        if text[role - 1 : role] == "/":
            places.append(start)
    return places


def _initials(match: re.Match[str]) -> Iterator[PhiSpan]:
    place = match.start("n")
    for part in match["n"].split("/"):
        if _somebody(part):
            yield PhiSpan(place, place + len(part), "NAME", 0.6)
        place += len(part) + 1


def _somebody(letters: str) -> bool:
    """Whether letters are neither a word nor a known abbreviation."""
    small = letters.lower()
    return small not in _NOBODY and not is_word(small)
