"""Tripwires: secrets of planted canaries, which a model can only say if it memorised them.

The server does not have the secrets: it has keyed hashes of them, and hashes what the model says.
That keeps them out of a file, a backup, a core dump read in passing. It is no secrecy against
somebody who has the file and tries: a secret of eight digits has 10^8 possible values. Canaries
are invented people, so what could be found out that way is nobody's data.

A secret is compared by its letters and digits alone, in lower case, so spacing, punctuation and
look-alike letters do not hide it.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from llmsafe.artifacts import CanaryManifest, TripwireFile
from llmsafe.canary.draw import load_manifest
from llmsafe.errors import InputError
from llmsafe.files import read_bytes
from llmsafe.scrub.detect.normalise import normalise

MINIMUM_BITS = 20.0
"""A secret with fewer possible values comes up by chance: two diagnoses, a short number."""
MINIMUM_LENGTH = 8
_UNKNOWN_LENGTH = 12  # of a secret of which nobody counted the possible values


class Tripwires:
    """What :class:`Watcher` looks for. Its ``repr`` shows how many."""

    def __init__(self, file: TripwireFile) -> None:
        self._key = bytes.fromhex(file.key)
        self._digests = {length: frozenset(found) for length, found in file.digests.items()}
        self.lengths = tuple(sorted(self._digests))

    def __len__(self) -> int:
        return sum(map(len, self._digests.values()))

    def __repr__(self) -> str:
        return f"Tripwires(<{len(self)}>)"

    def holds(self, squeezed: str) -> bool:
        """Whether this (letters and digits, in lower case) is a secret."""
        found = self._digests.get(len(squeezed))
        return found is not None and _digest(self._key, squeezed) in found


class Watcher:
    """Watches one response; ``longest`` is the number of letters and digits of a secret."""

    def __init__(self, tripwires: Tripwires) -> None:
        self._tripwires = tripwires
        self._last = ""
        self.longest = max(tripwires.lengths, default=0)

    def feed(self, piece: str) -> bool:
        """Whether a secret is complete with a character of this piece."""
        for character in squeeze(piece):
            self._last = (self._last + character)[-self.longest :]
            for length in self._tripwires.lengths:
                if length <= len(self._last) and self._tripwires.holds(self._last[-length:]):
                    return True
        return False


def make_tripwires(manifest: CanaryManifest) -> TripwireFile:
    """Hashes of the secrets of all planted canaries that no model says by chance, under a new key.

    Raises:
        InputError: there is none.
    """
    key = secrets.token_bytes(32)
    digests: dict[int, set[str]] = {}
    left_out = 0
    for canary in manifest.canaries:
        if not canary.planted:
            continue
        secret = squeeze(canary.text[canary.secret_start : canary.secret_end])
        bits = canary.secret_space_bits
        short = len(secret) < (MINIMUM_LENGTH if bits is not None else _UNKNOWN_LENGTH)
        if short or (bits is not None and bits < MINIMUM_BITS):
            left_out += 1
        else:
            digests.setdefault(len(secret), set()).add(_digest(key, secret))
    if not digests:
        raise InputError(
            f"no planted canary of this manifest has a secret of at least {MINIMUM_BITS:g} bits "
            f"and {MINIMUM_LENGTH} characters, so a model may say it by chance; plant --kind phi"
        )
    return TripwireFile(
        manifest_id=manifest.manifest_id,
        key=key.hex(),
        digests={length: sorted(found) for length, found in sorted(digests.items())},
        left_out=left_out,
    )


def read_tripwires(path: Path) -> TripwireFile:
    """The tripwires of a file, or those made of a canary manifest.

    Raises:
        InputError: a manifest without a usable secret.
        EvidenceError: the file is absent, neither of the two, or a manifest that was changed.
    """
    if path.is_file() and b'"canaries"' in read_bytes(path):
        return make_tripwires(load_manifest(path))
    return TripwireFile.load(path)


def squeeze(text: str) -> str:
    """Letters and digits in lower case, as the detectors see them."""
    return "".join(filter(str.isalnum, normalise(text).text.lower()))


def _digest(key: bytes, squeezed: str) -> str:
    return hashlib.blake2b(squeezed.encode(), key=key, digest_size=16).hexdigest()
