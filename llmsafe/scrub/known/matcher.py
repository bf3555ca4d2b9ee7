"""Known identifiers: what structured columns already say about a patient, found in the notes.

The first and strongest layer. It does not guess: every value of the table, in the forms that
people write it, is PHI wherever it stands in a note of that patient.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress
from operator import attrgetter

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.dates import MONTHS
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.outline import outline
from llmsafe.scrub.detect.windows import find_at
from llmsafe.scrub.detect.zh.lexicon import simplified
from llmsafe.scrub.known.reading import (
    TYPO_LENGTH,
    TYPO_LONGEST,
    WORD,
    Lines,
    Places,
    lines,
    numbers,
    squeezed,
    word_forms,
)
from llmsafe.scrub.known.zh import ChineseNames, chinese_names

_JOINT = re.compile(r"[ \t]?[\s,.'-]{0,3}")
_GAP = 4  # as in "8156 Apple Ave, # 33C"
_SHORT_STREET = {
    "street": "st", "avenue": "ave", "boulevard": "blvd", "drive": "dr", "road": "rd", "lane": "ln",
    "court": "ct", "place": "pl", "terrace": "ter", "parkway": "pkwy", "highway": "hwy",
    "apartment": "apt", "suite": "ste", "north": "n", "south": "s", "east": "e", "west": "w",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Identity:
    """What is known of one person (or, without ``patient_id``, of the whole corpus).

    ``names`` are all names as written, ``own`` those that are the person's own (not a relative's or
    a physician's); ``dates`` are ISO dates; ``values`` are (category, value) of every other
    identifier.
    """

    patient_id: str | None
    names: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    female: bool | None = None

    def __hash__(self) -> int:
        return hash((self.patient_id, self.own))  # tells patients apart, and is looked up by note

    def __repr__(self) -> str:
        return f"Identity(<{len(self.names)} names, {len(self.values)} values>)"

    def parts(self) -> frozenset[str]:
        """Every word of every name, in lower case, without titles and initials."""
        return _parts(self.names)

    def own_parts(self) -> frozenset[str]:
        """The same for the person's own names, with their nicknames."""
        parts = _parts(self.own)
        short = (nick for part in parts for nick in english().nicknames.get(part, ()))
        return parts | frozenset(short)


@lru_cache(maxsize=4096)
def _parts(names: tuple[str, ...]) -> frozenset[str]:
    words = (w.lower() for name in names for w in WORD.findall(normalise(name).text))
    return frozenset(w for w in words if len(w) > 1 and w not in _NO_PART)


_NO_PART = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
        "md",
        "do",
        "rn",
        "phd",
        "de",
        "la",
        "del",
        "van",
        "von",
        "der",
    ]
)


