"""What the tagger thought of lines that it has read before.

Notes repeat themselves: headings, templates, lists carried from visit to visit. The tagger sees a
few tokens to either side, so what it thinks of a line is the same wherever the line stands between
the same neighbours, and need not be thought again.

But for rounding: how a product of matrices is rounded depends on their size, and here that depends
on what was read before. So that no decision does, a note in which a chance comes within
:data:`MARGIN` of what a decision turns on, ten times the rounding, is read again as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsafe.scrub.detect.tagger import CHARACTER, CHUNK, FloatArray, Tagger, Token, tokenise

MARGIN = 1e-5
TRACE = 0.03
"""A chance of being PHI below this is no trace of it."""
HINT = 0.2
"""A chance from which on the tagger has an inkling."""
_STEP = math.log(1.01)
_SUREST = 1e-6
_LEAST, _MOST = 16, 256  # tokens of a block
_LINES, _BLOCKS, _NUMBERS = 8_192, 8_192, 65_536  # kept at most, in some 30 MB


@dataclass(frozen=True, repr=False)
class Line:
    """The tokens of a line read alone, and a number for the key and place of each."""

    tokens: Sequence[Token]
    numbers: NDArray[np.int32]


@dataclass(frozen=True, repr=False)
class Placed:
    """The tokens of lines, one after the other, and for each where its line begins."""

    tokens: Sequence[Token]
    offsets: Sequence[int]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Token:
        token, offset = self.tokens[index], self.offsets[index]
        return token._replace(start=token.start + offset, end=token.end + offset)

    def bounds(self) -> tuple[list[int], list[int]]:
        """Where the tokens start and where they end."""
        placed = list(zip(self.tokens, self.offsets, strict=True))
        return [t.start + offset for t, offset in placed], [t.end + offset for t, offset in placed]


def read_alone(tagger: Tagger, text: str) -> tuple[Placed, FloatArray]:
    """The tokens of a text and their :meth:`Tagger.probabilities`."""
    tokens = tokenise(text)
    return Placed(tokens, [0] * len(tokens)), tagger.probabilities(tokens)


class Memory:
    """Reads English notes as ``tagger`` does, and remembers parts of them."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self._reach = sum(tagger.weights.dilations)
        self._numbers: dict[tuple[str, int], int] = {}
        self._lines: dict[tuple[str, bool], Line] = {}
        # None: to be read with its note.
        self._blocks: dict[tuple[int, int, bytes], FloatArray | None] = {}

    def read(self, text: str) -> tuple[Placed, FloatArray]:
        """What :func:`read_alone` gives, as far as decisions go."""
        if CHARACTER.search(text):  # what a Chinese character is depends on the lines beside it
            return read_alone(self.tagger, text)
        lines = self._read_lines(text)
        tokens: list[Token] = []
        offsets: list[int] = []
        begin = 0
        for source, line in lines:
            tokens += line.tokens
            offsets += [begin] * len(line.tokens)
            begin += len(source)
        if len(tokens) <= CHUNK:
            chances = self._recall([line for _, line in lines], tokens)
            if chances is not None:
                return Placed(tokens, offsets), chances
        return Placed(tokens, offsets), self.tagger.probabilities(tokens)

    def _read_lines(self, text: str) -> list[tuple[str, Line]]:
        lower = text == text.lower()
        if len(self._numbers) > _NUMBERS:
            self._numbers.clear()
            self._lines.clear()
            self._blocks.clear()
        if len(self._lines) > _LINES:
            self._lines.clear()
        read: list[tuple[str, Line]] = []
        for source in text.split("\n"):
            source += "\n"
            line = self._lines.get((source, lower))
            if line is None:
                line = self._line(tokenise(source, lower))
                self._lines[source, lower] = line
            read.append((source, line))
        source, line = read[-1]  # the last has no end
        read[-1] = source[:-1], Line(line.tokens[:-1], line.numbers[:-1])
        return read

    def _line(self, tokens: Sequence[Token]) -> Line:
        numbers = self._numbers
        kinds = [numbers.setdefault((token.key, token.place), len(numbers)) for token in tokens]
        return Line(tuple(tokens), np.array(kinds, np.int32))

    def _recall(self, lines: Sequence[Line], tokens: Sequence[Token]) -> FloatArray | None:
        """The probabilities of the tokens, those of unknown blocks found now; none where rounding
        might decide something."""
        if len(self._blocks) > _BLOCKS:
            self._blocks.clear()
        if not tokens:
            return self.tagger.probabilities(tokens)
        numbers, reach = np.concatenate([line.numbers for line in lines]), self._reach
        blocks = list(_blocks([len(line.tokens) for line in lines]))
        keys = [
            (min(start, reach), end - start, numbers[max(0, start - reach) : end + reach].tobytes())
            for start, end in blocks
        ]
        unknown = [(b, k) for b, k in zip(blocks, keys, strict=True) if k not in self._blocks]
        # In one go: each run has beside it as many tokens as the tagger sees.
        seen: list[Token] = []
        begins: list[int] = []
        for run in _runs(unknown):
            first, last = run[0][0][0], run[-1][0][1]
            left = max(0, first - reach)
            begins += [start - left + len(seen) for (start, _), _ in run]
            seen += tokens[left : last + reach]
        if seen:
            found = self.tagger.probabilities(seen)
            doubtful = self._doubtful(found)
            for ((start, end), key), begin in zip(unknown, begins, strict=True):
                rows = slice(begin, begin + end - start)
                self._blocks[key] = None if doubtful[rows].any() else found[rows].copy()
        known = [block for key in keys if (block := self._blocks[key]) is not None]
        return np.concatenate(known) if len(known) == len(keys) else None

    def _doubtful(self, chances: FloatArray) -> NDArray[np.bool_]:
        """For each token, whether rounding might decide something about it."""
        private = 1.0 - chances[:, 0]
        turns = (TRACE, HINT, self.tagger.edge, self.tagger.threshold)
        near = np.abs(private[:, None] - np.array(turns, np.float32)) < MARGIN
        doubtful: NDArray[np.bool_] = np.logical_or.reduce(near, axis=1)
        seen = np.flatnonzero(private >= self.tagger.edge)
        kinds = np.sort(chances[seen, 1:], axis=1)
        steps = np.log(np.maximum(chances[seen, 0].astype(np.float64), _SUREST)) / _STEP
        between = np.abs(steps - np.floor(steps) - 0.5) < MARGIN / _STEP
        doubtful[seen] |= between | (kinds[:, -1] - kinds[:, -2] < MARGIN)
        return doubtful


def coarse(score: float) -> float:
    """A score whose distance from 1 goes in steps of a hundredth, so that no rounding shows."""
    return 1.0 - math.exp(_STEP * round(math.log(max(1.0 - score, _SUREST)) / _STEP))


def _blocks(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Borders of groups of lines with some tokens together; long lines are cut."""
    start = end = 0
    for length in lengths:
        end += length
        while end - start > _MOST:
            yield start, start + _MOST
            start += _MOST
        if end - start >= _LEAST:
            yield start, end
            start = end
    if end > start:
        yield start, end


Unknown = tuple[tuple[int, int], tuple[int, int, bytes]]


def _runs(unknown: Sequence[Unknown]) -> Iterator[list[Unknown]]:
    """Blocks that follow each other, together."""
    run: list[Unknown] = []
    for block in unknown:
        if run and run[-1][0][1] != block[0][0]:
            yield run
            run = []
        run.append(block)
    if run:
        yield run
