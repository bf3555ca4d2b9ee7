"""A pool of processes that survives a recogniser that raises, hangs, prints or kills its process.

Each worker owns a scrubber and sends back one outcome per note, so a worker that dies or falls
silent is known to have done so on the very next note. That note is quarantined, a new worker takes
over the rest, and the order of the output does not depend on how many workers there are. Workers
write nothing to the terminal: a traceback could hold note text.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from llmsafe.errors import InputError, LlmsafeError, SetupError
from llmsafe.notes import Note
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.settings import Outcome, Settings

CHUNK = 16
LIGHT = "llmsafe.scrub.light"
_GRACE = 10.0  # seconds beyond a note's own limit before its process is killed
_START = 300.0  # seconds for a process to load Presidio

Job = tuple[Note, Identity | None]


@dataclass(repr=False)
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    chunk: int = -1
    jobs: list[Job] = field(default_factory=list[Job])
    heard: float = 0.0  # monotonic time of its last message


def scrub_notes(jobs: Iterable[Job], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Outcomes in the order of the jobs, computed by ``workers`` processes.

    At most ``4 * workers`` chunks of 16 notes are in memory. A note whose process dies or hangs
    comes back without a note and with the reason.

    Raises:
        InputError: a recogniser named in the settings cannot be made.
        SetupError: processes cannot be started.
    """
    pool = _Pool(settings, workers)
    try:
        yield from pool.run(jobs)
    finally:
        pool.close()


