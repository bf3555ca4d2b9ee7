"""Keys are stored hashed, rates hold, and no address but loopback is served without a key."""

from __future__ import annotations

import socket

import pytest

from llmsafe.errors import InputError, SetupError
from llmsafe.serve.access import Access, load_keys, make_key
from llmsafe.serve.server import bind, check_host, is_loopback


def test_a_key_is_shown_once_and_stored_hashed(tmp_path):
    path = tmp_path / "keys.json"
    first, second = make_key(path), make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first not in path.read_text()
    assert second not in path.read_text()
    access = Access(load_keys(path), 60)
    assert not access.open
    clients = {access.client(f"Bearer {key}") for key in (first, second)}
    assert clients == {key.key_id for key in load_keys(path).keys}
    for wrong in (
        "",
        first,
        f"Basic {first}",
        f"Bearer {first}x",
        "Bearer ",
        f"Bearer {first[:-1]}",
    ):
        assert access.client(wrong) is None


def test_a_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        load_keys(path)
    with pytest.raises(InputError, match="chmod 600"):
        make_key(path)


def test_a_rate_is_held_for_each_client():
    now = 0.0
    access = Access(None, 6, clock=lambda: now)
    assert access.client("") == "anonymous"
    assert [access.wait("a") for _ in range(6)] == [0.0] * 6
    assert access.wait("a") == pytest.approx(10.0)
    assert access.wait("b") == 0.0
    now = 10.0
    assert access.wait("a") == 0.0
    assert access.wait("a") > 0
    now = 1e6
    assert [access.wait("a") > 0 for _ in range(7)] == [False] * 6 + [True]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "hospital.example"])
def test_other_addresses_need_keys(host: str):
    assert not is_loopback(host)
    with pytest.raises(InputError, match="--new-key"):
        check_host(host, keys=False)
    assert check_host(host, keys=True) == ("*",)


def test_loopback_is_called_by_its_own_names():
    assert "localhost" in check_host("127.0.0.1", keys=False)
    assert is_loopback("::1")
    assert is_loopback("localhost")


def test_a_port_that_is_taken_is_an_error_of_the_environment():
    with bind("127.0.0.1", 0) as taken, pytest.raises(SetupError, match="--port"):
        bind("127.0.0.1", taken.getsockname()[1])
    assert isinstance(taken, socket.socket)
