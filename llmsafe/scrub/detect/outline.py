"""What a note holds, read once for all rules, so that each looks only where it can match at all.

Most patterns need something that is quickly looked for: a word, a sign, so many digits in a row. A
pattern that begins with one of a few words is tried where those words stand and nowhere else; one
that needs a word or a number is tried around it; one whose sign is not in the note, not at all.
None of this changes what is found: ``tests/scrub/test_outline.py`` compares each with a search of
the whole text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
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


@dataclass(repr=False)
class _Line:
    """Where in a line the words of each registered set begin, by the number of the set; where a
    word begins with an ASCII capital; and the long words, with their lengths. ``known`` sets had
    been registered when it was read."""

    known: int
    hits: Sequence[tuple[int, int]]
    capitals: Sequence[int]
    long: Sequence[tuple[int, int]]


class _Sets:
    """The sets of words that rules ask for. They are few and always the same, so each word of a
    line is looked up once for all of them."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[frozenset[str], bool], int] = {}
        self.exact: defaultdict[str, list[int]] = defaultdict(list)
        self.folded: defaultdict[str, list[int]] = defaultdict(list)
        self.words: set[str] = set()  # of all sets, in lower case

    def number(self, words: frozenset[str], *, exact: bool) -> int | None:
        """The number of a set, which is registered if it is new; ``None`` if there are many."""
        number = self.numbers.get((words, exact))
        if number is None and len(self.numbers) < _MOST_SETS:
            number = self.numbers[words, exact] = len(self.numbers)
            self.words.update(map(fold, words))
            for word in words:
                (self.exact if exact else self.folded)[word].append(number)
        return number


_MOST_SETS = 256
_LONG = 16
_SETS = _Sets()
_LINES: dict[str, _Line] = {}
_KEPT, _KEPT_LENGTH = 8_192, 512  # lines at most, and their length


def _line(text: str) -> _Line:
    line = _LINES.get(text)
    if line is not None and line.known == len(_SETS.numbers):
        return line
    exact, folded, words = _SETS.exact, _SETS.folded, _SETS.words
    hits: list[tuple[int, int]] = []
    long: list[tuple[int, int]] = []
    for match in _RUN.finditer(fold(text)):
        small = match[0]
        if small in words:
            place, end = match.span()
            if small in folded:
                hits += [(number, place) for number in folded[small]]
            if (word := text[place:end]) in exact:
                hits += [(number, place) for number in exact[word]]
        if len(small) >= _LONG:
            long.append((match.start(), len(small)))
    capitals = [match.start() for match in _CAPITAL.finditer(text)]
    line = _Line(len(_SETS.numbers), hits, capitals, long)
    if len(text) <= _KEPT_LENGTH:
        if len(_LINES) >= _KEPT:
            _LINES.clear()
        _LINES[text] = line
    return line


@dataclass(frozen=True, repr=False)
class Outline:
    """``signs`` is the text in lower case with every digit a 0. The words that it is asked for are
    whole ones: letters, digits, underscores."""

    text: str
    signs: str

    @cached_property
    def _lines(self) -> list[tuple[int, _Line]]:
        """The lines in which there is anything, and where they begin."""
        lines: list[tuple[int, _Line]] = []
        begin = 0
        for source in self.text.split("\n"):
            if source:
                lines.append((begin, _line(source)))
            begin += len(source) + 1
        return lines

    @cached_property
    def _hits(self) -> list[list[int]]:
        """For each of the sets that were registered, where its words begin, in order."""
        if any(line.known < len(_SETS.numbers) for _, line in self._lines):
            del self.__dict__["_lines"]  # read for something else before a set was registered
        hits: list[list[int]] = [[] for _ in _SETS.numbers]
        for begin, line in self._lines:
            for number, place in line.hits:
                hits[number].append(begin + place)
        return hits

    @cached_property
    def capitals(self) -> list[int]:
        """Where a word begins with an ASCII capital, in order."""
        return [begin + place for begin, line in self._lines for place in line.capitals]

    @cached_property
    def quiet(self) -> bool:
        """Whether fewer than one character of two hundred begins a word with a capital."""
        return 200 * len(self.capitals) < len(self.text)

    def long(self, length: int) -> list[int]:
        """Where words of this length begin, of 16 characters or more, in order."""
        return [b + place for b, line in self._lines for place, size in line.long if size == length]

    def places(self, words: frozenset[str]) -> Sequence[int]:
        """Where the (lower-case) words begin, in any case, in order."""
        return self._places(words, exact=False)

    def exact(self, words: frozenset[str]) -> Sequence[int]:
        """Where the words begin, written just so, in order."""
        return self._places(words, exact=True)

    def _places(self, words: frozenset[str], *, exact: bool) -> Sequence[int]:
        number = _SETS.number(words, exact=exact)
        if number is None:
            found = ((match.start(), match[0]) for match in _RUN.finditer(self.text))
            return [place for place, word in found if (word if exact else fold(word)) in words]
        if number >= len(self._hits):  # registered since
            del self.__dict__["_hits"]
        return self._hits[number]


@lru_cache(maxsize=4)
def outline(text: str) -> Outline:
    """The outline of a text; the rules that look at one note share it. Linear time."""
    return Outline(text, signs(text))


def signs(text: str) -> str:
    """Lower case, every digit a 0."""
    return fold(text).translate(_DIGITS)


def fold(text: str) -> str:
    """Lower case as ``re.IGNORECASE`` sees it."""
    return text.lower() if text.isascii() else text.translate(_FOLDED).lower()


def word_set(text: str) -> frozenset[str]:
    """A set of words from a string of them."""
    return frozenset(text.split())
