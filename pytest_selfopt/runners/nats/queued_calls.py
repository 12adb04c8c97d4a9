"""The calls that are in the queue, how workers answer for them, and those that have left it without a result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_selfopt.runners.nats.subjects import Subjects

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

MOST_LISTED = 50_000
"""How many subjects are asked for; among more calls none is looked for."""


async def acknowledge(connection: Connection, message: Msg, seconds: float) -> None:
    """Take a call from the queue, and wait at most `seconds` until that is done.

    As the others here it uses a connection that may be another one than that which brought the message: the client's
    own methods would use the one that was closed.
    """
    await connection.request(message.reply, b"", timeout=seconds)


async def put_back(connection: Connection, message: Msg, seconds: float) -> None:
    """Let the server deliver a call again after `seconds`."""
    delay = json.dumps({"delay": int(seconds * 1e9)})
    await connection.publish(message.reply, f"-NAK {delay}".encode())


async def keep(connection: Connection, message: Msg) -> None:
    """Tell the server that a call is still in progress."""
    await connection.publish(message.reply, b"+WPI")


async def no_longer_queued(
    jetstream: JetStreamContext, names: Subjects, cycle: str, queued: Mapping[str, str]
) -> list[str]:
    """Return those of the calls of a cycle, given with their subjects, that are in the queue no more."""
    queued = dict(queued)
    if not queued or len(queued) > MOST_LISTED:
        return []
    info = await jetstream.stream_info(names.calls, subjects_filter=names.calls_in(cycle))
    listed = info.state.subjects or {}
    return [call_id for call_id, subject in queued.items() if subject not in listed]


async def last_stored(jetstream: JetStreamContext, names: Subjects, cycle: str) -> int:
    """Return the number of the last message that is stored about the calls of a cycle; 0 if there is none."""
    from nats.js.errors import NotFoundError

    try:
        message = await jetstream.get_last_msg(names.results, names.results_of(cycle))
    except NotFoundError:
        return 0
    return message.seq or 0
