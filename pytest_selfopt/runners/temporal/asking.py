"""What a session asks of the server beside its calls, and how it goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.remote import Inbox
from pytest_selfopt.runners.temporal.errands import HERE
from pytest_selfopt.trial import CallResult

if TYPE_CHECKING:
    from temporalio.client import Client

ANSWER_S = 5.0
"""Within which a server answers, or is away."""


async def find_worker(client: Client, name: str, queue: str, seconds: float) -> str | None:
    """The name of a worker that takes what is in a queue, if one does in time.

    The server's own list of those who ask for work keeps a dead one for minutes; so this gives something to do, in a
    workflow under a `name`.
    """
    here = await client.start_workflow(
        HERE,
        id=f"{name}-here-{uuid.uuid4().hex[:12]}",
        task_queue=queue,
        execution_timeout=timedelta(seconds=seconds + 1),
    )
    worker: str | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for event in here.fetch_history_events(wait_new_event=True):
                if event.HasField("workflow_task_completed_event_attributes"):
                    worker = event.workflow_task_completed_event_attributes.identity
                if event.HasField("workflow_execution_completed_event_attributes"):
                    said = event.workflow_execution_completed_event_attributes.result
                    await client.data_converter.decode(said.payloads)  # tells when the keys differ
                    return worker
    return None


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

    def __init__(self, inbox: Inbox, note: Callable[[str | None], None]) -> None:
        self._inbox = inbox
        self._note = note

    def began(self, call_id: str, at: float) -> None:
        """A call was begun."""
        self._note(None)
        self._inbox.began(call_id, at)

    def ended(self, call_id: str, result: CallResult) -> None:
        """A call has come to its end."""
        self._note(call_id)
        self._inbox.ended(call_id, result)

    def failed(self, problem: SelfoptError) -> None:
        """No more calls can be made."""
        self._inbox.failed(problem)
