"""The connection between the controller of a distributed session and its workers: a request, then its response.

It is a local socket with its own key, because xdist's channel carries only reports from a worker.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError

if TYPE_CHECKING:
    from pytest_selfopt.planning.plan import PhasePlan, TrialKey
    from pytest_selfopt.planning.session_plan import SkippedTrials
    from pytest_selfopt.settings_lookup import ProjectChoice
    from pytest_selfopt.trial import CallResult

INPUT = "selfopt_line"
"""The name under which a worker receives the controller's address."""

GREETING_S = 60.0
"""The seconds within which a controller answers a worker that connects."""

_TICK_MS = 200


class ConnectionLost(SelfoptError):
    """A connection whose other end is gone."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A request for the plan of a test's benchmark with a suite file and a phase, by a project's settings."""

    test: str
    suite: str
    phase: str
    project: ProjectChoice


@dataclass(frozen=True, slots=True)
class PlanResponse:
    """The plan of a phase; all processes must have read the same suite, and sort their items by the same seed."""

    plan: PhasePlan
    suite_hash: str
    seed: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A notice of the selected trials, by the ids of their items, of those that marks skip, and of problems."""

    items: tuple[tuple[str, TrialKey], ...]
    skipped: tuple[SkippedTrials, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartTrial:
    """A request to start a trial's item; the response comes when its call is under way."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class StartTrialResponse:
    """Whether the item is to be run, with the ready results of its call and of the following items.

    `live` are the specs that are asked in its pass, if decided: items of other specs need no request.
    """

    should_run: bool
    results: Mapping[TrialKey, CallResult]
    live: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ResultOf:
    """A request for the result of a trial's call; the response comes when the result has arrived."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial's call, and why no more calls are made, if none are."""

    result: CallResult
    stopped_because: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """A notice that no item waits for a trial's call any more."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class EndSession:
    """A notice of why the session must not continue."""

    why: str


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The error of a request that failed."""

    why: str


Request: TypeAlias = PlanRequest | Collected | StartTrial | ResultOf | Abandon | EndSession
Response: TypeAlias = PlanResponse | StartTrialResponse | Result | ErrorResponse | None


class RpcClient:
    """A worker's end of the connection. The response to an abandoned request, as by a time-out, is discarded."""

    def __init__(self, address: str, key: str, name: str) -> None:
        """Connect to the controller, and send the worker's name.

        Raises:
            ConnectionLost: if the controller cannot be reached.
        """
        try:
            self._connection = Client(address)
            if not self._connection.poll(GREETING_S):
                raise ConnectionLost(f"the controller of this session did not respond within {GREETING_S:g} s")
            answer_challenge(self._connection, bytes.fromhex(key))
            deliver_challenge(self._connection, bytes.fromhex(key))
            self._connection.send(name)
        except (OSError, EOFError, AuthenticationError) as problem:
            raise ConnectionLost(f"the controller of this session cannot be reached: {problem}") from None
        self._asked = 0
        self._readable = select.poll()
        self._readable.register(self._connection.fileno(), select.POLLIN)

    def ask(self, request: Request) -> Response:
        """Send a request, and wait for its response.

        Raises:
            ConnectionLost: if the controller is gone.
        """
        with undisturbed:
            self._asked += 1
            with _raise_connection_lost():
                self._connection.send((self._asked, request))
            while True:
                # Only the wait may be interrupted: a response that is read in part would spoil all that follow.
                while not self._readable.poll(_TICK_MS):
                    undisturbed.heed()
                with _raise_connection_lost():
                    number, answer = self._connection.recv()
                if number == self._asked:
                    kept: Response = answer
                    return kept


@contextlib.contextmanager
def _raise_connection_lost() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError):
        raise ConnectionLost("the controller has ended this session, or is gone") from None


class RpcServer:
    """The controller's end of the connections: each worker is served on its own threads."""

    def __init__(
        self, answer: Callable[[str, Request], Response], *, at_once: Callable[[str, Request], Response]
    ) -> None:
        """Have `answer` respond to requests, given the worker's name.

        `at_once` responds to requests that need not wait, on the thread that reads them; it returns None for others.
        """
        self._answer = answer
        self._at_once = at_once
        self._key = os.urandom(32)
        # Without the key: a client that does not answer its challenge would keep all others waiting.
        self._listener = Listener()
        self.address = (str(self._listener.address), self._key.hex())
        """The address and the key for workers."""
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._closed = False
        threading.Thread(target=self._accept, name="selfopt-connections", daemon=True).start()

    def close(self) -> None:
        """Close all connections; doing it twice is harmless."""
        with self._lock:
            closed, self._closed = self._closed, True
            connections = list(self._connections)
        if closed:
            return
        for connection in connections:
            _disconnect(connection)
        # A connection wakes the thread that accepts them; it may be gone, so nothing waits for it here.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as knock:
            knock.connect(self._listener.address)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                # Without a descriptor to spare, this would fail again at once.
                time.sleep(_TICK_MS / 1000)
                continue
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            serving = threading.Thread(target=self._serve, args=(connection,), name="selfopt-requests", daemon=True)
            try:
                serving.start()
            except RuntimeError:
                # No thread can be started: the worker ends when its connection does.
                connection.close()

    def _serve(self, connection: Connection) -> None:
        """Respond to requests in order; an `Abandon` overtakes the request that it ends."""
        requests: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        sending = threading.Lock()
        name = ""

        def answer(number: int, request: Request) -> None:
            answer = _respond(self._answer, name, request)
            with sending, contextlib.suppress(OSError):
                connection.send((number, answer))

        def answer_all() -> None:
            while (asked := requests.get()) is not None:
                answer(*asked)

        threading.Thread(target=answer_all, name="selfopt-answers", daemon=True).start()
        try:
            with contextlib.suppress(OSError, EOFError, AuthenticationError):
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
                name = connection.recv()
                while True:
                    number, request = connection.recv()
                    if isinstance(request, Abandon):
                        answer(number, request)
                    elif (known := _respond(self._at_once, name, request)) is not None:
                        with sending:
                            connection.send((number, known))
                    else:
                        requests.put((number, request))
        finally:
            # However this ends, the worker notices that the connection is closed.
            requests.put(None)
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def _respond(answer: Callable[[str, Request], Response], name: str, request: Request) -> Response:
    """Return the answer to a worker's request; if it fails in any way, the error, because the worker waits."""
    try:
        return answer(name, request)
    except SelfoptError as problem:
        return ErrorResponse(str(problem))
    except Exception as problem:  # noqa: BLE001
        why = f"the controller cannot respond to {type(request).__name__}: {type(problem).__name__}: {problem}"
        return ErrorResponse(why)


def _disconnect(connection: Connection) -> None:
    """End a connection from which another thread may be reading: closing alone would not wake that thread."""
    with contextlib.suppress(OSError):
        handle = socket.socket(fileno=os.dup(connection.fileno()))
        handle.shutdown(socket.SHUT_RDWR)
        handle.close()
