"""``access.log``: who opened what, when and why; hash-chained, sealed, append-only.

Lines are sealed for every key of the policy, so that nobody without a key can read or forge one,
and chained, so that none can be taken out or moved (:mod:`llmsafe.chain`). Lines cut off the end
show only to whoever noted a hash that was there. No line holds text of a note: it names a key, the
account, a file, and the reason that the user states.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsafe.chain import GENESIS, fault, linked
from llmsafe.disk import append_whole, cut_torn_line
from llmsafe.errors import EvidenceError, LlmsafeError, SetupError
from llmsafe.seal.keys import Key
from llmsafe.seal.lines import MAGIC, Lines
from llmsafe.seal.segments import Altered

PLACE, REASON = "LLMSAFE_ACCESS_LOG", "LLMSAFE_ACCESS_REASON"
LONGEST_REASON = 500  # characters: the end of a log is read back in one piece
Action = Literal["open", "seal", "rotate", "policy"]


class AccessLine(BaseModel):
    """One access. ``who`` is the id of the key, ``user`` the account, ``by`` the program."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    what: str
    who: str
    role: str | None
    user: str
    by: str
    why: str | None
    time: str
    index: int
    previous: str
    hash: str


@dataclass(frozen=True)
class Access:
    """What is to be logged: an action on a file, by a key in its role, with the stated reason."""

    action: Action
    what: str
    role: str | None
    why: str | None = None


@lru_cache(maxsize=1 << 16)
def record_once(
    log: Path, key: Key, recipients: tuple[str, ...], access: Access, process: int
) -> None:
    """:func:`record`, but the same access by the same process only once."""
    del process
    record(log, key, recipients, access)


def record(log: Path, key: Key, recipients: tuple[str, ...], access: Access) -> None:
    """Append an access; it is on the disk when this returns.

    An access that cannot be logged must not be given.

    Raises:
        SetupError: the log cannot be written.
        LlmsafeError: it is damaged, or not sealed for this key.
    """
    body = {
        **asdict(access),
        "who": key.id,
        "user": _user(),
        "by": _program(),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    try:
        descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _append(descriptor, log, key, recipients, body)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SetupError(
            f"cannot write the access log {log} ({error.strerror}), so nothing is opened; name a "
            f"log elsewhere in {PLACE}"
        ) from error


def _append(
    descriptor: int, log: Path, key: Key, recipients: tuple[str, ...], body: dict[str, Any]
) -> None:
    cut_torn_line(descriptor)
    with open(descriptor, "rb", closefd=False) as file:
        head = file.readline()
    if head:
        lines = _lines(log, head.rstrip(b"\n"), key)
        last = _last_line(descriptor, len(head))
        before = json.loads(_opened(log, lines, last)) if last else None
        data = b""
    else:
        lines, before = Lines.make(key, dict.fromkeys([key.id, *recipients])), None
        data = lines.head + b"\n"
    index, previous = (before["index"] + 1, before["hash"]) if before else (0, GENESIS)
    text = json.dumps(linked(body, index, previous), ensure_ascii=False)
    append_whole(descriptor, data + lines.seal(text.encode()) + b"\n")
    os.fsync(descriptor)


def _last_line(descriptor: int, start: int) -> bytes:
    """The last line after ``start``, which ends with a newline if it is there."""
    size = os.fstat(descriptor).st_size
    begin = max(start, size - (1 << 16))  # no line is longer
    return os.pread(descriptor, size - begin, begin).rstrip(b"\n").rpartition(b"\n")[2]


def read_log(log: Path, key: Key, *, holds: str | None = None) -> list[AccessLine]:
    """Every line, oldest first, verified.

    Args:
        holds: a hash that was in the log at an earlier time and must be there still.

    Raises:
        EvidenceError: changed, cut, out of order, or without the line ``holds``.
    """
    try:
        data = log.read_bytes()
    except OSError as error:
        raise EvidenceError(f"cannot read {log}: {error.strerror}") from error
    head, *rest = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1] or [b""]
    lines, previous, found = _lines(log, head, key), GENESIS, list[AccessLine]()
    for index, sealed in enumerate(rest):
        try:
            row: Any = json.loads(_opened(log, lines, sealed))
            wrong = fault(cast("dict[str, Any]", row), index, previous)
            found.append(AccessLine.model_validate(row))
        except (ValueError, ValidationError, AttributeError):
            wrong = "is no line of an access log"
        if wrong:
            raise EvidenceError(f"{log}: line {index + 1} {wrong}; do not rely on this log")
        previous = found[-1].hash
    if holds is not None and holds not in {line.hash for line in found}:
        raise EvidenceError(
            f"{log} has no line with the hash {holds[:19]}…, which it had: lines were cut off"
        )
    return found


def _lines(log: Path, head: bytes, key: Key) -> Lines:
    if not head.startswith(MAGIC):
        raise EvidenceError(f"{log} is no sealed access log; move it away")
    try:
        return Lines.read(head, key)
    except LlmsafeError as error:
        raise type(error)(f"{log}: {error}") from error


def _opened(log: Path, lines: Lines, line: bytes) -> bytes:
    try:
        return lines.open(line)
    except Altered as error:
        raise Altered(f"{log}: {error}; do not rely on this log") from error


def _user() -> str:
    """The account, as the system knows it: what LOGNAME or USER say is anybody's to set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _program() -> str:
    """The program and, of llmsafe, the verb: never an argument that could be a path."""
    name = Path(sys.argv[0]).stem if sys.argv else "python"
    name = "llmsafe" if name == "__main__" else name
    verb = sys.argv[1] if name == "llmsafe" and len(sys.argv) > 1 else ""
    return f"{name} {verb}" if verb.isalpha() else name
