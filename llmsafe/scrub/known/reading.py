"""What every matcher asks about a note, read once for all of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

from llmsafe.scrub.detect.lexicon import english

WORD = re.compile(r"[^\W_]+(?:'[^\W_]{2,})?")
_RUN, _SIGNS = re.compile(r"[^\W_]+"), re.compile(r"[\W_]+")
_NUMBER = re.compile(r"['0-9](?<![A-Za-z\d]['0-9])")
TYPO_LENGTH, TYPO_LONGEST = 6, 40  # a slip is looked for in words as long as names are


@dataclass(frozen=True, repr=False, eq=False)
class Line:
    """A line with the words in it as written, in order; all the forms in which they may be names;
    those that may be one with a slip; whether one is a capital letter; and how many letters and
    digits there are."""

    text: str
    written: Sequence[str]
    forms: Set[str]
    slips: Sequence[str]
    initial: bool
    size: int

    @cached_property
    def starts(self) -> Sequence[int]:
        """Where the words begin."""
        return [match.start() for match in WORD.finditer(self.text)]

    @cached_property
    def letters(self) -> Sequence[int]:
        """Where each of the letters and digits stands."""
        return [place for run in _RUN.finditer(self.text) for place in range(*run.span())]


Lines = Sequence[tuple[int, Line]]
"""The lines of a text with words in them, and where each begins."""


class Places:
    """Where something stands in a text, by its number; ``of`` says it for a line, and is asked only
    for the lines that matter. ``counts``: how many each line has, one at least."""

    def __init__(
        self, read: Lines, counts: Iterable[int], of: Callable[[Line], Sequence[int]]
    ) -> None:
        self._read, self._of = read, of
        self._firsts = [*accumulate(counts, initial=0)]

    def __getitem__(self, number: int) -> int:
        index = bisect_right(self._firsts, number) - 1
        begin, line = self._read[index]
        return begin + self._of(line)[number - self._firsts[index]]


def _read(text: str) -> Line:
    if text.isascii() and "'" not in text:  # whatever is no letter or digit stands between words
        written = runs = text.encode().translate(_APART).decode().split()
    else:
        written, runs = WORD.findall(text), _RUN.findall(text)
    forms: set[str] = set()
    slips: list[str] = []
    initial = False
    for word in dict.fromkeys(written):
        _, ways, slip = word_forms(word)
        forms.update(ways)
        if slip:
            slips.append(word)
        initial = initial or (len(word) == 1 and word.isupper())
    return Line(text, written, forms, slips, initial, sum(map(len, runs)))


_remembered = lru_cache(maxsize=4096)(_read)
_SHORT = 256  # characters of a line that is worth remembering


@lru_cache(maxsize=4)
def lines(text: str) -> Lines:
    """What is in the lines of a text."""
    found: list[tuple[int, Line]] = []
    begin = 0
    for source in text.split("\n"):
        line = _remembered(source) if len(source) <= _SHORT else _read(source)
        if line.written:
            found.append((begin, line))
        begin += len(source) + 1
    return found


@lru_cache(maxsize=20_000)
def word_forms(word: str) -> tuple[str, Sequence[str], bool]:
    """A word in lower case, the forms in which it may be a name, and whether it may be one with a
    slip: one that the lists know is that word, at least where it is written small."""
    folded, lexicon = word.lower(), english()
    forms = dict.fromkeys((folded, folded.removesuffix("'s"), folded.replace("'", "")))
    listed = folded in lexicon.last or folded in lexicon.first or folded in lexicon.everyday
    other = folded in lexicon.words or (word[0].islower() and listed)
    return folded, tuple(forms), TYPO_LENGTH - 1 <= len(folded) <= TYPO_LONGEST and not other


@lru_cache(maxsize=4)
def numbers(text: str) -> Sequence[int]:
    """Where a number may begin, with the apostrophe of a short year."""
    return [match.start() for match in _NUMBER.finditer(text)]


@lru_cache(maxsize=4)
def squeezed(text: str) -> str:
    """The letters and digits alone, one for each, in lower case."""
    if text.isascii():
        return text.encode().translate(_LOWER, _OTHERS).decode()
    kept = _SIGNS.sub("", text)
    lower = kept.lower()
    # Of a letter whose lower case is longer, the first.
    return lower if len(lower) == len(kept) else "".join(c.lower()[0] for c in kept)


_LOWER = bytes(range(256)).lower()
_OTHERS = bytes(code for code in range(128) if not chr(code).isalnum())
_APART = bytes(32 if code in _OTHERS else code for code in range(256))
