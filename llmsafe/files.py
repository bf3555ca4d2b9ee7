"""How files are written: whole or not at all, private where they must be, and named by digest.

Files under ``vault/`` are created 0600 in a 0700 folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmsafe.errors import InputError, SetupError

CORPUS = "corpus"
VAULT = "vault"
RELEASE = "release"
LOCK = ".lock"
_STAGE = "llmsafe-"


# --- writing ------------------------------------------------------------------------------------


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


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> Path:
    """Write ``data`` so that ``path`` holds either the old content or all of the new.

    A temporary file in the same folder is written, fsynced and renamed, then the folder is
    fsynced. ``private`` files are 0600, others 0666 less the umask.
    """
    folder = make_folder(path.parent, private=private)
    temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
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
    return path


def write_text(path: Path, text: str, *, private: bool = False) -> Path:
    """:func:`write_atomic` for text (UTF-8)."""
    return write_atomic(path, text.encode(), private=private)


def append_line(path: Path, line: str) -> None:
    """Append one line to a private file (0600), whole or not at all.

    A line that a killed process left torn is ended first, so that it spoils no other.

    Raises:
        SetupError: the disk refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            append_whole(descriptor, b"\n" * torn + line.encode() + b"\n")
        finally:
            os.close(descriptor)
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


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def sha256_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """``sha256:<hex>`` of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """One digest over several files: their names and contents, in name order."""
    lines = [f"{path.name} {sha256_file(path)}\n" for path in sorted(paths)]
    return sha256_bytes("".join(lines).encode())


def sha256_json(value: Any) -> str:
    """Digest of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
