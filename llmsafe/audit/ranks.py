"""Several processes that score one audit together, as ``accelerate launch`` or torchrun start them.

They talk about little (a path, a digest, "done"), so they talk over gloo, whatever the device: a
process that dies breaks its connections, and the others learn it at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from llmsafe.errors import SetupError

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)  # shares are alike; a process this late has hung


@dataclass(frozen=True)
class Ranks:
    """This process among those of the audit; by itself unless told otherwise."""

    index: int = 0
    size: int = 1

    @property
    def leader(self) -> bool:
        """Whether this process writes the results and speaks to the user; the others are silent."""
        return self.index == 0

    def agree(self, value: T) -> T:
        """The leader's value, in every process.

        Raises:
            SetupError: another process has ended.
        """
        if self.size == 1:
            return value
        from torch import distributed

        box: list[Any] = [value]
        with _lost():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Go on when every process has come here.

        Raises:
            SetupError: another process has ended.
        """
        if self.size > 1:
            from torch import distributed

            with _lost():
                distributed.barrier()


ALONE = Ranks()


def join_ranks(device: str = "auto") -> Ranks:
    """Meet the other processes of this launch; alone where there was no launch.

    Call it before the model is loaded: of several GPUs it makes the one of this process current.

    Raises:
        SetupError: the launcher's variables are there, but the processes do not find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    from accelerate import PartialState

    try:
        state = PartialState(cpu=device == "cpu", backend="gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise SetupError(
            f"the {os.environ['WORLD_SIZE']} processes of this launch do not find each other "
            f"({type(error).__name__}); start them with accelerate launch or torchrun"
        ) from error
    return Ranks(state.process_index, state.num_processes)


@contextmanager
def clean_end() -> Generator[None, None, None]:
    """Turn SIGTERM into an exit that removes unfinished files on its way.

    A launcher sends it to the rest as soon as one process has failed, a scheduler when time is up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _lost() -> Generator[None, None, None]:
    try:
        yield
    except RuntimeError as error:
        raise SetupError(
            "another process of this audit ended early; its own message says why"
        ) from error
