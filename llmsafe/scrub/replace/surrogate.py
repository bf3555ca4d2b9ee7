"""Stand-ins that read like the real thing: keyed, consistent per patient, never true.

A word of a name has one stand-in for a patient, so full name, parts, initials, possessives and the
e-mail address agree with each other in all notes. A stand-in never begins with the same letter,
never has the same length, and is never a known name of that patient. Dates move by whole weeks
(:mod:`llmsafe.scrub.replace.shift`), numbers keep their form and lose every digit
(:mod:`llmsafe.scrub.replace.numbers`).

Where every mention is drawn anew (``Person.mention``), first letter and length are those of the
list, whatever the original: over many draws, the letter that never comes would give it away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from llmsafe.scrub.detect.en.ranges import shift_range
from llmsafe.scrub.detect.lexicon import english, read_json, read_words
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.holidays import shift_holiday
from llmsafe.scrub.replace.numbers import machine_address, number
from llmsafe.scrub.replace.person import NAME_WORD, PARTICLES, SUFFIX, TITLES, Person
from llmsafe.scrub.replace.shift import shift_date
from llmsafe.scrub.replace.spelled import like
from llmsafe.scrub.replace.zh.surrogate import chinese_surrogate

_ZIP = re.compile(r"(?<!\d)(\d{5})(?:-\d{4})?$")
_STATE = re.compile(r",?\s(?P<state>[A-Za-z]+(?: [A-Za-z]+)?)(?:,?\s+\d{5}(?:-\d{4})?)?$")
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
_HOUR = re.compile(r"(?<=\d)[,\s]\s?(?:[01]?\d|2[0-3])(?:[0-5]\d)?$")
_HOLIDAY = re.compile(r"(?i)hanukkah|passover|ramadan|diwali|eid")


def surrogate(key: Key, person: Person, category: str, text: str, after: str = "") -> str:
    """The stand-in for ``text``, an identifier of ``category``, in a note of ``person``.

    ``after`` is the character that follows in the note: with it an age is worded, and an hour seen.
    """
    if person.lang == "zh" and (made := chinese_surrogate(key, person, category, text)) is not None:
        return made
    if "@" in text and category in ("NAME", "EMAIL"):
        return _mail(key, person, text)
    match category:
        case "NAME":
            return _name(key, person, text)
        case "DATE":
            return _date(key, person, text, after)
        case "AGE":
            return age_group(text, after)
        case "LOCATION":
            return _location(key, person, text)
        case "ORGANIZATION":
            return _organization(key, person, text)
        case "EMAIL":
            return _mail(key, person, text)
        case "URL":
            return f"https://example.org/{key.token(8, 'url', *person.draw, text.lower())}"
        case "IP":
            return machine_address(key, person, text)
        case _:
            return number(key, person, category, text)


def age_group(text: str, after: str) -> str:
    """All ages over 89 are one: "90+" for digits and before a hyphen ("a 90+-year-old man"), "over
    89" for words ("she is over 89 years old")."""
    if any(character.isdigit() for character in text) or after.startswith("-"):
        return "90+"
    return like(text, "Over 89" if text[0].isupper() else "over 89")


# --- names --------------------------------------------------------------------------------------


def _name(key: Key, person: Person, text: str) -> str:
    body = SUFFIX.sub("", normalise(text).text)
    words = list(NAME_WORD.finditer(body))
    if not all(word[0].lower() in TITLES for word in words):
        words = [word for word in words if word[0].lower() not in TITLES]
    several = sum(1 for w in words if len(w[0]) > 1 and w[0].lower() not in PARTICLES) > 1
    comma = body.find(",")
    out, position = "", 0
    for index, match in enumerate(words):
        word = match[0]
        if word.lower() in PARTICLES and index + 1 < len(words):
            out += body[position : match.start()]
            position = words[index + 1].start()
            continue
        rest = body[match.end() : words[-1].start()]
        last = not re.search(r"[^-\w]", rest) if comma < 0 else match.end() <= comma
        out += body[position : match.start()] + _name_word(key, person, word, several, last)
        position = match.end()
    return out + body[position:]


def _name_word(key: Key, person: Person, word: str, several: bool, last: bool) -> str:
    folded, lexicon = word.lower(), english()
    listed = (person.roles, person.avoid, lexicon.first, lexicon.last)
    signed = len(word) < 4 and word.isupper() and not several
    if len(word) == 1 or (signed and not any(folded in names for names in listed)):
        return like(word, "".join(_initial(key, person, letter) for letter in folded))
    return like(word, name_part(key, person, folded, _role(person, folded, several, last)))


def _role(person: Person, word: str, several: bool, last: bool) -> str:
    if word in person.roles:
        return person.roles[word]
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
    """The initial of the stand-in for the name it abbreviates, if that name is known; a capital."""
    for word, role in sorted(person.roles.items(), key=lambda item: (item[1] != "given", item[0])):
        if word[0] == letter:
            return name_part(key, person, word, role)[0]
    others = [c for c in "ABCDEFGHJKLMNPRSTVW" if person.mention or c.lower() != letter]
    return key.choice(others, "initial", *person.draw, letter)


