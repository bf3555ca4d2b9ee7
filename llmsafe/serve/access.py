"""Who may ask, and how often: API keys that are stored hashed, and a rate for each."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from llmsafe.artifacts import ApiKey, ApiKeys
from llmsafe.errors import InputError

PREFIX = "llmsafe-"


def make_key(path: Path) -> str:
    """Make a key, add its hash to the file (0600) and return it: nothing else ever shows it.

    Raises:
        InputError: others may read or write the file that is there.
        EvidenceError: the file is none of keys.
        SetupError: it cannot be written.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    keys = load_keys(path).keys if path.exists() else []
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    entry = ApiKey(key_id="k-" + secrets.token_hex(4), sha256=_hash(key), made=made)
    ApiKeys(keys=[*keys, entry]).save(path, private=True)
    return key


def load_keys(path: Path) -> ApiKeys:
    """Read the file of keys.

    Raises:
        InputError: others may read or write it.
        EvidenceError: it is absent or none of keys.
    """
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InputError(f"{path} can be read by others; chmod 600 {path}")
    return ApiKeys.load(path)


class Access:
    """Keys and rates. Without keys everybody is the one client ``anonymous``.

    ``per_minute`` requests may come at once, after that one in every 60/``per_minute`` seconds.
    """

    def __init__(
        self,
        keys: ApiKeys | None,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._per_minute = per_minute
        self._clock = clock
        self._rates: dict[str, tuple[float, float]] = {}  # client -> requests left, and when

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return self._keys is None

    def client(self, authorization: str) -> str | None:
        """The id of the key in an ``Authorization`` header, or ``None`` if it is not known."""
        if self._keys is None:
            return "anonymous"
        scheme, _, key = authorization.partition(" ")
        asked = _hash(key.strip()) if scheme.lower() == "bearer" else ""
        found = None
        for entry in self._keys.keys:  # to the end, so that time tells nothing
            if hmac.compare_digest(entry.sha256, asked):
                found = entry.key_id
        return found

    def wait(self, client: str) -> float:
        """Count a request of a client: 0 if it may go on, else the seconds it must wait."""
        now, most = self._clock(), float(self._per_minute)
        left, before = self._rates.get(client, (most, now))
        left = min(most, left + (now - before) * most / 60)
        if left < 1:
            self._rates[client] = (left, now)
            return (1 - left) * 60 / most
        self._rates[client] = (left - 1, now)
        return 0.0


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
