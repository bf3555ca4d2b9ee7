"""Names that a response has said: they are hidden wherever they come again.

A name is found by what stands around it ("Dr. Okafor"); when it comes again alone, far from there,
the detector no longer sees why. Inside of one text the scrubber looks for such echoes itself; a
stream is seen through a window, so its guard has to remember.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.lexicon import english

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HAN = re.compile(r"[\u3400-\u9fff·]+")
_TITLES = frozenset(("jr", "sr", "ii", "iii", "iv", "dr", "mr", "mrs", "ms", "prof"))


class NamesSaid:
    """Words of names, without those that are everyday words too ("Will", "Long")."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._chinese: set[str] = set()

    def add(self, name: str) -> None:
        """Remember the words of a name, or a Chinese name as a whole."""
        for match in _WORD.finditer(name):
            word = match[0].lower()
            if _HAN.fullmatch(word):
                if len(word) >= 2:
                    self._chinese.add(word)
            elif len(word) > 2 and word not in _TITLES and not english().plain(word):
                self._words.add(word)

    def find(self, text: str) -> Iterator[PhiSpan]:
        """Where a remembered word stands with a capital, or a Chinese name."""
        if self._words:
            for match in _WORD.finditer(text):
                word = re.sub("['’]s$", "", match[0])
                if word[0].isupper() and word.lower() in self._words:
                    yield PhiSpan(match.start(), match.start() + len(word), "NAME", 0.6, "echo")
        for name in self._chinese:
            at = text.find(name)
            while at >= 0:
                yield PhiSpan(at, at + len(name), "NAME", 0.6, "echo")
                at = text.find(name, at + len(name))
