"""Stand-ins that read like the real thing: keyed, consistent per patient, never true.

A word of a name has one stand-in for a patient, so full name, parts, initials and possessives agree
with each other in all notes. A stand-in never begins with the same letter, never has the same
length, and is never a name of that patient. Dates move by whole weeks, the same for all notes of a
patient, which keeps order, intervals and weekdays. Numbers keep their form and lose every digit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmsafe.scrub.dates import shift_date
from llmsafe.scrub.keys import Key
from llmsafe.scrub.lexicon import english, read_json, read_words
from llmsafe.scrub.normalise import normalise

_NAME_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_PARTICLES = frozenset(
    [
        "de",
        "del",
        "della",
        "la",
        "los",
        "las",
        "da",
        "dos",
        "di",
        "du",
        "le",
        "van",
        "der",
        "den",
        "von",
        "bin",
        "ibn",
        "al",
        "el",
        "ter",
    ]
)
_SUFFIX = re.compile(r",? (?:Jr|Sr|II|III|IV)\b\.?$")
_ZIP = re.compile(r"(?<!\d)(\d{5})(?:-\d{4})?$")
_STATE = re.compile(
    r",?\s(?P<state>[A-Z]{2}|[A-Z][a-z]+(?: [A-Z][a-z]+)?)(?:,?\s+\d{5}(?:-\d{4})?)?$"
)
_STREET_WORD = re.compile(
    r"(?i)\b(street|avenue|boulevard|drive|road|lane|court|place|terrace|parkway|highway|square|trail|way"
    r"|circle|st|ave?|blvd|dr|rd|ln|ct|pl|ter|pkwy|hwy|sq|cir)\b\.?"
)
_HEAD = re.compile(
    r"(?i)((?:regional |general |community |memorial |university |children'?s |va )?"
    r"(?:hospital|hosp\.?|clinic|medical (?:center|ctr|group)|med\.? (?:center|ctr)"
    r"|health (?:center|system|care)|healthcare|nursing home|infirmary|institute|hospice"
    r"|(?:cancer|heart|surgery|oncology) (?:center|institute)|university|college"
    r"|(?:high|middle|elementary) school|pharmacy|laboratory))\W*$"
)
_HOLIDAY = re.compile(
    r"(?i)day|thanksgiving|christmas|xmas|halloween|easter|eve|hanukkah|passover|ramadan|diwali|eid|july"
)
_SEASONS = ("spring", "summer", "fall", "winter")
_MASKED = re.compile(r"(?<![A-Za-z])[xX]{2,}(?![A-Za-z])")  # XXX-XX-1234, but not AXX9
_SEASON = re.compile(r"(?i)spring|summer|fall|autumn|winter")


def date_offset(key: Key, scope: str) -> int:
    """Days by which a patient's dates move: 4 to 52 whole weeks, back or forth."""
    weeks = 4 + key.below(49, "date weeks", scope)
    return 7 * weeks * (1 if key.below(2, "date sign", scope) else -1)


def mention_words(text: str) -> list[str]:
    """The words of a name as they are compared: normalised, lower case."""
    return [word.lower() for word in _NAME_WORD.findall(normalise(text).text)]


@dataclass(frozen=True, repr=False)
class Person:
    """Whose note it is: the scope of consistency, the names that may never appear, the year."""

    scope: str
    own: frozenset[str] = frozenset()  # parts of the patient's own names
    avoid: frozenset[str] = frozenset()
    female: bool | None = None
    year: int | None = None
    mentions: tuple[str, ...] = ()  # the names found in this note, as written
    roles: Mapping[str, str] = field(default_factory=dict[str, str])  # word -> given or family


def roles(mentions: Sequence[str]) -> dict[str, str]:
    """Given or family, for each word of names that have several: "Last, First" or "First Last"."""
    found: dict[str, str] = {}
    for mention in mentions:
        before, comma, after = _SUFFIX.sub("", mention).partition(",")
        given, family = (after, before) if comma and after.strip() else ("", before)
        words = [w for w in mention_words(given) if len(w) > 1]
        rest = [w for w in mention_words(family) if len(w) > 1 and w not in _PARTICLES]
        if not words and len(rest) > 1:
            words, rest = rest[:-1], rest[-1:]
        if words and rest:
            for word in words:
                found.setdefault(word, "given")
            for word in rest:
                found.setdefault(word, "family")
    return found


