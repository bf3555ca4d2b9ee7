"""The write-ahead ledger of privacy charges: hash-chained lines, one per step, fsynced first.

A step is charged on disk before it is applied. Whatever happens in between, the ledger holds at
least as many charges as the weights hold steps, so a claim made from it can only be too large.
The chain shows edits, deletions in the middle and reorderings. Cutting whole lines off its end
cannot be seen from the ledger alone: whoever knows how many steps were applied passes that number
(``applied``, ``at_least``) and a short ledger is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from llmsafe.artifacts import LedgerLine
from llmsafe.chain import GENESIS, fault, linked
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import (
    append_whole,
    cut_torn_line,
    fsync_folder,
    line_encoder,
    lock_exclusively,
    make_folder,
    read_bytes,
)
from llmsafe.privacy.plan import Plan
from llmsafe.seal.lines import MAGIC as SEALED_LINES


@dataclass(frozen=True)
class LedgerSummary:
    """What a verified ledger says.

    ``charges`` counts every charge line, and a line torn by a crash as one more. ``torn`` tells
    of such a line. ``last_step`` is the highest step charged (0 when none was).
    """

    charges: int
    plan_digest: str
    noise_multiplier: float
    sampling_probability: float
    resumes: int
    last_step: int
    torn: bool


class Ledger:
    """An open ledger, held under an exclusive lock until :meth:`close`.

    Make one with :meth:`create` or :meth:`resume`; it is a context manager.
    """

    def __init__(self, path: Path, plan: Plan, descriptor: int) -> None:
        self.path = path
        self._plan = plan
        self._descriptor: int | None = descriptor
        self._index = 0
        self._previous = GENESIS
        self._encode: Callable[[bytes], bytes] = line_encoder(path)
        self._last_step = 0
        self._charges = 0

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Ledger:
        """Start a new ledger (0600, in a 0700 folder) whose first line names the plan.

        Raises:
            InputError: a ledger is already there, or another process holds it.
            SetupError: the folder cannot be written.
        """
        make_folder(path.parent, private=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError:
            raise InputError(
                f"{path} exists: its charges cannot be forgotten; resume that run or name "
                "another run folder"
            ) from None
        except OSError as error:
            raise SetupError(
                f"cannot write {path}: {error.strerror}; choose a writable run folder"
            ) from error
        ledger = cls(path, plan, descriptor)
        ledger._lock()
        ledger._append("open", 0)
        fsync_folder(path.parent)
        return ledger

    @classmethod
    def resume(cls, path: Path, plan: Plan, *, applied: int = 0) -> Ledger:
        """Go on with the ledger of an interrupted run.

        ``applied`` is the number of steps the checkpoint to go on from holds. A last line torn
        by a crash is replaced by a whole charge: its step was not applied, but counting it can
        only over-count.

        Raises:
            EvidenceError: no ledger, a broken chain, another plan, or fewer charges than steps.
            InputError: another process holds it.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise EvidenceError(
                f"cannot read {path}: {error.strerror}; without its ledger a run cannot go on: "
                "start a new one"
            ) from error
        ledger = cls(path, plan, descriptor)
        try:
            ledger._lock()
            lines, torn = _read(path)
            summary = _verify(path, lines, torn=torn, at_least=applied)
            if summary.plan_digest != plan.digest():
                raise EvidenceError(
                    f"{path} was opened for another plan ({summary.plan_digest[:15]}…, now "
                    f"{plan.digest()[:15]}…); resume with the settings it began with or start "
                    "a new run"
                )
            cut_torn_line(descriptor)
            ledger._index = len(lines)
            ledger._previous = lines[-1].hash
            ledger._last_step = summary.last_step
            ledger._charges = summary.charges - torn
            if torn:
                ledger.charge(summary.last_step + 1)
            ledger._append("resume", applied)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def charges(self) -> int:
        """Charges on disk."""
        return self._charges

    def charge(self, step: int) -> None:
        """Write and fsync the charge of ``step``; apply the step only after this returns.

        Steps are counted from 0 or from 1, as the caller likes; a step may be charged again.

        Raises:
            EvidenceError: a step further on than the next one (a charge would be missing).
            SetupError: the disk refuses; the step must not be applied.
        """
        if not (0 <= step <= self._last_step + 1):
            raise EvidenceError(
                f"step {step} cannot follow step {self._last_step} in {self.path}: a charge is "
                "missing between them; resume from the checkpoint that belongs to this ledger"
            )
        self._append("charge", step)
        self._charges += 1
        self._last_step = max(self._last_step, step)

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        assert self._descriptor is not None
        lock_exclusively(self._descriptor, self.path)

    def _append(self, kind: Literal["open", "charge", "resume"], step: int) -> None:
        if self._descriptor is None:
            raise EvidenceError(f"{self.path} is closed; a step cannot be charged any more")
        fields = {
            "kind": kind,
            "step": step,
            "plan": self._plan.digest(),
            "noise_multiplier": self._plan.noise_multiplier,
            "sampling_probability": self._plan.sampling_probability,
        }
        line = LedgerLine.model_validate(linked(fields, self._index, self._previous))
        data = self._encode(line.model_dump_json().encode())
        try:
            append_whole(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            raise SetupError(
                f"cannot charge to {self.path}: {error.strerror}; the step was not applied: "
                "free space and resume"
            ) from error
        self._index += 1
        self._previous = line.hash


def is_open(path: Path) -> bool:
    """Whether a ledger was opened at ``path``: a file without one whole line holds no charge (the
    first line of a sealed file is its header).

    Raises:
        EvidenceError: it is there and cannot be read.
    """
    try:
        data = path.read_bytes() if path.is_file() else b""
        return data.count(b"\n") > data.startswith(SEALED_LINES)
    except OSError as error:
        raise EvidenceError(f"cannot read {path}: {error.strerror}") from error


def refuse_if_held(path: Path) -> None:
    """Raise ``InputError`` when a running process holds the ledger at ``path``."""
    with path.open("rb") as file:
        lock_exclusively(file.fileno(), path)


def read_ledger(path: Path, *, at_least: int = 0) -> LedgerSummary:
    """Verify every hash of a ledger and sum it up; the file is not changed.

    Args:
        at_least: charges that must be there, where the number of applied steps is known.

    Raises:
        EvidenceError: absent, broken, out of order, or shorter than ``at_least``.
    """
    lines, torn = _read(path)
    return _verify(path, lines, torn=torn, at_least=at_least)


def _read(path: Path) -> tuple[list[LedgerLine], bool]:
    """Whole lines, and whether a torn line follows them."""
    try:
        data = read_bytes(path)
    except OSError as error:
        raise EvidenceError(f"cannot read {path}: {error.strerror}") from error
    kept = data.rfind(b"\n") + 1
    lines: list[LedgerLine] = []
    for number, raw in enumerate(data[:kept].splitlines(), 1):
        try:
            lines.append(LedgerLine.model_validate_json(raw))
        except ValidationError:
            raise _broken(path, number, "is no ledger line") from None
    return lines, kept < len(data)


def _verify(path: Path, lines: list[LedgerLine], *, torn: bool, at_least: int) -> LedgerSummary:
    if not lines:
        raise EvidenceError(f"{path} holds no complete line; nothing can be claimed from it")
    first, previous = lines[0], GENESIS
    charges = resumes = last_step = 0
    for index, line in enumerate(lines):
        if wrong := fault(line.model_dump(), index, previous):
            raise _broken(path, index + 1, wrong)
        if (line.kind == "open") != (index == 0):
            raise _broken(path, index + 1, f"cannot be of kind {line.kind!r} there")
        settings = (line.plan, line.noise_multiplier, line.sampling_probability)
        if settings != (first.plan, first.noise_multiplier, first.sampling_probability):
            raise _broken(path, index + 1, "belongs to another plan")
        # A resume names the number of steps applied: with steps from 0 that is the last one plus 1.
        if not 0 <= line.step <= last_step + 1:
            raise _broken(path, index + 1, f"skips a charge before step {line.step}")
        charges += line.kind == "charge"
        resumes += line.kind == "resume"
        if line.kind == "charge":
            last_step = max(last_step, line.step)
        previous = line.hash
    charges += torn
    if charges < at_least:
        raise EvidenceError(
            f"{path} holds {charges} charges for {at_least} applied steps: lines are missing; "
            "nothing can be claimed from it"
        )
    return LedgerSummary(
        charges=charges,
        plan_digest=first.plan,
        noise_multiplier=first.noise_multiplier,
        sampling_probability=first.sampling_probability,
        resumes=resumes,
        last_step=last_step,
        torn=torn,
    )


def _broken(path: Path, number: int, why: str) -> EvidenceError:
    return EvidenceError(
        f"{path}: line {number} {why}; the ledger is broken and nothing can be claimed from it"
    )
