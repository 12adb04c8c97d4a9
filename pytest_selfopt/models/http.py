"""One HTTP exchange with a deadline that holds even while bytes trickle in."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from pytest_selfopt import clock
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.blocked import blocked
from pytest_selfopt.models.connection_failures import exhausted, failure
from pytest_selfopt.redaction.addresses import shown_address
from pytest_selfopt.trial import CallError, ErrorKind, Json

MAX_REPLY_BYTES = 8 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
EXHAUSTED_WAIT_S = 30.0
"""Seconds for which an exchange waits for a free port of this machine; others free theirs meanwhile."""
_EXHAUSTED_PAUSE_S = 0.05

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": "pytest-selfopt",
}
_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry")
"""Those that write what a connection does, at level DEBUG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A server's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    waited_s: float = 0.0
    """Seconds that passed before it was sent, because this machine could make no more connections."""


class Exchange:
    """A request in flight, which a watchdog or a cancellation may end from another thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self.ended: ErrorKind | None = None
        """The reason why it was ended from outside; None if it was not."""

    def attach(self, connected: socket.socket | None) -> None:
        """Set the socket to shut down; shut it down at once if the exchange has already ended."""
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
                # Not SSLSocket.shutdown, which would remove the TLS state under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Interrupt:
    """Ends the exchange that a thread is in, or the next one it begins, from another thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._exchange: Exchange | None = None
        self._pulled = False

    def attach(self, exchange: Exchange | None) -> None:
        """Name the exchange that is under way."""
        with self._turn:
            self._exchange = exchange
            if self._pulled and exchange is not None:
                exchange.end(ErrorKind.TIMEOUT)

    def pull(self) -> None:
        """End it as a time-out."""
        with self._turn:
            self._pulled = True
            if self._exchange is not None:
                self._exchange.end(ErrorKind.TIMEOUT)


@contextlib.contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[None]:
    """Let what this thread exchanges meanwhile be ended by an interrupt."""
    _current.interrupt = interrupt
    try:
        yield
    finally:
        _current.interrupt = None


class Watchdog:
    """Ends exchanges whose time is up: one thread for all of them, started with the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Exchange, float] = {}
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    def watch(self, exchange: Exchange, timeout_s: float) -> None:
        """End `exchange` in `timeout_s` seconds unless it is released before."""
        due = clock.monotonic() + timeout_s
        with self._changed:
            self._due[exchange] = due
            if self._thread is None:
                self._start()
            # Waking the thread for every call would cost more than the call's own bookkeeping.
            if due < self._wakes_at:
                self._wakes_at = due
                self._changed.notify()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="selfopt-watchdog", daemon=True)
        # Without a thread to spare, exchanges have the time-outs of their sockets, and the next one tries again.
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def release(self, exchange: Exchange) -> None:
        """Forget an exchange that is over."""
        with self._changed:
            self._due.pop(exchange, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = clock.monotonic()
                late = [exchange for exchange, due in self._due.items() if due <= now]
                for exchange in late:
                    del self._due[exchange]
                if not late:
                    self._wakes_at = min(self._due.values(), default=float("inf"))
                    wait = self._wakes_at - now
                    self._changed.wait(wait if wait < threading.TIMEOUT_MAX else None)
            for exchange in late:
                exchange.end(ErrorKind.TIMEOUT)


_WATCHDOG = Watchdog()
_current = threading.local()


def _attach(connection: HTTPConnection) -> None:
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is not None:
        exchange.attach(connection.sock)


class _PlainConnection(HTTPConnection):
    _head: bytes | None = None

    def connect(self) -> None:
        super().connect()
        _attach(self)

    def request(self, *arguments: Any, **named: Any) -> None:
        _attach(self)
        super().request(*arguments, **named)

    def endheaders(self, *arguments: Any, **named: Any) -> None:
        self._head = b""
        super().endheaders(*arguments, **named)

    def send(self, data: Any) -> None:
        """Send head and body together: all our requests have a body, and one packet saves the server a wake-up."""
        if self._head == b"":
            self._head = data
        else:
            super().send((self._head or b"") + data)
            self._head = None


class _TlsConnection(_PlainConnection, HTTPSConnection):
    """The same over TLS: the first base overrides the second."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def _is_of_no_call(_: logging.LogRecord) -> bool:
    """Whether a log record was not written in one of our threads, where calls are made."""
    return not threading.current_thread().name.startswith("selfopt-")


