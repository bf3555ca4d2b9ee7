"""Notes written without capitals: who speaks, who employs, spaced dates, clinics of a town.

In such a note a name looks like any word, so each of these asks for what stands beside it.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.names import RELATIVE_WORDS
from llmsafe.scrub.detect.en.vocabulary import is_other, is_word
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at

# No part of what somebody works for.
_STOP = "in|from|who|and|x|since|says|w|with|w/|for|as|on|until|til|but|near|full|part|nights?|days?|had|has|is|was|here|now"
_ENDS = rf"(?=\s?[,.;:)\n]|\s?\Z| (?:{_STOP})\b)"
_SPEAKS = re.compile(
    r"(?:(?<=[.;,] )|(?<=\n)|\A)(?P<n>[a-z]{3,15}) (?:says?|said|denies|denied|agrees|agreed|reports|feels|states|asks|wants|lives|called|complains|endorses|admits|thinks|prefers|drove|is (?:his|her|the) )(?!\w)"
)
_JOBS = (
    "works work worked working employed driver clerk cook welder machinist mechanic cashier manager nurse teacher"
    " engineer foreman server waitress bartender janitor electrician plumber secretary retired drives drove"
)
JOB_WORDS = word_set(_JOBS)
_EMPLOYER = re.compile(
    rf"(?:{'|'.join(_JOBS.split())})(?: [a-z]{{2,12}}){{0,2}}? (?:at|for|from) (?:the )?(?P<o>[a-z][a-z'-]{{2,18}}(?: (?!(?:{_STOP})\b)[a-z&][a-z'-]{{1,18}}){{0,2}}){_ENDS}"
)
DATE_WORDS = word_set(
    "f fu appt rtc seen on next due last labs lab visit since until admitted dc inr recheck"
)
_SPACED = re.compile(
    r"(?:f/?u|appt|rtc|seen|on|next|due|last|labs?|visit|since|until|admitted|dc|inr|recheck)(?: appt| seen| visit| due| inr)? (?P<d>(?:0?[1-9]|1[0-2]) (?:[12]\d|3[01]|0?[1-9])(?: (?:20)?[012]\d)?)"
    r"(?= (?:w|w/|with|at|in|per|by|for|from|dr|and|then)\b|[.,;)\n]|\s?\Z)(?!\.\d)"
)
# Names that are verbs or bear a disease behind a relative: "mom may call", "son will".
_NO_NAME = word_set(
    "may will can mark rose bill hope chase grant pat rob sue skip carry drew ray art major"
)
_MONTH_WORDS = word_set("in since until til last this next of")
_MONTH = re.compile(r"(?:in|since|until|til|last|this|next) (?P<d>may|march)(?=\s?[.,;)\n]|\s?\Z)")
CLINIC_WORDS = word_set(
    "family community womens women rural primary mental public county childrens"
)
_CLINIC = re.compile(
    r"(?P<o>(?:family|community|women'?s|rural|primary|mental|public|county|children'?s) (?:health|medicine|care|clinic|center|practice|dental)(?: (?:center|clinic|care|services))? of [a-z]{3,15}(?: [a-z]{3,15})??)(?=[,.;\n]|\s?\Z| (?:in|on|for|and|w|with|to|who)\b)"
)


# His wife and what she is called, before what she does or where the sentence goes on.
_KIN = re.compile(
    rf"(?:{'|'.join(sorted(RELATIVE_WORDS - {'in', 'boss', 'friend', 'partner'}))}) (?P<n>[a-z]{{3,12}})(?:$|(?=[.,;)\n]| (?:sr|jr|says?|said|states|confirms|reports|denies|called|calls|is|was|has|will|wants|lives|helps|came|comes"
    r"|brings|brought|drives|drove|here|at|in|with|w|w/|who|and|picks|cooks|does|did|agrees|\d)\b| \d))"
)


def find_quiet(text: str) -> Iterator[PhiSpan]:
    """What only its neighbours give away in a note without capitals."""
    note, lexicon = outline(text), english()
    if not note.quiet:
        return
    for match in _SPEAKS.finditer(text):
        word = match["n"]
        if word in lexicon.first and (word in lexicon.everyday or not is_word(word)):
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
    for match in find_at(_KIN, text, note.places(RELATIVE_WORDS)):
        word = match["n"]
        if word not in _NO_NAME and (word in lexicon.first or word in lexicon.everyday):
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
    for match in find_at(_EMPLOYER, text, note.places(JOB_WORDS)):
        words = re.findall(r"[a-z']+", match["o"])
        if not is_word(words[0]) and (not is_other(words[0]) or words[0] in lexicon.brands):
            yield PhiSpan(*match.span("o"), "ORGANIZATION", 0.6)
    for match in find_at(_CLINIC, text, note.places(CLINIC_WORDS)):
        yield PhiSpan(*match.span("o"), "ORGANIZATION", 0.6)
    for match in find_at(_SPACED, text, note.places(DATE_WORDS)):
        yield PhiSpan(*match.span("d"), "DATE", 0.6)
    for match in find_at(_MONTH, text, note.places(_MONTH_WORDS)):
        yield PhiSpan(*match.span("d"), "DATE", 0.6)
