"""Names that only their surroundings give away: what somebody does, a trade before, a sign-off.

Some are sure whatever the word ("Gabi complains of"), others count only where the tagger has an
inkling, too: :data:`~llmsafe.scrub.detect.recognisers.DOUBTFUL` says how much of one.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.listed import MONTH_WORDS
from llmsafe.scrub.detect.en.names import CLINICAL_NEXT, FIELD, RELATIVE_WORDS
from llmsafe.scrub.detect.en.vocabulary import is_thing
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import around, find_at, find_in

_WORD = r"[A-Z](?:[a-z]{1,20}(?:['’-]?[A-Z][a-z]{1,20})?|['’][A-Z][a-z]{1,20})"
_LOUD = r"[A-Z]{3,20}(?:-[A-Z]{2,20})?"
# What only people do in notes, and nobody does to a drug ("Popsicles refused").
_SPEAKS = (
    r"complains|complained|denies|mentions|endorses|says|feels|lives|lived|smokes|drinks|asks|agrees"
    r"|consented|agreed|wishes|hopes|prefers|drove|thinks|worries|recalls|remembers|states|admits"
    r"|is an? \d{1,3} ?[mf]|is an? \d{1,3}[- ](?:year|yr|month|week|y/?o)|is being (?:treated|seen|followed)"
)
# What others do as well: results "reported", a drug that "worked".
_DOES = (
    rf"{_SPEAKS}|denied|mentioned|endorsed|said|felt|works|worked|asked|wants|wanted|called|declined"
    r"|refuses|refused|brought|told|reports|reported|stated|admitted to|presents|presented|ambulates"
    r"|tolerates|tolerated|was seen|was treated|has had|has a|had a|came (?:in|to|by)|is here"
    r"|does not|did not|has no|notified|walked|slept|ate|cried|fell|sat up|woke|smiled|is asleep|is awake"
    r"|(?:was|is) (?:walking|sleeping|eating|crying|sitting|resting|talking|doing|feeling|asking|working|living|having|taking)"
)
_SUBJECT = re.compile(
    rf"(?P<n>{_WORD}|{_LOUD})[ ](?i:(?:also|now|still|then|really)[ ])?(?i:(?P<sure>{_SPEAKS})|{_DOES})(?!\w)"
)
_BEGINS = re.compile(r"(?:\A|[.!?:;]\s{1,3}|\n[ \t]{0,3}|[-•*>]\s)\Z")
_TRADE = (
    r"sitter|aide|tech|medic|paramedic|attending|resident|fellow|intern|hospitalist|midwife|doula"
    r"|lifeguard|coach|teacher|lawyer|attorney|caseworker|receptionist|scheduler|dispatcher"
    r"|interpreter|transporter|phlebotomist|hygienist|navigator|liaison|landlady|landlord|roommate"
    r"|bunkmate|classmate|teammate|godmother|godfather|godson|goddaughter|stepmom|stepdad|auntie"
    r"|nana|papa|granny|grandson|granddaughter|nanny|babysitter|sponsor|parole officer"
)
TRADE_WORDS = word_set(_TRADE.replace("parole officer", "parole").replace("|", " "))
_TRADED = re.compile(rf"(?<!\w)(?i:{_TRADE})[ ](?P<n>{_WORD}|{_LOUD})(?![\w-])")
_DUTY = re.compile(
    rf"(?<!\w)(?:MD|RN|NP|PA|RT|PT|OT|CNA|LPN|EMT|CRNA|DO|PCP)[ ](?P<n>{_WORD}|{_LOUD})[ ]"
    r"(?i:notified|aware|paged|called|informed|at bedside|bedside|here|updated|assisted|gave|says|said|reports)\b"
)
DUTY_WORDS = word_set("MD RN NP PA RT PT OT CNA LPN EMT CRNA DO PCP")
AFTER_WORDS = word_set("MD DO RN NP PA LPN CNA RT PT OT EMT MA PharmD RPh LCSW MSW CRNA APRN tech")
_BEFORE_DUTY = re.compile(rf"(?<![\w.'’-])(?P<n>{_WORD})[ ]\(?\Z")
_KIN = re.compile(
    rf"(?<!\w)(?i:{'|'.join(sorted(RELATIVE_WORDS - {'in'}))})[ ](?P<n>{_LOUD})[ ](?:CALLED|SAYS|SAID|STATES|STATED|REPORTS|REPORTED|AT BEDSIDE|IS|WAS|WILL|CAME|BROUGHT|DROVE|HAS|WANTS|ASKS|ASKED|NOTIFIED|UPDATED|PRESENT|HERE)(?!\w)"
)
_ACK = re.compile(
    r"(?<!\w)(?:ack(?:nowledged)?(?: by)?|per|d/w|w/|cc|from|by|to|with)[ ](?P<n>[A-Z]\.?[ ][A-Z][a-z]{2,20}(?:-[A-Z][a-z]{1,20})?)(?![\w-])"
)
_TALKED = re.compile(
    rf"(?<!\w)(?i:discussed|reviewed|spoke|talked|coordinated|confirmed|d)(?: [a-z]{{1,10}}){{0,2}}[ /](?:w/?|with)[ ](?P<n>{_WORD})(?![\w-])"
)
TALKED_WORDS = word_set("discussed reviewed spoke talked coordinated confirmed d")
ACK_WORDS = word_set("ack acknowledged per d w cc from by to with")
_CLOSING = re.compile(
    r"(?i:(?:many |kind |with |best |warm )?(?:thanks|thank you|thx|regards|sincerely|cheers|best|yours(?: truly)?|take care)),?[ \n]{1,3}(?P<n>(?-i:[A-Z](?:\.?[A-Z]){0,2}|[a-z]{2,3}))[.\s]{0,3}(?=\Z|\n)"
)
CLOSING_WORDS = word_set(
    "many kind with best warm thanks thank thx regards sincerely cheers yours take"
)
# Who wrote and who typed, at the end of a paragraph: HB/lrt.
_SLASHED = re.compile(r"(?<![\w/.-])([A-Z]{2,3})/([a-z]{2,3})\.?[ ]{0,3}(?=\n|\Z)")
_SIGNED = re.compile(
    r"(?:\n|[.!?][ ]{1,2})[-–—>~*/ ]{0,4}(?P<n>[A-Z]{2,3}|[A-Z]\.[A-Z]\.?)[ ]{0,3}\Z"
)
_TYPED = re.compile(
    r"\b(?i:transcribed|dictated|typed|entered|scribed)(?i: by)?\s?:[ ]?(?P<n>[A-Z]{2,3}|[a-z]{2,3})(?![\w/-])"
)
TYPED_WORDS = word_set("transcribed dictated typed entered scribed")
_TURNED = re.compile(
    r"(?<![\w.])(?P<n>[A-Z]\.[A-Z])\.?,?[ ](?:RN|MD|DO|NP|PA|LPN|CNA|CPhT|RPh|RT|PT|OT|MA|PharmD|EMT)(?!\w)"
)
_NO_ROLE = word_set(
    "aware notified team note physician charge staff student family training trained unit"
    " chief care room on in at to for and or with advised recommends recommended also only now"
    " will may per am pm dr mr mrs ms miss who not is was has call visit mom mum dad mommy"
    " daddy yes no see via you all me us"
)


@lru_cache(maxsize=1)
def _subjects(text: str) -> tuple[re.Match[str], ...]:
    return tuple(find_at(_SUBJECT, text, outline(text).capitals))


def find_subjects(text: str) -> Iterator[PhiSpan]:
    """Who does at the beginning of a sentence what only people do, by a word of no list."""
    lexicon = english()
    for match in _subjects(text):
        word = match["n"].lower()
        strange = not lexicon.plain(word) and word not in lexicon.eponyms and not is_thing(word)
        if match["n"].isupper() and not text.isupper():
            continue  # "MRI says"
        if (
            word in _NO_ROLE
            or not match["sure"]
            or not strange
            or FIELD.search(word)
            or word in MONTH_WORDS
            or len(word) < 3
        ):
            continue
        if _BEGINS.search(text[max(0, match.start() - 4) : match.start()]):
            yield PhiSpan(*match.span("n"), "NAME", 0.6)


def find_everyday(text: str) -> Iterator[PhiSpan]:
    """The same by an everyday word that is somebody's name elsewhere, and such a word before a
    credential: "Pat mentions", "Will RN co-signed"."""
    lexicon = english()
    for match in _subjects(text):
        word = match["n"].lower()
        known = word in lexicon.first or word in lexicon.last or word in lexicon.everyday
        if known and lexicon.plain(word):
            yield PhiSpan(*match.span("n"), "NAME", 0.5)
    for place in outline(text).exact(AFTER_WORDS):
        match = _BEFORE_DUTY.search(text, max(0, place - 24), place)
        word = match["n"].lower() if match else ""
        if match and (word in lexicon.first or word in lexicon.everyday):
            yield PhiSpan(*match.span("n"), "NAME", 0.5)
    for match in find_at(_KIN, text, outline(text).places(RELATIVE_WORDS)):
        if match["n"].lower() not in _NO_ROLE:
            yield PhiSpan(*match.span("n"), "NAME", 0.5)


def find_trades(text: str) -> Iterator[PhiSpan]:
    """Who is named by a trade, an office on the ward or a relation: "Sitter Tre", "MD Strand
    notified"."""
    lexicon = english()
    note = outline(text)
    for pattern, places in (
        (_TRADED, note.places(TRADE_WORDS)),
        (_DUTY, note.exact(DUTY_WORDS)),
    ):
        for match in find_at(pattern, text, places):
            word = match["n"].lower()
            known = word in lexicon.first or word in lexicon.last
            strange = not lexicon.plain(word) and word not in lexicon.eponyms
            if pattern is _TRADED and match["n"].isupper() and not (known or text.isupper()):
                strange = False  # an abbreviation
            if pattern is _DUTY:
                known = known or word in lexicon.everyday
                strange = strange or match["n"].istitle()
            if word in _NO_ROLE or FIELD.search(word) or not (known or strange):
                continue
            if not CLINICAL_NEXT.match(text, match.end("n")):
                yield PhiSpan(*match.span("n"), "NAME", 0.7)
    for match in find_at(_TALKED, text, note.places(TALKED_WORDS)):
        word = match["n"].lower()
        named = word in lexicon.first or word in lexicon.last
        if word in _NO_ROLE or ((lexicon.plain(word) or is_thing(word)) and not named):
            continue
        if not FIELD.search(word) and not CLINICAL_NEXT.match(text, match.end("n")):
            yield PhiSpan(*match.span("n"), "NAME", 0.7)
    for match in find_at(_ACK, text, note.places(ACK_WORDS)):
        word = match["n"].split()[-1].lower()
        if not lexicon.plain(word) and not CLINICAL_NEXT.match(text, match.end()):
            yield PhiSpan(*match.span("n"), "NAME", 0.7)


