"""A stream in authenticated segments: AES-256-GCM, 1 MiB of ciphertext each, constant memory.

The bytes are those of Tink's streaming AEAD ``AES256_GCM_HKDF_1MB``, so Tink reads what is written
here and the other way round:

    header    40 (1 byte, its own length) | salt (32) | nonce prefix (7)
    segments  ciphertext | tag (16); 2^20 bytes each, the header counted in the first, the last less

    segment key  HKDF-SHA256 (key, salt, info = associated data), 32 bytes
    nonce        nonce prefix | number of the segment (4, big endian) | 1 for the last, else 0

So no segment can be cut off, repeated, left out or put elsewhere, and none is handed on before its
tag is right. Source: Tink's "Streaming AEAD: AES-GCM-HKDF"; Hoang, Reyhanitabar, Rogaway and
Vizár, Online Authenticated Encryption (2015), nonce-based STREAM.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO

from llmsafe.errors import EvidenceError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEGMENT = 1 << 20
HEADER = 40
TAG = 16
_SALT = 32


class Altered(EvidenceError):
    """Sealed bytes that are not what was written: changed, cut, put together anew."""


def derive(key: bytes, salt: bytes | None, info: bytes) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, info).derive(key)


def _cipher(key: bytes, salt: bytes, associated: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(derive(key, salt, associated))


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _room(number: int) -> int:
    """Bytes of plaintext that segment ``number`` holds."""
    return SEGMENT - TAG - (HEADER if number == 0 else 0)


class SegmentWriter(io.RawIOBase):
    """Encrypts what is written to it into ``file``. Only :meth:`finish` makes the stream whole:
    one that is closed without it cannot be opened."""

    def __init__(self, file: BinaryIO, key: bytes, associated: bytes) -> None:
        salt, self._prefix = os.urandom(_SALT), os.urandom(7)
        self._file = file
        self._cipher = _cipher(key, salt, associated)
        self._waiting = bytearray()
        self._number = 0
        self._written = 0
        file.write(bytes([HEADER]) + salt + self._prefix)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Bytes of plaintext so far."""
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        with memoryview(data).cast("B") as view:
            position = 0
            # A full segment waits until more comes: only then is it not the last.
            while len(self._waiting) + len(view) - position > _room(self._number):
                taken = _room(self._number) - len(self._waiting)
                self._waiting += view[position : position + taken]
                position += taken
                self._emit(last=False)
            self._waiting += view[position:]
            self._written += len(view)
            return len(view)

    def finish(self) -> None:
        """Write the last segment."""
        self._emit(last=True)

    def _emit(self, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, last)  # raises past 2^32 segments (4 PiB)
        self._file.write(self._cipher.encrypt(nonce, self._waiting, None))
        self._waiting.clear()
        self._number += 1


class SegmentReader(io.RawIOBase):
    """Decrypts a stream that begins at ``start`` of ``file`` (seekable) and goes to its end.

    The last segment is authenticated at once: of a stream that was cut nothing is read at all.
    Every other one is authenticated before a byte of it is handed on. Holds one segment in memory;
    closing it closes ``file``.

    Raises:
        Altered: here and from every read; the message begins with ``name``.
    """

    def __init__(
        self, file: BinaryIO, start: int, key: bytes, associated: bytes, *, name: str = "stream"
    ) -> None:
        self._file, self._start, self.name = file, start, name
        length = file.seek(0, io.SEEK_END) - start
        file.seek(start)
        header = file.read(HEADER)
        last, size = divmod(length - 1, SEGMENT)
        least = TAG + (HEADER if last == 0 else 0)
        if len(header) < HEADER or header[0] != HEADER or size + 1 < least:
            raise Altered(f"{name}: cut, or no sealed stream")
        self._prefix = header[1 + _SALT :]
        self._cipher = _cipher(key, header[1 : 1 + _SALT], associated)
        self._last = last
        self._length = length - HEADER - TAG * (last + 1)
        self._position = 0
        self._held, self._number = self._segment(last), last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        match whence:
            case io.SEEK_CUR:
                offset += self._position
            case io.SEEK_END:
                offset += self._length
            case _:
                pass
        if offset < 0:
            raise ValueError("a position before the beginning")
        self._position = offset
        return offset

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer).cast("B") as view:
            if not len(view) or self._position >= self._length:
                return 0
            # The first segment is shorter by the header.
            number, within = divmod(self._position + HEADER, SEGMENT - TAG)
            within -= HEADER if number == 0 else 0
            if number != self._number:
                self._held, self._number = self._segment(number), number
            piece = memoryview(self._held)[within : within + len(view)]
            view[: len(piece)] = piece
            self._position += len(piece)
            return len(piece)

    def _segment(self, number: int) -> bytes:
        from cryptography.exceptions import InvalidTag

        skipped = HEADER if number == 0 else 0
        self._file.seek(self._start + number * SEGMENT + skipped)
        data = self._file.read(SEGMENT - skipped)
        nonce = _nonce(self._prefix, number, number == self._last)
        try:
            return self._cipher.decrypt(nonce, data, None)
        except InvalidTag:
            raise Altered(
                f"{self.name}: segment {number + 1} of {self._last + 1} is not what was sealed; "
                "restore the file from a copy"
            ) from None

    def close(self) -> None:
        self._file.close()
        super().close()
