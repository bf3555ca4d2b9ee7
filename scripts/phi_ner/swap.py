"""Other drugs, eponyms and numbers in what is no PHI, so that nobody learns them by heart."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from .noise import Piece

_NUMBER = re.compile(r"(?<![\w.])[1-9]\d{0,3}(?!\w)")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Swap:
    """Swaps about half of the words of each group for others of it, and a third of the numbers.

    ``bounded``: words stand between borders, as in English.
    """

    def __init__(self, groups: Iterable[Sequence[str]], *, bounded: bool) -> None:
        self._groups = [sorted(set(group)) for group in groups]
        self._patterns = [self._pattern(group, bounded) for group in self._groups]

    @staticmethod
    def _pattern(group: Sequence[str], bounded: bool) -> re.Pattern[str]:
        words = "|".join(re.escape(word) for word in sorted(group, key=len, reverse=True))
        return re.compile(rf"\b(?:{words})\b" if bounded else words, re.IGNORECASE)

    def __call__(self, pieces: Iterable[Piece], rng: random.Random) -> list[Piece]:
        """The pieces, those without a category renewed."""
        return [
            (text if category else self._renew(text, rng), category) for text, category in pieces
        ]

    def _renew(self, text: str, rng: random.Random) -> str:
        for group, pattern in zip(self._groups, self._patterns, strict=True):
            text = pattern.sub(lambda match, group=group: _other(match[0], group, rng), text)
        return _NUMBER.sub(lambda match: _other_number(match[0], rng), text)


def _other(word: str, group: Sequence[str], rng: random.Random) -> str:
    """Another word, in capitals or small letters where ``word`` is."""
    if rng.random() < 0.5:
        return word
    made = rng.choice(group)
    if len(word) > 1 and word.isupper():
        return made.upper()
    return made.lower() if word.islower() else made[0].upper() + made[1:]


def _other_number(number: str, rng: random.Random) -> str:
    """Another number as long; years stay, and none comes; nobody becomes 90 years old."""
    most = 90 if len(number) == 2 and int(number) < 90 else 10 ** len(number)
    made = str(rng.randrange(10 ** (len(number) - 1), most))
    keep = rng.random() > 0.3 or _YEAR.fullmatch(number) or _YEAR.fullmatch(made)
    return number if keep else made
