"""Sealed files that grow by a line: ledger, metrics, access log.

The first line is an envelope (``llmsafe-lines `` and base64), every further one is a line in
AES-256-GCM under a key of the file and a random nonce (NIST SP 800-38D, section 8.2.2; at most 2^32
lines), in base64. A line that was changed or forged is refused. That none was taken out or put
elsewhere, a hash chain inside the lines has to show (:mod:`llmsafe.chain`).
"""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Iterable

from llmsafe.seal.envelope import (
    CONTEXT,
    Envelope,
    make_envelope,
    new_file_key,
    read_envelope,
)
from llmsafe.seal.keys import Key
from llmsafe.seal.segments import Altered, derive

MAGIC = b"llmsafe-lines "
_NONCE = 12


class Lines:
    """Seals and opens the lines of one file; a line has no newline at its end."""

    def __init__(self, envelope: Envelope, file_key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.envelope = envelope
        self.file_key = file_key
        self._cipher = AESGCM(derive(file_key, None, CONTEXT + b" lines"))

    @classmethod
    def make(cls, key: Key, recipients: Iterable[str]) -> Lines:
        """Of a new file, which begins with :attr:`head`."""
        file_key = new_file_key()
        return cls(make_envelope(file_key, key, recipients), file_key)

    @classmethod
    def read(cls, head: bytes, key: Key) -> Lines:
        """Of a file with the first line ``head``.

        Raises:
            Altered, InputError: as :meth:`Envelope.open`.
        """
        envelope = head_envelope(head)
        return cls(envelope, envelope.open(key))

    @property
    def head(self) -> bytes:
        """The first line."""
        return head_line(self.envelope)

    def seal(self, line: bytes) -> bytes:
        """A line as the file holds it."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, line, None))

    def open(self, line: bytes) -> bytes:
        """The line again.

        Raises:
            Altered: it is not what was sealed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(line, validate=True)
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], None)
        except (InvalidTag, binascii.Error, ValueError):
            raise Altered("a line is not what was sealed") from None


def head_envelope(head: bytes) -> Envelope:
    """The envelope in a first line, not opened."""
    try:
        data = io.BytesIO(base64.b64decode(head.removeprefix(MAGIC).rstrip(b"\n"), validate=True))
    except binascii.Error:
        raise Altered("its first line was changed") from None
    envelope = read_envelope(data)
    if data.read(1):
        raise Altered("its first line was changed")
    return envelope


def head_line(envelope: Envelope) -> bytes:
    """The first line of a file with this envelope."""
    return MAGIC + base64.b64encode(envelope.data)


def open_lines(data: bytes, key: Key) -> bytes:
    """The lines of a whole file; one that a crash tore off at the end stays torn: it comes without
    a newline, and without its content."""
    head, _, rest = data.partition(b"\n")
    lines = Lines.read(head, key)
    *whole, torn = rest.split(b"\n")
    opened = b"".join(lines.open(line) + b"\n" for line in whole)
    return opened + (b"?" if torn else b"")
