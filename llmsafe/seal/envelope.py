"""The header ahead of a sealed stream: who sealed it, who may open it, and its key for each.

    magic      "llmsafe" 0            8
    version    1                      1
    count      of recipients, 1..64   1
    sealer     public key            33   P-256, compressed
    ephemeral  public key            33
    recipient  public key            33 } count times
               wrapped file key      40 } AES-256 key wrap (RFC 3394)
    mac        of all the above      32   HMAC-SHA256 under HKDF (file key, "… header")

The file key, 32 random bytes, is wrapped for a recipient R under

    HKDF-SHA256 (ECDH (ephemeral, R) | ECDH (sealer, R), salt = ephemeral | sealer | R, "… wrap")

which is the key agreement of HPKE's authenticated mode (RFC 9180, section 5.1.3): R alone can
unwrap it, and nobody but the sealer, or R, can have wrapped it. The body does not depend on the
header, so keys are rotated by writing a new header before the same body.

What that proves: the file was written by somebody who holds the sealer's secret, or the secret of
one of the recipients. It says nothing on when, nor that no newer one was in its place.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from llmsafe.errors import InputError
from llmsafe.seal.keys import ID_BYTES, Key, id_bytes, id_of, new_key
from llmsafe.seal.segments import Altered, derive

MAGIC = b"llmsafe\0"
VERSION = 1
CONTEXT = b"llmsafe seal 1"
"""The associated data of a body, for whoever opens it with Tink."""
MOST_RECIPIENTS = 64
_WRAPPED = 40
_MAC = 32
_FIXED = len(MAGIC) + 2 + 2 * ID_BYTES


@dataclass(frozen=True)
class Envelope:
    """A header as it lies on the disk; nothing of it is believed before :meth:`open`."""

    sealer: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)

    def open(self, key: Key) -> bytes:
        """The file key, for a recipient.

        Raises:
            InputError: sealed for other keys, or by one that this key does not trust.
            Altered: any byte of the header is not what was written.
        """
        if key.id not in self.recipients:
            others = ", ".join(map(key.name_of, self.recipients))
            raise InputError(f"sealed for {others}, and not for your key {key.id}")
        place = _FIXED + self.recipients.index(key.id) * (ID_BYTES + _WRAPPED) + ID_BYTES
        ephemeral = id_of(self.data[_FIXED - ID_BYTES : _FIXED])
        file_key = _unwrap(key, self.sealer, ephemeral, self.data[place : place + _WRAPPED])
        if not hmac.compare_digest(_mac(file_key, self.data[:-_MAC]), self.data[-_MAC:]):
            raise Altered("its header was changed")
        if not key.trusts(self.sealer):
            raise InputError(
                f"sealed by {self.sealer}, which your key does not trust; if you know whose key "
                "that is: llmsafe key trust ID --name NAME"
            )
        return file_key


def make_envelope(file_key: bytes, sealer: Key, recipients: Iterable[str]) -> Envelope:
    """Seal ``file_key`` (32 bytes) for every recipient.

    Raises:
        InputError: no recipient or more than 64, or an id that is none.
    """
    ids = tuple(dict.fromkeys(recipients))
    if not 1 <= len(ids) <= MOST_RECIPIENTS:
        raise InputError(f"{len(ids)} recipients; a file is sealed for 1 to {MOST_RECIPIENTS} keys")
    ephemeral = new_key()
    head = MAGIC + bytes([VERSION, len(ids)]) + id_bytes(sealer.id) + id_bytes(ephemeral.id)
    for name in ids:
        head += id_bytes(name) + _wrap(file_key, sealer, ephemeral, name)
    return Envelope(sealer.id, ids, head + _mac(file_key, head))


def read_envelope(file: BinaryIO) -> Envelope:
    """The header at the beginning of ``file``, which is left at the body.

    Raises:
        Altered: cut short, or no header.
        InputError: of a newer version.
    """
    head = file.read(_FIXED)
    if len(head) < _FIXED or not head.startswith(MAGIC):
        raise Altered("cut, or not sealed by llmsafe")
    version, count = head[len(MAGIC)], head[len(MAGIC) + 1]
    if version != VERSION:
        raise InputError(f"sealed in format {version}; this llmsafe reads format {VERSION}")
    if not 1 <= count <= MOST_RECIPIENTS:
        raise Altered("its header was changed")
    rest = file.read(count * (ID_BYTES + _WRAPPED) + _MAC)
    if len(rest) < count * (ID_BYTES + _WRAPPED) + _MAC:
        raise Altered("cut inside its header")
    step = ID_BYTES + _WRAPPED
    ids = [id_of(rest[i * step : i * step + ID_BYTES]) for i in range(count)]
    sealer = id_of(head[len(MAGIC) + 2 : len(MAGIC) + 2 + ID_BYTES])
    return Envelope(sealer, tuple(ids), head + rest)


def new_file_key() -> bytes:
    """A file key of its own for every file."""
    return os.urandom(32)


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(derive(file_key, None, CONTEXT + b" header"), head, "sha256")


def _wrap(file_key: bytes, sealer: Key, ephemeral: Key, name: str) -> bytes:
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    try:
        shared = [ephemeral.agree(name), sealer.agree(name)]
    except ValueError:
        raise InputError(f"{name!r} is mistyped: it is the id of no key") from None
    return aes_key_wrap(_wrapping_key(shared, (ephemeral.id, sealer.id, name)), file_key)


def _unwrap(key: Key, sealer: str, ephemeral: str, wrapped: bytes) -> bytes:
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    try:
        shared = [key.agree(ephemeral), key.agree(sealer)]
        return aes_key_unwrap(_wrapping_key(shared, (ephemeral, sealer, key.id)), wrapped)
    except (InvalidUnwrap, ValueError, InputError):  # also: not a point of the curve
        raise Altered("its header was changed") from None


def _wrapping_key(shared: Sequence[bytes], ids: Sequence[str]) -> bytes:
    return derive(b"".join(shared), b"".join(map(id_bytes, ids)), CONTEXT + b" wrap")
