"""A session's requests to the server other than calls, and their errors."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.remote import ResultListener
from pytest_selfopt.runners.wire import Answer

if TYPE_CHECKING:
    from temporalio.service import RPCError

_TOO_LARGE = re.compile(r"larger than max|too large|size exceeds", re.IGNORECASE)

ANSWER_S = 5.0
"""Seconds after which a server that does not answer counts as unreachable."""


async def together(tellings: Iterable[Awaitable[None]]) -> None:
    """Signal several workflows; ignore those that have ended, and an unreachable server."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tellings, return_exceptions=True), ANSWER_S)


def errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the library raises for failed requests."""
    from temporalio.exceptions import TemporalError

    return TemporalError, RuntimeError, OSError, TimeoutError


def is_gone(problem: RPCError) -> bool:
    """Whether there is no such workflow, as after the retention of its namespace."""
    from temporalio.service import RPCStatusCode

    return problem.status is RPCStatusCode.NOT_FOUND


def is_refused(problem: RPCError) -> bool:
    """Whether the server refuses what it was sent, so that it is in vain to send that again.

    A message of more than 4 MB is a resource that is exhausted, as is a rate limit, which passes.
    """
    from temporalio.service import RPCStatusCode

    return problem.status is RPCStatusCode.INVALID_ARGUMENT or _TOO_LARGE.search(problem.message) is not None


class Listening:
    """Passes on reports about calls, after recording that they came."""

    def __init__(self, inbox: ResultListener, note: Callable[[str | None], None]) -> None:
        self._inbox = inbox
        self._note = note

    def began(self, call_id: str, mark: str, at: float) -> None:
        """Pass on that a call was begun."""
        self._note(None)
        self._inbox.began(call_id, mark, at)

    def left(self, call_id: str, mark: str) -> None:
        """Pass on that a call was dropped before it was sent."""
        self._inbox.left(call_id, mark)

    def ended(self, call_id: str, answer: Answer) -> bool:
        """Pass on that a call has ended."""
        accepted = self._inbox.ended(call_id, answer)
        ended: str | None = None
        if accepted:
            ended = call_id
        self._note(ended)
        return accepted

    def is_over(self, call_id: str) -> bool:
        """Ask whether the result of a call is known."""
        return self._inbox.is_over(call_id)

    def refused(self, why: str) -> None:
        """Pass on that a message is not used."""
        self._inbox.refused(why)

    def failed(self, problem: SelfoptError) -> None:
        """Pass on that no more calls can be made."""
        self._inbox.failed(problem)
