"""Keys in files, and an environment that names none unless a test says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmsafe.seal.keys import FILE, PASSPHRASE, SECRET, Key, new_key
from llmsafe.seal.log import PLACE, REASON

Keyed = Callable[..., Key]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch):
    for name in (FILE, SECRET, PASSPHRASE, PLACE, REASON):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyed:
    """Make a key (or take one), write its file, and put it into the environment."""

    def make(key: Key | None = None, *, trusts: tuple[Key, ...] = ()) -> Key:
        key = key or new_key()
        for number, other in enumerate(trusts):
            key = key.trusting(other.id, f"other{number}")
        folder = tmp_path / "keys"
        folder.mkdir(exist_ok=True)
        path = folder / key.id[-12:]
        path.write_text(key.to_text())
        path.chmod(0o600)
        monkeypatch.setenv(FILE, str(path))
        return key

    return make
