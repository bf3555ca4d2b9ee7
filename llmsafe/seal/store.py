"""What is sealed on the disk, as the rest of llmsafe reads and writes it.

The key is in the environment (:func:`llmsafe.seal.keys.given_key`), as other tools take theirs.
With one, every private file that llmsafe writes is sealed: for the keys of the nearest
``access.json`` above it, else for that key alone. Names stay; a sealed file is
known by its first bytes.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from llmsafe.disk import atomic_file, make_folder
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.seal import envelope, lines
from llmsafe.seal.envelope import CONTEXT, Envelope, make_envelope, new_file_key, read_envelope
from llmsafe.seal.keys import FILE, Key, given_key, needed_key
from llmsafe.seal.log import LONGEST_REASON, PLACE, REASON, Access, record_once
from llmsafe.seal.policy import LOG, POLICY, AccessPolicy, check_policy, simple_policy
from llmsafe.seal.segments import SegmentReader, SegmentWriter

HEAD = max(len(envelope.MAGIC), len(lines.MAGIC))
RELEASE = "release"  # beside a vault: it is made to leave the building
_PUBLISHED = ("audit.json", "audit.html")
_BUFFER = 1 << 17


def is_sealed(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (:data:`HEAD` bytes) is sealed."""
    return head.startswith((envelope.MAGIC, lines.MAGIC))


def sealed_file(path: Path) -> bool:
    """Whether the file at ``path`` is sealed."""
    with path.open("rb") as file:
        return is_sealed(file.read(HEAD))


# --- reading ------------------------------------------------------------------------------------


def opened(path: Path, file: BinaryIO) -> BinaryIO:
    """What the sealed ``file`` at ``path`` holds, decrypted in memory; the access is logged first.

    Raises:
        InputError: no key, another key, a sealer that is not trusted, or no reason where the policy
            asks for one.
        EvidenceError: altered or cut; also from every read.
        SetupError: the access cannot be logged.
    """
    try:
        key = key_for(path, needed_key())
        if file.read(len(lines.MAGIC)) == lines.MAGIC:
            file.seek(0)
            sealed = lines.head_envelope(file.readline())
            sealed.open(key)
            _log_opening(path, key, sealed.recipients)
            file.seek(0)
            with file:
                return io.BytesIO(lines.open_lines(file.read(), key))
        return _open_stream(path, file, key)
    except LlmsafeError as error:
        raise _named(path, error) from error


def _open_stream(path: Path, file: BinaryIO, key: Key) -> BinaryIO:
    """The body of a file that is sealed as a whole; see :func:`opened`."""
    file.seek(0)
    sealed = read_envelope(file)
    file_key = sealed.open(key)
    reader = SegmentReader(file, file.tell(), file_key, CONTEXT, name=str(path))
    _log_opening(path, key, sealed.recipients)
    return io.BufferedReader(reader, _BUFFER)


def _named(path: Path, error: LlmsafeError) -> LlmsafeError:
    """The error with the file that it is about."""
    text = str(error)
    return error if text.startswith(str(path)) else type(error)(f"{path}: {text}")


def refuse_clear(path: Path) -> None:
    """Refuse a clear file where all are sealed: somebody may have put it in the place of a sealed
    one, or have spoilt the first bytes of that.

    Clear are meant to be ``release/``, and the audit of a folder with a ``vault/``.

    Raises:
        EvidenceError: a folder above ``path`` has a policy, and this file should be sealed.
    """
    folder = policy_folder(path)
    if folder is None:
        return
    place = path.absolute().relative_to(folder)
    if RELEASE in place.parts[:-1] or place.as_posix() in _PUBLISHED:
        return
    raise EvidenceError(
        f"{path} is not sealed, and {folder} is; if you put it there, take it in by: llmsafe seal "
        f"{folder}, else restore it from a copy"
    )


