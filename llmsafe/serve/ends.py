"""Ends that a client chooses: stop strings, and the last word before ``max_tokens``.

Both could be used to read what the guard hides. A stop string that is sought in what the model
says answers whether it said that, a digit at a time; so it is sought in what the guard lets out. A
text that ends inside of a number shows digits that no detector knows for a part of an identifier
yet; so what may be the beginning of one is left out.
"""

from __future__ import annotations

import re

from llmsafe.scrub.detect.lexicon import english

_HAN = re.compile(r"[\u3400-\u9fff·]")
_TOKEN = re.compile(rf"{_HAN.pattern}|[^\s\u3400-\u9fff·]+|\s+")
_LETTERS = re.compile(r"[^\W\d_]+")
_JOINING = frozenset("-–—+()/#.:")  # inside of numbers
_NAME = 4  # characters of a Chinese name
_LONGEST = 120  # the detectors know an identifier before it is this long


class StopStrings:
    """Ends a text before the first stop string, holding back what may be the start of one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found = False

    def feed(self, piece: str) -> str:
        """What is certain to come before any stop string; nothing after one."""
        if self.found:
            return ""
        self._held += piece
        at = min((p for s in self._stops if (p := self._held.find(s)) >= 0), default=-1)
        if at >= 0:
            self.found, text, self._held = True, self._held[:at], ""
            return text
        held = len(self._held)
        keep = max(
            (
                n
                for stop in self._stops
                for n in range(1, min(len(stop), held + 1))  # a stop string may be a megabyte
                if self._held.endswith(stop[:n])
            ),
            default=0,
        )
        cut = held - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def finish(self) -> str:
        """The rest: no stop string came."""
        text, self._held = self._held, ""
        return text


def loose_end(text: str) -> int:
    """Where the end of a text begins that was cut off inside of anything: numbers, names, parts of
    words, up to the last word that is a plain one; the length of the text if there is none."""
    tokens = list(_TOKEN.finditer(text, max(0, len(text) - _LONGEST)))
    end, han = len(text), 0
    for token in reversed(tokens):
        word = token[0]
        if _HAN.fullmatch(word):
            han += 1
            if han >= _NAME:
                break
        elif not word.isspace() and not _doubtful(word, last=token.end() == len(text)):
            break
        end = token.start()
    return len(text) if text[end:].isspace() else end


def _doubtful(word: str, *, last: bool) -> bool:
    """Whether it may be of an identifier: a number, an address, a capital, or a part of a word."""
    parts = _LETTERS.findall(word)
    if any(map(str.isdigit, word)) or "@" in word:
        return True
    if not parts:
        return set(word) <= _JOINING
    plain = all(english().plain(part.lower()) for part in parts)
    return not plain and (last or word != word.lower())
