"""Sealing, opening and handing on whole files and folders: what the command line does.

A folder is brought into the state that its policy asks for: clear files are sealed, files sealed
for other keys get a new header before the same body. The policy is written last, so that whatever
was interrupted is finished by the same command.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmsafe.disk import atomic_file, lock_exclusively
from llmsafe.errors import InputError, SetupError
from llmsafe.seal import lines
from llmsafe.seal.envelope import Envelope, make_envelope, read_envelope
from llmsafe.seal.keys import KEY_FILE, Key
from llmsafe.seal.log import Access, Action, record
from llmsafe.seal.policy import LOG, POLICY, AccessPolicy, simple_policy
from llmsafe.seal.store import (
    RELEASE,
    Sealing,
    envelope_of,
    is_sealed,
    key_for,
    load_policy,
    log_place,
    opened,
    policy_folder,
    refuse_clear,
    save_policy,
    sealing,
    stated_reason,
)

_BLOCK = 1 << 20
_LOCK = ".lock"
_OURS = (POLICY, LOG, _LOCK)
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """How many files were sealed or opened, and how many got a new header; and those that were
    left as they are, with the reason."""

    done: int
    rewrapped: int
    left: tuple[tuple[Path, str], ...]


def _silent(done: int) -> None:
    """Report nothing."""


# --- sealing ------------------------------------------------------------------------------------


def seal_path(
    path: Path, key: Key, policy: AccessPolicy | None = None, advance: Advance = _silent
) -> Work:
    """Seal a file, or every file of a folder, in its place.

    A folder gets an ``access.json``: ``policy``, else the one it has, else one that names ``key``
    alone; what is written there later is sealed for the same keys. ``release/`` beside ``vault/``
    stays clear, and so do key files and links. A clear file is replaced once its sealed form is
    on the disk, then its old blocks are overwritten: on most disks, not on all, they are gone.

    Args:
        advance: is called with the number of bytes done.

    Raises:
        InputError: nothing there, or the policy keeps ``key`` itself out.
        SetupError: the disk refuses; what is sealed by then stays sealed, and the rest clear.
    """
    old = current_policy(path, key)
    how = None if path.is_dir() else sealing(path, key)
    wanted = policy or old or simple_policy(key, how.recipients if how else ())
    return _apply(path, key, wanted, "seal", sealer=key, seal_clear=True, advance=advance)


def rewrap_path(
    path: Path, key: Key, policy: AccessPolicy, *, sealer: Key | None = None, action: Action
) -> Work:
    """Hand what is sealed on to the keys of ``policy``: new headers, the bodies stay as they are.

    Args:
        sealer: who vouches for the new headers; ``key`` by default, the new key in a rotation.

    Raises:
        InputError: nothing there is sealed, or ``sealer`` is not in the policy.
        SetupError: the disk refuses; the same command finishes the work.
    """
    return _apply(path, key, policy, action, sealer=sealer or key, seal_clear=False)


def current_policy(path: Path, key: Key) -> AccessPolicy | None:
    """Who may open ``path`` now; ``None`` where nothing is sealed.

    Raises:
        InputError: there is nothing at ``path``, it is sealed, but not for ``key``, or it is a
            folder inside one that has a policy.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a file or a folder")
    if path.is_dir():
        own = policy_folder(path / POLICY)
        if own not in (None, path.absolute()):
            raise InputError(f"{path} lies in {own}, which has a policy; name that folder")
        return load_policy(own, key) if own else None
    sealed = envelope_of(path)
    return None if sealed is None else simple_policy(key, sealed.recipients)


def _apply(
    path: Path,
    key: Key,
    policy: AccessPolicy,
    action: Action,
    *,
    sealer: Key,
    seal_clear: bool,
    advance: Advance = _silent,
) -> Work:
    folder = path.is_dir()
    if path.is_symlink() and not folder:
        # Its sealed form would take the place of the link, and what that names would stay clear.
        raise InputError(f"{path} is a link; name the file that it points to: {path.resolve()}")
    todo: list[tuple[Path, Envelope | None, tuple[str, ...]]] = []
    left: list[tuple[Path, str]] = []
    for file in _files(path):
        place = file.relative_to(path).as_posix() if folder else file.name
        recipients = tuple(policy.recipients(place) if folder else policy.key_ids())
        reason = _left_alone(file)
        sealed = None if reason else envelope_of(file)
        if reason or (sealed is None and not seal_clear):
            left.append((file, reason or "not sealed"))
        elif sealer.id not in recipients:
            raise InputError(
                f"the policy does not let {sealer.id}, which would seal it, open {place}; add the "
                "key to a role that may"
            )
        elif sealed is None or set(sealed.recipients) != set(recipients):
            todo.append((file, sealed, recipients))
            if sealed is None and file.stat().st_nlink > 1:
                left.append((file, "clear under another name, a hard link"))
    why = stated_reason(policy, path)
    with _no_job_in(path):
        for file, sealed, recipients in todo:
            if sealed is None:
                _seal(file, Sealing(sealer, recipients), advance)
            else:
                _rewrap(file, sealed, key, sealer, recipients)
    access = Access(
        action,
        "." if folder else path.name,
        policy.role_of(key.id) or policy.role_of(sealer.id),
        why,
    )
    _log(path, key, sealer, policy, access)
    if folder:
        save_policy(path, policy, sealer)
    done = sum(sealed is None for _, sealed, _ in todo)
    return Work(done, len(todo) - done, tuple(left))


