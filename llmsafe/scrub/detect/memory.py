"""What the tagger thought of lines that it has read before.

Notes repeat themselves: headings, templates, lists carried from visit to visit. The tagger sees a
few tokens to either side, so what it thinks of a token is the same wherever the token stands
between the same neighbours, and need not be thought again. Blocks of lines are looked up first, and
of those that are not known, token by token.

But for rounding: how a product of matrices is rounded depends on their size, and here that depends
on what was read before. So that no decision does, a note in which a chance comes within
:data:`MARGIN` of what a decision turns on, ten times the rounding, is read again as a whole.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsafe.scrub.detect.tagger import CHARACTER, CHUNK, FloatArray, Tagger, Token, tokenise

MARGIN = 1e-5
GLIMPSE, TRACE, HINT = 0.01, 0.03, 0.2
"""Chances of being PHI below which there is not a glimpse of it, no trace, no inkling."""
_STEP = math.log(1.01)
_SUREST = 1e-6
_LEAST, _MOST = 16, 256  # tokens of a block
# Kept at most before all are forgotten, in some 40 MB.
_LINES, _BLOCKS, _NUMBERS, _WINDOWS = 8_192, 8_192, 65_536, 65_536


@dataclass(frozen=True, repr=False)
class Line:
    """The tokens of a line read alone, where they start and end, and a number for the key and place
    of each."""

    tokens: Sequence[Token]
    starts: Sequence[int]
    ends: Sequence[int]
    numbers: NDArray[np.int32]

    def open(self) -> Line:
        """The line without its last token, the end of the line."""
        return Line(self.tokens[:-1], self.starts[:-1], self.ends[:-1], self.numbers[:-1])


@dataclass(frozen=True, repr=False)
class Placed:
    """The tokens of lines, one after the other. ``begins`` says where in the text each line begins,
    ``firsts`` how many tokens are before it."""

    lines: Sequence[Line]
    begins: Sequence[int]
    firsts: Sequence[int]

    def __len__(self) -> int:
        return self.firsts[-1] + len(self.lines[-1].tokens)

    def __getitem__(self, index: int) -> Token:
        line = bisect_right(self.firsts, index) - 1
        token, offset = self.lines[line].tokens[index - self.firsts[line]], self.begins[line]
        return token._replace(start=token.start + offset, end=token.end + offset)

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Numbers of the first token of which anything is in ``[start, end)``, and of the first
        behind it."""
        line = bisect_right(self.begins, start) - 1
        first = self.firsts[line] + bisect_right(self.lines[line].ends, start - self.begins[line])
        line = bisect_right(self.begins, end) - 1
        last = self.firsts[line] + bisect_left(self.lines[line].starts, end - self.begins[line])
        return first, last


def _placed(lines: Sequence[Line], lengths: Iterable[int]) -> Placed:
    """``lengths``: of the lines in characters, with their ends."""
    begins, firsts, begin, first = list[int](), list[int](), 0, 0
    for line, length in zip(lines, lengths, strict=True):
        begins.append(begin)
        firsts.append(first)
        begin += length
        first += len(line.tokens)
    return Placed(lines, begins, firsts)


def read_alone(tagger: Tagger, text: str) -> tuple[Placed, FloatArray]:
    """The tokens of a text and their :meth:`Tagger.probabilities`."""
    tokens = tokenise(text)
    line = Line(tokens, [t.start for t in tokens], [t.end for t in tokens], np.zeros(0, np.int32))
    return Placed([line], [0], [0]), tagger.probabilities(tokens)


def _chinese(text: str) -> bool:
    return not text.isascii() and CHARACTER.search(text) is not None


_Key = tuple[int, int, bytes]


@dataclass(frozen=True, repr=False)
class _Plan:
    """A text to be read: the number of each of its tokens, and its blocks with their keys."""

    placed: Placed
    numbers: NDArray[np.int32]
    blocks: Sequence[tuple[int, int]]
    keys: Sequence[_Key]