# Who is spoken to: "Is that right, Bill?", "Hi Grace,". Of the report that changes hands: "report from Mo (noc)".
_CALLED = re.compile(r", (?P<n>[A-Z][a-z]{2,15})[?!](?=\s|[\"”']|\Z)")
_GREETED = re.compile(
    r"(?i:hi|hello|hey|dear|good morning|morning|afternoon|evening|thanks|thank you|thx|ok|okay|sorry)(?i: so much| again| there)?,? (?P<n>[A-Z][a-z]{2,15})(?=[,.!:;?\n-]|\s?\Z)"
)
GREETING_WORDS = word_set(
    "hi hello hey dear good morning afternoon evening thanks thank thx ok okay sorry"
)
_HANDED = re.compile(
    r"(?i:report|handoff|hand-off|sign[ -]?out|handover)(?: given| rec'd| received| called| taken)? (?:from|to|off to|by) (?P<n>[A-Z][a-z]{1,15})(?= \(|[,.;]|\s?\Z| (?:RN|on|at|in)\b)"
)
HANDED_WORDS = word_set("report handoff hand sign signout handover")


def find_addressed(text: str) -> Iterator[PhiSpan]:
    """Who is spoken to, and who hands a patient over, by a given name."""
    note, lexicon = outline(text), english()
    commas = [place - 2 for place in note.capitals if place > 1]
    called = find_at(_CALLED, text, commas) if "?" in text or "!" in text else ()
    for match in (*called, *find_at(_GREETED, text, note.places(GREETING_WORDS))):
        word = match["n"].lower()
        if (word in lexicon.first or word in lexicon.everyday) and word not in _NO_ROLE:
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
    for match in find_at(_HANDED, text, note.places(HANDED_WORDS)):
        word = match["n"].lower()
        strange = not lexicon.plain(word) and not is_thing(word) and word not in _NO_ROLE
        if (strange or word in lexicon.first) and not FIELD.search(word):
            yield PhiSpan(*match.span("n"), "NAME", 0.6)


