"""Keys: a secret in a 0600 file or the environment, and the id that others seal for.

A key is a P-256 pair. Its id (``lsk_…``) is the public half: whoever has it can seal for the key
and open nothing. The secret half opens, and proves who sealed.

A key file is text, a ``name: value`` a line:

    id: lsk_…            public
    secret: lss_…        or, under a passphrase,  locked: n,r,p salt box
    trust: lsk_… name    whose seals this key takes for genuine, beside its own

``locked`` is the secret in AES-256-GCM under scrypt (RFC 7914) of the passphrase, n = 2^17.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from llmsafe.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SECRET, FILE, PASSPHRASE = (
    "LLMSAFE_SEAL_KEY",
    "LLMSAFE_SEAL_KEY_FILE",
    "LLMSAFE_SEAL_PASSPHRASE_FD",
)
ID_BYTES = 33  # a compressed point
KEY_FILE = "# llmsafe key"  # how the file begins
_ID, _SECRET = "lsk_", "lss_"
_LOG2_N, _MOST_LOG2_N = 17, 20  # 128 MiB; a file that asks for more than 1 GiB is refused
_NAME = re.compile(r"[\w.@-]{1,40}")


@dataclass(frozen=True)
class Key:
    """A secret key, the ids it trusts with their names, and its ``repr`` shows no secret.

    ``secret`` is empty while the key is locked.
    """

    id: str
    secret: bytes = field(repr=False)
    trusted: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    locked: str = field(default="", repr=False)

    def trusts(self, other: str) -> bool:
        """Whether a seal by ``other`` is taken for genuine."""
        return other == self.id or other in self.trusted

    def name_of(self, other: str) -> str:
        """The name this key knows ``other`` by, else its id."""
        return self.trusted.get(other, other)

    def agree(self, other: str) -> bytes:
        """The secret that this key and ``other`` share (ECDH on P-256)."""
        from cryptography.hazmat.primitives.asymmetric import ec

        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), id_bytes(other))
        return _private(self.secret).exchange(ec.ECDH(), point)

    def trusting(self, other: str, name: str) -> Key:
        """This key, trusting one more.

        Raises:
            InputError: no id, or no name of letters, digits and ``._@-``.
        """
        id_bytes(other)
        if not _NAME.fullmatch(name):
            raise InputError(f"name {name!r}: give 1 to 40 letters, digits or . _ @ -")
        return replace(self, trusted={**self.trusted, other: name})

    def to_text(self) -> str:
        """What its file holds."""
        secret = f"locked: {self.locked}" if self.locked else f"secret: {self.secret_text()}"
        trusted = [f"trust: {other} {name}" for other, name in self.trusted.items()]
        head = "# llmsafe key. Keep it secret, with a copy elsewhere: nothing else opens your files"
        return "\n".join([head, f"id: {self.id}", secret, *trusted]) + "\n"

    def secret_text(self) -> str:
        """The secret as text: for a file or an environment that nobody else reads."""
        return _SECRET + _base64(self.secret)


def new_key() -> Key:
    """A fresh key from the operating system's generator."""
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    return _key(private.private_numbers().private_value.to_bytes(32, "big"))


def _key(secret: bytes) -> Key:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _private(secret).public_key()
    return Key(id_of(public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)), secret)


def _private(secret: bytes) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


# --- ids ----------------------------------------------------------------------------------------


def id_of(point: bytes) -> str:
    """The id of a public key's 33 bytes."""
    return _ID + _base64(point)


def id_bytes(name: str) -> bytes:
    """The 33 bytes of an id; that they are a point of the curve is found when they are used.

    Raises:
        InputError: this is no id.
    """
    data = _from_base64(name.removeprefix(_ID)) if name.startswith(_ID) else None
    if data is None or len(data) != ID_BYTES or data[0] not in (2, 3):
        raise InputError(f"{name[:60]!r} is no key id (lsk_…); print it by: llmsafe key show-id")
    return data