@contextmanager
def _no_job_in(path: Path) -> Generator[None, None, None]:
    """Keep the locks of all jobs in ``path`` and around it: a ledger that is replaced under its
    writer loses every later charge.

    Raises:
        InputError: a job runs there.
    """
    around = [folder / _LOCK for folder in path.absolute().parents[:3]]  # a file in a run's vault
    with ExitStack() as held:
        for lock in (*around, *path.rglob(_LOCK)):
            if lock.is_file():
                descriptor = os.open(lock, os.O_RDONLY)
                held.callback(os.close, descriptor)
                lock_exclusively(descriptor, lock.parent)
        yield


def _log(path: Path, key: Key, sealer: Key, policy: AccessPolicy, access: Access) -> None:
    """Log the work, and hand the log on: that of a folder is for the keys of its policy, one that
    several share gains them."""
    log = log_place(path, path.absolute() if path.is_dir() else policy_folder(path))
    wanted = tuple(policy.key_ids())
    before = envelope_of(log) if log.exists() else None
    # After a rotation that was interrupted the old key may be out of the log already.
    ours = before is None or key.id in before.recipients
    writer = key_for(log, key) if ours else sealer
    record(log, writer, wanted, access)
    sealed = envelope_of(log)
    assert sealed is not None  # it was just written to
    if not (path.is_dir() and log.parent == path.absolute()):
        wanted = tuple(dict.fromkeys([*sealed.recipients, *wanted]))
    if set(sealed.recipients) != set(wanted):
        _rewrap(log, sealed, writer, sealer, wanted)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        if "vault" in folders and RELEASE in folders:
            folders.remove(RELEASE)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*names, *links]) if name not in _OURS)


def _left_alone(file: Path) -> str | None:
    """Why a file is not sealed, if it must not be."""
    if file.is_symlink():
        return "a link"
    if not file.is_file():
        return "no file"
    with file.open("rb") as opened_file:
        if opened_file.read(len(KEY_FILE)) == KEY_FILE.encode():
            return "a key"
    return None


def _seal(file: Path, how: Sealing, advance: Advance) -> None:
    try:
        with file.open("r+b") as source:
            lock_exclusively(source.fileno(), file)  # as a ledger's writer does
            with atomic_file(file, private=True) as out:
                writer = how.writer(out)
                while block := source.read(_BLOCK):
                    writer.write(block)
                    advance(len(block))
                writer.finish()
            _overwrite(source)
    except OSError as error:
        raise SetupError(f"cannot seal {file}: {error.strerror}") from error


def _overwrite(file: BinaryIO) -> None:
    """Zeros over what a replaced file held, unless it has another name that still needs it."""
    found = os.fstat(file.fileno())
    if found.st_nlink:
        return
    file.seek(0)
    for start in range(0, found.st_size, _BLOCK):
        file.write(bytes(min(_BLOCK, found.st_size - start)))
    file.flush()
    os.fsync(file.fileno())


def _rewrap(file: Path, old: Envelope, key: Key, sealer: Key, recipients: tuple[str, ...]) -> None:
    new = make_envelope(old.open(key_for(file, key)), sealer, recipients)
    try:
        with file.open("rb") as source, atomic_file(file, private=True) as out:
            lock_exclusively(source.fileno(), file)
            if source.read(len(lines.MAGIC)) == lines.MAGIC:
                source.readline()
                out.write(lines.head_line(new) + b"\n")
            else:
                source.seek(0)
                read_envelope(source)
                out.write(new.data)
            shutil.copyfileobj(source, out, _BLOCK)
    except OSError as error:
        raise SetupError(f"cannot rewrite {file}: {error.strerror}") from error


# --- opening ------------------------------------------------------------------------------------


def open_path(path: Path, output: Path, advance: Advance = _silent) -> Work:
    """Write what is sealed at ``path`` in clear to ``output`` (0600, in a 0700 folder).

    Every file is written whole or not at all; of a folder in which one cannot be opened nothing is
    left. What is meant to be clear in a folder is copied with the rest, but for links and keys.

    Raises:
        InputError: nothing there is sealed, ``output`` exists, or it is sealed for another key.
        EvidenceError: it was altered or cut, or a file that should be sealed is not.
        SetupError: the disk refuses.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a file or a folder")
    if output.exists() or path.resolve() in output.resolve().parents:
        raise InputError(f"output {output} exists or lies in {path}; name another")
    pairs = [(path, output)]
    if path.is_dir():
        names = (f for f in sorted(path.rglob("*")) if f.is_file() and f.name not in _OURS)
        kept = (file for file in names if not _left_alone(file))
        pairs = [(file, output / file.relative_to(path)) for file in kept]
    done = 0
    try:
        for file, target in pairs:
            with _source(file) as (source, sealed), atomic_file(target, private=True) as out:
                done += sealed
                while block := source.read(_BLOCK):
                    out.write(block)
                    advance(len(block))
        if not done:
            raise InputError(f"{path} is not sealed; there is nothing to open")
    except BaseException:
        if output.is_dir():
            shutil.rmtree(output)
        else:
            output.unlink(missing_ok=True)
        raise
    return Work(done, 0, ())


@contextmanager
def _source(file: Path) -> Generator[tuple[BinaryIO, bool], None, None]:
    with file.open("rb") as raw:
        sealed = is_sealed(raw.read(16))
        raw.seek(0)
        if not sealed:
            refuse_clear(file)
            yield raw, False
            return
        with opened(file, raw) as clear:
            yield clear, True


def folder_size(path: Path) -> int:
    """Bytes of the files at ``path``, for a progress bar."""
    return sum(file.stat().st_size for file in _files(path) if file.is_file())
