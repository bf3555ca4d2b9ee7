"""A text buffer that records where identifiers stand while they are written.

Every note is written through a `Writer`: literal text by `text`, identifiers by `phi`. Offsets are
taken at the moment of writing, so a span cannot drift from the text it marks.
"""

from __future__ import annotations

from collections.abc import Callable

_CLOSERS = frozenset(".,;:)?!%")
_ENDS = frozenset(".?!:")


def _same(text: str) -> str:
    return text


class Writer:
    """Collects text and spans (start, end, category); half-open offsets in code points.

    Tidies the joints between pieces, which a grammar with optional parts leaves untidy: no double
    blank, no blank before punctuation, no double full stop. `restyle` maps literal text (never an
    identifier) to the author's way of writing; `upper` puts everything in capitals.
    """

    def __init__(self, restyle: Callable[[str], str] = _same, *, upper: bool = False) -> None:
        self._restyle = restyle
        self._upper = upper
        self._parts: list[str] = []
        self._length = 0
        self._spans: list[tuple[int, int, str]] = []
        self._last = "\n"
        self._capital = False
        self._article = False

    @property
    def last(self) -> str:
        """The last character written; a newline at the very start."""
        return self._last

    def capital(self) -> None:
        """Make the next letter a capital."""
        self._capital = True

    def article(self) -> None:
        """Write `a` or `an`, as the next piece demands."""
        self._article = True

    def text(self, piece: str) -> None:
        """Append literal text."""
        if not piece:
            return
        piece = self._restyle(piece)
        first = piece[0]
        if (
            self._capital
            or self._article
            or self._upper
            or (first in _CLOSERS if first != " " else self._last in " \n")
        ):
            self._joint(piece)
            return
        self._parts.append(piece)
        self._length += len(piece)
        self._last = piece[-1]

    def _joint(self, piece: str) -> None:
        """Append a piece that may need tidying, a capital or an article."""
        if self._article and piece[0] == " ":
            piece = piece.lstrip(" ")
            if not piece:
                return
        first = piece[0]
        if first == " " and self._last in " \n":
            piece = piece.lstrip(" ")
        elif first in _CLOSERS and self._last == " ":
            self._drop_blank()
        if piece and piece[0] in ".," and self._last in (".?!" if piece[0] == "." else ",:;"):
            piece = piece[1:]
        if piece:
            self._append(piece)

    def plain(self, text: str) -> None:
        """Append literal text as it stands: neither restyled nor tidied."""
        if text:
            self._put(text)

    def phi(self, value: str, category: str) -> None:
        """Append an identifier and record its span."""
        assert value == value.strip() != "", "an identifier is never blank or padded"
        if self._upper:
            value = value.upper()
        if self._article:
            self._write_article(value)
        self._capital = False
        start = self._length
        self._put(value)
        self._spans.append((start, self._length, category))

    def stop(self) -> None:
        """End a sentence: a full stop unless there is one, and a blank."""
        if self._last == " ":
            self._drop_blank()
        if self._last not in _ENDS and self._last != "\n":
            self._append(".")
        self._capital = False
        self.text(" ")

    def newline(self, count: int = 1) -> None:
        """Start a new line (`count` - 1 blank lines before it), never more than that."""
        if self._last == " ":
            self._drop_blank()
        if not self._length:
            return
        have = 0
        if self._last == "\n":
            have = 2 if self._parts[-1].endswith("\n\n") else 1
        if have < count:
            self._append("\n" * (count if not have else count - have))

    def result(self) -> tuple[str, tuple[tuple[int, int, str], ...]]:
        """The text, without trailing white space, and its spans in order."""
        text = "".join(self._parts).rstrip()
        return text, tuple(self._spans)

    def _drop_blank(self) -> None:
        """Remove the trailing blank; identifiers never end in one, so no span is touched."""
        self._parts[-1] = self._parts[-1][:-1]
        self._length -= 1
        while self._parts and not self._parts[-1]:
            self._parts.pop()
        self._last = self._parts[-1][-1] if self._parts else "\n"

    def _append(self, piece: str) -> None:
        if self._article:
            self._write_article(piece)
        elif self._capital and piece and piece[0].isalnum():
            self._capital = False
            piece = piece[0].upper() + piece[1:]
        if piece:
            self._put(piece)

    def _write_article(self, following: str) -> None:
        self._article = False
        word = "an " if _wants_an(following) else "a "
        self._put(word.capitalize() if self._capital else word)
        self._capital = False

    def _put(self, piece: str) -> None:
        if self._upper:
            piece = piece.upper()
        self._parts.append(piece)
        self._length += len(piece)
        self._last = piece[-1]


def _wants_an(piece: str) -> bool:
    head = piece.split(" ", 1)[0].lower()
    number = head.split("-", 1)[0]
    if number[:1].isdigit():
        return number.startswith("8") or number in ("11", "18")
    return head[:1] in "aeiou" and not head.startswith(("uni", "use", "usu", "uri", "one", "eu"))
