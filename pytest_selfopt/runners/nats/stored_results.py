"""The stream of results, as workers use it: what is stored there, and storing more, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.message import UnusableMessageError
from pytest_selfopt.runners.nats.connection import errors
from pytest_selfopt.runners.nats.limits import headers_of, is_stored, is_too_long
from pytest_selfopt.runners.nats.messages import NatsMessages
from pytest_selfopt.runners.nats.subjects import Subjects

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import RawStreamMsg

MOST_RESULTS = 16
"""How many stored messages are looked at to find the result of a call; others may write there, too."""

REFUSED_S = 60.0
"""Seconds for which a server may refuse to store anything, before a worker gives up."""

_PAUSE_S = 0.2
_STORE_S = 1.0
"""Seconds after which an unacknowledged result is stored again, since the server may have died."""


class StreamRefusesError(RunnerError):
    """The server stores nothing more in its stream."""


class StoredResults:
    """Reads and writes the stream of results."""

    def __init__(
        self,
        names: Subjects,
        messages: NatsMessages,
        jetstream: Callable[[], JetStreamContext],
        room: Callable[[str], int],
    ) -> None:
        """Use the client that `jetstream` returns, which may be another one after the connection was closed.

        `room` returns how many bytes a message about a call may have then.
        """
        self._names = names
        self._messages = messages
        self._jetstream = jetstream
        self._room = room
        self._refused_since: float | None = None

    async def has(self, cycle: str, call_id: str, question: str) -> bool:
        """Whether an answer to the question is stored; wait while the server is unreachable."""
        from nats.js.errors import NotFoundError

        after = 0
        for _ in range(MOST_RESULTS):
            try:
                stored = await self._next(cycle, call_id, after)
            except NotFoundError:
                return False
            with contextlib.suppress(UnusableMessageError):
                if self._messages.read_answer(stored.data or b"", cycle, call_id).fits(question):
                    return True
            after = stored.seq or 0
        return False

    async def _next(self, cycle: str, call_id: str, after: int) -> RawStreamMsg:
        """Return the next stored result of a call; wait while the server is unreachable.

        Raises:
            NotFoundError: if there is none.
        """
        from nats.js.errors import NotFoundError

        subject = self._names.results_to(cycle, call_id)
        while True:
            try:
                return await self._jetstream().get_msg(
                    self._names.results, seq=after + 1, subject=subject, direct=True, next=True
                )
            except NotFoundError:
                raise
            except errors():
                await asyncio.sleep(_PAUSE_S)

    async def store(self, subject: str, call_id: str, data: bytes) -> bool:
        """Store a message as soon as the server is reachable; return False if it is too long for it.

        Raises:
            StreamRefusesError: if the server answers for a minute, to whatever is stored, that it does not take it.
        """
        while len(data) <= self._room(call_id):
            try:
                await self._jetstream().publish(subject, data, timeout=_STORE_S, headers=headers_of(call_id))
            except errors() as problem:
                if is_stored(problem):
                    return True
                if is_too_long(problem):
                    break
                self._note_refusal(problem)
                await asyncio.sleep(_PAUSE_S)
            else:
                self._refused_since = None
                return True
        return False

    def _note_refusal(self, problem: Exception) -> None:
        from nats.js.errors import APIError

        if not isinstance(problem, APIError):
            return  # The server is unreachable, and results wait for it.
        now = clock.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since > REFUSED_S:
            why = problem.description or problem
            raise StreamRefusesError(f"the stream {self._names.results!r} takes no results: {why}")
