"""Spans that a key holder can turn back: encrypted tokens in the text.

``[NAME:v1.3f9a01bc.kqJ0…]`` is category, version, key id and ciphertext (base64url, no padding).

The cipher is AES-256-SIV (RFC 5297). A scrub must write the same bytes with one process or eight,
and again after a resume, so nothing in it may be random. Under AES-GCM a nonce that comes twice
gives texts and key away; SIV needs none, and all that shows is that two values of one category in
one note are equal. AES-GCM-SIV (RFC 8452) would carry 12 bytes more and need a newer OpenSSL.

Category and published note id are associated data: a token that is moved to another note, or that
is said to be something else, does not open. Nothing binds it to its place within the note. Values
are padded to 16 bytes, so that most names are equally long.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from llmsafe.notes import CATEGORIES
from llmsafe.scrub.keys import Key

_TOKEN = re.compile(
    rf"\[(?P<category>{'|'.join(CATEGORIES)}):v1\.(?P<key>[0-9a-f]{{8}})\.(?P<body>[A-Za-z0-9_-]+)\]"
)
# All that could once have been a token: whole, cut, or with any one of its characters changed.
LIKE_A_TOKEN = re.compile(
    r"\[[A-Z_]{2,12}:v[0-9]{1,3}\.[^\s\[\]]*\]?|[0-9a-f]{8}\.[A-Za-z0-9_-]{43,}\]?"
)
_LONG_END = re.compile(r"\.[A-Za-z0-9_-]{43}")  # quicker to look for than what may precede it
_OPENING = re.compile(r"\[[A-Z_]{2}")  # of a token or a tag
_BLOCK = 16


@lru_cache(maxsize=4)
def may_hold_tokens(text: str) -> bool:
    """Whether there can be anything :data:`LIKE_A_TOKEN`, or a tag in brackets, at all."""
    return _OPENING.search(text) is not None or _LONG_END.search(text) is not None


class Refused(Exception):
    """A token that does not open."""


class ForeignKey(Refused):
    """It was made with another key."""


class Tampered(Refused):
    """It was altered, cut, forged, or moved from another note."""


def seal(key: Key, note_id: str, category: str, value: str) -> str:
    """The token of a value; the same for the same four arguments."""
    data = value.encode() + b"\x80"  # padding as in ISO/IEC 7816-4
    data += bytes(-len(data) % _BLOCK)
    sealed = _cipher(key).encrypt(data, _associated(note_id, category))
    body = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    return f"[{category}:v1.{key_id(key)}.{body}]"


def unseal(key: Key, note_id: str, token: str) -> str:
    """The value of a token.

    Raises:
        ForeignKey: it names another key.
        Tampered: it is no whole token of this key, note and category, byte for byte.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise Tampered
    if match["key"] != key_id(key):
        raise ForeignKey
    try:
        sealed = base64.b64decode(match["body"] + "=" * (-len(match["body"]) % 4), b"-_")
        data = _cipher(key).decrypt(sealed, _associated(note_id, match["category"]))
        value = data.rstrip(b"\0").removesuffix(b"\x80").decode()
    except (binascii.Error, InvalidTag, ValueError):
        raise Tampered from None
    # The last character of base64 has bits that decoding ignores.
    if seal(key, note_id, match["category"], value) != token:
        raise Tampered
    return value


def category_of(token: str) -> str | None:
    """What a token says that it holds; ``None`` if it is no whole token."""
    match = _TOKEN.fullmatch(token)
    return match["category"] if match else None


def opens(key: Key, note_id: str, token: str) -> bool:
    """Whether :func:`unseal` gives its value."""
    try:
        unseal(key, note_id, token)
    except Refused:
        return False
    return True


def key_id(key: Key) -> str:
    """Eight hex digits that name the key without giving it away."""
    return key.token(8, "token key id")


@lru_cache(maxsize=4)
def _cipher(key: Key) -> AESSIV:
    return AESSIV(key.digest("token cipher", "1") + key.digest("token cipher", "2"))


def _associated(note_id: str, category: str) -> list[bytes]:
    return [b"llmsafe token v1", category.encode(), note_id.encode()]
