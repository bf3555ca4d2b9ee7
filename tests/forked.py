"""Real processes without five seconds of imports each: forked from one that has imported already.

A forked process is as real as a started one: it has its own memory, can be killed, and ends with an
exit code. What it does not show is the start itself, so some tests start the true command.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = "llmsafe.audit.target", "llmsafe.train.data", "transformers.models.llama.modeling_llama"


class Forked:
    """``python program arguments``, started; ``environment`` is added to this process's own."""

    def __init__(self, program: str | Path, *arguments: str, **environment: str):
        self.command = [str(program), *arguments]
        self._kept = tempfile.TemporaryDirectory(prefix="forked-")  # as long as this object
        self._folder = Path(self._kept.name)
        request = {
            "command": self.command, "environment": {**os.environ, **environment},
            "cwd": os.getcwd(), "folder": str(self._folder),
        }  # fmt: skip
        asked = _parent().stdin
        assert asked is not None
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        self.pid = self._told("pid", 120)

    def _told(self, name: str, seconds: float) -> int:
        path, end = self._folder / name, time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.command, seconds)
            time.sleep(0.01)
        return int(path.read_text())

    @property
    def ended(self) -> bool:
        return (self._folder / "code").exists()

    def result(self, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """How it ended and what it said, as ``subprocess.run`` tells it."""
        try:
            code = self._told("code", seconds)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            raise
        out, err = ((self._folder / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(self.command, code, out, err)


def ranks(count: int) -> list[dict[str, str]]:
    """What torchrun tells each of ``count`` processes by its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": str(port)}  # fmt: skip
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


@functools.cache
def _parent() -> subprocess.Popen[str]:
    """The process that imports and forks: one for all tests, and gone with this process."""
    command = [sys.executable, __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def _write(folder: Path, name: str, number: int) -> None:
    part = folder / f"{name}.part"
    part.write_text(str(number))
    part.rename(folder / name)


def _keep(folder: Path, command: list[str], environment: dict[str, str], cwd: str) -> None:
    """Fork the process, say its number, wait for it, and say how it ended."""
    child = os.fork()
    if child:
        _write(folder, "pid", child)
        _write(folder, "code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    for number, place in ((0, "/dev/null"), (1, folder / "out"), (2, folder / "err")):
        file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).resolve().parent))
    runpy.run_path(command[0], run_name="__main__")


def _serve() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()  # what is imported is shared, and not walked through when a fork ends
    keepers: set[int] = set()
    for line in sys.stdin:  # ends with the process that asks
        if not (keeper := os.fork()):
            request = json.loads(line)
            return _keep(Path(request.pop("folder")), **request)
        keepers = {pid for pid in keepers if not os.waitpid(pid, os.WNOHANG)[0]} | {keeper}


if __name__ == "__main__":
    _serve()
