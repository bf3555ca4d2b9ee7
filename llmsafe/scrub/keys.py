"""The scrub key and what is drawn from it: pseudonyms, date offsets, choices.

Everything is HMAC-SHA256 of the key over labelled parts, so the same key gives the same output and
without the key nothing can be recomputed. The key is 32 random bytes, stored as hex.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from llmsafe.errors import InputError
from llmsafe.files import read_bytes, write_atomic

T = TypeVar("T")
VARIABLE = "LLMSAFE_SCRUB_KEY"


@dataclass(frozen=True)
class Key:
    """A secret key; its ``repr`` shows nothing of it."""

    secret: bytes = field(repr=False)

    def digest(self, *parts: str) -> bytes:
        """32 pseudo-random bytes that belong to these parts; parts cannot run into each other."""
        return _digest(self.secret, parts)

    def below(self, bound: int, *parts: str) -> int:
        """A number in [0, bound) that belongs to these parts (bias below 2^-64)."""
        return int.from_bytes(self.digest(*parts)[:16], "big") % bound

    def choice(self, items: Sequence[T], *parts: str) -> T:
        """One of the items."""
        return items[self.below(len(items), *parts)]

    def token(self, length: int, *parts: str) -> str:
        """``length`` hex digits."""
        return self.digest(*parts).hex()[:length]

    def fingerprint(self) -> str:
        """Names the key without giving it away."""
        return "hmac:" + self.token(16, "fingerprint")


@lru_cache(maxsize=16_384)
def _digest(secret: bytes, parts: tuple[str, ...]) -> bytes:
    # Remembered, for what is drawn for a patient is drawn again in each of the patient's notes.
    message = b"".join(len(p.encode()).to_bytes(8, "big") + p.encode() for p in parts)
    return hmac.digest(secret, message, "sha256")


def make_key(path: Path) -> Key:
    """A fresh key, written to ``path`` (0600)."""
    secret = os.urandom(32)
    write_atomic(path, secret.hex().encode() + b"\n", private=True)
    return Key(secret)


def given_key(path: Path | None) -> Key | None:
    """The key of a key file, else that of the environment, else none. Never an argument: the list
    of processes shows arguments to everybody.

    Raises:
        InputError: it cannot be read, or is no key.
    """
    if path is not None:
        return load_key(path)
    text = os.environ.get(VARIABLE)
    return None if text is None else _parse(text.encode(), f"environment variable {VARIABLE}")


def load_key(path: Path) -> Key:
    """A key file: 64 hex digits, or any 16 bytes and more.

    Raises:
        InputError: no such file, readable by others, or too short.
    """
    try:
        mode = path.stat().st_mode
        data = read_bytes(path)
    except OSError as error:
        raise InputError(f"cannot read key file {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(f"key file {path} is readable by others; run: chmod 600 {path}")
    return _parse(data, f"key file {path}")


def _parse(data: bytes, place: str) -> Key:
    data = data.strip()
    try:
        secret = bytes.fromhex(data.decode())
    except ValueError:
        secret = data
    if len(secret) < 16:
        raise InputError(
            f"{place} holds {len(secret)} bytes; give at least 16, for example from: "
            "openssl rand -hex 32"
        )
    return Key(secret)