def surrogate(key: Key, person: Person, category: str, text: str) -> str:
    """The stand-in for ``text``, an identifier of ``category``, in a note of ``person``."""
    match category:
        case "NAME":
            return _name(key, person, text)
        case "DATE":
            return _date(key, person, text)
        case "AGE":
            return "90+"
        case "LOCATION":
            return _location(key, person, text)
        case "ORGANIZATION":
            return _organization(key, person, text)
        case "EMAIL":
            given = _pick(key, person, "male", "email given", text)
            family = _pick(key, person, "last", "email family", text)
            return f"{given}.{family}@example.com".lower()
        case "URL":
            return f"https://example.org/{key.token(8, 'url', person.scope, text.lower())}"
        case "IP":
            part = key.below(65_000, "ip", person.scope, text.lower())
            return f"2001:db8::{part:x}" if ":" in text else f"192.0.2.{1 + part % 254}"
        case _:
            return _digits(key, person, category, text)


# --- names --------------------------------------------------------------------------------------


def _name(key: Key, person: Person, text: str) -> str:
    body = _SUFFIX.sub("", text)
    words = list(_NAME_WORD.finditer(body))
    several = sum(1 for w in words if len(w[0]) > 1 and w[0].lower() not in _PARTICLES) > 1
    comma = body.find(",")
    out, position = "", 0
    for index, match in enumerate(words):
        word = match[0]
        if word.lower() in _PARTICLES and index + 1 < len(words) and several:
            out += body[position : match.start()]
            position = words[index + 1].start()
            continue
        last = index == len(words) - 1 if comma < 0 else match.end() <= comma
        out += body[position : match.start()] + _name_word(key, person, word, several, last)
        position = match.end()
    return out + body[position:]


def _name_word(key: Key, person: Person, word: str, several: bool, last: bool) -> str:
    folded = "".join(mention_words(word)) or word.lower()
    if len(folded) == 1:
        return _initial(key, person, folded).upper()
    role = person.roles.get(folded) or _role(folded, several, last)
    return _like(word, name_part(key, person, folded, role))


def _role(word: str, several: bool, last: bool) -> str:
    lexicon = english()
    if (word in lexicon.first) != (word in lexicon.last):
        return "given" if word in lexicon.first else "family"
    return "given" if several and not last else "family"


def name_part(key: Key, person: Person, word: str, role: str) -> str:
    """The stand-in of one (lower-case) word of a name, in title case."""
    if role == "family":
        return _pick(key, person, "last", "family", word)
    known = person.female if word in person.own else None
    female = _sounds_female(word) if known is None else known
    return _pick(key, person, "female" if female else "male", "given", word)


def _initial(key: Key, person: Person, letter: str) -> str:
    """The initial of the stand-in for the name it abbreviates, if that name is known."""
    for word, role in sorted(person.roles.items(), key=lambda item: (item[1] != "given", item[0])):
        if word[0] == letter:
            return name_part(key, person, word, role)[0]
    others = [c for c in "ABCDEFGHJKLMNPRSTVW" if c.lower() != letter]
    return key.choice(others, "initial", person.scope, letter)


def _sounds_female(word: str) -> bool:
    return word.endswith(
        ("a", "ie", "ine", "elle", "ette", "lyn", "lynn", "een", "ice", "beth", "ah")
    ) or (word in _FEMALE)


_FEMALE = read_words("scrub_female.txt")


def _pick(key: Key, person: Person, listing: str, *parts: str) -> str:
    """A word of a surrogate list that shares neither first letter nor length with the original and
    is no name of the patient."""
    original = parts[-1].lower()
    # In a note that is about the patient, no stand-in may be a name that the patient really has.
    fit = [
        word
        for word in read_json("scrub_surrogates.json")[listing]
        if word[0].lower() != original[:1]
        and len(word) != len(original)
        and not person.avoid & {w.lower() for w in word.split()}
    ]
    return key.choice(fit, "pick", listing, person.scope, *parts[:-1], original)


def _like(model: str, word: str) -> str:
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word.lower() if model.islower() else word