def find_signatures(text: str) -> Iterator[PhiSpan]:
    """Initials under a letter, after a closing formula, beside a credential, of who typed."""
    note = outline(text)
    for pattern, places in (
        (_CLOSING, note.places(CLOSING_WORDS)),
        (_TYPED, note.places(TYPED_WORDS)),
    ):
        for match in find_at(pattern, text, places):
            if match["n"].lower() not in _NO_ROLE:
                yield PhiSpan(*match.span("n"), "NAME", 0.7)
    for match in find_at(_TURNED, text, note.capitals):
        yield PhiSpan(*match.span("n"), "NAME", 0.8)
    for match in _SLASHED.finditer(text) if "/" in text else ():
        yield PhiSpan(*match.span(1), "NAME", 0.6)
        if match[2] not in TYPIST_WORDS:
            yield PhiSpan(*match.span(2), "NAME", 0.6)
    tail = len(text.rstrip())
    match = _SIGNED.search(text, max(0, tail - 12), tail)
    if match and match["n"] not in _DEGREES:
        yield PhiSpan(*match.span("n"), "NAME", 0.7)


_DEGREES = frozenset(("NAD", "NPO", "DNR", "DNI", "WNL", "TBD", "FYI", "RTC", "ASA", "OK", "IV", "PO", "IM", "ED", "ER", "OR", "ICU", "AMA", "LOS", "CPT", "USA", "MSW", "LSW", "CRT", "RDN", "LDN", "OTR", "SLP", "PMH", "ROS", "MD", "DO", "RN", "NP", "PA", "RT", "PT", "OT", "AM", "PM", "END", "EOM", "TID", "BID", "PRN", "QID"))  # fmt: skip


