"""What a session asks of the server beside its calls, and how it goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.remote import ResultListener
from pytest_selfopt.trial import CallResult

if TYPE_CHECKING:
    pass

ANSWER_S = 5.0
"""Within which a server answers, or is away."""


async def together(tellings: Iterable[Awaitable[None]]) -> None:
    """Tell several workflows something, which those that have ended meanwhile and an absent server do not hear."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tellings, return_exceptions=True), ANSWER_S)


def errors() -> tuple[type[Exception], ...]:
    """What the library raises when it cannot do what it is asked."""
    from temporalio.exceptions import TemporalError

    return TemporalError, RuntimeError, OSError, TimeoutError


class Listening:
    """Passes on what is heard of calls, having noted that it was."""

    def __init__(self, inbox: ResultListener, note: Callable[[str | None], None]) -> None:
        self._inbox = inbox
        self._note = note

    def began(self, call_id: str, mark: str, at: float) -> None:
        """A call was begun."""
        self._note(None)
        self._inbox.began(call_id, mark, at)

    def left(self, call_id: str, mark: str) -> None:
        """It was left before it was sent."""
        self._inbox.left(call_id, mark)

    def ended(self, call_id: str, result: CallResult) -> None:
        """A call has come to its end."""
        self._note(call_id)
        self._inbox.ended(call_id, result)

    def failed(self, problem: SelfoptError) -> None:
        """No more calls can be made."""
        self._inbox.failed(problem)