def check_id(name: str) -> str:
    """The id itself.

    Raises:
        InputError: this is no id of a key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), id_bytes(name))
    except ValueError:
        raise InputError(f"{name!r} is mistyped: it is the id of no key") from None
    return name


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


# --- from file and environment ------------------------------------------------------------------


def given_key(path: Path | None = None) -> Key | None:
    """The unlocked key of ``path``, else of the environment, else none. Never an argument: the list
    of processes shows arguments to everybody.

    ``LLMSAFE_SEAL_KEY`` holds a secret, ``LLMSAFE_SEAL_KEY_FILE`` the path of a key file. The
    passphrase of a locked one is read from the file descriptor that ``LLMSAFE_SEAL_PASSPHRASE_FD``
    names, else asked for on the terminal; once a process.

    Raises:
        InputError: it cannot be read, others may read it, or the passphrase is wrong.
    """
    if path is None and (text := os.environ.get(SECRET)):
        return _parse(text if ":" in text else f"secret: {text}", f"environment variable {SECRET}")
    if path is None and (name := os.environ.get(FILE)):
        path = Path(name)
    return None if path is None else unlocked(read_key(path), str(path))


def needed_key(path: Path | None = None) -> Key:
    """:func:`given_key`, which must be there.

    Raises:
        InputError: no key is given.
    """
    key = given_key(path)
    if key is None:
        raise InputError(f"no key: name a key file in {FILE} (make one by: llmsafe key new FILE)")
    return key


def read_key(path: Path) -> Key:
    """A key file; a locked key stays locked.

    Raises:
        InputError: no such file, readable by others, a link to one that is, or no key file.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(1 << 20)
    except OSError as error:
        raise InputError(f"cannot read key file {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(f"key file {path} is open to others; run: chmod 600 {path}")
    return _parse(data.decode(errors="replace"), f"key file {path}")


def _parse(text: str, place: str) -> Key:
    id = locked = ""
    secret, trusted = b"", dict[str, str]()
    for line in text.splitlines():
        name, _, value = line.strip().partition(": ")
        match name:
            case "id":
                id = value
            case "secret":
                secret = _secret(value) or b""
            case "locked":
                locked = value
            case "trust":
                other, _, called = value.partition(" ")
                trusted[check_id(other)] = called
            case _ if line.strip() and not line.startswith("#"):
                raise InputError(f"{place} is no key file; make one by: llmsafe key new FILE")
            case _:
                pass
    if locked and id:
        return Key(check_id(id), b"", trusted, locked)
    try:
        key = replace(_key(secret), trusted=trusted)
    except ValueError:  # zero, or more than the order of the curve
        raise InputError(f"{place} holds no key; make one by: llmsafe key new FILE") from None
    if id not in ("", key.id):
        raise InputError(f"{place} is damaged: its id is not that of its secret; use a copy of it")
    return key


def _secret(text: str) -> bytes | None:
    data = _from_base64(text.removeprefix(_SECRET)) if text.startswith(_SECRET) else None
    return data if data is not None and len(data) == 32 else None


# --- passphrases --------------------------------------------------------------------------------


def lock(key: Key, passphrase: bytes, *, log2_n: int = _LOG2_N) -> Key:
    """The key as a file keeps it under a passphrase.

    Raises:
        InputError: the passphrase is shorter than 12 bytes.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < 12:
        raise InputError("a passphrase has 12 characters or more; take several random words")
    salt, cost = os.urandom(16), f"{log2_n},8,1"
    under = _scrypt(passphrase, salt, cost)
    box = AESGCM(under).encrypt(bytes(12), key.secret, f"{key.id} {cost}".encode())
    return replace(key, secret=b"", locked=f"{cost} {_base64(salt)} {_base64(box)}")


def unlocked(key: Key, place: str, ask: Callable[[str], bytes] | None = None) -> Key:
    """The key with its secret. ``ask`` gets the passphrase; by default as :func:`given_key` says.

    Raises:
        InputError: a wrong passphrase, none to be had, or a file that was changed.
    """
    if not key.locked:
        return key
    secret = _unlock(key.locked, key.id, place, ask or ask_passphrase)
    return replace(key, secret=secret, locked="")


@lru_cache
def _unlock(locked: str, id: str, place: str, ask: Callable[[str], bytes]) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cost, *rest = locked.split(" ")
    parts = [data for text in rest if (data := _from_base64(text)) is not None]
    if len(parts) != 2 or not re.fullmatch(r"\d{1,2},8,1", cost):
        raise InputError(f"{place} is damaged: its secret cannot be read; use a copy of it")
    under = _scrypt(ask(f"Passphrase of {place}: "), parts[0], cost)
    try:
        return AESGCM(under).decrypt(bytes(12), parts[1], f"{id} {cost}".encode())
    except InvalidTag:
        raise InputError(f"wrong passphrase for {place}, or the file was changed") from None


def _scrypt(passphrase: bytes, salt: bytes, cost: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    log2_n, r, p = map(int, cost.split(","))
    if not 1 <= log2_n <= _MOST_LOG2_N:
        raise InputError(f"scrypt with n = 2^{log2_n} is refused; a key file has 2^{_LOG2_N}")
    # The salt is fresh for each lock, so its key encrypts once and a fixed nonce is safe.
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=r, p=p).derive(passphrase)


def ask_passphrase(prompt: str) -> bytes:
    """From the file descriptor of ``LLMSAFE_SEAL_PASSPHRASE_FD`` (its first line), else the
    terminal.

    Raises:
        InputError: neither is there.
    """
    number = os.environ.get(PASSPHRASE)
    if number is None:
        try:
            with open("/dev/tty", "rb"):
                return getpass.getpass(prompt).encode()
        except (OSError, EOFError):
            raise InputError(
                f"the key is under a passphrase and there is no terminal to ask; give it by "
                f"{PASSPHRASE}=3 and 3<FILE, or start the job by: llmsafe key run -- COMMAND"
            ) from None
    try:
        with open(int(number), "rb", closefd=False) as file:
            return file.readline().rstrip(b"\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"{PASSPHRASE}={number} is no open file descriptor") from error
