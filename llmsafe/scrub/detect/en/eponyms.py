"""Names that stand for a disease, a sign, a product, a program; single ones are in the lexicon."""

from __future__ import annotations

import re
from functools import lru_cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_other
from llmsafe.scrub.detect.lexicon import read_phrases

# Diseases that go by the name of who described them. Names that are more often a patient's (Bell,
# Wilson) are left out.
DISEASES = frozenset(
    ("addison", "alzheimer", "asperger", "barrett", "behcet", "chagas", "crohn", "cushing",
     "dupuytren", "graves", "hashimoto", "hirschsprung", "hodgkin", "huntington", "kawasaki",
     "meniere", "paget", "parkinson", "peyronie", "raynaud", "sjogren", "tourette")
)  # fmt: skip
_TITLE = re.compile(r"(?i)\b(?:drs?|mrs?|ms|miss|prof|name|patient|pt)\b[.:]?\s{1,2}\Z")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GAP = re.compile(r" |-|\n|(?<=\b[DMS][rt])\. ")
_REACH, _LONGEST = 40, 5  # characters to either side, and words of a phrase
_SOMEBODY = re.compile(
    r",? (?:\(|age )\d{1,3}\b|, \d{1,3}\b|,? (?:MRN|DOB|MD|RN)\b"
    r"| (?:is|was|has|had|says|said|denies|complains|reports|came|presents)\b"
)


def is_pair(words: str, text: str, start: int, end: int) -> bool:
    """Whether the lower-case words at ``[start, end)`` are such a phrase, and nothing beside them
    says that somebody is called so."""
    return _plainly(words.replace("-", " ")) in phrases() and not _is_somebody(text, start, end)


def phrases() -> frozenset[str]:
    """Phrases of two words or more that name nobody, in lower case with single spaces."""
    return read_phrases("scrub_phrases.txt")


@lru_cache(maxsize=1)
def _beginnings() -> frozenset[str]:
    return frozenset(phrase.split(" ", 1)[0] for phrase in phrases())


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    return frozenset(word for phrase in phrases() for word in _WORD.findall(phrase))


def in_phrase(text: str, span: PhiSpan) -> bool:
    """Whether the finding lies in such a phrase, and nothing beside it says that somebody is called
    so: "Dave" in "Dave's Killer Bread"."""
    inside = _WORD.findall(_plainly(text[span.start : span.end].lower()))
    if _words().isdisjoint(inside) and _words().isdisjoint(f"{word}'s" for word in inside):
        return False
    low = max(0, span.start - _REACH)
    words = list(_WORD.finditer(text, low, min(len(text), span.end + _REACH)))
    known, beginnings = phrases(), _beginnings()
    for first, word in enumerate(words):
        if word.start() >= span.end:
            return False
        joined, end = _plainly(word[0].lower()), word.end()
        if joined not in beginnings:
            continue
        for last in words[first + 1 : first + _LONGEST]:
            if not _GAP.fullmatch(text, end, last.start()):
                break
            joined, end = f"{joined} {_plainly(last[0].lower())}", last.end()
            if end <= span.start or not (joined in known or joined.removesuffix("'s") in known):
                continue
            rest = [w[0].lower() for w in words if span.start <= w.start() < span.end]
            beyond = [w for w in rest if w not in joined]
            if end >= span.end or all(map(is_other, beyond)):
                return not _is_somebody(text, word.start(), end)
    return False


def _plainly(words: str) -> str:
    return words.replace("’", "'")


def _is_somebody(text: str, start: int, end: int) -> bool:
    title = _TITLE.search(text, max(0, start - 12), start)
    return bool(title or _SOMEBODY.match(text, end))
