"""A drug has a dose behind it, a scale a score, a sign a result, an operation a name before it.

A word that is in no list of family names and has one of these is nobody: "Finnegan n/a", "Thomas
test", "Kyzatrex 200 mg"; nor is a listed eponym or brand: "Cornell 11, Zarit 41". And the code
behind an antibody is its clone, nobody's number.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.lexicon import english

_DOSED = re.compile(
    r"(?:[ -](?:XR|XL|ER|SR|LA|CR|DR|EC|ODT|HFA|DS|HD|CD))?,? \d{1,5}(?:[.,/-]\d{1,5}){0,3} ?"
    r"(?:(?i:mg|mcg|gm?|units?|u|iu|ml|cc|meq|mmol|%|mm|cm|fr|french|ga|gauge|cmh2o|tabs?|caps?|puffs?|gtts?|drops?|sprays?|supp|patch(?:es)?"
    r"|bid|tid|qid|qd|qhs|hs|qod|prn|daily|weekly|monthly|nightly|q ?\d{1,2} ?(?:h|hrs?|hours|d|wks?|weeks))(?![\w/]|-\d))"
    r"|(?:[ -](?:XR|XL|ER|SR|HFA|ODT))? (?:(?:BID|TID|QID|QHS|bid|tid|qid|qhs|gtt|q\d{1,2}h)(?!\w)|(?:ointment|inhaler|lotion|lozenges?|capsules?|tablets?|suppository)\b)"
)
_RESULT = re.compile(
    r" (?:(?i:neg(?:ative)?(?! for)|pos(?:itive)?(?! for)|n/a|wnl|equivocal|not (?:done|met|tested|elicited))(?!\w)"
    r"|absent(?=[.,;)\n]|\Z)|[(]?[+\u2013\u2212-][)]?(?=[.,;) \n]|\Z))|(?<=\w)[+](?=[.,; \n]|\Z)"
)
_SCORED = re.compile(
    r" (?:score |grade |stage |type |class )?(?:\d{1,3}(?:\.\d)?(?:/\d{1,3})?|\d[a-d]|I{1,3}[a-c]?|I?V|VI{1,3})(?=[,;)|\n]|\.?(?:\s|\Z))(?! ?[ap]m\b)"
)
_DAY = re.compile(r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])\Z")
_SCORES_BEFORE = re.compile(
    r"[A-Za-z][\w-]+ (?:\d{1,3}(?:\.\d)?(?:/\d{1,3})?|neg|n/a|low|nl)[,;] \Z"
)
_SCORES_AFTER = re.compile(r" [\d./]{1,7}(?: \([^)\n]{1,20}\))?[,;] [A-Z][\w&-]+ \d")
_FAMILY = re.compile(
    r"(?i)\b(?:kids?|child(?:ren)?|sons?|daughters?|siblings?|brothers?|sisters?|boys?|girls?|twins"
    r"|grand\w+|bed|room|rm|pts?|patients?)\b[^.\n]{0,60}\Z"
)
# What bears the name of who described it, and nobody's own.
_DESCRIBED = re.compile(
    r"(?:-[A-Z][a-z]+)?[- ](?:signs?|tests?(?! (?:results?|strips?))|testing|syndrome|disease|criteria|classification|scores?|scale|index"
    r"|inventory|questionnaire|maneuver|manoeuvre|retractors?|forceps|clamps?|scissors|trocars?|cannulas?|catheters?|speculum|dilators?"
    r"|stain|fracture|osteotomy|fundoplication|anastomosis|nodules?|nodes|reflex|phenomenon|palsy|contracture|triad|tetralogy|formula"
    r"|equation|nomogram|taping|extensions?|exercises?|splint|collar|diet|incision|hernia repair|press-ups|tubercle|ligament|lymphoma"
    r"|sarcoma|neuroma|tumou?r|cyst|diverticulum|purpura|thyroiditis|chorea|prosthesis|arthroplasty|technique|waiver|Act)\b(?!:)"
)


def is_measured(text: str, span: PhiSpan) -> bool:
    """Whether a dose, a score, a result or what is named after somebody stands behind a finding of
    one word or two joined by a hyphen."""
    found = text[span.start : span.end]
    if " " in found or not found[0].isalpha() or any(map(str.isdigit, found)):
        return False
    word = found.lower()
    lexicon = english()
    described = word in lexicon.eponyms or word in lexicon.brands
    if not described and word in lexicon.last:
        return False  # Ramirez fracture clinic, Oyelaran 4; Kowalczyk 2
    if _DOSED.match(text, span.end) or _DESCRIBED.match(text, span.end):
        return True
    if not described and word in lexicon.first:
        return False
    if _RESULT.match(text, span.end):
        return True
    score = _SCORED.match(text, span.end)
    if not score or _DAY.match(score[0].strip()):
        return False
    if _FAMILY.search(text[max(0, span.start - 70) : span.start]):
        return False
    before = text[max(0, span.start - 30) : span.start]
    listed = _SCORES_BEFORE.search(before) or _SCORES_AFTER.match(text, span.end)
    return described or listed is not None


# Stained or sequenced: what stands behind in brackets is the clone of an antibody.
_MARKER = re.compile(
    r"(?:\b(?:CD\d{1,3}[a-z]?|MLH-?1|MSH-?[26]|PMS-?2|ER|PR|HER-?2|Ki-?67|[pP]\d{2,3}|TTF-?1|SOX-?\d{1,2}|PRAME|HMB-?45|S-?100"
    r"|Melan-?A|MART-?1|AE1/AE3|CK-?\d{1,2}(?:/\d{1,2})?|CDX-?2|GATA-?3|PAX-?\d|WT-?1|PD-?L1|ALK|ROS-?1|BRAF|NTRK|BCL-?\d|MUM-?1"
    r"|synaptophysin|chromogranin|INSM1|napsin|AMACR|ERG|NKX3\.1|DOG-?1|desmin|SMA|vimentin|EMA|CEA|mammaglobin|GCDFP|IDH1|ATRX"
    r"|STAT6|inhibin|calretinin|D2-40|IHC|antibody|clones?)\b)[ :,]{0,2}\(?\Z"
)
_CLONE = re.compile(
    r"(?:EPR|SP|ES|EP|MRQ|BC|OTI|UMAB|D|E|G|M|SR?|ZR|RM|A|IP|LK|MIB|VE|QR)[-\d][\dA-Z/(-]{1,9}"
)
_SHORT = re.compile(r"\b[A-Z]{2,3}[ :,]{0,2}\Z")  # ER, PR and EMA are not antibodies alone
_NUMBER = re.compile(r"\d{6}")  # of an account, not of a clone


def is_clone(text: str, span: PhiSpan) -> bool:
    """Whether it is the clone of the antibody that stands before it: PMS2 (EPR3947)."""
    if span.category not in ("OTHER_ID", "DEVICE", "MRN", "LICENSE", "ACCOUNT", "HEALTH_PLAN"):
        return False
    if not _CLONE.fullmatch(text, span.start, span.end):
        return False
    before = text[max(0, span.start - 20) : span.start]
    if _NUMBER.search(text, span.start, span.end) or (
        _SHORT.search(before) and not before.endswith("(")
    ):
        return False  # Account ER G44712290
    return _MARKER.search(before) is not None
