"""The body of a sealed file: against a naive twin, against Tink, and against whoever edits it."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from llmsafe.seal.segments import (
    HEADER,
    SEGMENT,
    TAG,
    Altered,
    SegmentReader,
    SegmentWriter,
)

KEY, CONTEXT = bytes(range(32)), b"context"
FIRST = SEGMENT - TAG - HEADER  # plaintext of the first segment
SIZES = [0, 1, 15, FIRST - 1, FIRST, FIRST + 1, FIRST + SEGMENT - TAG, 2 * SEGMENT + 12345]


def seal(data: bytes, pieces: int = 3) -> bytes:
    out = io.BytesIO()
    writer = SegmentWriter(out, KEY, CONTEXT)
    step = max(1, -(-len(data) // pieces))
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    writer.finish()
    return out.getvalue()


def reader(sealed: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> SegmentReader:
    return SegmentReader(io.BytesIO(sealed), 0, key, context)


def unseal(sealed: bytes) -> bytes:
    return io.BufferedReader(reader(sealed)).read()


def naive(sealed: bytes) -> bytes:
    """From Tink's description alone, with HKDF written out: nothing of llmsafe is used."""
    salt, prefix = sealed[1:33], sealed[33:40]
    pseudorandom = hmac.digest(salt, KEY, hashlib.sha256)
    key = hmac.digest(pseudorandom, CONTEXT + b"\x01", hashlib.sha256)
    segments = [sealed[40 : 1 << 20]]
    segments += [sealed[at : at + (1 << 20)] for at in range(1 << 20, len(sealed), 1 << 20)]
    plain = b""
    for number, segment in enumerate(segments):
        nonce = prefix + number.to_bytes(4, "big")
        nonce += b"\x01" if number == len(segments) - 1 else b"\x00"
        plain += AESGCM(key).decrypt(nonce, segment, b"")
    return plain


