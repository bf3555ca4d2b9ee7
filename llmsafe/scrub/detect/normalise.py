"""A view of a note in which Unicode tricks no longer work, with a map back to the original.

Recognisers look at the view; spans always refer to the original text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Letters that look Latin but are not, and letters NFKD leaves whole.
_LOOKALIKES = str.maketrans(
    dict(zip("АВЕЅІЈКМНОРСТХУаеѕіјорсухԁԛѡһ", "ABESIJKMHOPCTXYaesijopcyxdqwh", strict=True))
    | dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ", "ABEZHIKMNOPTYXovp", strict=True))
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d"}
    | {"Đ": "D", "ł": "l", "Ł": "L", "ı": "i", "ð": "d", "þ": "th", "Þ": "Th"}
    | dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
    | dict.fromkeys("‘’‚‛ʼ′＇`´", "'")
    | dict.fromkeys("“”„‟″", '"')
    | dict.fromkeys("\u2028\u2029\x0b\x0c\x85", "\n")
)

# ASCII is its own view, so it is taken as it comes; anything else is looked at one by one.
_RUNS = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")
_SLASHES = "⁄∕⧸"


@dataclass(frozen=True, repr=False)
class View:
    """``text`` is the view of ``original``; ``starts`` and ``ends`` map each of its characters.

    ``starts is None`` means that the view is the original. Both maps never decrease.
    """

    original: str
    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original behind ``text[start:end]`` (non-empty, half-open)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def __repr__(self) -> str:
        return f"View(<{len(self.original)} characters>)"


def normalise(text: str, *, apart: bool = False) -> View:
    """The view: NFKC, Latin letters without accents, ASCII digits, quotes and dashes, and neither
    invisible characters nor look-alike letters. ASCII text is its own view. Linear time.

    ``apart``: a space of no width stands where Latin letters or digits touch a script that sets no
    spaces between words, or glues prepositions on, so that English rules see a word begin there.
    """
    return View(text, text) if text.isascii() else _folded(text, apart)


@lru_cache(maxsize=4)  # detection, borders and surrogates ask for the view of the same note
def _folded(text: str, apart: bool) -> View:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _RUNS.finditer(text):
        position, character = match.start(), match[0]
        plain = character.isascii()
        folded = character if plain else _fold(character)
        if not folded:
            # An accent belongs to the letter before it; an invisible sign to nothing.
            if ends and unicodedata.combining(character):
                ends[-1] = position + 1
            continue
        if apart and pieces and _another_script(pieces[-1][-1], folded[0]):
            pieces.append(" ")
            starts.append(position)
            ends.append(position)
        pieces.append(folded)
        if plain:
            starts.extend(range(position, match.end()))
            ends.extend(range(position + 1, match.end() + 1))
            continue
        starts.extend([position] * len(folded))
        ends.extend([position + 1] * len(folded))
    return View(text, "".join(pieces), starts, ends)


def _another_script(left: str, right: str) -> bool:
    """Whether one is a Latin letter or a digit and the other a letter from Hebrew on; Greek and
    Cyrillic words are half look-alikes and stay whole."""
    first, second = sorted((left, right))
    return first.isascii() and first.isalnum() and second >= "\u0590" and second.isalpha()


def _fold(character: str) -> str:
    if character == "\u02bb":  # of Hawaiian names, which are written without as often
        return ""
    if character in _SLASHES:
        return "/"  # but the one inside ½, which NFKD makes 1⁄2
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    folded = "".join(
        c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)
    )
    if not folded or 0x1100 <= ord(folded[0]) < 0x1200:  # Hangul falls apart under NFKD
        folded = unicodedata.normalize("NFKC", character)
    folded = folded.translate(_LOOKALIKES)
    return " " if folded.isspace() and folded not in ("\n", "\r", "\t") else folded


def mostly_cjk(text: str) -> bool:
    """Whether over a third of the letters are Chinese, Japanese or Korean."""
    if text.isascii():
        return False
    letters = [c for c in text if c.isalpha()]
    wide = sum(1 for c in letters if "\u2e80" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af")
    return bool(letters) and 3 * wide > len(letters)
