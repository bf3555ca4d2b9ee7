"""How files are written and read: whole or not at all, private where they must be, named by digest.

Files under ``vault/`` are created 0600 in a 0700 folder. Where a seal key is configured private
files are encrypted as they are written and decrypted in memory as they are read
(:mod:`llmsafe.seal`); everything that handles private files does so through this module.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from llmsafe import disk
from llmsafe.disk import (
    append_whole,
    cut_torn_line,
    fsync_folder,
    lock_exclusively,
    make_folder,
    sha256_bytes,
    sha256_json,
)
from llmsafe.errors import InputError, SetupError

__all__ = [
    "CORPUS",
    "LOCK",
    "RELEASE",
    "VAULT",
    "append_line",
    "append_whole",
    "atomic_file",
    "check_output",
    "fsync_folder",
    "line_encoder",
    "lock_exclusively",
    "locked_folder",
    "make_folder",
    "open_file",
    "read_bytes",
    "read_text",
    "remove_torn",
    "sha256_bytes",
    "sha256_file",
    "sha256_files",
    "sha256_json",
    "staged_folder",
    "write_atomic",
    "write_text",
]

CORPUS = "corpus"
VAULT = "vault"
RELEASE = "release"
LOCK = ".lock"
_STAGE = "llmsafe-"


# --- writing ------------------------------------------------------------------------------------


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Generator[BinaryIO, None, None]:
    """Yield a file to write that takes the name ``path`` if the block succeeds, and is gone
    otherwise.

    ``private`` files are 0600, and sealed where a seal key is configured; others are 0666 less the
    umask, and clear.

    Raises:
        InputError: the folder is sealed and no key is configured.
        SetupError: the disk refuses.
    """
    how = None
    if private:
        from llmsafe.seal.store import sealing

        how = sealing(path)
    with disk.atomic_file(path, private=private) as file:
        if how is None:
            yield file
            return
        writer = how.writer(file)
        yield cast("BinaryIO", writer)
        writer.finish()


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> Path:
    """Write ``data`` so that ``path`` holds either the old content or all of the new.

    See :func:`atomic_file`.
    """
    with atomic_file(path, private=private) as file:
        file.write(data)
    return path


def write_text(path: Path, text: str, *, private: bool = False) -> Path:
    """:func:`write_atomic` for text (UTF-8)."""
    return write_atomic(path, text.encode(), private=private)


def append_line(path: Path, line: str) -> None:
    """Append one line to a private file (0600), whole or not at all.

    What a killed process left of a torn line goes first, so that it spoils no other. Where a seal
    key is configured the file is sealed, line by line.

    Raises:
        SetupError: the disk refuses.
    """
    encode = line_encoder(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            cut_torn_line(descriptor)
            append_whole(descriptor, encode(line.encode()))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}; free space or choose a writable output"
        ) from error


def line_encoder(path: Path) -> Callable[[bytes], bytes]:
    """What turns a line into the bytes to append to a private file, newline included; sealed where
    a seal key is configured.

    Raises:
        InputError: the file or its folder is sealed, and no key is configured.
    """
    from llmsafe.seal.store import line_encoder

    return line_encoder(path)


# --- reading ------------------------------------------------------------------------------------


def open_file(path: Path) -> BinaryIO:
    """A file to read, seekable; a sealed one is decrypted in memory, a segment at a time.

    Raises:
        OSError: as ``path.open``.
        InputError: it is sealed and no key, or another key, is configured.
        EvidenceError: it is sealed and was altered or cut; or it is clear in a sealed folder.
    """
    from llmsafe.seal.store import HEAD, is_sealed, opened, refuse_clear

    file = path.open("rb")
    try:
        head = file.read(HEAD)
        file.seek(0)
        if is_sealed(head):
            return opened(path, file)
        refuse_clear(path)
        return file
    except BaseException:
        file.close()
        raise


def read_bytes(path: Path) -> bytes:
    """All of a file, see :func:`open_file`."""
    with open_file(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """All of a file of UTF-8 text, see :func:`open_file`."""
    return read_bytes(path).decode()


# --- folders ------------------------------------------------------------------------------------


@contextmanager
def locked_folder(folder: Path, *, keep_lock: bool = True) -> Generator[None, None, None]:
    """Keep every other :func:`locked_folder` out of ``folder``, which is made if it is absent.

    A folder into which nothing was written is removed again. Without ``keep_lock`` the lock file
    goes as the very last: whoever waits for it sees that it was given up.

    Raises:
        InputError: another process is in it.
        SetupError: it cannot be written.
    """
    path = make_folder(folder) / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}; choose a writable output"
        ) from error
    try:
        lock_exclusively(descriptor, folder)
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise InputError(f"{folder} was just given up by another run; start again")
        try:
            yield
        finally:
            if [other.name for other in folder.iterdir()] == [LOCK]:
                path.unlink()
                folder.rmdir()
            elif not keep_lock:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def remove_torn(folder: Path) -> None:
    """Remove the temporary files that a killed :func:`write_atomic` left anywhere in ``folder``.

    Call it only where no other process writes into the folder.
    """
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}", path.name) and path.is_file():
            path.unlink()


@contextmanager
def staged_folder(output: Path, *, force: bool = False) -> Generator[Path, None, None]:
    """Yield a private folder beside ``output`` that becomes ``output`` only if the block succeeds.

    An existing, non-empty ``output`` is refused unless ``force``; even then it is replaced only
    after the new content is complete. On an error nothing is left behind; what a killed process
    left is removed by the next one with the same output.

    Raises:
        InputError: ``output`` exists and ``force`` is off, or it is a file.
        SetupError: the parent cannot be written.
    """
    check_output(output, force=force)
    make_folder(output.parent)
    try:
        _sweep(output)
        stage, lock = _locked_stage(output)
    except OSError as error:
        raise SetupError(
            f"cannot write {output}: {error.strerror}; choose a writable output"
        ) from error
    try:
        yield stage
        if output.exists():
            # Set the old folder aside first: a rename cannot replace a folder that is not empty.
            old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
            os.replace(output, old / "content")
            os.replace(stage, output)
            shutil.rmtree(old)
        else:
            os.replace(stage, output)
        fsync_folder(output.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(lock)


def _locked_stage(output: Path) -> tuple[Path, int]:
    """A new stage, and the lock on it that tells :func:`_sweep` that its process lives."""
    while True:
        stage = Path(tempfile.mkdtemp(prefix=f".{output.name}.{_STAGE}", dir=output.parent))
        lock = os.open(stage, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # swept before it was locked
            os.close(lock)
            continue
        except OSError:  # a disk without locks: nothing is swept there
            pass
        if stage.is_dir():
            return stage, lock
        os.close(lock)


def _sweep(output: Path) -> None:
    for left in output.parent.iterdir():
        if not (left.name.startswith(f".{output.name}.{_STAGE}") and left.is_dir()):
            continue
        try:
            lock = os.open(left, os.O_RDONLY)
        except OSError:  # another sweeps it, or it is not ours to read
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(lock)


def check_output(output: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse an output that would overwrite something; say how to go on.

    ``force`` replaces only what llmsafe made (a folder with ``vault/``), and never a folder that
    is, holds or lies in one of ``inputs``.

    Raises:
        InputError: the output is a file, exists without ``force``, is not llmsafe's, or overlaps
            an input.
        SetupError: it cannot be read.
    """
    place = output.resolve()
    for source in (path.resolve() for path in inputs if path.exists()):
        if source == place or source in place.parents or place in source.parents:
            raise InputError(f"output {output} and input {source} overlap; choose another output")
    if output.is_file():
        raise InputError(f"output {output} is a file; name a folder that does not exist yet")
    if not output.is_dir():
        return
    try:
        occupied = any(path.name != LOCK for path in output.iterdir())
    except OSError as error:
        raise SetupError(
            f"cannot read {output}: {error.strerror}; choose another output"
        ) from error
    if occupied and not force:
        raise InputError(f"output {output} exists; choose another name or pass --force")
    if occupied and not (output / VAULT).is_dir():
        raise InputError(
            f"output {output} was not made by llmsafe (it has no {VAULT}/), so --force does not "
            "replace it; choose another name or remove it yourself"
        )


# --- digests ------------------------------------------------------------------------------------


def sha256_file(path: Path) -> str:
    """``sha256:<hex>`` of what a file holds, read in blocks; sealing it does not change that."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """One digest over several files: their names and contents, in name order."""
    lines = [f"{path.name} {sha256_file(path)}\n" for path in sorted(paths)]
    return sha256_bytes("".join(lines).encode())
