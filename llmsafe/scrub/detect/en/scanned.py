"""Notes that a scanner has misread: digits in words and letters in numbers, put right.

A scanner takes 1, l and I, 0 and O, 5 and s for each other, so that "Ju1y 2", "3/l4/22" and
"Dr0uin" fit no pattern. Where several ordinary words of a note are misread so, it is searched once
more as it was probably written. Every character stands for one, so places stay what they are.
"""

from __future__ import annotations

import re
from itertools import product

from llmsafe.scrub.detect.en.listed import MONTH_WORDS
from llmsafe.scrub.detect.en.places import states
from llmsafe.scrub.detect.en.vocabulary import is_name, is_thing, is_word
from llmsafe.scrub.detect.outline import outline

_LEAST = 2
"""So many ordinary words must be misread; one may be a slip of the finger."""
# A digit beside small letters, in the text with every digit a 0.
_INSIDE = re.compile(r"0(?<=[a-z]0)[a-z]|0(?<![a-z0-9.,/:-]0)[a-z]{3}")
_TOKEN = re.compile(r"[A-Za-z0-9]{2,30}")
_READ = {"0": "o", "1": "li", "5": "s"}
_VOWELS = frozenset("aeiouy")
_MOST = 4  # misread characters of a word
_NUMBER = re.compile(r"(?<![A-Za-z\d])[\dOoIl]{1,12}(?:[-/:.][\dOoIl]{1,12}){0,4}(?![A-Za-z\d])")
_DIGITS = str.maketrans("OoIl", "0011")
_WORD = re.compile(
    r"(?=(?:\d*[A-Za-z]\d*){3})(?:[A-Z][a-z]{1,2}(?=\w{4}))?[A-Za-z015][a-z015]+|[0A-Z][0A-Z1]+[A-Z]|[A-Z]+[lI][A-Zl]+"
)
_PAIR = re.compile(r"[A-Za-z][a-z]|[A-Z]{2}")
_SMALL_L = re.compile(r"l[a-z]{3,}|[A-Z]+l[A-Zl]+")


def reread(text: str) -> str | None:
    """The text as it was probably written, of the same length; ``None`` where no scanner seems to
    have misread it. Linear time."""
    whole = outline(text).signs
    seen = {word for match in _INSIDE.finditer(whole) if (word := _around(text, match.start()))}
    # Most notes end here.
    if len(seen) < _LEAST or sum(_is_misread(word) for word in seen) < _LEAST:
        return None
    text = _TOKEN.sub(lambda match: _word(match[0]), text)
    return _NUMBER.sub(lambda match: _number(match[0]), text)


def _around(text: str, place: int) -> str | None:
    """The run of letters and digits around a place."""
    start, end = place, place
    while start > 0 and place - start < 30 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and end - place < 30 and text[end].isalnum():
        end += 1
    return text[start:end]


def _is_misread(word: str) -> bool:
    """Whether it is an ordinary word with digits for letters."""
    right = _word(word).lower()
    return right != word.lower() and len(right) > 3 and (is_word(right) or right in MONTH_WORDS)


def _word(word: str) -> str:
    """A word with letters for the digits in it, by preference one that is known."""
    if not _WORD.fullmatch(word):
        return word
    if _SMALL_L.fullmatch(word):  # lmpression, PATlENT
        if is_word(word.lower()) or is_name(word.lower()):
            return word
        right = word.replace("l", "I") if word[0].isupper() else "I" + word[1:]
        return right if word[0].isupper() or is_word(right.lower()) else word
    places = [at for at, sign in enumerate(word) if sign in _READ]
    if not 0 < len(places) <= _MOST or 2 * len(places) > len(word):
        return word
    forms: list[str] = []
    for letters in product(*(_letters(word, at) for at in places)):
        right = list(word)
        for at, letter in zip(places, letters, strict=True):
            right[at] = letter
        forms.append("".join(right))
    best = next((form for form in forms if _is_known(form.lower())), None)
    if best is None:
        if not _PAIR.search(word):
            return word  # x10d, a1c
        best = forms[0]
    if word.upper() == word:
        return best.upper()
    return best[0].upper() + best[1:] if word[0] in "01" and not is_word(best) else best


def _letters(word: str, place: int) -> str:
    """What a digit in a word may be; between two vowels 1 is no i, between two consonants no l."""
    letters = _READ[word[place]]
    beside = word[max(0, place - 1) : place].lower(), word[place + 1 : place + 2].lower()
    return letters if all(letter in _VOWELS for letter in beside) else letters[::-1]


def _is_known(word: str) -> bool:
    listed = is_word(word) or is_thing(word) or is_name(word)
    return listed or word in MONTH_WORDS or word.title() in states()


def _number(number: str) -> str:
    """A number with digits for the letters in it, if it has digits at all."""
    digits = sum(map(str.isdigit, number))
    return number.translate(_DIGITS) if digits and 3 * digits >= len(number) - 2 else number