class Transport:
    """Posts JSON to one address, over connections that all threads share.

    `requests` sets up proxies, certificates and TLS once; each exchange then uses its connection pool directly, because
    a `requests.Session` doubles the CPU time with cookies, redirects and hooks, which no model server needs.
    """

    def __init__(self, url: str, *, trust_env: bool, connections: int) -> None:
        """Post to `url`, keeping up to `connections` of them open.

        `trust_env`: whether proxies and certificates of the environment are used (not on loopback).

        Raises:
            ModelError: when the address cannot be used.
        """
        for name in _LOGGERS:
            # Bodies that run meanwhile would find these records among their own.
            logging.getLogger(name).addFilter(_is_of_no_call)
        self._connections = connections
        self._request = requests.PreparedRequest()
        session = requests.Session()
        session.trust_env = trust_env
        try:
            self._request.prepare(method="POST", url=url)
            settings = session.merge_environment_settings(url, {}, True, None, None)
            # The types of these differ within requests.
            self._verify: Any = settings["verify"]
            self._cert: Any = settings["cert"]
            self._proxies: Any = settings["proxies"]
            self._pool, self._target = self._new_pool(connections)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
            why = str(problem).replace(url, shown_address(url))
            raise ModelError(f"the address {shown_address(url)} cannot be used: {why}") from None
        self._turn = threading.Lock()
        self._under_way: set[Exchange] = set()
        self._aborted = False

    def post(
        self, body: Mapping[str, Json], headers: Mapping[str, str], *, timeout_s: float, fresh: bool
    ) -> HttpReply | CallError:
        """Post and read the whole answer within `timeout_s` seconds; `fresh` uses a new connection."""
        exchange = Exchange()
        with self._turn:
            if self._aborted:
                return CallError(kind=ErrorKind.CANCELLED, message="cancelled before it was sent")
            self._under_way.add(exchange)
        _current.exchange = exchange
        interrupt: Interrupt | None = getattr(_current, "interrupt", None)
        if interrupt is not None:
            interrupt.attach(exchange)
        _WATCHDOG.watch(exchange, timeout_s)
        pool = self._new_pool(1)[0] if fresh else self._pool
        try:
            return self._exchange_when_possible(pool, exchange, body, headers, timeout_s)
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError, ValueError) as problem:
            return failure(problem, exchange.ended, timeout_s)
        except Exception as problem:
            error = blocked(problem)
            if error is None:
                raise
            return error
        finally:
            _current.exchange = None
            if interrupt is not None:
                interrupt.attach(None)
            _WATCHDOG.release(exchange)
            exchange.attach(None)  # The connection may serve another exchange now.
            with self._turn:
                self._under_way.discard(exchange)
            if fresh:
                pool.close()

    def abort(self) -> None:
        """End all exchanges in flight and refuse further ones."""
        with self._turn:
            self._aborted = True
            under_way = list(self._under_way)
        for exchange in under_way:
            exchange.end(ErrorKind.CANCELLED)

    def close(self) -> None:
        """End and refuse all exchanges, and close the connections that were kept; a second call is harmless."""
        self.abort()
        self._pool.close()

    def _new_pool(self, connections: int) -> tuple[HTTPConnectionPool, str]:
        """Return the connection pool that requests would use, and the target of the request line."""
        adapter = _Adapter(pool_connections=1, pool_maxsize=connections)
        pool = adapter.get_connection_with_tls_context(
            self._request, self._verify, proxies=self._proxies, cert=self._cert
        )
        return cast("HTTPConnectionPool", pool), adapter.request_url(self._request, self._proxies)

    def _exchange_when_possible(
        self,
        pool: HTTPConnectionPool,
        exchange: Exchange,
        body: Mapping[str, Json],
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> HttpReply | CallError:
        """Exchange, waiting for a while if this machine can make no more connections: nothing was sent yet."""
        began = clock.monotonic()
        while True:
            sent = clock.monotonic()
            try:
                answer = self._exchange(pool, body, headers, timeout_s)
            except urllib3.exceptions.NewConnectionError as problem:
                late = clock.monotonic() - began >= min(EXHAUSTED_WAIT_S, timeout_s)
                if late or exchange.ended is not None or not exhausted(problem):
                    raise
                time.sleep(_EXHAUSTED_PAUSE_S)
                continue
            if isinstance(answer, HttpReply):
                return replace(answer, waited_s=sent - began)
            return answer

    def _exchange(
        self, pool: HTTPConnectionPool, body: Mapping[str, Json], headers: Mapping[str, str], timeout_s: float
    ) -> HttpReply | CallError:
        content = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        response = pool.urlopen(
            "POST",
            self._target,
            body=content.encode("ascii"),
            headers={**_HEADERS, **headers},
            timeout=urllib3.Timeout(connect=connect_s, read=timeout_s),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        whole = False
        try:
            reply = response.read(MAX_REPLY_BYTES + 1, decode_content=True)
            whole = len(reply) <= MAX_REPLY_BYTES
        finally:
            # Unread bytes would be taken for the beginning of the next answer.
            if whole:
                response.release_conn()
            else:
                response.close()
        if not whole:
            mebibytes = MAX_REPLY_BYTES // 1024 // 1024
            return CallError(
                kind=ErrorKind.MALFORMED, message=f"the reply is longer than {mebibytes} MiB", status=response.status
            )
        return HttpReply(status=response.status, headers=response.headers, body=reply)
