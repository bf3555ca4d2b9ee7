"""The scrubber's engine in processes of its own, for texts that a model is saying right now.

A regular expression that never ends cannot be interrupted inside of a server; a process can be
killed. So a detector that hangs, dies or raises costs its own response and no other.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.detect.language import Lang
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.settings import Outcome, Settings
from llmsafe.scrub.workers import end_process, start_process
from llmsafe.serve.guard import DetectionFailed

T = TypeVar("T")
_GRACE = 2.0  # seconds beyond the limit of a text before its process is killed
_START = 300.0  # seconds for a process to load Presidio
_PLANTED = "Patient: John Smith, seen on 03/04/2021 by Dr. Mary Jones, SSN 219-09-9999."


def everybody(identities: Iterable[Identity]) -> Identity:
    """One identity with all that is known of everybody: a response belongs to no patient."""
    people = list(identities)
    return Identity(
        None,
        names=_unique(name for one in people for name in one.names),
        own=_unique(name for one in people for name in one.own),
        dates=_unique(date for one in people for date in one.dates),
        values=_unique(value for one in people for value in one.values),
    )


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


class Finders:
    """``find`` gives the PHI of a text; any thread may call it, ``count`` of them at a time.

    ``known`` are identifiers that are PHI wherever they stand, ``recognisers`` the operator's own
    (``module:name``). A text that takes longer than ``seconds`` is not searched to its end.
    """

    def __init__(
        self,
        *,
        count: int = 1,
        known: Identity | None = None,
        recognisers: Sequence[str] = (),
        lang: Lang = "auto",
        seconds: float = 10.0,
    ) -> None:
        # What replaces the spans, and the key to that, are of no use here.
        self._settings = Settings(
            method="redact",
            key=Key(os.urandom(32)),
            recognisers=tuple(recognisers),
            note_seconds=seconds,
            shared=known,
            lang=lang,
        )
        self._seconds = seconds
        self._idle: queue.Queue[_Process] = queue.Queue()
        self._all: set[_Process] = set()
        self._closed = False
        for _ in range(count):
            self._add()

    def check(self) -> None:
        """Wait until every process is ready, and see one find what it must.

        Raises:
            InputError: a recogniser of the operator's cannot be made.
            SetupError: a process cannot be started.
            EvidenceError: the engine does not find planted PHI.
        """
        for process in tuple(self._all):
            process.wait()
        try:
            found = {span.category for span in self.find(_PLANTED)}
        except DetectionFailed as error:
            raise EvidenceError(f"the output guard fails on a planted text ({error})") from None
        if not {"NAME", "DATE", "SSN"} <= found:
            raise EvidenceError(
                f"the output guard finds only {', '.join(sorted(found)) or 'nothing'} in a text "
                "with a name, a date and a social security number; reinstall llmsafe"
            )

    def find(self, text: str) -> Sequence[PhiSpan]:
        """Disjoint spans, in order.

        Raises:
            DetectionFailed: a recogniser raised or took too long, no recogniser reads the language,
                the process died, or none was free in time.
        """
        try:
            process = self._idle.get(timeout=self._seconds)
        except queue.Empty:
            raise DetectionFailed("no process is free") from None
        try:
            outcome = process.ask(text, self._seconds + _GRACE)
        except (DetectionFailed, EOFError, OSError, InputError, SetupError) as error:
            self._all.discard(process)
            process.end()
            if not self._closed:
                self._add()
            raise DetectionFailed(
                str(error) if isinstance(error, DetectionFailed) else "the process died"
            ) from None
        self._idle.put(process)
        if outcome.note is None:
            raise DetectionFailed(outcome.reason)
        return outcome.spans

    def close(self) -> None:
        """End the processes; what is being searched fails."""
        self._closed = True
        for process in tuple(self._all):  # another thread may be replacing one
            process.end()

    def _add(self) -> None:
        process = _Process(*start_process(self._settings))
        self._all.add(process)
        self._idle.put(process)
        if self._closed:  # meanwhile
            process.end()


class _Process:
    def __init__(self, process: Any, pipe: Connection) -> None:
        self._process, self._pipe, self._ready = process, pipe, False

    def wait(self) -> None:
        """Raises InputError or SetupError unless it becomes ready."""
        if self._ready:
            return
        try:
            answer = self._pipe.recv() if self._pipe.poll(_START) else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            raise SetupError("a process of the output guard could not start; free memory")
        if answer != "ready":
            raise InputError(str(answer))
        self._ready = True

    def ask(self, text: str, seconds: float) -> Outcome:
        self.wait()
        self._pipe.send([(Note("", text), None)])
        if not self._pipe.poll(seconds):
            raise DetectionFailed(f"no answer in {seconds:g} s")
        return self._pipe.recv()

    def end(self) -> None:
        end_process(self._process, self._pipe)