def start_process(settings: Settings) -> tuple[Any, Connection]:
    """A process with a scrubber of its own, and the pipe to it.

    It sends ``"ready"`` once it is, or what is wrong with the settings and ends. Then it takes
    lists of jobs and sends an :class:`Outcome` for each job, until the pipe is closed.

    Raises:
        SetupError: it cannot be started.
    """
    module = _scrubber_module(settings)
    methods = multiprocessing.get_all_start_methods()
    # A fork server loads Presidio once, and torch where that is needed, and forks from a process
    # without threads. There is one for a program: what it has not loaded starts afresh.
    served = "forkserver" in methods and _preloaded(module) == module
    # The stubs know the class that all contexts share, not the Process they all have.
    context: Any = multiprocessing.get_context("forkserver" if served else "spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    try:
        with one_thread_each():
            process.start()
    except (OSError, RuntimeError) as error:
        raise SetupError(f"cannot start a process ({error}); try --workers 1") from error
    theirs.close()
    return process, ours


@contextmanager
def one_thread_each() -> Generator[None]:
    """Processes that start in this block multiply matrices on one thread, unless the user has set
    ``OMP_NUM_THREADS`` before the first of them: threads of several processes that wait for each
    other cost more than half of the time. One block at a time, whoever enters it."""
    with _starting:
        if _THREADS in os.environ:
            yield
            return
        os.environ[_THREADS] = "1"
        try:
            yield
        finally:
            os.environ.pop(_THREADS, None)


_THREADS = "OMP_NUM_THREADS"  # OpenBLAS, MKL and torch read it when they are loaded
_starting = threading.Lock()


def _preloaded(module: str) -> str:
    """What the fork server of this program has loaded: the first module that was asked for."""
    if not _served:
        multiprocessing.get_context("forkserver").set_forkserver_preload([module])
        _served.append(module)
    return _served[0]


_served: list[str] = []  # multiprocessing has one server for all threads of a program, too


class _Pool:
    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._size = workers
        self._workers: list[_Worker] = []
        self._done: dict[int, list[Outcome]] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        chunks = enumerate(_chunks(jobs))
        waiting = next(chunks, None)
        written = 0
        while waiting is not None or any(w.jobs for w in self._workers) or written in self._done:
            while waiting is not None and waiting[0] < written + 4 * self._size:
                worker = self._idle()
                if worker is None:
                    break
                self._send(worker, *waiting)
                waiting = next(chunks, None)
            self._listen()
            while written in self._done and not any(w.chunk == written for w in self._workers):
                yield from self._done.pop(written)
                written += 1

    def _idle(self) -> _Worker | None:
        for worker in self._workers:
            if not worker.jobs:
                return worker
        if len(self._workers) < self._size:
            self._workers.append(self._start())
            return self._workers[-1]
        return None

    def _start(self) -> _Worker:
        process, pipe = start_process(self._settings)
        return _Worker(process, pipe, heard=time.monotonic())

    def _send(self, worker: _Worker, chunk: int, jobs: list[Job]) -> None:
        worker.chunk, worker.jobs, worker.heard = chunk, jobs, time.monotonic()
        self._done.setdefault(chunk, [])
        with suppress(OSError):  # a dead worker is noticed when its pipe is read
            worker.pipe.send(jobs)

    def _listen(self) -> None:
        busy = [worker for worker in self._workers if worker.jobs]
        for pipe in wait([worker.pipe for worker in busy], timeout=0.5) if busy else []:
            worker = next(w for w in busy if w.pipe is pipe)
            try:
                self._hear(worker, worker.pipe.recv())
            except (EOFError, OSError):
                self._replace(worker, "process died")
        now = time.monotonic()
        for worker in busy:
            limit = _GRACE + self._settings.note_seconds if worker.ready else _START
            if worker in self._workers and worker.jobs and now - worker.heard > limit:
                self._replace(worker, "process hung")

    def _hear(self, worker: _Worker, message: Outcome | str) -> None:
        worker.heard = time.monotonic()
        if message == "ready":
            worker.ready = True
        elif isinstance(message, str):
            raise InputError(message)
        else:
            self._done[worker.chunk].append(message)
            worker.jobs = worker.jobs[1:]
            if not worker.jobs:
                worker.chunk = -1

    def _replace(self, worker: _Worker, reason: str) -> None:
        """The note that the worker had in hand is the culprit; a new worker does the others."""
        end_process(worker.process, worker.pipe)
        if not worker.ready:
            raise SetupError(f"a scrubbing process could not start ({reason}); try --workers 1")
        self._done[worker.chunk].append(Outcome(None, reason=f"scrubber: {reason}"))
        rest = worker.jobs[1:]
        self._workers.remove(worker)
        if rest:
            fresh = self._start()
            self._workers.append(fresh)
            self._send(fresh, worker.chunk, rest)

    def close(self) -> None:
        for worker in self._workers:
            end_process(worker.process, worker.pipe)
        self._workers.clear()


def end_process(process: Any, pipe: Connection) -> None:
    """Kill what :func:`start_process` made, whatever it is doing."""
    pipe.close()
    process.kill()
    process.join()


def _chunks(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    chunk: list[Job] = []
    for job in jobs:
        chunk.append(job)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _scrubber_module(settings: Settings) -> str:
    """What to import: the scrubber without torch where nothing of the user's may need that."""
    own = settings.models or settings.recognisers
    return "llmsafe.scrub.scrubber" if own else LIGHT


def collect_less() -> None:
    """Spare a process that has loaded its scrubber most of the cyclic garbage collections.

    It keeps hundreds of thousands of objects and leaves hardly a cycle behind, so looking through
    them took a tenth of its time: what is loaded is not looked at again, the rest more rarely.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _serve(pipe: Connection, settings: Settings) -> None:
    """Body of a worker: silence the terminal, load the scrubber, answer one note at a time."""
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    importlib.import_module(_scrubber_module(settings))
    from llmsafe.scrub.scrubber import build_scrubber

    try:
        scrubber = build_scrubber(settings)
    except LlmsafeError as error:
        pipe.send(str(error))
        return
    collect_less()
    pipe.send("ready")
    while True:
        try:
            jobs: list[Job] = pipe.recv()
        except (EOFError, OSError):  # the parent is gone
            return
        scrubber.look_ahead([note for note, _ in jobs])
        for note, identity in jobs:
            pipe.send(scrubber.scrub(note, identity))