@pytest.mark.parametrize("size", SIZES)
def test_what_comes_out_is_what_went_in_and_a_naive_twin_agrees(size: int):
    data = random.Random(size).randbytes(size)
    sealed = seal(data)
    assert unseal(sealed) == data == naive(sealed)
    assert len(sealed) == size + HEADER + TAG * max(1, -(-(size + HEADER) // (SEGMENT - TAG)))
    assert data[:15] not in sealed or size < 8


def test_pieces_do_not_matter_but_every_file_has_its_own_key():
    data = bytes(SEGMENT + 7)
    assert unseal(seal(data, pieces=1)) == unseal(seal(data, pieces=9)) == data
    assert seal(data)[HEADER:] != seal(data)[HEADER:]


def test_any_place_can_be_read_first():
    data = random.Random(1).randbytes(2 * SEGMENT + 999)
    file, rng = io.BufferedReader(reader(seal(data))), random.Random(2)
    assert file.seek(0, io.SEEK_END) == len(data)
    for _ in range(60):
        start = rng.choice([rng.randrange(len(data)), FIRST - 3, FIRST, len(data) - 5])
        size = rng.choice([1, 10, 3000])
        file.seek(start)
        assert file.read(size) == data[start : start + size]
    file.seek(len(data) + 5)
    assert file.read() == b""


DATA = random.Random(3).randbytes(3 * SEGMENT + 77)
SEALED = seal(DATA)
PARTS = [SEALED[at : at + SEGMENT] for at in range(0, len(SEALED), SEGMENT)]


def hostile() -> dict[str, bytes]:
    cases = {
        "empty": b"",
        "header alone": SEALED[:HEADER],
        "two swapped": PARTS[0] + PARTS[2] + PARTS[1] + PARTS[3],
        "one repeated": PARTS[0] + PARTS[1] + PARTS[1] + PARTS[2] + PARTS[3],
        "one left out": PARTS[0] + PARTS[2] + PARTS[3],
        "first left out": PARTS[1] + PARTS[2] + PARTS[3],
        "last repeated": SEALED + PARTS[3],
        "one byte more": SEALED + b"\0",
        "another file's": PARTS[0] + seal(DATA)[SEGMENT : 2 * SEGMENT] + PARTS[2] + PARTS[3],
    }
    for border in range(1, 4):
        for off in (-1, 0, 1, TAG - 1, TAG):
            cases[f"cut at {border} {off:+}"] = SEALED[: border * SEGMENT + off]
    cases |= {f"cut by {n}": SEALED[:-n] for n in (1, 16, 17, 77)}
    for at in range(HEADER):
        cases[f"header byte {at}"] = flipped(SEALED, at)
    for segment in range(4):
        start, end = segment * SEGMENT, min((segment + 1) * SEGMENT, len(SEALED))
        for at in (max(start, HEADER), (start + end) // 2, end - TAG, end - 1):
            cases[f"byte {at} of segment {segment}"] = flipped(SEALED, at)
    return cases


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


HOSTILE = hostile()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_was_altered_is_refused_and_only_authentic_bytes_come_before(name: str):
    got = b""
    with pytest.raises(Altered):
        file = io.BufferedReader(reader(HOSTILE[name]), 1 << 16)
        while piece := file.read(1 << 16):
            got += piece
    assert DATA.startswith(got)
    if name.startswith(("cut", "empty", "header", "one byte more", "last")):
        assert got == b""  # the end is looked at first


@pytest.mark.parametrize(("key", "context"), [(bytes(32), CONTEXT), (KEY, b"contexts"), (KEY, b"")])
def test_another_key_or_context_opens_nothing(key: bytes, context: bytes):
    with pytest.raises(Altered):
        reader(seal(b"secret"), key, context)


def test_a_stream_that_was_not_finished_cannot_be_opened():
    out = io.BytesIO()
    writer = SegmentWriter(out, KEY, CONTEXT)
    writer.write(bytes(3 * SEGMENT))
    writer.close()
    with pytest.raises(Altered):
        reader(out.getvalue())


def test_known_answers_of_nist():
    """GCM test cases 13, 14 and 16 of McGrew and Viega, in NIST's validation set too."""
    zero = AESGCM(bytes(32))
    assert zero.encrypt(bytes(12), b"", None).hex() == "530f8afbc74536b9a963b4f1c4cb738b"
    assert zero.encrypt(bytes(12), bytes(16), None).hex() == (
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )


def test_known_answer_of_rfc_5869():
    """HKDF-SHA256, test case 3 of appendix A: no salt, no info, its first 32 bytes."""
    from llmsafe.seal.segments import derive

    assert derive(b"\x0b" * 22, None, b"").hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )


@pytest.mark.parametrize("size", [0, FIRST, FIRST + 1, 2 * SEGMENT + 5])
def test_tink_reads_and_writes_the_same(size: int):
    pytest.importorskip("tink")
    from tink import cleartext_keyset_handle, streaming_aead
    from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

    streaming_aead.register()
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    value = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(params=parameters, key_value=KEY)
    keyset = tink_pb2.Keyset(primary_key_id=1)
    added = keyset.key.add(key_id=1, status=tink_pb2.ENABLED, output_prefix_type=tink_pb2.RAW)
    added.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
    added.key_data.value = value.SerializeToString()
    added.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
    handle = cleartext_keyset_handle.from_keyset(keyset)
    tink = handle.primitive(streaming_aead.StreamingAead)

    data = random.Random(size).randbytes(size)
    with tink.new_decrypting_stream(io.BytesIO(seal(data)), CONTEXT) as stream:
        assert stream.read() == data
    kept = _Kept()
    with tink.new_encrypting_stream(kept, CONTEXT) as stream:
        stream.write(data)
    assert unseal(kept.data) == data


class _Kept(io.BytesIO):
    """Keeps what was written when the stream closes it."""

    data = b""

    def close(self) -> None:
        if not self.closed:
            self.data = self.getvalue()
        super().close()


def test_memory_does_not_grow_with_the_stream():
    """64 MiB through writer and reader: never more than a few segments are held."""
    import tracemalloc

    path = "/dev/null"
    block = os.urandom(1 << 18)
    tracemalloc.start()
    with open(path, "wb") as file:
        writer = SegmentWriter(file, KEY, CONTEXT)
        for _ in range(256):
            writer.write(block)
        writer.finish()
    assert tracemalloc.get_traced_memory()[1] < 8 * SEGMENT
    tracemalloc.stop()
