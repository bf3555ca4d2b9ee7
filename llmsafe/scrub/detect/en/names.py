"""Names of people: by title, label, credential, relation and word list.

Every rule looks at a window of capitalised words; lists of ordinary words, eponyms and clinical
head nouns say which capitalised words are no names.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.dates import MONTHS
from llmsafe.scrub.detect.en.eponyms import DISEASES, PAIRS, is_pair
from llmsafe.scrub.detect.en.vocabulary import is_other
from llmsafe.scrub.detect.lexicon import Lexicon, english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import around, find_at, find_in, windows

# A capitalised word that may belong to a name: Smith, O'Brien, McKay, Smith-Jones, J., Marine542.
_CAP = (
    r"(?:[A-Z](?:[a-z0-9]{1,30}(?:['’]?[A-Z][a-z0-9]{1,30}){0,2}|['’][A-Z][a-z]{1,30})"
    r"(?:-[A-Z][a-z]{1,30}(?:[A-Z][a-z]{1,30})?){0,2})"
)
_ALL = r"(?:[A-Z]['’])?[A-Z]{2,20}(?:-[A-Z]{2,20}){0,2}"
_INITIAL = r"[A-Z]\.?(?![\w]|-\w)"
_PARTICLE = r"(?:(?:de|del|della|de la|de los|da|dos|di|du|la|le|van|van der|van den|von|bin|ibn|al|el|ter|st\.|St\.)[ -])"
_NAME = (
    rf"(?:(?:{_CAP}|{_ALL}|{_INITIAL})(?:[ \t]{{1,2}}|(?<=\.))){{0,3}}{_PARTICLE}?(?:{_CAP}|{_ALL}|{_INITIAL})"
    r"(?:,? (?:Jr|Sr|II|III|IV)\b\.?)?"
)
_TITLE = r"(?:Dr|DR|Drs|Mr|MR|Mrs|MRS|Ms|MS(?=\.)|Miss|Mx|Prof|Doctor|Professor|Rev|Reverend|Rabbi)"
_OFFICE = r"(?:Sister|Father|Pastor|Nurse|Officer|Judge|Captain|Sergeant|Chaplain|Deputy|Detective)"
TITLE_WORDS = word_set(
    "Dr DR Drs Mr MR Mrs MRS Ms MS Miss Mx Prof Doctor Professor Rev Reverend Rabbi"
)
OFFICE_WORDS = word_set(
    "Sister Father Pastor Nurse Officer Judge Captain Sergeant Chaplain Deputy Detective"
)
LOWER_TITLES = word_set("dr mr mrs ms doctor")
_TITLED = re.compile(rf"(?<!\w){_TITLE}\b\.?[ \t]{{0,2}}\n?[ ]?(?P<n>{_NAME})")
_OFFICED = re.compile(rf"(?<!\w){_OFFICE}[ ](?P<n>{_NAME})")
_TITLED_LOWER = re.compile(
    r"(?<!\w)(?:dr|mr|mrs|ms|doctor)\b\.?\s(?P<n>[a-z][a-z'-]{2,20}(?: [a-z]{3,20})?)(?!\w)"
)
_CREDENTIAL = (
    r"(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|Pharm\.?D|D\.?D\.?S|D\.?P\.?M|B\.?S\.?N|M\.?S\.?N|"
    r"A\.?P\.?R\.?N|A\.?R\.?N\.?P|F\.?N\.?P(?:-C|-BC)?|C\.?R\.?N\.?A|L\.?P\.?N|L\.?V\.?N|C\.?N\.?A|D\.?P\.?T|P\.?T"
    r"|O\.?T\.?R|L\.?C\.?S\.?W|M\.?S\.?W|L\.?M\.?F\.?T|M\.?P\.?H|F\.?A\.?C\.?[SPC]\.?|MBBS|MBChB|R\.?D|R\.?T|CMA|M\.?A|CCC-SLP|DNP|Psy\.?D|EMT(?:-P)?|RPh)"
)
# Before it the longest name: four words of 221 letters, each with a second half or two.
_CREDENTIAL_HINT = re.compile(rf"[ ,]{_CREDENTIAL}(?!\w)")
_CREDENTIALED = re.compile(
    rf"(?<![\w.])(?P<n>{_NAME}),? {{1,2}}{_CREDENTIAL}(?!\w|/(?:INR|PTT))|(?<![\w.])(?P<n2>{_NAME}),{_CREDENTIAL}(?!\w)"
)
_LABEL = (
    r"(?:patient(?:'s)?(?: name)?|pt\.?(?: name)?|name|full name|legal name|preferred name|first name|last name|surname|maiden name|alias|aka|a\.k\.a\.|nickname|goes by|named|called"
    r"|dictated by|transcribed by|signed(?: by)?|electronically signed(?: by)?|e-signed by|authenticated by|reviewed by|attending(?: physician| md)?|physician|provider|pcp|surgeon|assistant"
    r"|anesthesiologist|anesthetist|consultant|resident|intern|fellow|nurse|author|cosigned by|cosigner|referring (?:physician|provider|md)|referred by|ordering (?:physician|provider|md)"
    r"|primary care (?:physician|provider)|seen by|evaluated by|examined by|performed by|read by|interpreted by|reported by|verified by|documented by|entered by|informant|interpreter|case manager|social worker|therapist"
    r"|radiologist|pathologist|technologist|technician|operator|caller|spoke (?:with|to)|discussed with|emergency contact|next of kin|nok|guardian|contact|proxy|hcp|poa|power of attorney|responsible party|guarantor|subscriber|insured|employer contact|witness|rep(?:resentative)?(?: in room| present)?|circ(?:ulator)?|scrub|attn|cc|to|from|re|regarding|dear|sincerely|regards|thank you)"
)
LABEL_WORDS = word_set(
    "patient pt name full legal preferred first last surname maiden alias aka a nickname goes named called dictated"
    " transcribed signed electronically e authenticated reviewed attending physician provider pcp surgeon assistant"
    " anesthesiologist anesthetist consultant resident intern fellow nurse author cosigned cosigner referring referred"
    " ordering primary seen evaluated examined performed read interpreted reported verified documented entered informant"
    " interpreter case social therapist radiologist pathologist technologist technician operator caller spoke discussed"
    " emergency next nok guardian contact proxy hcp poa power responsible guarantor subscriber insured employer witness rep representative circ circulator scrub"
    " attn cc to from re regarding dear sincerely regards thank"
)
_LABELLED = re.compile(
    rf"(?<!\w)(?i:{_LABEL})[ \t]{{0,3}}(?::|=|#|\bis\b|\|)[ \t|]{{0,4}}(?i:{_TITLE}\.? )?(?P<n>{_NAME}(?:, (?=[A-Z][A-Za-z]){_NAME})?)"
)
_NEXT_LABEL = re.compile(r"(?<=[A-Z]{3})[ ]?:")
BARE_WORDS = word_set(
    "named called goes signed dictated transcribed seen evaluated examined performed reviewed spoke discussed per dear"
    " referred reported patient pt"
)
_LABELLED_BARE = re.compile(
    rf"(?<!\w)(?i:named|called|goes by|signed by|dictated by|transcribed by|seen by|evaluated by|examined by|performed by|reviewed by|spoke with|spoke to|discussed with|per|dear|referred by|reported by|patient|pt)[ ]{{1,2}}(?:{_TITLE}\b\.? )?(?P<n>{_CAP}(?: (?:{_INITIAL} )?{_CAP})?(?: [A-Z]\.)?)"
)
FIELD = re.compile(r"(?:ology|ologists?|ists?|iatrics?|iatry|surgery|medicine|therapy|service)$")
_LOOSE = re.compile(r"(?i:per|patient|pt)\b")
RELATIVE_WORDS = word_set(
    "wife husband spouse partner son daughter mother father mom dad brother sister aunt uncle niece nephew cousin grandson"
    " granddaughter grandmother grandfather grandma grandpa friend neighbor neighbour fiance fiancee girlfriend"
    " boyfriend caregiver roommate boss coworker landlord in stepmother stepfather stepson stepdaughter"
    " husb hubby dtr dau sis bro gma gpa gran granny"
)
_RELATIVE = re.compile(
    r"\b(?i:wife|husband|spouse|partner|son|daughter|mother|father|mom|dad|brother|sister|aunt|uncle|niece"
    r"|nephew|cousin|grandson|granddaughter|grandmother|grandfather|grandma|grandpa|friend|neighbor|neighbour|fianc[ee]e?|girlfriend"
    r"|boyfriend|caregiver|roommate|boss|coworker|landlord|in-law|husb|hubby|dtr|dau|sis|bro|gma|gpa|gran|granny|stepmother|stepfather|stepson|stepdaughter)"
    rf"(?:,| is|:)?[ ]\(?(?P<n>{_CAP}(?:[ ](?:{_INITIAL}[ ])?{_CAP})?|{_ALL}(?:[ ]{_ALL})?)"
)
_REVERSED = re.compile(
    rf"(?<![\w,] )(?<!\w)(?P<last>{_CAP}|{_ALL}),[ ]{{0,2}}\n?[ ]?(?P<first>{_CAP}|{_ALL})(?P<mid>[ ](?:[A-Z]\.?(?!\w)|{_CAP}))?"
)
_RUN = re.compile(
    rf"(?<![\w'’.@/-])(?:{_CAP}|{_ALL}|{_INITIAL})(?:(?:[ ]{{1,2}}|[ ]?\n[ ]?|(?<=\.)){_PARTICLE}?(?:{_CAP}|{_ALL}|{_INITIAL})){{0,4}}"
)
_PIECE = re.compile(rf"{_CAP}|{_ALL}|[A-Z](?!\w)\.?")
CLINICAL_NEXT = re.compile(
    r"(?:['’]s?)?[- ](?:[a-z]+[- ]){0,1}(?:disease|syndrome|sign|signs|reflex|score|scores|scale|criteria|catheter|test|testing|maneuver|manoeuvre"
    r"|procedure|phenomenon|classification|class|index|lymphoma|sarcoma|tumou?r|palsy|law|position|fracture|method|formula"
    r"|stain|tube|drain|line|pouch|ulcer|esophagus|node|nodes|gland|duct|canal|ligament|muscle|tendon|cyst|cells?|bodies|body|spots?|nodules?"
    r"|contracture|deformity|neuroma|thyroiditis|arteritis|purpura|anemia|hernia|repair|retractors?|forceps|clamps?|scissors|suture|needle"
    r"|screws?|plates?|rods?|nails?|wires?|splint|cast|boot|collar|brace|bandage|dressing|hose|stockings|filter|stent|graft|valve|balloon"
    r"|study|trial|trials|guidelines?|dementia|chorea|ataxia|psychosis|encephalopathy|aphasia|area|respirations?|breathing|murmur|pulse|gait|coma|stage|staging"
    r"|grade|grading|system|questionnaire|inventory|technique|approach|incision|anastomosis|flap|operation|stitch(?:es)?|knots?|sling|mesh|snare|basket|knife|probe|implant|cage|prosthesis|sheath|dilators?|introducer|regimen|nomogram|curve|ratio|schema|fixative|fix|broth|disc|heater|ventilator|mattress|osteotomy|fusion|bypass|shunt|pessary|bougie|sounds?|exercises?|contractions?|smear|bag|mask|blade|bands?|region|point|zone|triangle|stripe|plaques?|patch(?:es)?|paste|cannula|cautery|dynamometry"
    r"|laryngoscope|scissor|elevator|curette|rongeurs?|speculum|tenaculum|trocar|port|pump|monitor|lamp|light|lens|chart|thickness|level|melanoma|carcinoma|nevus|lesion|defect|sequence|virus|bacillus"
    r"|maneuvers|angle|view|series|ring|rings|marker|hook|hooks|array|assay|agar|pose|fever|equation|rule|triad|tetralogy|pentad|hepatitis|encephalitis|granulomatosis|vasculitis|nephropathy|tremor)s?\b",
    re.IGNORECASE,
)
_TITLES = frozenset(["dr", "drs", "mr", "mrs", "ms", "miss", "prof", "md", "rn"])
# "Doctor, may I go?" shouted, "at 21 C. Kernig negative", the murmur of Austin Flint.
_ASKED = re.compile(r"(?:May|Will|Can|Should|Could|Do|Did|Am|Shall) I\b(?!\.)")
_UNIT = re.compile(r"\d ?\Z")
_SIDE = re.compile(r"[a-z]{3} \Z")
_SENTENCE = frozenset(
    ("the", "he", "she", "it", "they", "we", "this", "that", "these", "his", "her", "there", "patient",
     "please", "if", "in", "on", "at", "and", "but", "when", "after", "as", "our", "i", "you")
)  # fmt: skip
_PRODUCT = re.compile(r"[A-Z][a-z]{3,}[A-Z][a-z]")  # VerteFill, but MacLeod and DeVries


def find_titled(text: str) -> Iterator[PhiSpan]:
    """After a title (Dr., Mrs.) or before a credential (MD, RN)."""
    note = outline(text)
    for match in find_at(_TITLED, text, note.exact(TITLE_WORDS)):
        if "\n" in match[0] and text.startswith("|", match.end()):
            continue  # of HL7: ^DR ends a segment, and another begins
        if _ASKED.match(text, match.start("n")):
            continue
        yield from _checked(text, match.start("n"), match.end("n"), 0.95, trust=True)
    for match in find_at(_OFFICED, text, note.exact(OFFICE_WORDS)):
        yield from _checked(text, match.start("n"), match.end("n"), 0.8, trust=False)
    for match in find_at(_TITLED_LOWER, text, note.exact(LOWER_TITLES)):
        first = match["n"].split()[0]
        if first not in english().words or first in english().last:
            end = match.end("n")
            rest = match["n"].split()[1:]
            if rest and rest[0] not in english().last:
                end = match.start("n") + len(first)
            yield PhiSpan(match.start("n"), end, "NAME", 0.8)
    for match in find_in(_CREDENTIALED, text, _before_credentials(text)):
        group = "n" if match["n"] else "n2"
        yield from _credentialed(text, match.start(group), match.end(group))


def _before_credentials(text: str) -> list[tuple[int, int]]:
    """The lines of credentials, as far as a name before one can reach."""
    ranges: list[tuple[int, int]] = []
    for match in _CREDENTIAL_HINT.finditer(text):
        line = text.rfind("\n", max(0, match.start() - 1100), match.start()) + 1
        start, end = max(line, match.start() - 1100), match.end()
        if ranges and start <= ranges[-1][1]:
            start = ranges.pop()[0]
        ranges.append((start, end))
    return ranges


def _credentialed(text: str, start: int, end: int) -> Iterator[PhiSpan]:
    """The trailing part of a window that can be a name; a credential follows, so even an ordinary
    word may be one ("Elijah Bone, DO"), but not on its own."""
    lexicon = english()
    pieces = list(_PIECE.finditer(text, start, end))
    kept: list[re.Match[str]] = []
    for piece in reversed(pieces[-4:]):
        word = piece[0].lower().rstrip(".")
        named = word in lexicon.first or word in lexicon.last or word in lexicon.everyday
        if word in _TITLES or (kept and word in lexicon.words and not named and len(word) > 1):
            break
        kept.insert(0, piece)
    words = [piece[0].lower().rstrip(".") for piece in kept]
    if words and any(len(w) > 1 and w not in lexicon.words for w in words):
        yield PhiSpan(kept[0].start(), kept[-1].end(), "NAME", 0.9)


def find_labelled_names(text: str) -> Iterator[PhiSpan]:
    """After a label (Patient:, Dictated by:, Dear) or a relation (his wife Mary)."""
    lexicon = english()
    note = outline(text)
    for match in find_at(_LABELLED, text, note.places(LABEL_WORDS)):
        if _NEXT_LABEL.match(text, match.end("n")):
            continue  # "Name:  DOB:": a form that nobody has filled in
        if "|" in match[0] and text.startswith("|", match.end("n") + 1) and is_other(match["n"].lower()):
            continue  # headings of a table
        named = "name" in match[0][: match.start("n") - match.start()].lower()
        yield from _checked(text, match.start("n"), match.end("n"), 0.9, trust=named)
    for pattern, first_words in ((_LABELLED_BARE, BARE_WORDS), (_RELATIVE, RELATIVE_WORDS)):
        for match in find_at(pattern, text, note.places(first_words)):
            first = re.split(r"\W", match["n"].lower())[0]
            if FIELD.search(first) or (pattern is _RELATIVE and _is_nobody(text, match)):
                continue
            loose = _LOOSE.match(match[0]) or match["n"].isupper()
            if loose and not {first} & (lexicon.first | lexicon.last):
                continue
            yield from _checked(text, match.start("n"), match.end("n"), 0.8, trust=False)


_LISTED = re.compile(r"(?:['’]s?)?(?:\s*[,;.]|\s*$|\s*\n|\s(?:and|at|dx|in)\b)")


def _is_nobody(text: str, match: re.Match[str]) -> bool:
    """Whether a relative has a disease rather than a name: "mother Graves, father Crohn", or is
    Uncle Sam."""
    if match[0].lower() in PAIRS:
        return True
    return match["n"].lower() in DISEASES and _LISTED.match(text, match.end("n")) is not None


def _checked(text: str, start: int, end: int, score: float, *, trust: bool) -> Iterator[PhiSpan]:
    """The leading part of a window that can be a name.

    ``trust``: a title stood before it, so even an ordinary word may be a name ("Dr. Bone").
    """
    lexicon = english()
    kept = start
    strong = False
    for position, piece in enumerate(_PIECE.finditer(text, start, end)):
        word = piece[0].lower().rstrip(".")
        if word in _TITLES:
            break
        if position == 0 and trust:
            ordinary = word in lexicon.words and word not in lexicon.everyday | lexicon.last
            if piece[0].isupper() and len(word) > 3 and ordinary:
                return
            kept, strong = piece.end(), True
            continue
        initial = len(word) == 1
        if word in _SENTENCE and piece[0][1:].islower():  # "seen by Dr. X. She is well."
            break
        named = word in lexicon.first or word in lexicon.last
        if trust and position == 1:  # "Dr. Hope Singer", "Dr. Ann Fraser"
            before = text[start:kept].strip(" .").lower()
            given = before in lexicon.first or len(before) == 1
            named = named or given or word in lexicon.everyday or word in lexicon.eponyms
        if not initial and not named and (lexicon.plain(word) or word in lexicon.eponyms):
            break
        if not initial and not named and piece[0].isupper():
            if len(word) < 5 or (position and text[start + 1 : start + 3].islower()):
                break  # an abbreviation
        strong = strong or (not initial and (not lexicon.plain(word) or named))
        kept = piece.end()
    if kept > start and strong and (trust or not CLINICAL_NEXT.match(text, kept)):
        yield PhiSpan(start, _end(text, kept), "NAME", score)


_JUNIOR = re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?")
_STOP = re.compile(r"\s{0,3}(?:$|\n)|\s[A-Z]")


def _end(text: str, end: int) -> int:
    """The end of a name: with "Jr.", without the full stop of a sentence after an initial."""
    if match := _JUNIOR.match(text, end):
        return match.end()
    return end - 1 if text[end - 1] == "." and _STOP.match(text, end) else end


_COMMA = re.compile(r",[ ]{0,2}\n?[ ]?[A-Z]")
_HEADER = re.compile(r"[ ,]{1,4}(?:MRN|DOB|Unit|Acct)\b", re.IGNORECASE)


def find_reversed(text: str) -> Iterator[PhiSpan]:
    """ "Last, First M." when the word list knows one of them and neither is ordinary."""
    lexicon = english()
    # Around the comma; before it the longest family name.
    for match in find_in(_REVERSED, text, windows(text, _COMMA, 240, 500)):
        last, first = match["last"].lower(), match["first"].lower()
        parts = last.split("-")
        known_last = any(part in lexicon.last for part in parts)
        known_first = first in lexicon.first
        if {first, last} & MONTH_WORDS or text[match.start() - 1 : match.start()] == "&":
            continue  # A&Ox3
        if any(w in lexicon.words and w not in lexicon.everyday for w in (first, last)):
            continue
        both_plain = lexicon.plain(last) and lexicon.plain(first)
        sure_last = known_last and not lexicon.plain(last) and last not in lexicon.eponyms
        odd_first = not lexicon.plain(first) and first not in lexicon.eponyms and len(first) > 2
        odd_first = odd_first or (first in lexicon.everyday and bool(match["mid"]))
        header = match["mid"] or _HEADER.match(text, match.end())
        if (
            (known_first and (known_last or not lexicon.plain(last)) and not both_plain)
            or (sure_last and odd_first)
            or (both_plain and known_first and header)
            or _shouted(text, match)
        ):
            end = match.end()
            if match["mid"] and len(match["mid"].strip(" .")) > 1:
                middle = match["mid"].strip().lower()
                if middle not in lexicon.first and middle not in lexicon.last:
                    end = match.end("first")
            yield PhiSpan(match.start(), end, "NAME", 0.85)


def _shouted(text: str, match: re.Match[str]) -> bool:
    """Whether it is two strange words in capitals in a line that has small letters, and no more in a
    row: "Pre-op: SZABO, PIROSKA"."""
    last, first = match["last"], match["first"]
    if not (last.isupper() and first.isupper() and min(len(last), len(first)) > 3):
        return False
    if any(set("AEIOUY").isdisjoint(word) for word in (last, first)):
        return False  # LDDST, ACTH
    if text.startswith(",", match.end("first")) or any(map(is_other, (last.lower(), first.lower()))):
        return False
    start = text.rfind("\n", 0, match.start()) + 1
    return any(map(str.islower, text[start : match.start()] + text[match.end() : match.end() + 60]))


# What people do in notes: "Elmer has viral gastroenteritis", "Kayla is being treated".
_ACTS = re.compile(
    r" (?:also |additionally )?(?:is|was|has|had|will|came|says|said|feels|felt|lives|lived|denies"
    r"|denied|admits|admitted|reports|reported|complains|complained|states|stated|mentions|mentioned"
    r"|presents|presented)\b"
)


def find_listed(text: str) -> Iterator[PhiSpan]:
    """Runs of capitalised words that the lists of given and family names know."""
    lexicon = english()
    for run in find_at(_RUN, text, outline(text).capitals):
        pieces = list(_PIECE.finditer(text, run.start(), run.end()))
        kinds = "".join([_kind(piece[0].lower().rstrip("."), piece[0]) for piece in pieces])
        if _NAMED.isdisjoint(kinds):
            continue
        position = 0
        while position < len(pieces):
            length, score = _name_at(pieces, kinds, position, lexicon, text)
            if length:
                start, end = pieces[position].start(), pieces[position + length - 1].end()
                following = pieces[position + length : position + length + 1]
                ends = [end, *(piece.end() for piece in following)]  # "Lou Gehrig's disease"
                if kinds[position] in "FB" and _ACTS.match(text, end):
                    score = max(score, 0.85)  # so that nobody is asked whether it is an eponym
                if not any(CLINICAL_NEXT.match(text, at) for at in ends):
                    yield PhiSpan(start, _end(text, end), "NAME", score)
                position += length
            else:
                position += 1


def _name_at(
    pieces: list[re.Match[str]], kinds: str, at: int, lexicon: Lexicon, text: str
) -> tuple[int, float]:
    """How many pieces from ``at`` on, of these kinds, are a name, and how sure that is; (0, 0) if
    none."""
    start = pieces[at].start()
    word = pieces[at][0].lower().rstrip(".")
    if word in ("c", "f", "l") and _UNIT.search(text[max(0, start - 2) : start]):
        return 0, 0.0  # degrees and litres
    shape = kinds[at : at + 4]
    first_upper = pieces[at][0].isupper() and len(word) > 1
    for pattern, score in _SHAPES_UPPER if first_upper else _SHAPES:
        if match := pattern.match(shape):
            both = " ".join(piece[0].lower().rstrip(".") for piece in pieces[at : at + 2])
            side = word in ("l", "r") and kinds[at + 1 : at + 2] == "e"
            if side and _SIDE.search(text[max(0, start - 12) : start]):
                return 0, 0.0  # the clips are on the left, and a Foley is in
            if kinds[at] == "e" and len(match[0]) == 2 and pieces[at + 1][0].isalpha():
                return 0, 0.0  # Fanconi C; but Smith J., as people are written
            if is_pair(both, text, start, pieces[min(at + 1, len(pieces) - 1)].end()):
                return 0, 0.0
            return len(match[0]), score
    if (
        shape[:1] in "FL"
        and shape[:1]
        and not first_upper
        and _lonely(pieces[at], text, word, lexicon)
    ):
        return 1, 0.6
    return 0, 0.0


# One letter per word: F given name, f given name that is an everyday word, L family name, l family
# name that is an everyday word, e family name that is an eponym, B both, b both and everyday,
# I initial, U unknown, N not a name.
_NAMED = frozenset("FfLleBb")  # each of the shapes has one of them
_SHAPES = tuple(
    (re.compile(pattern), score)
    for pattern, score in (
        (r"[FB][IFBfbU]?[LBlbe]", 0.92),
        (r"[FB]I?I[LBlbeU]", 0.9),
        (r"[FB][FBfb]U", 0.8),
        (r"[fb][IFB]?[LBe]", 0.85),
        (r"UI[LBle]", 0.7),
        (r"[FB]I", 0.85),
        (r"[FB][UF]", 0.85),
        (r"II?[LBe]", 0.85),
        (r"[LBe]I(?![A-Za-z])", 0.8),
        (r"[fb]I[lbU]", 0.8),
        (r"U[LB](?!N)", 0.7),
        (r"[fb][lb]", 0.6),
        (r"[FB]l", 0.85),
        (r"lI?L", 0.6),
        (r"[fb]I(?![A-Za-z])", 0.6),
    )
)
_SHAPES_UPPER = tuple(
    (re.compile(pattern), score)
    for pattern, score in (
        (r"[FB][IFB]?[LBe]", 0.85),
        (r"[LBe][FB]", 0.7),
        (r"[FB][lbU]", 0.6),
        (r"[fb]I?[LB]", 0.7),
        (r"[fbl]I[lbLB]", 0.7),
        (r"[FB]I[lbLBe]", 0.8),
    )
)


@lru_cache(maxsize=20_000)
def _kind(word: str, written: str) -> str:
    lexicon = english()
    if len(word) == 1:
        return "I"
    if "-" in word:
        return _double(word.split("-"), lexicon)
    if word.replace("'", "").replace("’", "") in lexicon.last:
        word = word.replace("'", "").replace("’", "")
    first, last = word in lexicon.first, word in lexicon.last
    ordinary = lexicon.plain(word) or word in MONTH_WORDS
    if word in MONTH_WORDS and not (first or last):
        return "N"
    if first and last:
        return "b" if ordinary else "B"
    if first:
        return "f" if ordinary else "F"
    if word in lexicon.eponyms and not ordinary:
        return "e"
    if last:
        return "l" if ordinary else "L"
    if word in lexicon.everyday:
        return "l"
    unknown = not ordinary and not written.isupper()
    return "U" if unknown and len(word) > 2 else "N"


def _double(halves: list[str], lexicon: Lexicon) -> str:
    """The kind of a hyphenated word: "Mallory-Weiss" is an eponym, "Garcia-Lopez" a family name."""
    listed = [half in lexicon.last or half in lexicon.first for half in halves]
    listed = [a and half not in lexicon.everyday for a, half in zip(listed, halves, strict=True)]
    strange = [half not in lexicon.words and len(half) > 1 for half in halves]
    if not any(listed) or not all(a or b for a, b in zip(listed, strange, strict=True)):
        return "N"
    if any(half in lexicon.eponyms for half in halves):
        return "e"
    return "N" if all(lexicon.plain(half) for half in halves) else "L"


MONTH_WORDS = frozenset(
    [
        *MONTHS,
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ]
)


def _lonely(piece: re.Match[str], text: str, word: str, lexicon: Lexicon) -> bool:
    """Whether a lone listed name is one: no eponym, no part of a place or a product."""
    if word in lexicon.eponyms or is_pair(word, text, *piece.span()) or len(word) < 3:
        return False
    after = text[piece.end() : piece.end() + 2]
    before = text[max(0, piece.start() - 1) : piece.start()]
    left = _LEFT_WORD.search(text, max(0, piece.start() - 16), piece.start())
    right = _RIGHT_WORD.match(text, piece.end())
    if right and is_pair(f"{word} {right[1].lower()}", text, piece.start(), right.end()):
        return False
    if _CITED.match(text, piece.end()) or (left and f"{left[1].lower()} {word}" in PAIRS):
        return False
    return not after.startswith(("-", "®", "™")) and before not in ("-", "/")


# "McDonald 2017 criteria met": the year of a paper.
_CITED = re.compile(
    r" (?:19|20)\d\d (?:criteria|met|positive|negative|classification|guidelines?|revision)\b"
)
_RIGHT_WORD = re.compile(r"[ -]([A-Z][a-z]+)\b")
_LEFT_WORD = re.compile(r"\b([A-Z][a-z]+)[ -]\Z")
_UNKNOWN_PAIR = re.compile(rf"(?<![\w.'’-])(?P<a>{_CAP})[ ](?:[A-Z]\.? )?(?P<b>{_CAP})(?![\w-])")

_NUMBERED = re.compile(r"[A-Z][a-z'’]+\d{1,3}")
_ARTICLE = re.compile(r"(?i)\b(?:the|an?|with|using|and)\s$")
# A word with a capital and another behind it.
_BEFORE_CAPITAL = re.compile(r"[A-Z](?<![\w.'’-][A-Z])[\w'’-]*(?= [A-Z])")


def find_unknown(text: str) -> Iterator[PhiSpan]:
    """Two capitalised words in a row that no list knows, or that carry digits ("Marine542 Ai120")."""
    for match in find_at(_UNKNOWN_PAIR, text, [m.start() for m in _BEFORE_CAPITAL.finditer(text)]):
        words = match["a"], match["b"]
        if all(_NUMBERED.fullmatch(word) for word in words):
            yield PhiSpan(*match.span(), "NAME", 0.8)
        elif (
            all(_kind(word.lower(), word) == "U" for word in words)
            and not any(_PRODUCT.match(word) for word in words)
            and not _ARTICLE.search(text[max(0, match.start() - 8) : match.start()])
            and not CLINICAL_NEXT.match(text, match.end())
        ):
            yield PhiSpan(*match.span(), "NAME", 0.5)


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
TYPED_WORDS = word_set("transcribed dictated typed d t")
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
        *find_at(typed, text, note.places(TYPED_WORDS)),
        *find_in(slashed, text, around(text, note.exact(TYPIST_WORDS), 5, 6)),
        *find_at(told, text, note.places(TOLD_WORDS)),
        *(timed.finditer(text) if ", 0" in note.signs else ()),
    ):
        typist = match.re is slashed or (
            match.re is typed and "/" in match[0][match.end("n") - match.start() :]
        )
        if match["n"] not in _CLOCK_WORDS or typist:  # AM/tr is no hour
            yield PhiSpan(*match.span("n"), "NAME", 0.6)
