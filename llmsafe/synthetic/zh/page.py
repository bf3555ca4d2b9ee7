"""A text buffer with the joints of Chinese: no doubled stops, one full stop a sentence."""

from __future__ import annotations

from llmsafe.synthetic.writer import Writer

_STOPS = frozenset("，。；、：,;:")
_ENDS = frozenset("。？！：:…~\n")


class Page(Writer):
    """A `Writer` for Chinese; offsets and spans are kept as there."""

    def text(self, piece: str) -> None:
        """Append literal text; a stop after a stop is dropped."""
        while piece and piece[0] in _STOPS and self.last in "，。；、：,;:\n？！":
            piece = piece[1:]
        super().text(piece)

    def stop(self) -> None:
        """End a sentence; a comma that an empty alternative left behind gives way."""
        if self.last in "，；、,;" and self._parts:
            self._drop_blank()
        if self.last not in _ENDS:
            super().text("。")