_SIGNED_INITIALS = (
    re.compile(
        r"\b(?i:taken|received|handled|entered|typed|logged|signed)\b[^\n]{0,40}?\s(?i:by)\s"
        r"(?P<n>[A-Z]{2,3})(?!\w)"
    ),
    re.compile(
        r"\b(?i:transcribed|dictated|typed|[dt])\s?:[^\n]{0,40}?\s(?P<n>[A-Z]{2,3})(?:[/:][A-Za-z]{2,4})?[ ]*$",
        re.MULTILINE,
    ),
    re.compile(r"(?<![\w/])(?P<n>[A-Z]{2,3})/(?:tr|dt|jb|md|sl|mt|nts|ts|aw)\b"),
    re.compile(r"^[-\s]{0,4}(?P<n>[A-Z]{2,3}),[ ]\d{1,2}:?\d\d(?!\d)", re.MULTILINE),
    re.compile(
        r"\b(?i:circ(?:ulator)?|scrub|tech|rn|lpn|cna|nurse|init(?:ial)?s?|witness|recorder|scribe|reader|prepared|drawn"
        r"|collected|checked|verified|charted|logged|by)(?i: by)?\s?[:=]\s?(?P<n>[A-Z]{2,3})(?![\w/&-])"
    ),
)
TAKEN_WORDS = word_set("taken received handled entered typed logged signed")
DICTATED_WORDS = word_set("transcribed dictated typed d t")
TOLD_WORDS = word_set(
    "circ circulator scrub tech rn lpn cna nurse init inits initial initials witness recorder scribe reader prepared"
    " drawn collected checked verified charted logged by"
)
TYPIST_WORDS = word_set("tr dt jb md sl mt nts ts aw")
_CLOCK_WORDS = frozenset(("AM", "PM", "RN", "MD", "DO", "NP", "PA", "EST", "PST"))


def find_initials(text: str) -> Iterator[PhiSpan]:
    """The initials of who took a message, typed a report or signed a note."""
    note = outline(text)
    taken, typed, slashed, timed, told = _SIGNED_INITIALS
    for match in (
        *find_at(taken, text, note.places(TAKEN_WORDS)),
        *find_at(typed, text, note.places(DICTATED_WORDS)),
        *find_in(slashed, text, around(text, note.exact(TYPIST_WORDS), 5, 6)),
        *find_at(told, text, note.places(TOLD_WORDS)),
        *(timed.finditer(text) if ", 0" in note.signs else ()),
    ):
        typist = match.re is slashed or (
            match.re is typed and "/" in match[0][match.end("n") - match.start() :]
        )
        if match["n"] not in _CLOCK_WORDS or typist:  # AM/tr is no hour
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
