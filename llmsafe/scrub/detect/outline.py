"""What a note holds, read once for all rules, so that each looks only where it can match at all.

Most patterns need something that is quickly looked for: a word, a sign, so many digits in a row. A
pattern that begins with one of a few words is tried where those words stand and nowhere else; one
that needs a word or a number is tried around it; one whose sign is not in the note, not at all.
None of this changes what is found: ``tests/scrub/test_outline.py`` compares each with a search of
the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

_RUN = re.compile(r"\w+")
# What looks behind comes after the first letter, for which the engine can look quickly.
_CAPITAL = re.compile(r"[A-Z](?<!\w[A-Z])")
# Letters that re.IGNORECASE takes for ASCII ones and str.lower does not.
_FOLDED = {0x17F: "s", 0x131: "i", 0x130: "i"}


class _Digits(dict[int, str]):
    """A table for ``str.translate``: every decimal digit is 0."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        return "0" if character.isdecimal() else character


_DIGITS = _Digits({code: "0" if chr(code).isdecimal() else chr(code) for code in range(128)})


@dataclass(frozen=True, repr=False)
class Outline:
    """``signs`` is the text in lower case with every digit a 0; ``written`` gives where each whole
    word (letters, digits, underscores) begins, and ``folded`` how a word in lower case is
    written. ``words`` and ``lower`` are their keys."""

    text: str
    signs: str
    written: Mapping[str, Sequence[int]]
    folded: Mapping[str, Sequence[str]]
    words: frozenset[str]
    lower: frozenset[str]

    @cached_property
    def capitals(self) -> list[int]:
        """Where a word begins with an ASCII capital, in order."""
        return [match.start() for match in _CAPITAL.finditer(self.text)]

    def places(self, words: frozenset[str]) -> list[int]:
        """Where the (lower-case) words begin, in any case, in order."""
        return sorted(
            place
            for word in words & self.lower
            for form in self.folded[word]
            for place in self.written[form]
        )

    def exact(self, words: frozenset[str]) -> list[int]:
        """Where the words begin, written just so, in order."""
        return sorted(place for word in words & self.words for place in self.written[word])


@lru_cache(maxsize=4)
def outline(text: str) -> Outline:
    """The outline of a text; the rules that look at one note share it. Linear time."""
    written: dict[str, list[int]] = {}
    for match in _RUN.finditer(text):
        word = match[0]
        if word in written:
            written[word].append(match.start())
        else:
            written[word] = [match.start()]
    folded: dict[str, list[str]] = {}
    lower = str.lower if text.isascii() else fold
    for word in written:
        folded.setdefault(lower(word), []).append(word)
    return Outline(text, signs(text), written, folded, frozenset(written), frozenset(folded))


def signs(text: str) -> str:
    """Lower case, every digit a 0."""
    return fold(text).translate(_DIGITS)


def fold(text: str) -> str:
    """Lower case as ``re.IGNORECASE`` sees it."""
    return text.lower() if text.isascii() else text.translate(_FOLDED).lower()


def word_set(text: str) -> frozenset[str]:
    """A set of words from a string of them."""
    return frozenset(text.split())
