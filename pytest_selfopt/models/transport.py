"""One HTTP exchange with a deadline that really ends it, also while bytes trickle in."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from pytest_selfopt.trial import CallError, ErrorKind, Json

MAX_REPLY_BYTES = 8 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """A request under way, which a watchdog or a cancellation may end from another thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self.ended: ErrorKind | None = None
        """Why somebody ended it; None while nobody has."""

    def attach(self, connected: socket.socket | None) -> None:
        """Name the socket to shut down; one that is attached too late is shut down at once."""
        with self._turn:
            self._socket = connected
            if self.ended is not None:
                self._shut_down()

    def end(self, why: ErrorKind) -> None:
        """End the exchange unless it has ended already."""
        with self._turn:
            if self.ended is None:
                self.ended = why
                self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which would pull the TLS state from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Watchdog:
    """Ends exchanges whose time is up: one thread for all of them, started with the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Exchange]] = []
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    def watch(self, exchange: Exchange, timeout_s: float) -> None:
        """End `exchange` in `timeout_s` seconds; ending one that is over does nothing."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + timeout_s, next(self._count), exchange))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="selfopt-watchdog", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    wait = self._due[0][0] - time.monotonic() if self._due else None
                    self._changed.wait(wait)
                _, _, exchange = heapq.heappop(self._due)
            exchange.end(ErrorKind.TIMEOUT)


_WATCHDOG = Watchdog()
_current = threading.local()


def _attach(connection: HTTPConnection) -> None:
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is not None:
        exchange.attach(connection.sock)


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _attach(self)

    def request(self, *arguments: Any, **named: Any) -> None:
        _attach(self)
        super().request(*arguments, **named)


class _TlsConnection(_PlainConnection, HTTPSConnection):
    """The same over TLS: behind the first base's methods stand those of the second."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class Transport:
    """Posts JSON; keeps one `requests.Session` for each thread, because sessions are not safe to share."""

    def __init__(self, *, trust_env: bool) -> None:
        """`trust_env`: whether proxies and certificates of the environment are used (not on loopback)."""
        self._trust_env = trust_env
        self._sessions = threading.local()
        self._turn = threading.Lock()
        self._under_way: set[Exchange] = set()
        self._aborted = False

    def post(
        self, url: str, body: Mapping[str, Json], headers: Mapping[str, str], *, timeout_s: float, fresh: bool
    ) -> HttpReply | CallError:
        """Post and read the whole answer within `timeout_s` seconds; `fresh` uses a connection of its own."""
        exchange = Exchange()
        with self._turn:
            if self._aborted:
                return CallError(kind=ErrorKind.CANCELLED, message="cancelled before it was sent")
            self._under_way.add(exchange)
        _current.exchange = exchange
        _WATCHDOG.watch(exchange, timeout_s)
        session = self._new_session() if fresh else self._session()
        try:
            return self._exchange(session, url, body, headers, timeout_s)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
            return _failure(problem, exchange, timeout_s)
        finally:
            _current.exchange = None
            exchange.attach(None)  # the connection may serve another exchange now
            with self._turn:
                self._under_way.discard(exchange)
            if fresh:
                session.close()

    def abort(self) -> None:
        """End everything under way and refuse what comes later."""
        with self._turn:
            self._aborted = True
            under_way = list(self._under_way)
        for exchange in under_way:
            exchange.end(ErrorKind.CANCELLED)

    def _exchange(
        self,
        session: requests.Session,
        url: str,
        body: Mapping[str, Json],
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> HttpReply | CallError:
        data = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        with session.post(
            url,
            data=data,
            headers={"Content-Type": "application/json", **headers},
            timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
            stream=True,
            allow_redirects=False,
        ) as response:
            parts, size = [], 0
            for part in response.iter_content(_CHUNK):
                parts.append(part)
                size += len(part)
                if size > MAX_REPLY_BYTES:
                    return CallError(
                        kind=ErrorKind.MALFORMED,
                        message=f"the reply is longer than {MAX_REPLY_BYTES // 1024 // 1024} MiB",
                        status=response.status_code,
                    )
            return HttpReply(status=response.status_code, headers=response.headers, body=b"".join(parts))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "session", None)
        if session is None:
            session = self._sessions.session = self._new_session()
        return session

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = self._trust_env
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1))
        return session


def _failure(problem: Exception, exchange: Exchange, timeout_s: float) -> CallError:
    """Name the kind of a failed exchange; the text of the exception may hold the URL but never a key."""
    if exchange.ended is ErrorKind.CANCELLED:
        return CallError(kind=ErrorKind.CANCELLED, message="cancelled while it was under way")
    if exchange.ended is ErrorKind.TIMEOUT or isinstance(problem, requests.Timeout):
        return CallError(kind=ErrorKind.TIMEOUT, message=f"no complete reply within {timeout_s:g} s")
    if isinstance(problem, requests.exceptions.ContentDecodingError):
        return CallError(kind=ErrorKind.MALFORMED, message="the reply's content encoding is broken")
    if isinstance(problem, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError):
        return CallError(kind=ErrorKind.CONNECTION, message="the connection broke before the reply was complete")
    return CallError(kind=ErrorKind.CONNECTION, message=_cause(problem))


def _cause(problem: BaseException) -> str:
    """The innermost reason of a connection failure, such as "Connection refused"."""
    seen: list[BaseException] = []
    inner: BaseException | None = problem
    while inner is not None and inner not in seen:
        seen.append(inner)
        reason = getattr(inner, "reason", None)
        first = inner.args[0] if inner.args else None
        following = (reason, first, inner.__cause__, inner.__context__)
        inner = next((one for one in following if isinstance(one, BaseException) and one not in seen), None)
    last = seen[-1]
    if isinstance(last, OSError) and last.strerror:
        return f"cannot connect: {last.strerror}"
    return f"cannot connect: {type(last).__name__}"
