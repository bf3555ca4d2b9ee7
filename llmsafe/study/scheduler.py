"""Runs stages as processes: several at once, each once, and on again after any end.

What is done is told by records on the disk alone, written last; so a scheduler that was killed, by
kill -9 too, is started again and goes on. Processes that such a scheduler left behind are ended
before anything is run: two must not write one run folder. A stage that fails takes with it the
cells that need it, and nothing else.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from llmsafe.errors import EvidenceError
from llmsafe.files import make_folder, read_text, sha256_file, write_text
from llmsafe.study.stages import Done, Stage

_TURN = 0.2  # seconds


@dataclass(frozen=True)
class Slot:
    """A place where one stage runs at a time: a GPU, or a share of the cores."""

    name: str
    environment: dict[str, str]


@dataclass
class _Running:
    stage: Stage
    slot: Slot
    process: subprocess.Popen[bytes]
    begun: float


@dataclass(frozen=True)
class Failure:
    """Why something has no result.

    ``public`` may stand on a page; ``more`` is for the terminal of who runs the study, for it may
    hold paths.
    """

    public: str
    more: str

    def __str__(self) -> str:
        return f"{self.public}: {self.more}"


@dataclass
class State:
    """How far a run is: what progress displays look at."""

    waiting: list[Stage] = field(default_factory=list[Stage])
    running: list[tuple[Stage, str, float]] = field(default_factory=list[tuple[Stage, str, float]])
    """Stage, name of its slot, and the time (``time.monotonic``) at which it began."""
    done: dict[Stage, Done] = field(default_factory=dict[Stage, Done])
    failed: dict[Stage, Failure] = field(default_factory=dict[Stage, Failure])
    """Stages that failed, or wait for one that did, with the reason."""


def slots(count: int, gpus: Sequence[str]) -> list[Slot]:
    """One slot for each GPU; without any, ``count`` slots that share the cores."""
    if gpus:
        return [Slot(f"gpu {gpu}", {"CUDA_VISIBLE_DEVICES": gpu}) for gpu in gpus]
    threads = str(max(1, (os.cpu_count() or 1) // max(1, count)))
    environment = {"OMP_NUM_THREADS": threads, "CUDA_VISIBLE_DEVICES": ""}
    return [Slot(f"cpu {index + 1}", environment) for index in range(max(1, count))]


def record_of(work: Path, stage: Stage) -> Path:
    """Where the record of a stage lies once it is done."""
    return work / "done" / f"{stage.label}.json"


def finished(work: Path, stage: Stage) -> Done | None:
    """The record of a stage whose output is there still and is what the stage made, else ``None``.

    A record that cannot be read is none: the stage is run again.
    """
    path = record_of(work, stage)
    if not path.is_file() or not stage.output.exists():
        return None
    try:
        record = Done.load(path)
        same = record.made == _made(stage.output)
    except EvidenceError:
        return None
    return record if same and record.key == stage.key else None


def _made(output: Path) -> str | None:
    return sha256_file(output) if output.is_file() else None


def run(
    stages: Iterable[Stage],
    work: Path,
    places: Sequence[Slot],
    *,
    watch: Callable[[State], None] = lambda state: None,
) -> State:
    """Run every stage that is not done, with all that it needs; those first that others wait for.

    ``watch`` is called several times a second. What a stage says goes to ``work/logs/``; stages may
    name notes there by number, never by text. Ends when nothing is left that can be run. Only one
    at a time may run in ``work``: it ends what others left running there. SIGTERM ends it as Ctrl-C
    does.
    """
    for mark in sorted((work / "running").glob("*.pid")):
        _end_left_behind(read_text(mark))
        mark.unlink()
    order = with_needs(stages)
    state = State()
    for stage in order:
        record = finished(work, stage)
        if record is None:
            state.waiting.append(stage)
        else:
            state.done[stage] = record
    running: list[_Running] = []
    with _terminated_as_interrupted():
        try:
            while state.waiting or running:
                running = [one for one in running if not _collect(one, work, state)]
                _give_up(state)
                free = [p for p in places if p.name not in {one.slot.name for one in running}]
                for slot, stage in zip(free, _ready(state), strict=False):
                    state.waiting.remove(stage)
                    running.append(_start(stage, slot, work))
                state.running = [(one.stage, one.slot.name, one.begun) for one in running]
                watch(state)
                if running:
                    time.sleep(_TURN)
        finally:
            for one in running:
                _end(one.process.pid)
                one.process.wait()
    return state


@contextmanager
def _terminated_as_interrupted() -> Generator[None, None, None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def with_needs(stages: Iterable[Stage]) -> list[Stage]:
    """Every stage once, after all that it needs."""
    found: dict[Stage, None] = {}
    for stage in stages:
        found |= dict.fromkeys([*with_needs(stage.needs), stage])
    return list(found)


def _ready(state: State) -> list[Stage]:
    return [s for s in state.waiting if all(need in state.done for need in s.needs)]


def _give_up(state: State) -> None:
    """Stages behind a failed one fail with it, at whatever distance."""
    lost = [s for s in state.waiting if any(need in state.failed for need in s.needs)]
    while lost:
        for stage in lost:
            cause = next(need for need in stage.needs if need in state.failed)
            state.failed[stage] = state.failed[cause]
            state.waiting.remove(stage)
        lost = [s for s in state.waiting if any(need in state.failed for need in s.needs)]


def log_of(work: Path, stage: Stage) -> Path:
    """Where a stage's own words go."""
    return work / "logs" / f"{stage.label}.log"