# --- writing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealing:
    """By whom and for whom a file is sealed."""

    key: Key
    recipients: tuple[str, ...]

    def writer(self, file: BinaryIO) -> SegmentWriter:
        """Seals what is written to it into ``file``; see :meth:`SegmentWriter.finish`."""
        file_key = new_file_key()
        file.write(make_envelope(file_key, self.key, self.recipients).data)
        return SegmentWriter(file, file_key, CONTEXT)


def sealing(path: Path, key: Key | None = None) -> Sealing | None:
    """How a private file at ``path`` is to be sealed; ``None`` where no key is configured.

    Raises:
        InputError: the folder is sealed and there is no key, or its policy keeps this key from
            opening what it is about to write.
    """
    folder = policy_folder(path)
    key = key or given_key()
    if key is None:
        if folder is None:
            return None
        raise InputError(
            f"{folder} is sealed, nothing is written there in clear; name your key file in {FILE}"
        )
    if folder is None:
        return Sealing(key, (key.id,))
    place = path.absolute().relative_to(folder).as_posix()
    allowed = load_policy(folder, key).recipients(place)
    if key.id not in allowed:
        raise InputError(
            f"the policy of {folder} does not let your key open {place}, and a job must read what "
            "it wrote; use a key that may, or change the policy"
        )
    return Sealing(key, tuple(allowed))


def line_encoder(path: Path) -> Callable[[bytes], bytes]:
    """Turns lines into what is to be appended to the private file ``path``, newlines included.

    A file that was begun in clear goes on in clear.

    Raises:
        InputError: it was sealed as a whole and cannot grow, or as :func:`sealing`.
    """
    head = b""
    if path.exists():
        with path.open("rb") as file:
            head = file.readline(1 << 16)
    if head.startswith(envelope.MAGIC):
        raise InputError(f"{path} is sealed as a whole and cannot grow; llmsafe open it first")
    if head.endswith(b"\n") and not head.startswith(lines.MAGIC):
        refuse_clear(path)
        return lambda line: line + b"\n"
    if head.endswith(b"\n"):
        try:
            known = lines.Lines.read(head, key_for(path, needed_key()))
        except LlmsafeError as error:
            raise _named(path, error) from error
        return lambda line: known.seal(line) + b"\n"
    how = sealing(path)
    if how is None:
        return lambda line: line + b"\n"
    made = lines.Lines.make(how.key, how.recipients)
    start = [made.head + b"\n"]  # before the first line, and no other
    return lambda line: (start.pop() if start else b"") + made.seal(line) + b"\n"


# --- policy and log -----------------------------------------------------------------------------


def policy_folder(path: Path) -> Path | None:
    """The nearest folder above ``path`` with an access policy."""
    for folder in path.absolute().parents:
        place = folder / POLICY
        if place.is_file() and sealed_file(place):
            return folder
    return None


def key_for(path: Path, key: Key) -> Key:
    """The key, which takes for genuine what those sealed whose role may open ``path``: a policy
    that is trusted vouches for the keys in it.

    Raises:
        LlmsafeError: as :func:`load_policy`.
    """
    folder = policy_folder(path)
    if folder is None:
        return key
    place = path.absolute().relative_to(folder).as_posix()
    policy = load_policy(folder, key)
    named = {one: policy.role_of(one) or "" for one in policy.recipients(place)}
    return replace(key, trusted={**named, **key.trusted})


def load_policy(folder: Path, key: Key) -> AccessPolicy:
    """The policy of a folder.

    Raises:
        InputError: it is not sealed for this key, or by one that it does not trust.
        EvidenceError: it was altered.
    """
    path = folder / POLICY
    try:
        with path.open("rb") as file:
            sealed = read_envelope(file)
            file_key = sealed.open(key)
            reader = SegmentReader(file, file.tell(), file_key, CONTEXT, name=str(path))
            data = io.BufferedReader(reader).read()
        return check_policy(json.loads(data), str(path))
    except OSError as error:
        raise EvidenceError(f"cannot read {path}: {error.strerror}") from error
    except LlmsafeError as error:
        raise _named(path, error) from error


