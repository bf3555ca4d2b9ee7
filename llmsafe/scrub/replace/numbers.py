"""Stand-ins for numbers: the form stays, every digit goes, and nobody real is named.

Where a range is set aside that is never given to anybody, stand-ins come from it: telephones are
555-0100 to 555-0199 (North American Numbering Plan) or have a country code that no country has,
social security numbers are 9xx-01-… to 9xx-49-… (neither the SSA nor the IRS assigns them), machine
addresses are locally administered or of the documentation networks (RFC 5737, RFC 3849). Where a
check digit tells real numbers, theirs is wrong: cards, DEA numbers, NPIs, VINs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from llmsafe.scrub.detect.en.ids import find_checked, luhn_valid
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.person import Person
from llmsafe.scrub.replace.spelled import NUMERALS, other_numerals, speak_digits, spoken_digits

_MASKED = re.compile(r"(?<![A-Za-z])[xX]{2,}(?![A-Za-z])")  # XXX-XX-1234, but not AXX9
_EXTENSION = re.compile(r"(?i),?\s?(?:x|ext\.?|extension)\s?\d{1,6}$")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAC = re.compile(r"(?i)(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_TEST_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
_ATTEMPTS = 100


def number(key: Key, person: Person, category: str, text: str) -> str:
    """The stand-in of a number: of its form, and no known identifier of the patient.

    Keyed on letters and digits alone, so that one number written in two ways keeps one stand-in,
    and so does one that is dictated digit by digit ("four four one two"); other words for numbers
    become others of their kind.
    What the writer masked (XXX-XX-1234) stays. ``[CATEGORY]`` if there is none.
    """
    plain = normalise(text).text
    if (digits := spoken_digits(plain)) is not None:
        return speak_digits(number(key, person, category, digits), plain)
    compact = _compact(plain)
    telephone = category in ("PHONE", "FAX")
    value = _telephone_number(plain) if telephone else f"{category} {compact}"
    for attempt in range(_ATTEMPTS):
        made = _draw(category, plain, number_stream(key, *person.draw, value, str(attempt)))
        # Over many draws, what is never drawn would give itself away: there it may come by chance.
        shows = not (person.mention or telephone) and _same_letter(plain, made)
        letters = _compact(made)
        known = letters == compact or not person.taken.isdisjoint(
            (letters, letters[-10:], letters[-7:])
        )
        if not (shows or known or _confirmed(category, made)):
            return made
    return f"[{category}]"


def machine_address(key: Key, person: Person, text: str) -> str:
    """An IP address of a network that documents use and nobody has."""
    stream = number_stream(key, *person.draw, "IP", text.lower())
    if ":" in text:
        return f"2001:db8::{next(stream):x}:{next(stream):x}"
    return f"{_TEST_NETWORKS[next(stream) % 3]}.{1 + next(stream) % 254}"


def number_stream(key: Key, *parts: str) -> Iterator[int]:
    """Numbers below 2^16 without end that belong to these parts."""
    for block in count():
        digest = key.digest("numbers", *parts, str(block))
        yield from (int.from_bytes(digest[i : i + 2], "big") for i in range(0, 32, 2))


def _compact(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def _telephone_number(plain: str) -> str:
    """The number alone: without extension and without the 1 of long distance."""
    digits = _compact(_EXTENSION.sub("", plain))
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def _same_letter(plain: str, made: str) -> bool:
    masked = _MASKED.match(plain) is not None
    return plain[:1].isalpha() and plain[:1] == made[:1] and not masked


def _confirmed(category: str, made: str) -> bool:
    """Whether a check digit says that this is a real number."""
    digits = re.sub(r"\D", "", made)
    npi = category == "LICENSE" and len(digits) == 10 and luhn_valid("80840" + digits)
    return npi or any(find_checked(made))


# --- forms --------------------------------------------------------------------------------------


def _draw(category: str, plain: str, stream: Iterator[int]) -> str:
    if _MASKED.search(plain):
        return _other(plain, stream)
    if NUMERALS.fullmatch(plain):
        return other_numerals(plain, stream)
    if category in ("PHONE", "FAX"):
        return _telephone(plain, stream)
    if category == "SSN" and re.fullmatch(r"\d{9}", _compact(plain)):
        group = f"{1 + next(stream) % 49:02d}"
        return _fill(plain, f"9{_digits(2, stream)}{group}{_digits(4, stream)}")
    if _UUID.fullmatch(plain) or _MAC.fullmatch(plain):
        new = "".join("0123456789abcdef"[next(stream) % 16] for _ in range(32))
        if _MAC.fullmatch(plain):
            new = new[0] + "26ae"[next(stream) % 4] + new[2:]
        return _fill(plain, new.upper() if plain.isupper() else new)
    return _other(plain, stream)


def _telephone(plain: str, stream: Iterator[int]) -> str:
    tail = _EXTENSION.search(plain)
    extension = re.sub(r"\d", lambda _: _digits(1, stream), tail[0]) if tail else ""
    main = plain[: tail.start()] if tail else plain
    length = sum(map(str.isalnum, main))
    # No service, toll-free or expansion code.
    area = f"{2 + next(stream) % 6}{next(stream) % 9}{2 + next(stream) % 8}"
    local = f"55501{_digits(2, stream)}"
    if re.match(r"\+(?!\s?1(?!\d))", main) and not (length == 11 and main[1] == "1"):
        return _fill(main, "28" + _digits(length - 2, stream)) + extension
    match length:
        case 7:
            return _fill(main, local) + extension
        case 10:
            return _fill(main, area + local) + extension
        case 11 if _compact(main)[0] == "1":
            return _fill(main, "1" + area + local) + extension
        case _:
            return _other(main, stream) + extension


def _digits(number_of: int, stream: Iterator[int]) -> str:
    return "".join(str(next(stream) % 10) for _ in range(number_of))


def _fill(plain: str, new: str) -> str:
    """``plain`` with its letters and digits replaced one by one."""
    characters = iter(new)
    return "".join(next(characters) if c.isalnum() else c for c in plain)


def _other(plain: str, stream: Iterator[int]) -> str:
    """Digits for digits, letters for letters; what was masked stays."""
    masked = {i for group in _MASKED.finditer(plain) for i in range(*group.span())}
    out, first = "", True
    for index, character in enumerate(plain):
        if not character.isalnum() or index in masked:
            out += character
            continue
        if character.isdigit():
            out += str(1 + next(stream) % 9 if first else next(stream) % 10)
        else:
            letter = _LETTERS[next(stream) % len(_LETTERS)]
            out += letter if character.isupper() else letter.lower()
        first = False
    return out
