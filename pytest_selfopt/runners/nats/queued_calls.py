"""The calls that are in the queue, and those that have left it without a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_selfopt.runners.nats.subjects import Subjects

if TYPE_CHECKING:
    from nats.js import JetStreamContext

MOST_LISTED = 50_000
"""How many subjects are asked for; among more calls none is looked for."""


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