# --- dates, places, numbers ---------------------------------------------------------------------


def _date(key: Key, person: Person, text: str) -> str:
    plain = normalise(text).text
    moved = shift_date(plain, date_offset(key, person.scope), person.year)
    if moved is not None:
        return moved
    if season := _SEASON.search(plain):
        others = [s for s in _SEASONS if s != season[0].lower().replace("autumn", "fall")]
        new = key.choice(others, "season", person.scope, season[0].lower())
        return plain[: season.start()] + _like(season[0], new.capitalize()) + plain[season.end() :]
    if _HOLIDAY.search(plain):
        # A year beside it stays: a bare year is no identifier.
        year = re.search(r" (?:of )?(?:19|20)\d\d$", plain)
        holidays: Sequence[str] = read_json("scrub_surrogates.json")["holiday"]
        return key.choice(holidays, "holiday", person.scope, plain.lower()) + (
            year[0] if year else ""
        )
    return "[DATE]"


def _location(key: Key, person: Person, text: str) -> str:
    plain = normalise(text).text
    if re.fullmatch(r"\d{5}(?:-\d{4})?", plain):
        return zip_three(plain)
    if re.match(r"(?i)p\.?\s?o\.?\s?box", plain):
        return "PO Box " + _digits(key, person, "LOCATION", re.sub(r"\D", "", plain) or "100")
    street = _STREET_WORD.search(plain)
    if re.match(r"\d", plain) or (street and street.end() == len(plain)):
        number = re.match(r"\d+", plain)
        name = _like(plain, _pick(key, person, "street", "street", plain))
        kind = street[0] if street else ("ST" if plain.isupper() else "St")
        shown = f"{100 + key.below(9800, 'house', person.scope, plain.lower())} " if number else ""
        return f"{shown}{name} {kind}"
    zip_match, state = _ZIP.search(plain), _STATE.search(plain)
    city = plain[: state.start()] if state else plain
    new = _like(plain, _pick(key, person, "city", "city", city))
    if city.lower().endswith((" county", " parish", " township", " borough")):
        new += " " + city.split()[-1]
    if state is None:
        return new
    return f"{new}, {state['state']}" + (f" {zip_three(zip_match[0])}" if zip_match else "")


def zip_three(code: str) -> str:
    """The first three digits and 00; 00000 where they cover 20,000 people or fewer
    (45 CFR 164.514(b)(2)(i)(B)): the 17 of the 2000 census and the four that 2010 added."""
    small = read_json("scrub_places.json")["zip_three_small"]
    return "00000" if code[:3] in small else code[:3] + "00"


def _organization(key: Key, person: Person, text: str) -> str:
    plain = normalise(text).text
    head = _HEAD.search(plain)
    new = _pick(key, person, "hospital", "organization", plain)
    if head is None:
        return _like(plain if " " in plain else "x X", f"{new} Hospital")
    return _like(plain, f"{new} {head[1].strip()}")


def _digits(key: Key, person: Person, category: str, text: str) -> str:
    """The same form with other digits and letters; keyed on digits and letters alone, so that one
    number written in two ways keeps one stand-in. What the writer masked (XXX-XX-1234) stays."""
    plain = normalise(text).text
    masked = {i for group in _MASKED.finditer(plain) for i in range(*group.span())}
    compact = re.sub(r"[\W_]", "", plain).lower()
    for attempt in range(100):
        stream = key.digest("digits", person.scope, category, compact, str(attempt))
        while len(stream) < len(plain):
            stream += key.digest("more", stream.hex())
        out, used = "", 0
        for index, character in enumerate(plain):
            if not character.isalnum() or index in masked:
                out += character
                continue
            byte = stream[used]
            used += 1
            if character.isdigit():
                first = used == 1
                out += str(1 + byte % 9) if first else str(byte % 10)
            else:
                letter = "ABCDEFGHJKLMNPQRSTUVWXYZ"[byte % 24]
                out += letter if character.isupper() else letter.lower()
        kept = plain[:1].isalpha() and 0 not in masked and out[:1] == plain[:1]
        if not kept and re.sub(r"[\W_]", "", out).lower() != compact:
            return out
    return "[" + category + "]"
