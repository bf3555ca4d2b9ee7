"""Listening: loopback unless an address is named, and no other address without API keys."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from llmsafe.errors import InputError, SetupError

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_GRACE = 30  # seconds that running responses have when the server is stopped


def check_host(host: str, *, keys: bool) -> tuple[str, ...]:
    """The names under which the server may be called.

    Raises:
        InputError: the address can be reached from elsewhere and there are no API keys.
    """
    if is_loopback(host):
        return (*_LOCAL_NAMES, host)
    if not keys:
        raise InputError(
            f"--host {host} can be reached from other machines, so it needs API keys: make one "
            "with llmsafe serve --keys FILE --new-key, and give --keys FILE"
        )
    return ("*",)


def is_loopback(host: str) -> bool:
    """Whether the address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name may mean any address
        return False


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Before anything slow is loaded.

    Raises:
        SetupError: the address is taken or not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        raise SetupError(
            f"cannot listen at {host} port {port}: {error.strerror}; choose another --port"
        ) from error
    return made


def run(app: ASGIApp, listening: socket.socket, *, started: Callable[[], None]) -> None:
    """Serve until interrupted or terminated; running responses have 30 seconds to end.

    Nothing is logged of a request: uvicorn's access log is off, and its own lines are warnings.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    started()
    uvicorn.Server(config).run(sockets=[listening])