class Memory:
    """Reads English notes as ``tagger`` does, and remembers parts of them."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self._reach = sum(tagger.weights.dilations)
        self._numbers: dict[tuple[str, int], int] = {}
        self._kinds: list[Token] = []  # by number
        self._lines: tuple[dict[str, Line], dict[str, Line]] = ({}, {})
        self._plans: dict[str, _Plan] = {}
        self._border = [-1] * max(tagger.weights.dilations)
        # Each token between its neighbours: its row of the table, below 0 where it is doubtful.
        self._windows: dict[bytes, int] = {}
        # The rows of its tokens. None: to be read with its note.
        self._blocks: dict[_Key, NDArray[np.int32] | None] = {}
        self._table = np.empty((256, 1 + len(tagger.categories)), np.float32)

    def read(self, text: str) -> tuple[Placed, FloatArray]:
        """What :func:`read_alone` gives, as far as decisions go."""
        if _chinese(text):  # what a Chinese character is depends on the lines beside it
            return read_alone(self.tagger, text)
        plan = self._plans.pop(text, None)
        if plan is None:
            self._forget()
            plan = self._plan(text)
        if len(plan.numbers) <= CHUNK:
            self._learn([plan])
        known = [block for key in plan.keys if (block := self._blocks.get(key)) is not None]
        if known and len(known) == len(plan.keys):
            return plan.placed, self._table[np.concatenate(known)]
        kinds = self._kinds
        return plan.placed, self.tagger.probabilities([kinds[n] for n in plan.numbers.tolist()])

    def look_ahead(self, texts: Iterable[str]) -> None:
        """Prepare to read these texts: what is new in them is thought about in one go, for large
        products of matrices are faster than small ones. Long texts are left for :meth:`read`."""
        self._forget()
        plans: dict[str, _Plan] = {}
        for text in texts:
            if len(text) <= 4 * CHUNK and not _chinese(text):
                plan = self._plan(text)
                if len(plan.numbers) <= CHUNK:
                    plans[text] = plan
        self._learn(list(plans.values()))
        self._plans = plans

    def _forget(self) -> None:
        if len(self._numbers) > _NUMBERS:
            for kept in (self._numbers, self._kinds, self._plans, self._windows, *self._lines):
                kept.clear()
        if len(self._windows) > _WINDOWS:
            self._windows.clear()
        if len(self._blocks) > _BLOCKS or not self._windows:  # whose rows the blocks name
            self._blocks.clear()
        for lines in self._lines:
            if len(lines) > _LINES:
                lines.clear()

    def _plan(self, text: str) -> _Plan:
        lower = text == text.lower()
        known, lines, sources = self._lines[lower], list[Line](), text.split("\n")
        for source in sources:
            line = known.get(source)
            if line is None:
                line = known[source] = self._line(tokenise(source + "\n", lower))
            lines.append(line)
        lines[-1] = lines[-1].open()  # the last has no end
        numbers, reach = np.concatenate([line.numbers for line in lines]), self._reach
        blocks = list(_blocks([len(line.tokens) for line in lines]))
        keys = [
            (min(start, reach), end - start, numbers[max(0, start - reach) : end + reach].tobytes())
            for start, end in blocks
        ]
        return _Plan(_placed(lines, [len(s) + 1 for s in sources]), numbers, blocks, keys)

    def _line(self, tokens: Sequence[Token]) -> Line:
        numbers, kinds = self._numbers, list[int]()
        for token in tokens:
            number = numbers.setdefault((token.key, token.place), len(numbers))
            if number == len(self._kinds):
                self._kinds.append(token)
            kinds.append(number)
        starts, ends = [token.start for token in tokens], [token.end for token in tokens]
        return Line(tuple(tokens), starts, ends, np.array(kinds, np.int32))

    def _learn(self, plans: Sequence[_Plan]) -> None:
        """Remember the blocks of the texts; the tokens that are not known yet are read now."""
        reach = self._reach
        border = np.full(reach, -1, np.int32)
        size = 4 * (2 * reach + 1)  # bytes of a window
        wanted: dict[_Key, list[bytes]] = {}
        new: dict[bytes, int] = {}  # the place of the token in the middle among those seen
        seen: list[int] = []
        closed = True  # whether what was seen last is the border of a text
        for plan in plans:
            unknown = [
                pair
                for pair in zip(plan.blocks, plan.keys, strict=True)
                if pair[1] not in self._blocks and pair[1] not in wanted
            ]
            if not unknown:
                continue
            numbers: list[int] = plan.numbers.tolist()
            around = np.concatenate([border, plan.numbers, border]).tobytes()
            until = -1  # which tokens of the text are seen, from some place on
            shift = 0  # how much further on a token stands among those seen than in its text
            for (start, end), key in unknown:
                windows = [around[4 * place : 4 * place + size] for place in range(start, end)]
                wanted[key] = windows
                for place, window in enumerate(windows, start):
                    if window in self._windows or window in new:
                        continue
                    # With as many neighbours as the tagger sees.
                    first, last = max(0, place - reach), min(len(numbers), place + reach + 1)
                    if first > until:
                        if not first and not closed:
                            seen += self._border
                        shift, until = len(seen) - first, first
                    seen += numbers[until:last]
                    until = last
                    closed = False
                    new[window] = place + shift
            if until == len(numbers):
                seen += self._border
                closed = True
        self._add(new, seen)
        for key, windows in wanted.items():
            rows = [self._windows[window] for window in windows]
            self._blocks[key] = np.array(rows, np.int32) if min(rows) >= 0 else None

    def _add(self, new: dict[bytes, int], seen: Sequence[int]) -> None:
        """Remember the tokens in the middle of ``new`` windows, at these places among those
        ``seen``, given by number."""
        if not new:
            return
        kinds = self._kinds
        found = self.tagger.probabilities([kinds[n] if n >= 0 else None for n in seen])
        found = found[list(new.values())]
        size = len(self._windows)
        while size + len(new) > len(self._table):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
        self._table[size : size + len(new)] = found
        doubtful: list[bool] = self._doubtful(found).tolist()
        for row, (window, doubt) in enumerate(zip(new, doubtful, strict=True), size):
            self._windows[window] = -1 if doubt else row

    def _doubtful(self, chances: FloatArray) -> NDArray[np.bool_]:
        """For each token, whether rounding might decide something about it."""
        private = 1.0 - chances[:, 0]
        turns = (GLIMPSE, TRACE, HINT, self.tagger.edge, self.tagger.threshold)
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
