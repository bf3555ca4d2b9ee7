"""Signature over a whole folder, in the format of the OpenSSF's model signing.

``model.sig`` is a Sigstore bundle: an in-toto statement with the SHA-256 of every file, signed by
an elliptic-curve key. Any verifier of that format can check it; none needs llmsafe.

Every file counts. The library leaves Git's files out when it is not told otherwise, so a
``.gitignore`` could be slipped in; here nothing but the signature itself is left out.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from llmsafe.errors import EvidenceError, InputError, SetupError

SIGNATURE = "model.sig"
PASSPHRASE = "LLMSAFE_SIGNING_PASSPHRASE"
MAKE_KEY = (
    "openssl ecparam -name prime256v1 -genkey -noout -out signing.pem && "
    "openssl ec -in signing.pem -pubout -out signing.pub && chmod 600 signing.pem"
)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def check_signing_key(path: Path) -> str:
    """The SHA-256 of the public half of a private key that can sign; read, not kept.

    A passphrase is taken from ``LLMSAFE_SIGNING_PASSPHRASE``: arguments are seen by everyone.

    Raises:
        InputError: no such file, readable by others, no key, of another kind, a wrong passphrase.
        SetupError: the package that signs is not installed.
    """
    _library()
    return _fingerprint(_private_key(path).public_key(), path)


def write_public_key(private: Path, path: Path) -> Path:
    """Write the public half of a private key as PEM.

    Raises:
        InputError: as :func:`check_signing_key`.
    """
    path.write_bytes(_pem(_private_key(private).public_key()))
    return path


def _private_key(path: Path) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read()
    except OSError as error:
        raise InputError(
            f"cannot read signing key {path}: {error.strerror}; make one: {MAKE_KEY}"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(f"signing key {path} is readable by others; run: chmod 600 {path}")
    try:
        return load_pem_private_key(data, _passphrase())
    except (ValueError, TypeError) as error:
        raise InputError(
            f"signing key {path} is no private key in PEM that opens with what {PASSPHRASE} "
            f"holds; make one: {MAKE_KEY}"
        ) from error


def read_public_key(path: Path) -> str:
    """The SHA-256 of a public key that signatures can be checked with.

    Raises:
        InputError: no such file, no public key in PEM, or one of another kind.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read public key {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} is no public key in PEM; get it from whoever released the model, by another "
            "way than the release itself"
        ) from error
    return _fingerprint(key, path)


def _fingerprint(public: Any, path: Path) -> str:
    if getattr(getattr(public, "curve", None), "name", None) not in _CURVES:
        raise InputError(
            f"{path} is of a kind that cannot sign here; it takes an elliptic-curve key (P-256, "
            f"P-384 or P-521): {MAKE_KEY}"
        )
    return hashlib.sha256(_pem(public)).hexdigest()


def _pem(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(folder: Path, key: Path) -> Path:
    """Sign every file in ``folder``; the signature is written into it.

    Raises:
        EvidenceError: the folder holds a link.
    """
    signing, hashing = _library()
    path = folder / SIGNATURE
    config = signing.Config().use_elliptic_key_signer(private_key=key, password=_passphrase())
    try:
        config.set_hashing_config(_every_file(hashing)).sign(folder, path)
    except ValueError as error:
        raise EvidenceError(f"{folder} cannot be signed: {error}") from error
    return path


def verify(folder: Path, public_key: Path) -> None:
    """Check that ``folder`` holds the files that were signed, and no other.

    Raises:
        InputError: no such folder, or no key.
        EvidenceError: no signature, one by another key, or a file that was changed, added, removed
            or renamed; the message names it.
        SetupError: the package that verifies is not installed.
    """
    _, hashing = _library()
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    read_public_key(public_key)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the release folder")
    path = folder / SIGNATURE
    if path.is_symlink() or not path.is_file():
        raise EvidenceError(f"{folder} has no signature ({SIGNATURE}); do not use it")
    config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    config.set_hashing_config(_every_file(hashing))
    try:
        config.verify(folder, path)
    except InvalidSignature as error:
        raise EvidenceError(
            f"{path} was changed, or was made with another key than {public_key}; do not use it"
        ) from error
    except (
        ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, RecursionError
    ) as error:  # fmt: skip
        # The library's own checks raise ValueError; what it cannot parse raises the others.
        said = str(error) if isinstance(error, ValueError) else "it is no signature"
        raise EvidenceError(f"{folder} is not what was signed: {said}") from error
    for place in folder.rglob("*"):  # a signature covers files; a folder of its own is no file
        if place.is_dir() and not any(inner.is_file() for inner in place.rglob("*")):
            name = place.relative_to(folder)
            raise EvidenceError(f"{folder} is not what was signed: an empty folder {name} in it")


def _every_file(hashing: Any) -> Any:
    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _passphrase() -> bytes | None:
    text = os.environ.get(PASSPHRASE)
    return text.encode() if text else None


def _library() -> tuple[Any, Any]:
    try:
        from model_signing import hashing, signing
    except ImportError as error:
        raise SetupError(
            f"signatures need the package model-signing ({error}); pip install llmsafe[sign]"
        ) from error
    return signing, hashing
