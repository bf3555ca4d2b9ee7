"""Sealing, opening and handing on whole files and folders: what the command line does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmsafe.disk import atomic_file, fsync_folder, make_folder
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.seal import lines
from llmsafe.seal.envelope import Envelope, make_envelope, read_envelope
from llmsafe.seal.keys import Key
from llmsafe.seal.log import AccessLine, read_log
from llmsafe.seal.policy import LOG, POLICY, AccessPolicy, simple_policy
from llmsafe.seal.store import (
    Sealing,
    envelope_of,
    load_policy,
    log_access,
    open_stream,
    policy_folder,
    save_policy,
    sealed_file,
    sealing,
)

_BLOCK = 1 << 20
_CLEAR = "release"  # beside a vault: what may leave the building
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """Files that were sealed, opened or handed on, and those left as they were, with the reason."""

    done: tuple[Path, ...]
    left: tuple[tuple[Path, str], ...]


def _silent(done: int) -> None:
    """Report nothing."""


# --- sealing ------------------------------------------------------------------------------------


def seal_path(
    path: Path,
    key: Key,
    *,
    output: Path | None = None,
    policy: AccessPolicy | None = None,
    advance: Advance = _silent,
) -> Work:
    """Seal a file, or every file of a folder, in place or into ``output``.

    A folder gets an ``access.json``: ``policy``, else the one it has, else one that names ``key``.
    Whatever is written there later is sealed for the same keys. ``release/`` beside a ``vault/``
    stays clear. In place, every file is replaced by its sealed form once that was read back, then
    its old blocks are overwritten: on most disks, not on all, they are gone.

    Args:
        advance: is called with the bytes done.

    Raises:
        InputError: nothing there, ``output`` exists, or the policy keeps ``key`` itself out.
        SetupError: the disk refuses; files sealed by then stay sealed, the others clear.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a file or a folder")
    if output is not None and (output.exists() or path.resolve() in output.resolve().parents):
        raise InputError(f"output {output} exists or lies in {path}; name another")
    if path.is_dir():
        folder = make_folder(output, private=True) if output else path
        old = load_policy(path, key) if _has_policy(path) else None
        policy = policy or old or simple_policy(key, ())
        if output is not None or policy != old:
            save_policy(folder, policy, key)
    elif policy is not None and any(role.may_open != ["*"] for role in policy.roles.values()):
        raise InputError("a policy with patterns is for a folder; seal the folder of the file")
    done: list[Path] = []
    left: list[tuple[Path, str]] = []
    for file in _files(path):
        target = file if output is None else output / file.relative_to(path) if path.is_dir() else output
        why = _left_alone(path, file)
        if why is not None:
            left.append((file, why))
            continue
        how = sealing(target, key)
        if policy is not None and not path.is_dir():
            how = Sealing(key, tuple(policy.key_ids()))
        assert how is not None  # there is a key
        _seal_file(file, target, how, advance)
        log_access(target, key, "seal", how.recipients)
        done.append(target)
    return Work(tuple(done), tuple(left))


def _seal_file(file: Path, target: Path, how: Sealing, advance: Advance) -> None:
    try:
        with file.open("rb") as source, _replacing(file, target) as out:
            writer = how.writer(out)
            _copy(source, writer, advance)  # pyright: ignore[reportArgumentType]  # writes bytes
            writer.finish()
    except OSError as error:
        raise SetupError(f"cannot seal {file}: {error.strerror}") from error
