"""What others write into a queue changes no verdict, and is told."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nats.aio.client import Client as Connection

from pytest_selfopt.runners.message import MessageKind
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect
from pytest_selfopt.runners.nats.limits import ID
from pytest_selfopt.runners.nats.subjects import Subjects
from tests.acceptance.conftest import said
from tests.acceptance.engines import PLANNED, Engine, Make, far

FORGED = b'{"format":1}'


@contextmanager
def meddling(engine: Engine) -> Iterator[list[str]]:
    """Answer every call of a session before its worker does, with nothing that is a result."""
    names, answered, ending, there = Subjects(engine.name), [], threading.Event(), threading.Event()

    async def meddle() -> None:
        connection: Connection = await connect(NatsConfig(servers=(engine.url,)), "somebody")

        async def answer(message: Any) -> None:
            place = names.read_call(message.subject)
            call_id = (message.headers or {}).get(ID, "")
            if place is not None:
                subject = names.report(MessageKind.RESULT, place[0], call_id, "somebody")
                await connection.jetstream().publish(subject, FORGED, headers={ID: call_id})
                answered.append(call_id)

        await connection.subscribe(f"{engine.name}.calls.>", cb=answer)
        await connection.flush()
        there.set()
        while not ending.is_set():
            await asyncio.sleep(0.05)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(meddle()))
    thread.start()
    try:
        assert there.wait(60)
        yield answered
    finally:
        ending.set()
        thread.join(60)


@pytest.mark.parametrize("way", ["", "-n2"])
def test_forged_results_change_no_verdict(
    project: Make, engine_servers: Callable[[str], Engine], request: pytest.FixtureRequest, way: str
) -> None:
    engine = engine_servers("nats")
    engine.name = f"forged{way}"
    request.addfinalizer(engine.end_workers)
    made = far(project, engine, {"latency": 0.1})
    engine.work(made)
    with meddling(engine) as answered:
        result = made.run("--selfopt-cycle", *engine.use, *filter(None, [way]))
    assert result.ret == 0, said(result)
    assert made.server.seen.asked == PLANNED
    told = re.search(r"messages from the queue that were refused: (\d+) \(received a message of format 1", said(result))
    assert told is not None
    assert 0 < int(told[1]) <= len(answered)
    assert made.history()[-1]["winner"] is not None