def _start(stage: Stage, slot: Slot, work: Path) -> _Running:
    if stage.output.is_file():
        stage.output.unlink()  # of other settings: it must not pass for what this one makes
    make_folder(stage.output.parent, private=True)
    make_folder(work / "logs", private=True)
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    log = os.open(log_of(work, stage), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(
            [*stage.command, *again(stage)],
            env=environment | slot.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be ended with all that it starts
        )
    finally:
        os.close(log)
    write_text(_mark(work, stage), f"{process.pid} {_birth(process.pid)}", private=True)
    return _Running(stage, slot, process, time.monotonic())


def again(stage: Stage) -> list[str]:
    """What a training adds to its command when an earlier one was cut short.

    With a checkpoint it goes on; else it starts anew, and what it had spent is set aside and
    counted by ``llmsafe check``.
    """
    if stage.name != "train" or not stage.output.exists():
        return []
    checkpoints = stage.output / "vault" / "checkpoints"
    if checkpoints.is_dir() and any(checkpoints.iterdir()):
        return ["--resume"]
    return ["--force"]


def _collect(one: _Running, work: Path, state: State) -> bool:
    """Whether a process has ended; its record is written if it did what it should."""
    code = one.process.poll()
    if code is None:
        return False
    stage = one.stage
    if code in stage.accept and stage.output.exists():
        record = Done(
            stage=stage.name,
            key=stage.key,
            seconds=round(time.monotonic() - one.begun, 1),
            command=list(stage.command),
            determined_by=stage.determined_by,
            made=_made(stage.output),
        )
        record.save(record_of(work, stage), private=True)
        state.done[stage] = record
    else:
        state.failed[stage] = _failure(stage, code, log_of(work, stage))
    _mark(work, stage).unlink(missing_ok=True)
    return True


def _failure(stage: Stage, code: int, log: Path) -> Failure:
    how = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
    said = _last_error(log.read_text(encoding="utf-8", errors="replace").splitlines())
    more = f"{said[:300]} (see {log})" if said else f"see {log}"
    return Failure(f"{stage.name} {how} (log {log.name})", more)


def _last_error(lines: Sequence[str]) -> str:
    """What a stage says went wrong: a program's own ``NAME: error: …``, if there is one.

    accelerate goes on to repeat its whole command, which says nothing.
    """
    lines = [line for line in lines if "CalledProcessError" not in line]
    own = [line for line in lines if re.match(r"\w+( \(process \d+\))?: error:", line)]
    own = own or [line for line in lines if "error" in line.lower()]
    return own[-1].strip() if own else ""


# --- processes that outlive their scheduler -------------------------------------------------------


def _mark(work: Path, stage: Stage) -> Path:
    return work / "running" / f"{stage.label}.pid"


def _birth(pid: int) -> str:
    """When a process began, as the kernel counts; empty where that is not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19]


def _end_left_behind(mark: str) -> None:
    """End the processes of a mark, if their leader is still the one that was started."""
    pid, _, birth = mark.partition(" ")
    if birth and pid.isdecimal() and _birth(int(pid)) == birth:
        _end(int(pid))
        while _birth(int(pid)) == birth and not _zombie(int(pid)):
            time.sleep(0.05)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2][1] == "Z"
    except OSError:
        return True


def _end(leader: int) -> None:
    """End a process with all of its session; it was started as the leader of one."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