@dataclass(frozen=True, repr=False)
class KnownMatcher:
    """Finds one :class:`Identity` in a note. Build it once per patient.

    Guarantee: after normalisation, no whole value of the table and no name part of three letters
    survives in any case, with any spacing or punctuation of up to four characters between its
    letters or digits; a part that is an everyday word ("Will", "Long") only when it is capitalised
    or stands beside another part.
    """

    source: str
    parts: Mapping[str, bool]  # word -> it is an everyday word, so it must be capitalised
    typos: Mapping[str, tuple[str, ...]]
    ends: frozenset[str]  # the first two and the last two letters of those parts
    initials: frozenset[str]
    # Letters and digits in lower case, category, and whether nothing may stand between them. Those
    # that hold another one stand behind it: where that is not, they are not.
    compact: Sequence[tuple[tuple[str, str, bool], Sequence[tuple[str, str, bool]]]]
    dates: re.Pattern[str] | None
    months: Sequence[str] = ()  # of the dates, by their first three letters
    chinese: ChineseNames | None = None

    def find(self, text: str) -> Iterator[PhiSpan]:
        """Findings in a normalised note."""
        yield from self._names(text)
        yield from self._values(text)
        if self.chinese is not None:
            yield from self.chinese.find(text)
        if self.dates is not None:
            yield from self._dates(self.dates, text)

    def _dates(self, pattern: re.Pattern[str], text: str) -> Iterator[PhiSpan]:
        """Matches begin at a number or at the name of a month."""
        signs, places = outline(text).signs, [*numbers(text)]
        for month in self.months:
            place = signs.find(month)
            while place >= 0:
                places.append(place)
                place = signs.find(month, place + 1)
        for match in find_at(pattern, text, sorted(places)):
            yield PhiSpan(*match.span(), "DATE", 1.0)

    def _names(self, text: str) -> Iterator[PhiSpan]:
        if not self.parts:
            return
        read = lines(text)
        sure = self._sure(read)
        if not sure:
            return
        written = [*chain.from_iterable(line.written for _, line in read)]
        starts = Places(read, (len(line.written) for _, line in read), attrgetter("starts"))
        taken = [*map(sure.__contains__, written)]

        def near(i: int) -> bool:
            """Whether word i + 1 stands at most three characters behind word i."""
            return _JOINT.fullmatch(text, starts[i] + len(written[i]), starts[i + 1]) is not None

        def beside(i: int) -> bool:
            """Whether a neighbour at most three characters away is taken."""
            left = i > 0 and taken[i - 1] and near(i - 1)
            return left or (i + 1 < len(written) and taken[i + 1] and near(i))

        # An initial counts beside a part, or beside an initial that does.
        if any(line.initial for _, line in read):
            initials = [i for i, word in enumerate(written) if len(word) == 1 and not taken[i]]
            initials = [i for i in initials if self._is_initial(written[i])]
            for order in (initials, reversed(initials)):
                for i in order:
                    taken[i] = taken[i] or beside(i)
        for i in compress(range(len(written)), taken):
            word = written[i]
            if sure.get(word) is not False or word[0].isupper() or beside(i):
                start = starts[i]
                end = start + len(word)
                if word.lower().endswith("'s") and word.lower() not in self.parts:
                    end -= 2
                yield PhiSpan(start, end, "NAME", 1.0)

    def _sure(self, read: Lines) -> dict[str, bool]:
        """The words that are parts: whether they are so wherever they stand, or are everyday words
        elsewhere."""
        parts = self.parts.keys()
        found: dict[str, None] = {}
        for _, line in read:
            if not parts.isdisjoint(line.forms):
                found.update(dict.fromkeys(line.written))
            elif self.typos and line.slips:
                found.update(dict.fromkeys(line.slips))
        sure = ((word, self._is_part(word)) for word in found)
        return {word: part for word, part in sure if part is not None}

    def _is_part(self, word: str) -> bool | None:
        """True: a part; False: a part that is an everyday word; None: no part."""
        folded, forms, slip = word_forms(word)
        for form in forms:
            if form in self.parts:
                return not self.parts[form]
        # A slip leaves one end as it is.
        if slip and not self.ends.isdisjoint((folded[:2], folded[-2:])):
            for key in _deletions(folded):
                for part in self.typos.get(key, ()):
                    if part != folded and edit_distance_one(part, folded):
                        return True
        return None

    def _is_initial(self, word: str) -> bool:
        return len(word) == 1 and word.isupper() and word.lower() in self.initials

    def _values(self, text: str) -> Iterator[PhiSpan]:
        """Search letters and digits alone, so that any separators may stand between them."""
        letters = squeezed(text)
        held = [pair for pair in self.compact if pair[0][0] in letters]
        if not held:
            return
        read = lines(text)
        places = Places(read, (line.size for _, line in read), attrgetter("letters"))
        longer = (value for _, behind in held for value in behind if value[0] in letters)
        for value, category, glued in dict.fromkeys((*(first for first, _ in held), *longer)):
            at, size = letters.find(value), len(value) - 1
            while at >= 0:
                start, last = places[at], places[at + size]
                if _together(places, at, at + size, 1 if glued else _GAP + 1) and _border(
                    text, start, last
                ):
                    yield PhiSpan(start, last + 1, category, 1.0)
                at = letters.find(value, at + 1)


