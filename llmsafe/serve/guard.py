"""The output guard: a filter between a model's text and whoever reads it.

Text goes in piece by piece and comes out a little later, with PHI replaced by its category. What
must be decided is whether a character belongs to PHI, and what follows it may say so; so the guard
holds text back until a detector has seen enough of what comes after. Decisions are taken at fixed
places of the text, never at the borders of the pieces: however a text is cut, even into single
characters, the same comes out.

Fail closed: a detector that fails ends the response, and after that nothing comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from llmsafe.errors import InputError
from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.resolve import resolve
from llmsafe.serve.ends import loose_end
from llmsafe.serve.names import NamesSaid
from llmsafe.serve.tripwires import Tripwires, Watcher

Find = Callable[[str], Iterable[PhiSpan]]
"""The PHI of a text. Whatever it raises ends the response."""
Mode = Literal["mask", "block"]
End = Literal["phi", "canary", "failed"]
MODES: tuple[Mode, ...] = get_args(Mode)


class DetectionFailed(Exception):
    """A text could not be searched. The message says why and quotes nothing."""


@dataclass(frozen=True)
class Reach:
    """How far the guard looks, in characters.

    A character is decided on once ``ahead`` more have come, at every ``step``-th character;
    ``behind`` of what was decided are shown to the detector again. So at most ``ahead + step``
    are held back, and a word; while a span is open, at most ``longest + step``: of a longer span
    the mask is sent and the rest swallowed as it comes.
    """

    behind: int = 320
    ahead: int = 120
    step: int = 48
    longest: int = 1024

    def __post_init__(self) -> None:
        if min(self.behind, self.ahead) < 0 or self.step < 1 or self.longest < self.ahead:
            raise ValueError(f"{self} is no reach: 0 <= ahead <= longest, step >= 1, behind >= 0")


WHOLE = Reach(step=1 << 62, longest=1 << 62)
"""The whole text in one look, at its end: for a response that is not streamed."""
_WORD = 40  # a cut is moved to the space before it, up to this far


class Guard:
    """The guard of one response.

    ``feed`` and ``finish`` give what may be sent. Once ``ended`` is set the response is over:
    ``phi`` (found, and the mode is ``block``; what came before it was sent), ``canary`` (a secret
    of a canary came out) or ``failed`` (the detector did; ``failure`` says how).

    ``context`` is the text that the model continues. The detector sees its end, for "MRN:" in a
    prompt says what a number is; for as long as it does, it also looks at the response alone, so
    that no prompt can talk it out of anything. ``masked`` counts what was replaced by category,
    ``late`` how often the beginning of a span had been sent already when the span was found.
    """

    def __init__(
        self,
        find: Find,
        *,
        mode: Mode = "mask",
        tripwires: Tripwires | None = None,
        context: str = "",
        reach: Reach | None = None,
    ) -> None:
        reach = reach or Reach()
        self._watcher = Watcher(tripwires) if tripwires else None
        if self._watcher:
            # A secret is known when it is complete; until then its beginning must be held back.
            ahead = max(reach.ahead, 2 * self._watcher.longest)
            reach = replace(reach, ahead=ahead, longest=max(ahead, reach.longest))
        self._find, self._mode, self._reach = find, mode, reach
        self._past = _tail(context, reach.behind)
        self._prompt = len(self._past)  # how much of the past is the prompt's
        self._held = ""
        self._read = 0
        self._open = False  # the last character decided on was masked
        self._names = NamesSaid()
        self.ended: End | None = None
        self.failure = ""
        self.masked: Counter[str] = Counter()
        self.late = 0

    def feed(self, piece: str) -> str:
        """Take the next piece; give what may be sent now, often nothing."""
        sent: list[str] = []
        step = self._reach.step
        while piece and self.ended is None:
            room = step - self._read % step
            part, piece = piece[:room], piece[room:]
            self._read += len(part)
            self._held += part
            if self._watcher and self._watcher.feed(part):
                self.ended = "canary"
            elif self._read % step == 0 and len(self._held) > self._reach.ahead:
                sent.append(self._decide(len(self._held) - self._reach.ahead))
        return "".join(sent)

    def finish(self, *, cut_off: bool = False) -> str:
        """No more will come: give the rest of what may be sent.

        Of a text that was ``cut_off`` what may be the beginning of an identifier is left out.
        """
        if self.ended is not None or not self._held:
            return ""
        much = loose_end(self._held) if cut_off else len(self._held)
        return self._decide(much, complete=True)

    def _decide(self, much: int, *, complete: bool = False) -> str:
        """Send or mask about the first ``much`` characters held."""
        window, base = self._past + self._held, len(self._past)
        try:
            spans = [span for span in self._spans(window) if span.end > base]
        except Exception as error:  # whatever it is, its text may quote the response
            named = isinstance(error, DetectionFailed)
            self.ended, self.failure = "failed", str(error) if named else type(error).__name__
            return ""
        cut = base + much
        if not complete:
            cut = _before_word(window, base, cut)
            crossed = next((span for span in spans if span.start < cut < span.end), None)
            if crossed is not None and len(self._held) <= self._reach.longest:
                cut = max(base, crossed.start)
            if cut == base:  # all that is held belongs to a span whose end has not come
                return ""
        sent = "".join(self._replace(window, base, cut, spans))
        kept = _tail(window[:cut], self._reach.behind)
        self._prompt = max(0, self._prompt - (cut - len(kept)))
        self._past, self._held = kept, window[cut:]
        return sent

    def _spans(self, window: str) -> list[PhiSpan]:
        found = list(self._find(window))
        if self._prompt:
            found += _moved(self._find(window[self._prompt :]), self._prompt)
        return resolve([*found, *self._names.find(window)])

    def _replace(self, window: str, base: int, cut: int, spans: Sequence[PhiSpan]) -> Iterator[str]:
        """``window[base:cut]`` with masks; ``spans`` are disjoint, in order, and end after base."""
        at, masked = base, False
        for span in spans:
            if span.start >= cut:
                break
            yield window[at : max(at, span.start)]
            if self._mode == "block":
                self.ended = "phi"
                self.masked[span.category] += 1
                return
            if span.start >= base or not self._open:
                yield f"[{span.category}]"
                self.masked[span.category] += 1
                self.late += self._prompt < base and span.start < base
            if span.category == "NAME":
                self._names.add(window[span.start : span.end])
            at = min(span.end, cut)
            masked = at == cut
        yield window[at:cut]
        if cut > base:
            self._open = masked


def check_mode(name: str) -> Mode:
    """The mode of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for mode in MODES:
        if name == mode:
            return mode
    raise InputError(f"--guard {name!r} is unknown; choose {' or '.join(MODES)}")


def _moved(spans: Iterable[PhiSpan], by: int) -> Iterator[PhiSpan]:
    for span in spans:
        yield replace(span, start=span.start + by, end=span.end + by)


def _tail(text: str, length: int) -> str:
    """The last ``length`` characters, from where a word begins if it begins soon."""
    if len(text) <= length:
        return text
    tail = text[len(text) - length :]
    if text[len(text) - length - 1].isspace():
        return tail
    begins = next((i for i, c in enumerate(tail[:_WORD]) if c.isspace()), 0)
    return tail[begins:]


def _before_word(text: str, base: int, cut: int) -> int:
    """``cut``, or behind the last white space before it if that is near and after ``base``."""
    for place in range(cut, max(base, cut - _WORD), -1):
        if text[place - 1].isspace():
            return place
    return cut
