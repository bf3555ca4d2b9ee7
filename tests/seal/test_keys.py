"""Keys from files, environment and passphrases, and everything that is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmsafe.errors import InputError
from llmsafe.seal import keys
from llmsafe.seal.keys import (
    FILE,
    PASSPHRASE,
    SECRET,
    check_id,
    given_key,
    lock,
    needed_key,
    new_key,
    read_key,
    unlocked,
)

KEY = new_key()
WORDS = b"correct horse battery"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_file_comes_back_and_shows_no_secret(tmp_path: Path):
    friend = new_key()
    key = KEY.trusting(friend.id, "officer")
    path = write(tmp_path / "k", key.to_text())
    assert read_key(path) == key
    assert read_key(path).trusts(friend.id)
    assert not KEY.trusts(friend.id)
    assert key.name_of(friend.id) == "officer"
    assert KEY.secret_text() not in repr(key)
    assert KEY.secret.hex() not in repr(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int):
    path = write(tmp_path / "k", KEY.to_text(), mode)
    with pytest.raises(InputError, match="chmod 600"):
        read_key(path)


BAD = {
    "empty": "",
    "other text": "hello\n",
    "hex": "ab" * 32,
    "short": "secret: lss_AAAA\n",
    "zero": "secret: lss_" + "A" * 43 + "\n",
    "over the order": "secret: lss_" + "_" * 42 + "8\n",
    "another's id": f"id: {new_key().id}\nsecret: {KEY.secret_text()}\n",
    "no base64": "secret: lss_!!!!\n",
    "trusts nobody": f"secret: {KEY.secret_text()}\ntrust: lsk_x y\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, name: str):
    path = write(tmp_path / "k", BAD[name])
    with pytest.raises(InputError) as refused:
        read_key(path)
    assert KEY.secret_text() not in str(refused.value)


def test_a_mistyped_id_is_refused():
    wrong = [KEY.id[:-1], KEY.id + "A", "lsk_", "x", KEY.id.replace("lsk_", "lss_")]
    for text in wrong:
        with pytest.raises(InputError, match="no key id"):
            check_id(text)
    points = 0
    for letter in "ABCDEFGHIJKLMNOP":  # about half of all numbers are no point of the curve
        try:
            check_id(KEY.id[:20] + letter + KEY.id[21:])
            points += 1
        except InputError:
            pass
    assert points < 16
    assert check_id(KEY.id) == KEY.id


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert given_key() is None
    with pytest.raises(InputError, match=FILE):
        needed_key()
    monkeypatch.setenv(FILE, str(write(tmp_path / "k", KEY.to_text())))
    assert given_key() == KEY
    other = new_key()
    monkeypatch.setenv(SECRET, other.secret_text())
    assert needed_key() == other
    friend = other.trusting(KEY.id, "me")
    monkeypatch.setenv(SECRET, friend.to_text())
    assert needed_key() == friend
    assert given_key(tmp_path / "k") == KEY
    monkeypatch.setenv(SECRET, "nonsense")
    with pytest.raises(InputError, match=SECRET) as refused:
        given_key()
    assert "nonsense" not in str(refused.value)
    monkeypatch.delenv(SECRET)
    monkeypatch.setenv(FILE, str(tmp_path / "absent"))
    with pytest.raises(InputError, match="cannot read key file"):
        given_key()


def test_a_locked_key_needs_its_passphrase(tmp_path: Path):
    locked = lock(KEY.trusting(new_key().id, "x"), WORDS, log2_n=10)
    path = write(tmp_path / "k", locked.to_text())
    found = read_key(path)
    assert (found.id, found.secret) == (KEY.id, b"")
    assert KEY.secret_text() not in path.read_text()
    assert unlocked(found, "k", lambda prompt: WORDS).secret == KEY.secret
    with pytest.raises(InputError, match="wrong passphrase"):
        unlocked(found, "k", lambda prompt: b"correct horse batter")
    with pytest.raises(InputError, match="12 characters"):
        lock(KEY, b"short")
    assert lock(KEY, WORDS, log2_n=10).locked != locked.locked


def test_a_locked_key_that_was_changed_is_refused(tmp_path: Path):
    locked = lock(KEY, WORDS, log2_n=10)
    wrong = [
        locked.to_text().replace("locked: 10,", "locked: 9,"),  # a cheaper lock
        locked.to_text().replace("locked: 10,", "locked: 30,"),  # a terabyte of memory
        locked.to_text().replace(KEY.id, new_key().id),
        locked.to_text().replace("locked: 10,8,1", "locked: 10,8"),
        locked.to_text()[:-9] + "\n",
    ]
    for text in wrong:
        key = read_key(write(tmp_path / "k", text))
        with pytest.raises(InputError):
            unlocked(key, "k", lambda prompt: WORDS)


def test_the_shipped_cost_is_that_of_the_documentation():
    assert keys._LOG2_N == 17


def test_a_passphrase_from_a_file_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "k", lock(KEY, WORDS, log2_n=10).to_text())
    monkeypatch.setenv(FILE, str(path))
    readable, writable = os.pipe()
    os.write(writable, WORDS + b"\n")
    os.close(writable)
    monkeypatch.setenv(PASSPHRASE, str(readable))
    assert needed_key().secret == KEY.secret
    assert needed_key().secret == KEY.secret  # asked for once
    os.close(readable)
    write(path, lock(KEY, WORDS, log2_n=10).to_text())
    monkeypatch.setenv(PASSPHRASE, "997")
    with pytest.raises(InputError, match="no open file descriptor"):
        needed_key()