def _together(places: Places, first: int, last: int, most: int) -> bool:
    """Whether each of the ordered places is at most so far from the next."""
    if places[last] - places[first] == last - first:
        return True
    return all(places[i + 1] - places[i] <= most for i in range(first, last))


@lru_cache(maxsize=20_000)
def part_forms(part: str) -> frozenset[str]:
    """A part of a name as it is also written: without a number at its end or its apostrophes."""
    return frozenset((part, re.sub(r"\d+$", "", part), part.replace("'", "")))


def _border(text: str, start: int, last: int) -> bool:
    """Whether the value ends where a word ends. A letter beside a digit is a border too, and so is
    the capital in "SmithStable" and "NAMESmith": tables lose the space between their cells."""

    def joined(left: int) -> bool:
        if left < 0 or left + 1 >= len(text):
            return False
        a, b = text[left], text[left + 1]
        if b.isupper() and (a.islower() or (a.isupper() and text[left + 2 : left + 3].islower())):
            return False
        # A Chinese word has no border of its own.
        chinese = "\u3400" <= a <= "\u9fff" or "\u3400" <= b <= "\u9fff"
        return (a.isdigit() and b.isdigit()) or (a.isalpha() and b.isalpha() and not chinese)

    return not joined(start - 1) and not joined(last)


def build_matcher(identity: Identity, *, shared: bool = False) -> KnownMatcher:
    """Prepare the forms of an identity. ``shared``: it belongs to the staff or the corpus, so
    parts that are everyday words count only beside another part."""
    lexicon = english()
    parts: dict[str, bool] = {}
    for part in sorted(identity.parts()):
        for form in part_forms(part):
            if len(form) > 1:
                parts[form] = len(form) < 3 or lexicon.plain(form)
        for nickname in lexicon.nicknames.get(part, ()):
            parts.setdefault(nickname, lexicon.plain(nickname))
    typos: defaultdict[str, list[str]] = defaultdict(list)
    for part, everyday in parts.items():
        if TYPO_LENGTH <= len(part) <= TYPO_LONGEST and not everyday:
            for key in _deletions(part):
                typos[key].append(part)
    compact: dict[str, tuple[str, bool]] = {}
    for category, value in identity.values:
        for form in _value_forms(category, normalise(value).text):
            compact.setdefault(form, (category, False))
            compact.setdefault(simplified(form), (category, False))  # as Chinese rules read it
        if category == "EMAIL":  # the part before the @ is often used as a user name
            local = re.sub(r"[\W_]", "", normalise(value).text.lower().partition("@")[0])
            if len(local) >= 6:
                compact.setdefault(local, ("EMAIL", True))
    for name in identity.names:
        words = [w for w in WORD.findall(normalise(name).text.lower()) if w not in _NO_PART]
        words = [re.sub(r"[\W_]", "", w) for w in words]
        # As it is, family name first, and given name last.
        for order in (words, [*words[-1:], *words[:-1]], [*words[1:], *words[:1]]):
            full = "".join(order)
            if len(words) > 1 and len(full) >= 5:
                compact[full] = ("NAME", False)
        for word in words:  # letter by letter, or split over a line
            if len(word) >= 4 and not lexicon.plain(word):
                compact[word] = ("NAME", False)
    return KnownMatcher(
        source="known shared" if shared else "known",
        parts=parts,
        typos={key: tuple(names) for key, names in typos.items()},
        ends=frozenset(end for names in typos.values() for n in names for end in (n[:2], n[-2:])),
        initials=frozenset(part[0] for part in identity.parts()),
        compact=_by_part([(form, *how) for form, how in sorted(compact.items())]),
        dates=_date_pattern(identity.dates),
        months=_months(identity.dates),
        chinese=chinese_names(identity.names),
    )


