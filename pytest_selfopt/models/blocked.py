"""Connections that other code of this process forbids, such as pytest-socket and pytest-recording.

Such code replaces `socket.socket` or its `connect`, and raises exceptions of any class, which are told by the module
that raised them.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import urllib.request
from urllib.parse import urlsplit

from pytest_selfopt.trial import BLOCKED, CallError, ErrorKind

_KNOWN = (sys.stdlib_module_names | {"pytest_selfopt", "requests", "urllib3"}) - {"unittest"}
"""The packages whose exceptions have other reasons."""
_SOCKET = socket.socket
_DISCARD = 9
"""The port of a server that is not known yet, by RFC 863."""


def blocked(problem: BaseException) -> CallError | None:
    """Return the error of a connection that was forbidden by an exception; None if the exception has other reasons."""
    place = problem.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return None
    module = str(place.tb_frame.f_globals.get("__name__", ""))
    if module.partition(".")[0] in _KNOWN:
        return None
    said = " ".join(str(problem).split())
    name = f"{_package_of(module)} ({type(problem).__name__}: {said})"
    return CallError(kind=ErrorKind.CONNECTION, message=f"{BLOCKED}{name}")


def _package_of(module: str) -> str:
    """Return the name under which the code of a module was installed; the module's own if it has another."""
    from importlib.metadata import PackageNotFoundError, distribution

    name = module.partition(".")[0].replace("_", "-")
    try:
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return module
    return name


def find_block(url: str) -> CallError | None:
    """Return the error of connections to a server if they are forbidden right now; None if they are not.

    It costs nothing unless sockets are not Python's own; then a connection is begun and not waited for. An address
    that a proxy is in front of is not tried.
    """
    if socket.socket is _SOCKET and "connect" not in vars(_SOCKET):
        return None
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or _DISCARD
    if urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return None
    try:
        with contextlib.suppress(OSError):
            _begin_connection(host, port)
    # Whatever forbids connections raises what it likes.
    except Exception as problem:  # noqa: BLE001
        return blocked(problem)
    return None


def _begin_connection(host: str, port: int) -> None:
    family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as connection:
        connection.setblocking(False)
        connection.connect(place)