def _mail(key: Key, person: Person, text: str) -> str:
    """An address at example.com; names in it that the note or the table knows become their
    stand-ins, everything else a name from the lists."""
    local = re.split(r"\s?[@[(]|\sat\s", normalise(text).text.lower())[0]
    return f"{_mail_name(key, person, local)}@example.com".lower()


def _mail_name(key: Key, person: Person, local: str) -> str:
    words = [word for word in re.split(r"[\W\d_]+", local) if word]
    made: list[str] = []
    for word in words:
        initial, rest = word[0], word[1:]
        if word in person.roles:
            made.append(name_part(key, person, word, person.roles[word]))
        elif rest in person.roles:
            first = _initial(key, person, initial)
            made.append(first + name_part(key, person, rest, person.roles[rest]))
        elif len(word) == 1 and len(words) > 1:
            made.append(_initial(key, person, word))
    if any(len(word) > 1 for word in made) and len(made) == len(words):
        return next((c for c in local if c in "._-"), ".").join(made)
    given = _pick(key, person, "male", "email given", local)
    return f"{given}.{_pick(key, person, 'last', 'email family', local)}"


def _sounds_female(word: str) -> bool:
    return word.endswith(
        ("a", "ie", "ine", "elle", "ette", "lyn", "lynn", "een", "ice", "beth", "ah")
    ) or (word in _FEMALE)


_FEMALE = read_words("scrub_female.txt")


def _pick(key: Key, person: Person, listing: str, *parts: str) -> str:
    """A word of a surrogate list that is no name of the patient, nor the original itself.

    Raises:
        LookupError: all of the list is taken (which quarantines the note).
    """
    original = parts[-1].lower()
    words: Sequence[str] = read_json("scrub_surrogates.json")[listing]
    for attempt in range(50 * len(words)):
        word = key.choice(words, "pick", listing, *person.draw, *parts[:-1], original, str(attempt))
        plain = word.lower()
        taken = plain == original or not person.avoid.isdisjoint((plain, *plain.split()))
        shows = not person.mention and (plain[0] == original[:1] or len(plain) == len(original))
        if not (taken or shows):
            return word
    raise LookupError(listing)


# --- dates, places, numbers ---------------------------------------------------------------------


def _date(key: Key, person: Person, text: str, after: str) -> str:
    plain = normalise(text).text
    # An hour found together with its date stays if a minute follows; other digits may be anything.
    hour = _HOUR.search(plain)
    for tail in ("", hour[0] if hour else ""):
        for move in (shift_date, shift_range, shift_holiday):
            if (moved := move(plain.removesuffix(tail), person.shift)) is not None:
                return moved + (tail if after == ":" else "")
    if _HOLIDAY.search(plain):  # of a lunar calendar; a year beside it is no identifier
        year = re.search(r" (?:of )?(?:19|20)\d\d$", plain)
        holidays: Sequence[str] = read_json("scrub_surrogates.json")["holiday"]
        return key.choice(holidays, "holiday", *person.draw, plain.lower()) + (
            year[0] if year else ""
        )
    return "[DATE]"


def _location(key: Key, person: Person, text: str) -> str:
    plain = normalise(text).text
    if re.fullmatch(r"\d{5}(?:-\d{4})?", plain):
        return zip_three(plain)
    if re.match(r"(?i)p\.?\s?o\.?\s?box", plain):
        return "PO Box " + number(key, person, "LOCATION", re.sub(r"\D", "", plain) or "100")
    street = _STREET_WORD.search(plain)
    if plain[0].isdigit() or (street and street.end() == len(plain)):
        numbered = plain[0].isdigit()
        name = like(plain, _pick(key, person, "street", "street", plain))
        kind = street[0] if street else ("ST" if plain.isupper() else "St")
        shown = (
            f"{100 + key.below(9800, 'house', *person.draw, plain.lower())} " if numbered else ""
        )
        return f"{shown}{name} {kind}"
    zip_match, state = _ZIP.search(plain), _state(plain)
    city = plain[: state.start()] if state else plain
    new = like(plain, _pick(key, person, "city", "city", city))
    if city.lower().endswith((" county", " parish", " township", " borough")):
        new += " " + city.split()[-1]
    if state is None:
        return new
    return f"{new}, {state['state']}" + (f" {zip_three(zip_match[0])}" if zip_match else "")


def _state(plain: str) -> re.Match[str] | None:
    """The state at the end of a place, which may stay; half of "Baton Rouge" is none."""
    states: Mapping[str, str] = read_json("scrub_places.json")["states"]
    known = {word.lower() for pair in states.items() for word in pair}
    for start in (m.start() for m in re.finditer(r",?\s", plain)):
        match = _STATE.match(plain, start)
        if match and match["state"].lower() in known and start > 0:
            return match
    return None


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
        return like(plain if " " in plain else "x X", f"{new} Hospital")
    return like(plain, f"{new} {head[1].strip()}")
