"""The key: strict about its file, deterministic, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmsafe.errors import InputError
from llmsafe.scrub.keys import Key, load_key, make_key


def test_a_new_key_is_private_and_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "scrub.key"
    key = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == key
    assert make_key(tmp_path / "other") != key


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("00" * 32)
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        load_key(path)


def test_a_short_or_missing_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(InputError, match="at least 16"):
        load_key(path)
    with pytest.raises(InputError, match="cannot read key file"):
        load_key(tmp_path / "none")


def test_parts_cannot_run_into_each_other() -> None:
    key = Key(b"0" * 32)
    assert key.digest("ab", "c") != key.digest("a", "bc")
    assert key.digest("ab") == Key(b"0" * 32).digest("ab")
    assert key.digest("ab") != Key(b"1" * 32).digest("ab")


def test_nothing_of_the_key_is_shown() -> None:
    key = Key(b"top secret key material")
    assert "secret" not in repr(key)
    assert key.fingerprint() != Key(b"another key entirely").fingerprint()


def test_numbers_are_spread_evenly() -> None:
    key = Key(b"2" * 32)
    counts = [0] * 10
    for i in range(5000):
        counts[key.below(10, "x", str(i))] += 1
    # Chi-square with 9 degrees of freedom: 27.9 at 0.1 %.
    assert sum((c - 500) ** 2 / 500 for c in counts) < 27.9
