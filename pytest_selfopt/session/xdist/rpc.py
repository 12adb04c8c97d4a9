"""The line between the controller of a distributed session and its workers: a question, then its answer.

It is a socket of this machine with a key of its own, because xdist's channel carries nothing from a worker but reports.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError

if TYPE_CHECKING:
    from pytest_selfopt.planning.plan import PhasePlan, TrialKey
    from pytest_selfopt.trial import CallResult

INPUT = "selfopt_line"
"""The name under which a worker receives the controller's address."""

_TICK_MS = 200


class ConnectionLost(SelfoptError):
    """The other end is gone."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is to be done for the benchmark of a test, a suite file and a phase?"""

    test: str
    suite: str
    phase: str


@dataclass(frozen=True, slots=True)
class PlanResponse:
    """This is; every process has to have read the same suite, and orders its items by the same seed."""

    plan: PhasePlan
    suite_hash: str
    seed: int


@dataclass(frozen=True, slots=True)
class Collected:
    """These trials were collected and selected, by the ids of their items; or this is wrong."""

    items: tuple[tuple[str, TrialKey], ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartTrial:
    """Is this trial's item to be run? Waited for until its call is under way."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class StartTrialResponse:
    """It is, or not; with the results that are there already, of its call and those of the items that follow it.

    `live` are the specs that are asked in its pass, where that is settled: those of others need not be asked about.
    """

    should_run: bool
    results: Mapping[TrialKey, CallResult]
    live: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ResultOf:
    """What came of this trial's call? Waited for."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class Result:
    """This; and why no more calls are made, if none are."""

    result: CallResult
    stopped_because: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """No item waits for this trial's call any more."""

    key: TrialKey


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """That cannot be done, and why."""

    why: str


Request: TypeAlias = PlanRequest | Collected | StartTrial | ResultOf | Abandon
Response: TypeAlias = PlanResponse | StartTrialResponse | Result | ErrorResponse | None


class RpcClient:
    """A worker's end. A request may be abandoned, as by a time-out: its response is then discarded."""

    def __init__(self, address: str, key: str, name: str) -> None:
        """Call the controller at an address, and say who calls.

        Raises:
            ConnectionLost: when the controller cannot be reached.
        """
        try:
            self._connection = Client(address, authkey=bytes.fromhex(key))
            self._connection.send(name)
        except (OSError, EOFError, AuthenticationError) as problem:
            raise ConnectionLost(f"the controller of this session cannot be reached: {problem}") from None
        self._asked = 0
        self._readable = select.poll()
        self._readable.register(self._connection.fileno(), select.POLLIN)

    def ask(self, question: Request) -> Response:
        """Ask, and wait for the answer.

        Raises:
            LineCut: when the controller is gone.
        """
        with undisturbed:
            self._asked += 1
            with _cut_at_the_other_end():
                self._connection.send((self._asked, question))
            while True:
                # Only the waiting may be left in the middle; half an answer that is read would spoil all that follow.
                while not self._readable.poll(_TICK_MS):
                    undisturbed.heed()
                with _cut_at_the_other_end():
                    number, answer = self._connection.recv()
                if number == self._asked:
                    kept: Response = answer
                    return kept


@contextlib.contextmanager
def _cut_at_the_other_end() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError):
        raise ConnectionLost("the controller has ended this session, or is gone") from None


class RpcServer:
    """The controller's end: each worker is answered on threads of its own."""

    def __init__(
        self, answer: Callable[[str, Request], Response], *, at_once: Callable[[str, Request], Response]
    ) -> None:
        """Let `answer` answer the questions of workers, who are named.

        `at_once` answers those that nothing has to be waited for, on the thread that reads them; None to all others.
        """
        self._answer = answer
        self._at_once = at_once
        self._key = os.urandom(32)
        self._listener = Listener(authkey=self._key)
        self.number = (str(self._listener.address), self._key.hex())
        """Where to call, and the key."""
        self._turn = threading.Lock()
        self._connections: set[Connection] = set()
        self._closed = False
        threading.Thread(target=self._accept, name="selfopt-switchboard", daemon=True).start()

    def close(self) -> None:
        """Hang up; doing it twice is harmless."""
        with self._turn:
            closed, self._closed = self._closed, True
            connections = list(self._connections)
        if closed:
            return
        for connection in connections:
            _hang_up(connection)
        # The thread that accepts connections looks up when one comes; it may be gone, so nothing is waited for.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as knock:
            knock.connect(self._listener.address)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                if self._closed:
                    return
                continue
            with self._turn:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="selfopt-questions", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        """Hand questions over in their order; one that ends another comes before that is answered."""
        questions: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        turn = threading.Lock()
        name = ""

        def answer(number: int, question: Request) -> None:
            answer = self._answered(name, question)
            with turn, contextlib.suppress(OSError):
                connection.send((number, answer))

        def answer_all() -> None:
            while (asked := questions.get()) is not None:
                answer(*asked)

        threading.Thread(target=answer_all, name="selfopt-answers", daemon=True).start()
        with contextlib.suppress(OSError, EOFError):
            name = connection.recv()
            while True:
                number, question = connection.recv()
                if isinstance(question, Abandon):
                    answer(number, question)
                elif (known := self._at_once(name, question)) is not None:
                    with turn:
                        connection.send((number, known))
                else:
                    questions.put((number, question))
        questions.put(None)
        with self._turn:
            self._connections.discard(connection)
        connection.close()

    def _answered(self, name: str, question: Request) -> Response:
        try:
            return self._answer(name, question)
        except SelfoptError as problem:
            return ErrorResponse(str(problem))


def _hang_up(connection: Connection) -> None:
    """End a connection that another thread may be reading from: closing alone would not wake it."""
    with contextlib.suppress(OSError):
        handle = socket.socket(fileno=os.dup(connection.fileno()))
        handle.shutdown(socket.SHUT_RDWR)
        handle.close()
