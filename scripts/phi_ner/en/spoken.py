"""Numbers, letters, dates and addresses as they are spoken or spelled out."""

from __future__ import annotations

import calendar
import datetime
import re

from ..core import Context, words

SPOKEN = frozenset(("dictation", "asr", "verbatim"))
SPELLED = frozenset(("letters",))
MONTHS = tuple(calendar.month_name)[1:]
ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
PHONETIC = words(
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar "
    "papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
LOOSE = words(
    "apple boy cat dog edward frank george henry ida john king larry mary nancy ocean peter queen "
    "robert sam tom uncle vincent william xylophone yellow zebra"
)
_SIGNS = {"@": "at", ".": "dot", "_": "underscore", "/": "slash", "-": "dash"}


def is_spoken(context: Context) -> bool:
    """Whether the note was spoken, so that values mostly are words."""
    return context.style in SPOKEN


def is_spelled(context: Context) -> bool:
    """Whether the note spells values letter by letter."""
    return context.style in SPELLED


def words_of(number: int) -> str:
    """0 to 99 in words."""
    if number < 20:
        return ONES[number]
    ten, one = divmod(number, 10)
    return TENS[ten] + (f"-{ONES[one]}" if one else "")


def ordinal_words(number: int) -> str:
    """1 to 31 as an ordinal in words."""
    if number <= 20:
        return ORDINALS[number]
    if number == 30:
        return "thirtieth"
    return f"{TENS[number // 10]}-{ORDINALS[number % 10]}"


def suffixed(number: int) -> str:
    """1st, 2nd."""
    end = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{end}"


# --- letters and digits ---------------------------------------------------------------------------


def spell(context: Context, name: str) -> str:
    """A name letter by letter."""
    rng = context.rng
    form = rng.randrange(5)
    parts: list[str] = []
    for word in name.split():
        letters = [c.upper() for c in word if c.isalpha()]
        if form < 3:
            parts.append((" ", "-", ", ")[form].join(letters))
        elif form == 3:
            parts.append(", ".join(as_in(context, c) if rng.random() < 0.5 else c for c in letters))
        else:
            parts.append(" ".join(phonetic(c) for c in letters))
    return rng.choice((" ", " ", ", ", " space ")).join(parts)


def as_in(context: Context, letter: str) -> str:
    """B as in boy."""
    index = ord(letter.lower()) - 97
    if not 0 <= index < 26:
        return letter
    rng = context.rng
    word = rng.choice((PHONETIC, LOOSE))[index]
    joint = rng.choice((" as in ", " as in ", " for ", " like "))
    return f"{letter}{joint}{word if rng.random() < 0.5 else word.capitalize()}"


def phonetic(letter: str) -> str:
    """Bravo for B."""
    index = ord(letter.lower()) - 97
    return PHONETIC[index] if 0 <= index < 26 else letter


def say(context: Context, text: str) -> str:
    """Digits and letters one by one, in words."""
    rng = context.rng
    zero = rng.choice(("oh", "zero"))
    words = [_say_one(context, character, zero) for character in text]
    return " ".join(word for word in words if word).replace(" ,", ",")


def _say_one(context: Context, character: str, zero: str) -> str:
    rng = context.rng
    if character.isdigit():
        return zero if character == "0" else ONES[int(character)]
    if character.isalpha():
        named = as_in(context, character.upper())
        return rng.choice((character.upper(), character.lower(), named, phonetic(character)))
    if character in "/.":
        return _SIGNS[character]
    return rng.choice(("dash", "dash", ",", "") if character == "-" else (",", ""))


def number(context: Context, text: str) -> str:
    """A number as the style has it: plain, spoken, or digit by digit."""
    rng = context.rng
    if is_spoken(context) and rng.random() < 0.7:
        return say(context, text)
    if is_spelled(context) and rng.random() < 0.6:
        if rng.random() < 0.4:
            return say(context, text)
        joint = rng.choice(("-", " ", ", "))
        kept = (c for c in text if c.isalnum() or rng.random() < 0.5)
        return joint.join(c if c.isalnum() else "dash" for c in kept)
    return text


def say_address(text: str) -> str:
    """An address of the network, spoken."""
    text = text.replace("www.", "w w w dot ")
    for sign, word in _SIGNS.items():
        text = text.replace(sign, f" {word} ")
    return re.sub(r"\d", lambda m: f" {ONES[int(m[0])]}", text).replace("  ", " ")


# --- dates ----------------------------------------------------------------------------------------


def say_date(context: Context, day: datetime.date, *, year: bool) -> str:
    """A date in words, with or without its year."""
    rng = context.rng
    month = MONTHS[day.month - 1]
    month = month if rng.random() < 0.6 else month.lower()
    words = ordinal_words(day.day)
    numbered = rng.choice((words, words.replace("-", " "), suffixed(day.day), str(day.day)))
    spoken_year = say_year(context, day.year) if rng.random() < 0.8 else str(day.year)
    if year and rng.random() < 0.3:
        parts = [_small(context, day.month), _small(context, day.day)]
        whole = rng.random() < 0.4
        parts.append(say_year(context, day.year) if whole else _small(context, day.year % 100))
        return rng.choice((" slash ", " ", " ", ", ", " dash ")).join(parts)
    if not year and rng.random() < 0.15:
        first = _small(context, day.month)
        return f"{first}{rng.choice((' slash ', ' '))}{_small(context, day.day)}"
    base = f"the {numbered} of {month}" if rng.random() < 0.3 else f"{month} {numbered}"
    return f"{base}{rng.choice((', ', ' '))}{spoken_year}" if year else base


def _small(context: Context, value: int) -> str:
    rng = context.rng
    if value < 10 and rng.random() < 0.5:
        return f"{rng.choice(('oh', 'zero'))} {ONES[value]}"
    text = words_of(value)
    return text.replace("-", " ") if rng.random() < 0.6 else text


def say_year(context: Context, year: int) -> str:
    """Two thousand nineteen, twenty nineteen, nineteen oh five."""
    rng = context.rng
    high, low = divmod(year, 100)
    joint = rng.choice((" ", "-"))
    words = words_of(low).replace("-", joint)
    if year >= 2000 and rng.random() < 0.4:
        return f"two thousand {rng.choice(('', 'and '))}{words}" if low else "two thousand"
    if low < 10:
        words = f"oh {ONES[low]}" if low else "hundred"
    return f"{words_of(high)} {words}"