def _value_forms(category: str, value: str) -> Iterator[str]:
    """Letters and digits of a value in the forms it is written in; short ones are left out."""
    words = re.findall(r"[^\W_]+", value.lower())
    plain = "".join(words)
    digits = "".join(c for c in plain if c.isdigit())
    match category:
        case "PHONE" | "FAX":
            yield from (form for form in (digits, digits[-10:], digits[-7:]) if len(form) >= 7)
        case "LOCATION":
            if len(plain) >= 4:
                yield plain
                yield "".join(_SHORT_STREET.get(word) or word for word in words)
            named = [w for w in words if not w.isdigit()]
            if words and words[0].isdigit() and len("".join(named)) >= 6 and len(named) > 1:
                yield "".join(named)
        case _:
            if len(plain) >= 4:
                yield plain
            if plain == digits and len(digits.lstrip("0")) >= 5:
                yield digits.lstrip("0")


def _by_part(
    values: Sequence[tuple[str, str, bool]],
) -> list[tuple[tuple[str, str, bool], list[tuple[str, str, bool]]]]:
    """The values that hold no other one, each with some of those that hold it; each value once."""
    found: dict[str, tuple[tuple[str, str, bool], list[tuple[str, str, bool]]]] = {}
    sizes: dict[int, None] = {}
    for value in sorted(values, key=lambda value: len(value[0])):
        text = value[0]
        stretches = (text[i : i + size] for size in sizes for i in range(len(text) - size + 1))
        part = next((stretch for stretch in stretches if stretch in found), None)
        if part is None:
            found[text] = value, []
            sizes[len(text)] = None
        else:
            found[part][1].append(value)
    return list(found.values())


def _months(dates: Iterable[str]) -> list[str]:
    found = (re.match(r"\d{4}-(\d\d)-\d\d", text) for text in dates)
    return sorted({MONTHS[int(match[1]) - 1][:3] for match in found if match})


def _date_pattern(dates: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for every way to write the dates, day and month in either order."""
    options: list[str] = []
    for text in dates:
        match = re.match(r"(\d{4})-(\d\d)-(\d\d)", text)
        if match is None:
            continue
        year, month, day = match[1], int(match[2]), int(match[3])
        m, d, y = f"0?{month}", f"0?{day}", rf"(?:{year}|'?{year[2:]})"
        name = MONTHS[month - 1]
        word = rf"(?:{name}|{name[:3]}|{name[:4]})\.?"
        gap = r"[-/., ]{1,2}"
        options += [
            rf"{m}{gap}{d}{gap}{y}",
            rf"{d}{gap}{m}{gap}{y}",
            rf"{year}[-/. ]?{month:02d}[-/. ]?{day:02d}",
            rf"{year}{gap}{m}{gap}{d}",
            rf"{month:02d}{day:02d}{year}",
            rf"(?:{y}[ \t]?年[ \t]?)?{m}[ \t]?月(?:份)?[ \t]?{d}[ \t]?[日号]",
            rf"{word}[-\s]{{0,2}}(?:the )?{d}(?:st|nd|rd|th)?(?:,?[-\s]{{0,2}}(?:of )?{y})?",
            rf"{d}(?:st|nd|rd|th)?[-\s]{{0,2}}(?:of )?{word}(?:,?[-\s]{{0,2}}{y})?",
        ]
    if not options:
        return None
    return re.compile(rf"(?<![A-Za-z\d])(?:{'|'.join(options)})(?![A-Za-z\d])", re.IGNORECASE)


def _deletions(word: str) -> Iterator[str]:
    """The word itself and the word less any one character."""
    yield word
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]


def edit_distance_one(a: str, b: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes ``b`` of ``a``."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    if len(a) == len(b):
        swapped = i + 1 < len(a) and a[i] == b[i + 1] and a[i + 1] == b[i]
        return a[i + 1 :] == b[i + 1 :] or (swapped and a[i + 2 :] == b[i + 2 :])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[i + 1 :] == shorter[i:]
