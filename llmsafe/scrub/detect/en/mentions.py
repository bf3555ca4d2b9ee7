"""What one finding says of the rest of a note: other mentions of a name, and all of what was begun.

A name that a title gives away once stands alone elsewhere; a word spelled letter by letter, a
number said digit by digit or an address with its flat is PHI as a whole where a part of it is.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.events import followers
from llmsafe.scrub.detect.en.listed import MONTH_WORDS
from llmsafe.scrub.detect.en.names import CLINICAL_NEXT, RELATIVE_WORDS
from llmsafe.scrub.detect.en.vocabulary import is_name
from llmsafe.scrub.detect.lexicon import Lexicon, english
from llmsafe.scrub.detect.outline import outline, signs, word_set
from llmsafe.scrub.detect.resolve import resolve
from llmsafe.scrub.detect.windows import find_at

_WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|['’](?=[A-Za-z]{2})|[’'](?=[A-Z]))*")
_SUFFIX = frozenset(("jr", "sr", "ii", "iii", "iv"))
_NOBODY = MONTH_WORDS | RELATIVE_WORDS
_SURE = 0.8
# Of a name that the tagger alone has found: half its chance, for a rule names what both have found.
_TAGGED, _LONE = 0.475, 0.49
_RULED = 0.85
# What a person does, so that an everyday word before it is somebody: "Power consented".
_ACTS = re.compile(
    r" (?:also |then |now |still )?(?:is|was|has|had|says?|said|asks?|asked|feels|felt|lives|lived"
    r"|denies|denied|admits|admitted|reports|reported|complains|complained|states|stated|mentions"
    r"|mentioned|presents|presented|consented|agreed|agrees|called|came|went|wants|will|would|can"
    r"|notified|aware|paged|informed|updated|at bedside)\b|['’]s [a-z]"
)
_SENTENCE_END = re.compile(r"(?:\A|[.!?:;•*>|-]|\n)[\s\"'(]*\Z")
_CAPITALISED = re.compile(r"[A-Z][\w'-]*[ ]\Z")


def again(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """Everything that ``found`` says of the rest of the note."""
    echoed = list(echoes(text, found))
    yield from echoed
    yield from wholes(text, [*found, *echoed])
    later = list(days(text, found))
    yield from later
    yield from followers(text, [*found, *later])


# --- names --------------------------------------------------------------------------------------


def echoes(text: str, found: Iterable[PhiSpan]) -> Iterator[PhiSpan]:
    """Other mentions of the names found in this note: a part of a name, capitalised in the same way
    or in capitals. An everyday word is one only where a sentence has no other use for its capital;
    in a note without capitals every strange part counts."""
    lexicon = english()
    parts: set[str] = set()
    plain: set[str] = set()
    covered: set[tuple[int, int]] = set()
    for span in found:
        if span.category == "NAME" and _sure(text, span):
            pieces = list(_WORD.finditer(text, span.start, span.end))
            for piece in pieces:
                word = piece[0].lower()
                covered.add(piece.span())
                if len(word) < 3 or word in _SUFFIX:
                    continue
                if (
                    piece[0].isupper()
                    and len(word) < 5
                    and not text[span.start : span.end].isupper()
                ):
                    continue  # an abbreviation beside a name: Hussain MRI
                if not lexicon.plain(word):
                    parts.add(word)
                elif _calls(piece, pieces, span, lexicon):
                    plain.add(word)
    quiet = bool(parts) and outline(text).quiet
    if quiet:  # "tundes mom": the letter is no part of the name
        parts |= {w[:-1] for w in parts if w.endswith("s") and len(w) > 5}
        parts = {w for w in parts if len(w) > 3 and w not in lexicon.eponyms}
    if not (parts or plain) or not _elsewhere(text, parts | plain, covered):
        return
    for piece in _WORD.finditer(text):
        word = piece[0].lower().removesuffix("'s").removesuffix("’s")
        if piece.span() in covered or not (piece[0][0].isupper() or quiet):
            continue
        end = piece.start() + len(word)
        said = word in parts or (word in plain and _is_somebody(text, piece, end))
        if said and not CLINICAL_NEXT.match(text, end):
            yield PhiSpan(piece.start(), end, "NAME", 0.75, "echo")


def _sure(text: str, span: PhiSpan) -> bool:
    """Whether a finding is sure enough to speak for other mentions; a lone word in capitals that the
    tagger alone has found is too often an abbreviation."""
    if span.source != "tagger":
        return span.score >= _SURE
    found = text[span.start : span.end]
    if len(found.split()) > 1:
        return span.score >= _TAGGED
    return span.score >= _LONE and (not found.isupper() or text.isupper())


def _calls(
    piece: re.Match[str], pieces: Sequence[re.Match[str]], span: PhiSpan, lexicon: Lexicon
) -> bool:
    """Whether a part of a name that is an everyday word may call the person alone: a surname, or a
    given name that the list knows."""
    word = piece[0].lower()
    written = piece[0][0].isupper() and piece[0][1:].islower()
    known = word in lexicon.first or word in lexicon.last or word in lexicon.everyday
    known = known or span.source == "titled names"
    sure = span.source == "tagger" or span.score >= _RULED
    return written and sure and known and word not in _NOBODY and piece in (pieces[0], pieces[-1])


def _is_somebody(text: str, piece: re.Match[str], end: int) -> bool:
    """Whether the capital of an everyday word is that of a name."""
    if not piece[0][1:2].islower():
        return False
    before = text[max(0, piece.start() - 24) : piece.start()]
    if _SENTENCE_END.search(before):
        return _ACTS.match(text, end) is not None
    following = text[end : end + 2]
    heading = _CAPITALISED.search(before) or (following[:1] == " " and following[1:].isupper())
    return not heading


def _elsewhere(text: str, parts: set[str], covered: set[tuple[int, int]]) -> bool:
    """Whether letters of a part may stand elsewhere, in any case."""
    whole = outline(text).signs
    if len(whole) != len(text):
        return True
    for part in parts:
        letters = signs(part)
        place = whole.find(letters)
        while place >= 0:
            end = place + len(part)
            after = text[end : end + 1]
            if (place, end) not in covered or after.isalnum() or after in ("'", "’"):
                return True
            place = whole.find(letters, end)
    return False


# --- the rest of what was begun -----------------------------------------------------------------

# Letter by letter: Q-U-I-G-L-E-Y, f e r r e i r a; words so spelled follow each other.
_BY_LETTER = re.compile(
    r"(?<![\w'’-])[A-Za-z0-9](?:-[A-Za-z0-9]){2,30}(?![\w'’-])(?: [A-Za-z0-9](?:-[A-Za-z0-9]){2,30}(?![\w'’-])){0,3}"
    r"|(?<![\w'’-])[A-Za-z](?: [A-Za-z]){2,30}(?![\w'’-])"
)
_BY_EXAMPLE = re.compile(
    r"(?<!\w)[A-Za-z] (?:as in|is for|like) [A-Za-z]{2,12}(?:(?:,|;| and)? [A-Za-z] (?:as in|is for|like) [A-Za-z]{2,12}){1,20}(?!\w)"
)
_EXAMPLES = (" as in ", " is for ", " like ")
_SPELT = re.compile(r"(?i)\b(?:spell(?:s|ed|ing)?|spelt|name)\b[^\n.]{0,40}\Z")
_DIGIT = "zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|dash|hyphen"
_RADIO = (
    "alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november"
    "|oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiskey|x-?ray|yankee|zulu"
)
_SPOKEN = re.compile(
    rf"(?i)(?<![\w-])(?:{_DIGIT}|{_RADIO})(?:[ ,]{{1,2}}(?:{_DIGIT}|{_RADIO})){{3,30}}(?![\w-])"
)
SPOKEN_WORDS = word_set(
    f"{_DIGIT} {_RADIO} juliet juliett xray x".replace("|", " ")
    .replace("juliett? ", "")
    .replace("x-?ray ", "")
)
_LONE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_LONE_DIGITS = frozenset("0123456789")
_DOTTED_RIGHT = re.compile(r"(?i)(?: (?:dot|slash|dash|underscore) [a-z0-9]{1,30}){1,6}")
_DOTTED_LEFT = re.compile(r"(?i)(?<!\w)(?:w ){1,3}\Z")
_NUMBER = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\\w{3,5}teen|twenty|thirty"
    "|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|oh|zero"
)
_UNIT = r"apt|apartment|unit|suite|ste|rm|room|bldg|building|flat|floor|fl|lot|trailer|block|sec|sector|no|number|#"
_PART = rf"(?:(?:{_UNIT})\b\.?|#|\d{{1,5}}[a-z]?\b|(?:{_NUMBER})\b|and a half\b|[nsew]\b\.?)"
_ADDRESS_GAP = re.compile(
    rf"(?i)[\s,]{{0,3}}(?:{_PART}[\s,-]{{1,2}}){{0,7}}(?:{_PART}[\s,-]{{0,2}})"
)
_UNIT_RIGHT = re.compile(
    rf"(?i)(?:,?\s{{1,2}}(?:{_UNIT})\b\.?\s?#?(?:\d{{1,5}}[a-z]?|[a-z](?:-?\d{{1,4}})?|(?:(?:{_NUMBER})[ -]?){{1,4}})(?!\w)){{1,3}}"
)
_UNIT_LEFT = re.compile(
    r"(?i)(?<!\w)(?:rm|room|apt|flat|unit|suite|ste|bldg)\.?\s#?\d{1,5}(?:\.\d{1,4})?[a-z]?,?\s\Z"
)
_WARD = re.compile(r"(?i)\b(?:operating|emergency|recovery|exam|waiting|delivery)\Z")
_HOUSE = re.compile(
    r"(?i)\b(?:hall|tower|towers|house|building|pavilion|court|wing|manor|apartments?|apts|plaza|lodge)\Z"
)
_INSIDE_NUMBER = re.compile(
    r"(?<![\w.])(?:\d{1,4}\.|(?:rm|room)\.?\s\d{1,4}\.){1,2}\Z", re.IGNORECASE
)
_SPOKEN_LEFT = re.compile(rf"(?i)(?<!\w)(?:(?:{_NUMBER})[ -]){{1,6}}(?:and a half )?\Z")
_DISTANCE = re.compile(
    r"(?i)(?<!\w)(?:\d{1,3}(?:\.\d)? (?:mi|miles?|km|blocks?) )(?:[nsew]{1,2}|north|south|east|west) (?:of )?\Z"
)
_EXAMPLE_LEFT = re.compile(r"(?<!\w)[A-Za-z] (?:as in|for|like) [A-Za-z]{2,10},? \Z")
_FIRM_RIGHT = re.compile(
    r"(?i)(?:\s(?:urgent care|pathology|nursing|rehab(?:ilitation)?|(?<=fire )department|(?<=police )department|staffing|plating|dairy|steel"
    r"|hardware|software|foods|motors|logistics|services|supply|manufacturing|industries|library|elementary"
    r"|clinic|hospital|pharmacy|center|centre|associates|group)\b){1,2}(?:,? (?:P\.?C|LLC|Inc|LLP|PLLC)\b\.?)?"
    r"|,? (?:P\.C|PLLC|LLC|LLP|Inc)\b\.?|\ssurgery(?=,| \||\n|\Z)"
    r"|\sof\s(?:the\s)?(?-i:[A-Z][a-z]{2,20}(?:\s[A-Z][a-z]{2,20})?)(?![\w'’])"
)
_GLUED = re.compile(r"-\d{1,8}(?![\w/-])")
# A sticker: SZABO, PIROSKA 00812-44.
_NUMBER_RIGHT = re.compile(r"[ ]{1,3}#?(?P<n>(?=[\d-]{6})\d{2,8}-?\d{2,8})(?![\w/-]|\.\d)")
# Robert "Bob" Smith, Robert (Bob) Smith
_NICK = re.compile(r"\s(?P<q>[\"“(])(?P<n>[A-Z][a-z'’-]{1,15})[\"”)](?=\s[A-Z][a-z]|[\s,.;]|\Z)")
_NUMBERED = frozenset(
    ("PHONE", "FAX", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE",
     "OTHER_ID", "LOCATION", "DATE")
)  # fmt: skip
_SAID = frozenset(("NAME", "LOCATION", "ORGANIZATION", "OTHER_ID", "AGE", "EMAIL", "MRN", "PHONE"))


def wholes(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """The rest of what ``found`` has a part of: of a word spelled letter by letter, of a number or
    a web address said aloud, of an address, of an institution."""
    ordered = resolve(found)
    if not ordered:
        return
    starts, ends = [span.start for span in ordered], [span.end for span in ordered]
    names: set[str] | None = None
    note = outline(text)
    alone = note.places(_LONE_LETTERS)
    for pattern, first, categories, least in (
        (_BY_LETTER, [*alone, *note.places(_LONE_DIGITS)], _SAID, 2),
        (_BY_EXAMPLE, alone if any(sign in note.signs for sign in _EXAMPLES) else [], _SAID, 2),
        (_SPOKEN, note.places(SPOKEN_WORDS), _NUMBERED, 5),
    ):
        for run in find_at(pattern, text, sorted(first)) if len(first) > 1 else ():
            if _drug(run[0]):
                continue
            near = ordered[bisect_right(ends, run.start()) : bisect_left(starts, run.end())]
            part = [s for s in near if s.category in categories and _shared(text, s, run) >= least]
            if part:
                best = max(part, key=lambda span: span.score)
                yield PhiSpan(*run.span(), best.category, best.score, "whole")
            elif pattern is _BY_EXAMPLE:
                if _SPELT.search(text[max(0, run.start() - 48) : run.start()]):
                    yield PhiSpan(*run.span(), "NAME", 0.75, "whole")
            elif pattern is _BY_LETTER:
                names = _names(text, ordered) if names is None else names
                if len(run[0]) > 4 and _joined(run[0]) in names:
                    yield PhiSpan(*run.span(), "NAME", 0.75, "whole")
    yield from _stretched(text, ordered)


def _shared(text: str, span: PhiSpan, run: re.Match[str]) -> int:
    stretch = text[max(span.start, run.start()) : min(span.end, run.end())]
    return sum(map(str.isalnum, stretch))


def _joined(spelled: str) -> str:
    return "".join(filter(str.isalnum, spelled)).lower()


def _drug(spelled: str) -> bool:
    """Whether a word spelled letter by letter is of ordinary language: L-A-S-I-X, G-E-R-D."""
    lexicon, word = english(), _joined(spelled)
    return word in lexicon.words or word in lexicon.capitals


def _names(text: str, found: Iterable[PhiSpan]) -> set[str]:
    """The words of the names found, in lower case."""
    named = (span for span in found if span.category == "NAME")
    return {word for s in named for word in re.findall(r"\w+", text[s.start : s.end].lower())}


def _stretched(text: str, ordered: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """Findings with what stands beside them and belongs to them."""
    last: PhiSpan | None = None
    for span in ordered:
        start, end = span.start, span.end
        match span.category:
            case "LOCATION" if any(map(str.isalpha, text[start:end])):
                if (
                    last
                    and 0 < start - last.end <= 48
                    and not _WARD.search(text, last.start, last.end)
                ):
                    gap = _ADDRESS_GAP.fullmatch(text, last.end, start)
                    start = last.end if gap else start
                right = _UNIT_RIGHT.match(text, end)
                if right and not _WARD.search(text, start, end):
                    end = right.end()
                before = text[max(0, start - 40) : start]
                for pattern in (_INSIDE_NUMBER, _SPOKEN_LEFT, _DISTANCE):
                    if left := pattern.search(before):
                        start -= len(left[0])
                        before = text[max(0, start - 40) : start]
                start -= _room(text, span, before)
                last = span
            case "ORGANIZATION" | "NAME":
                if span.category == "ORGANIZATION" and (right := _FIRM_RIGHT.match(text, end)):
                    end = right.end()
                start -= _room(text, span, text[max(0, start - 24) : start])
                if text[end - 1].isdigit() and (rest := _GLUED.match(text, end)):
                    end = rest.end()  # SZABO 00812-44, of which the tagger took a half
                if "," in text[start:end] and (number := _NUMBER_RIGHT.match(text, end)):
                    yield PhiSpan(*number.span("n"), "MRN", 0.6, "whole")
                nick = _NICK.match(text, end) if span.category == "NAME" else None
                if nick and (nick["q"] != "(" or is_name(nick["n"].lower())):
                    yield PhiSpan(*nick.span("n"), "NAME", span.score, "whole")
            case "EMAIL" | "URL":
                if " dot " in text[start:end].lower():
                    if right := _DOTTED_RIGHT.match(text, end):
                        end = right.end()
                    if left := _DOTTED_LEFT.search(text[max(0, start - 6) : start]):
                        start -= len(left[0])
            case category if category in _NUMBERED:
                if left := _EXAMPLE_LEFT.search(text[max(0, start - 24) : start]):
                    start -= len(left[0])
            case _:
                pass
        if (start, end) != (span.start, span.end):
            yield PhiSpan(start, end, span.category, span.score, "whole")


def _room(text: str, span: PhiSpan, before: str) -> int:
    """How long the room before a building is: "Rm 9 Luther Hall"."""
    left = _UNIT_LEFT.search(before) if _HOUSE.search(text, span.start, span.end) else None
    return len(left[0]) if left else 0


# --- days ---------------------------------------------------------------------------------------

_PAIR = re.compile(
    r"(?<![\w/.,:+-])(?P<m>0?[1-9]|1[0-2])/(?P<d>0?[1-9]|[12]\d|3[01])(?![\w/%+]|\.\d|:\d|-\d)"
)
_DOTTED = re.compile(r"(?<![\w/.,:+-])(?:\d{1,2}\.\d{1,2}\.\d\d)(?![\w/%+]|[.,:-]\d)")
_READ = re.compile(r"(?:[A-Za-z]{3,9}[.,]?\s{1,2})?(\d{1,2})/\d{1,2}(?:/\d{2,4})?(?!\d)")
_CELL = re.compile(r"(?:[|;\t]|\A|\n|[ ]{3})[ ]{0,3}\Z")
_CELL_END = re.compile(r"[ ]{0,3}(?:[|;\t\n]|[ ]{3}|\Z)|[ ]{1,2}\d{1,2}(?::\d\d|[ap]m?\b)")
_LINKED = re.compile(r"[^\d\n.]{1,24}")
_GRADED = re.compile(
    r"(?i)\b(?:strength|power|pulses?|murmur|pain|scores?|graded?|mrc|gcs|cage|apgars?|reflex(?:es)?|dtrs?|tone"
    r"|rat(?:ed|ing)|pupils?|acuity|vision|ishihara|stage|motor|biceps|triceps|grip|quads?|scale)\b[^\n|;]{0,40}\Z"
)
_GRADES = frozenset((3, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20, 21, 24, 25, 27, 28, 30))


def days(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """Month and day alone, in the month of a date that was found: in a cell of a table, beside
    another such day, or where no score has such a denominator. And dates with points like others.
    """
    if "/0" not in outline(text).signs and ".00" not in outline(text).signs:
        return
    months: set[int] = set()
    covered: list[PhiSpan] = []
    dotted = False
    for span in found:
        if span.category == "DATE":
            covered.append(span)
            written = text[span.start : span.end]
            dotted = dotted or _DOTTED.fullmatch(written) is not None
            months |= {int(m) for m in _READ.findall(written) if 0 < int(m) < 13}
    near = (
        months | {month % 12 + 1 for month in months} | {(month - 2) % 12 + 1 for month in months}
    )
    if not months and not dotted:
        return
    places = resolve(covered)
    ends = [span.end for span in places]
    if dotted:
        for match in _DOTTED.finditer(text):
            yield PhiSpan(*match.span(), "DATE", 0.5, "day")
    last = 0  # where the day before ends
    for match in _PAIR.finditer(text) if months else ():
        at = bisect_right(ends, match.start())
        last = max(last, ends[at - 1]) if at else last
        if at < len(places) and places[at].start < match.end():
            continue  # it was found
        month, day = int(match["m"]), int(match["d"])
        odd = day not in _GRADES
        if month not in months and not (month in near and (odd or month > day)):
            continue
        before = text[max(0, match.start() - 60) : match.start()]
        cell = _CELL.search(before[-6:]) and _CELL_END.match(text, match.end())
        linked = last and _LINKED.fullmatch(text, last, match.start())
        if (cell or linked or odd or month > day) and not _GRADED.search(before):
            yield PhiSpan(*match.span(), "DATE", 0.5, "day")
            last = match.end()