def save_policy(folder: Path, policy: AccessPolicy, key: Key) -> None:
    """Write the policy of a folder, sealed for every key in it.

    Raises:
        InputError: more keys than a file can be sealed for.
        SetupError: the disk refuses.
    """
    how = Sealing(key, tuple(policy.key_ids()))
    with atomic_file(folder / POLICY, private=True) as file:
        writer = how.writer(file)
        writer.write(policy.model_dump_json(indent=2).encode() + b"\n")
        writer.finish()


def _log_opening(path: Path, key: Key, recipients: tuple[str, ...]) -> None:
    """Log that ``path`` is opened; by one process once.

    Raises:
        InputError: the policy asks for a reason and none is given.
        SetupError: it cannot be logged.
    """
    place = path.absolute()
    folder = policy_folder(place)
    policy = load_policy(folder, key) if folder else None
    why = stated_reason(policy, path)
    what = place.relative_to(folder).as_posix() if folder else place.name
    access = Access("open", what, policy.role_of(key.id) if policy else None, why)
    allowed = tuple(policy.key_ids()) if policy else recipients
    log = log_place(path, folder)
    record_once(log, key_for(log, key), allowed, access, os.getpid())


def log_place(path: Path, folder: Path | None) -> Path:
    """Where accesses to ``path`` are logged: where ``LLMSAFE_ACCESS_LOG`` says, else in the folder
    of its policy, else beside it."""
    named = os.environ.get(PLACE)
    return Path(named) if named else (folder or path.absolute().parent) / LOG


def stated_reason(policy: AccessPolicy | None, path: Path) -> str | None:
    """The reason in ``LLMSAFE_ACCESS_REASON``.

    Raises:
        InputError: none is stated and the policy asks for one, or it is longer than a line of the
            log may be.
    """
    why = os.environ.get(REASON) or None
    if why is not None and len(why) > LONGEST_REASON:
        raise InputError(
            f"the reason has {len(why):,} characters; {LONGEST_REASON} are the most: name a ticket"
        )
    if policy is not None and policy.reason_required and why is None:
        raise InputError(f"the policy of {path} asks for a reason; state it in {REASON}")
    return why


def keep_access(source: str | Path, folder: Path) -> None:
    """Let those who may open ``source``, and nobody else, open what is written into ``folder``.

    Nothing is done where ``folder`` has a policy, ``source`` is not sealed, or there is no key.

    Raises:
        LlmsafeError: ``source`` is sealed, and not for this key.
    """
    key = given_key()
    if key is None or policy_folder(folder / POLICY) == folder.absolute():
        return
    policy = inherited_policy(Path(source))
    if policy is not None:
        make_folder(folder, private=True)
        save_policy(folder, policy, key)


def inherited_policy(source: Path) -> AccessPolicy | None:
    """Who may open what is made from ``source`` (a sealed file, or a folder with sealed files);
    ``None`` where nothing is sealed there or no key is configured.

    Raises:
        LlmsafeError: it is sealed, and not for this key.
    """
    key = given_key()
    if key is None or not source.exists():
        return None
    folder = policy_folder(source / "inside" if source.is_dir() else source)
    if folder is not None:
        return load_policy(folder, key)
    ids: list[str] | None = None
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        found = envelope_of(path) if path.is_file() else None
        if found is not None:
            found.open(
                key_for(path, key)
            )  # nobody but a trusted sealer says who the recipients are
            # What is made of several files is for those who may open all of them.
            ids = [name for name in found.recipients if ids is None or name in ids]
    return None if ids is None else simple_policy(key, ids)


def envelope_of(path: Path) -> Envelope | None:
    """The header of a file, not opened; ``None`` if it is not sealed."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(0)
        if head.startswith(lines.MAGIC):
            return lines.head_envelope(file.readline())
        return read_envelope(file) if head.startswith(envelope.MAGIC) else None
