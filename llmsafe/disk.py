"""The few calls that put bytes on a disk so that they stay: folders, atomic files, whole lines."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from llmsafe.errors import InputError, SetupError


def make_folder(path: Path, *, private: bool = False) -> Path:
    """Create ``path`` (and parents); a private one is readable by its owner alone (0700).

    The mode of a folder that exists is its owner's business and stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"cannot create folder {path}: {error.strerror}; choose a writable output"
        ) from error
    return path


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Generator[BinaryIO, None, None]:
    """Yield a file that takes the name ``path`` if the block succeeds, and is gone otherwise.

    A temporary file in the same folder is written, fsynced and renamed, then the folder is
    fsynced. ``private`` files are 0600, others 0666 less the umask.

    Raises:
        SetupError: the disk refuses.
    """
    folder = make_folder(path.parent, private=private)
    temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_folder(folder)
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}; free space or choose a writable output"
        ) from error


def append_whole(descriptor: int, data: bytes) -> None:
    """Write at the end of an open file in one call; what a full disk took of it is cut off again.

    Raises:
        OSError: the disk refuses.
    """
    written = os.write(descriptor, data)
    if written != len(data):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cut_torn_line(descriptor: int) -> None:
    """Cut off what a killed process left behind the last newline of an open file.

    Raises:
        OSError: the disk refuses.
    """
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - (1 << 16))
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def lock_exclusively(descriptor: int, path: Path) -> None:
    """Lock an open file until it is closed, if only by the end of its process.

    Raises:
        InputError: another process holds it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(
            f"{path} is held by another run; wait for it or name another run folder"
        ) from None


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Digest of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
