"""Names of people by what stands beside them: title, label, credential, relation.

Every rule looks at a window of capitalised words; lists of ordinary words, eponyms and clinical
head nouns say which capitalised words are no names.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.eponyms import DISEASES, phrases
from llmsafe.scrub.detect.en.vocabulary import is_name, is_other
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline, word_set
from llmsafe.scrub.detect.windows import find_at, find_in

# A capitalised word that may belong to a name: Smith, O'Brien, McKay, Smith-Jones, J., Marine542.
CAP = (
    r"(?:[A-Z](?:[a-z0-9]{1,30}(?:['’]?[A-Z][a-z0-9]{1,30}){0,2}|['’][A-Z][a-z]{1,30})"
    r"(?:-[A-Z][a-z]{1,30}(?:[A-Z][a-z]{1,30})?){0,2})"
)
ALL = r"(?:[A-Z]['’])?[A-Z]{2,20}(?:-[A-Z]{2,20}){0,2}"
INITIAL = r"[A-Z]\.?(?![\w]|-\w)"
PARTICLE = r"(?:(?:de|del|della|de la|de los|da|dos|di|du|la|le|van|van der|van den|von|bin|ibn|al|el|ter|st\.|St\.)[ -])"
_NAME = (
    rf"(?:(?:{CAP}|{ALL}|{INITIAL})(?:[ \t]{{1,2}}|(?<=\.))){{0,3}}{PARTICLE}?(?:{CAP}|{ALL}|{INITIAL})"
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
_CREDENTIAL_HINT = re.compile(rf"(?<=[ ,]){_CREDENTIAL}(?!\w)")
# With which word a credential begins, with its full stops or without.
CREDENTIAL_WORDS = word_set(
    "M MD D DO R RN N NP P PA Ph PhD Pharm PharmD DDS DPM B BSN MSN A APRN ARNP F FNP C CRNA L LPN"
    " LVN CNA DPT PT O OTR LCSW MSW LMFT MPH FACS FACP FACC MBBS MBChB RD RT CMA MA CCC DNP Psy PsyD"
    " EMT RPh"
)
_CREDENTIALED = re.compile(
    rf"(?<![\w.])(?P<n>{_NAME}),? {{1,2}}{_CREDENTIAL}(?!\w|/(?:INR|PTT))|(?<![\w.])(?P<n2>{_NAME}),{_CREDENTIAL}(?!\w)"
)
_LABEL = (
    r"(?:patient(?:'s)?(?: name)?|pt\.?(?: name)?|name|full name|legal name|preferred name|first name|last name|surname|maiden name|alias|aka|a\.k\.a\.|nickname|goes by|named|called"
    r"|dictated by|transcribed by|signed(?: by)?|electronically signed(?: by)?|e-signed by|authenticated by|reviewed by|attending(?: physician| md)?|physician|provider|pcp|surgeon|assistant"
    r"|anesthesiologist|anesthetist|consultant|resident|intern|fellow|nurse|author|cosigned by|cosigner|referring (?:physician|provider|md)|referred by|ordering (?:physician|provider|md)"
    r"|primary care (?:physician|provider)|seen by|evaluated by|examined by|performed by|read by|interpreted by|reported by|verified by|documented by|entered by|informant|interpreter|case manager|social worker|therapist"
    r"|radiologist|pathologist|technologist|technician|operator|caller|spoke (?:with|to)|discussed with|emergency contact|next of kin|nok|guardian|contact|proxy|hcp|poa|power of attorney|responsible party|guarantor|subscriber|insured|employer contact|witness|rep(?:resentative)?(?: in room| present)?|circ(?:ulator)?|scrub|attn|cc|cop(?:y|ies)(?: to)?|to|from|re|regarding|dear|sincerely|regards|thank you)"
)
LABEL_WORDS = word_set(
    "patient pt name full legal preferred first last surname maiden alias aka a nickname goes named called dictated"
    " transcribed signed electronically e authenticated reviewed attending physician provider pcp surgeon assistant"
    " anesthesiologist anesthetist consultant resident intern fellow nurse author cosigned cosigner referring referred"
    " ordering primary seen evaluated examined performed read interpreted reported verified documented entered informant"
    " interpreter case social therapist radiologist pathologist technologist technician operator caller spoke discussed"
    " emergency next nok guardian contact proxy hcp poa power responsible guarantor subscriber insured employer witness rep representative circ circulator scrub"
    " attn cc copy copies to from re regarding dear sincerely regards thank"
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
    rf"(?<!\w)(?i:named|called|goes by|signed by|dictated by|transcribed by|seen by|evaluated by|examined by|performed by|reviewed by|spoke with|spoke to|discussed with|per|dear|referred by|reported by|patient|pt)[ ]{{1,2}}(?:{_TITLE}\b\.? )?(?P<n>{CAP}(?: (?:{INITIAL} )?{CAP})?(?: [A-Z]\.)?)"
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
    rf"(?:,| is|:)?[ ]\(?(?P<n>{CAP}(?:[ ](?:{INITIAL}[ ])?{CAP})?|{ALL}(?:[ ]{ALL})?)"
)
PIECE = re.compile(rf"{CAP}|{ALL}|[A-Z](?!\w)\.?")
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
_COUNTS_TIME = re.compile(
    r"(?:Two|Three|Four|Five|Six|Several|A few|Some) (?:hours?|days?|weeks?|months?|years?)\b"
)
_SENTENCE = frozenset(
    ("the", "he", "she", "it", "they", "we", "this", "that", "these", "his", "her", "there", "patient",
     "please", "if", "in", "on", "at", "and", "but", "when", "after", "as", "our", "i", "you", "one",
     "once", "since", "for", "with", "during", "following", "upon", "then", "because", "although",
     "however", "therefore", "also", "before", "each", "its", "my", "your", "their", "those", "not",
     "until")
)  # fmt: skip


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
    for match in find_at(_CREDENTIAL_HINT, text, outline(text).exact(CREDENTIAL_WORDS)):
        before = match.start() - 1  # a space or a comma
        line = text.rfind("\n", max(0, before - 1100), before) + 1
        start, end = _back(text, before, max(line, before - 1100)), match.end()
        if ranges and start <= ranges[-1][1]:
            start = ranges.pop()[0]
        ranges.append((start, end))
    return ranges


def _back(text: str, place: int, floor: int) -> int:
    """Where the ninth word before ``place`` begins, or a word before it: a name has no more, its
    particles and suffix counted, and at most two spaces stand between two of them."""
    for _ in range(18):
        place = max(text.rfind(" ", floor, place), text.rfind("\t", floor, place))
        if place < 0:
            return floor
    return place + 1


def _credentialed(text: str, start: int, end: int) -> Iterator[PhiSpan]:
    """The trailing part of a window that can be a name; a credential follows, so even an ordinary
    word may be one ("Elijah Bone, DO"), but not on its own."""
    lexicon = english()
    pieces = list(PIECE.finditer(text, start, end))
    kept: list[re.Match[str]] = []
    for piece in reversed(pieces[-4:]):
        word = piece[0].lower().rstrip(".")
        named = word in lexicon.first or word in lexicon.last or word in lexicon.everyday
        if word in _TITLES or (kept and word in lexicon.words and not named and len(word) > 1):
            break
        kept.insert(0, piece)
    words = [piece[0].lower().rstrip(".") for piece in kept]
    if len(words) == 1 and is_other(words[0]):
        return  # Bystolic PA: of a drug, an authorisation
    if words and (
        _is_short(text, kept, end) or any(len(w) > 1 and w not in lexicon.words for w in words)
    ):
        yield PhiSpan(kept[0].start(), kept[-1].end(), "NAME", 0.9)


_LETTERED = re.compile(
    r"(?i)\b(?:vitamin|hepatitis|hep|type|group|stage|grade|class|plan|factor|protein|part|level) \Z"
)


def _is_short(text: str, kept: list[re.Match[str]], end: int) -> bool:
    """Whether it is an initial and a name that is a word, too: "H. Bell, M.D."."""
    if len(kept) != 2 or "." not in kept[0][0] or text[end : end + 2] != ", ":
        return False
    start = kept[0].start()
    return is_name(kept[1][0].lower()) and not _LETTERED.search(text[max(0, start - 12) : start])


def find_labelled_names(text: str) -> Iterator[PhiSpan]:
    """After a label (Patient:, Dictated by:, Dear) or a relation (his wife Mary)."""
    lexicon = english()
    note = outline(text)
    for match in find_at(_LABELLED, text, note.places(LABEL_WORDS)):
        if _NEXT_LABEL.match(text, match.end("n")):
            continue  # "Name:  DOB:": a form that nobody has filled in
        if (
            "|" in match[0]
            and text.startswith("|", match.end("n") + 1)
            and is_other(match["n"].lower())
        ):
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
    if match[0].lower() in phrases():
        return True
    return match["n"].lower() in DISEASES and _LISTED.match(text, match.end("n")) is not None


def _checked(text: str, start: int, end: int, score: float, *, trust: bool) -> Iterator[PhiSpan]:
    """The leading part of a window that can be a name.

    ``trust``: a title stood before it, so even an ordinary word may be a name ("Dr. Bone").
    """
    lexicon = english()
    kept = start
    strong = False
    for position, piece in enumerate(PIECE.finditer(text, start, end)):
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
        opens = word in _SENTENCE and piece[0][1:].islower()
        opens = opens or _COUNTS_TIME.match(text, piece.start()) is not None
        if opens and not text.startswith(",", piece.end()):  # "seen by Dr. X. She is well."
            break
        named = word in lexicon.first or word in lexicon.last
        if trust and position == 1:  # "Dr. Hope Singer", "Dr. Ann Fraser"
            before = text[start:kept].strip(" .").lower()
            given = before in lexicon.first or len(before) == 1
            named = named or given or word in lexicon.everyday or word in lexicon.eponyms
        if not initial and not named and (lexicon.plain(word) or word in lexicon.eponyms):
            break
        loud = len(word) < 5 or (position and text[start + 1 : start + 3].islower())
        if not initial and not named and piece[0].isupper() and loud:
            break  # an abbreviation
        strong = strong or (not initial and (not lexicon.plain(word) or named))
        kept = piece.end()
    if kept > start and strong and (trust or not CLINICAL_NEXT.match(text, kept)):
        yield PhiSpan(start, end_of(text, kept), "NAME", score)


_JUNIOR = re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?")
_STOP = re.compile(r"\s{0,3}(?:$|\n)|\s[A-Z]")


def end_of(text: str, end: int) -> int:
    """The end of a name: with "Jr.", without the full stop of a sentence after an initial."""
    if match := _JUNIOR.match(text, end):
        return match.end()
    return end - 1 if text[end - 1] == "." and _STOP.match(text, end) else end
