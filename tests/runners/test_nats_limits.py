"""What is too long for a real NATS server, what its refusals mean, and connections that it closes for good."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.client import Client as Connection

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import nats_server
from pytest_selfopt.runners.message import MessageKind
from pytest_selfopt.runners.nats import engine as nats_engine
from pytest_selfopt.runners.nats import stored_results
from pytest_selfopt.runners.nats import worker as nats_worker
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect
from pytest_selfopt.runners.nats.limits import headers_of, room_for_data
from pytest_selfopt.runners.nats.stored_results import StoredResults, StreamRefusesError
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.trial import CallResult, ErrorKind, Reply
from tests.performance.engine_faults.bench import noise
from tests.performance.engine_faults.nats_faults import pretender, publishes
from tests.runners.hostile_messages import HELLO
from tests.runners.queue_work import OPEN, SEALED, Model, ask, texts, wait_for
from tests.runners.test_nats_messages import Desk
from tests.servers import free_port, started

MOST = 1024 * 1024
"""The server's max_payload."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(nats_server(tmp_path_factory.mktemp("nats"), free_port())) as address:
        yield address


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are threads, which get no signals."""
    monkeypatch.setattr(nats_worker, "ending_signals", lambda: ())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("call_id", ["", "call-1", "é" * 40], ids=["none", "ascii", "other"])
def test_headers_count_to_the_byte(url: str, call_id: str) -> None:
    async def scenario() -> None:
        connection = await connect(NatsConfig(servers=(url,)), "somebody")
        received = await connection.subscribe("subject")
        headers = headers_of(call_id)
        full = b"x" * room_for_data(MOST, headers)
        await connection.publish("subject", full, headers=headers)
        assert (await received.next_msg(timeout=60)).data == full
        await connection.publish("subject", full + b"x", headers=headers)
        # A client that gets the server's error closes for good; one that only sees the connection end connects again.
        while not connection.is_closed and not connection.stats["reconnects"]:
            await asyncio.sleep(0.01)
        await connection.close()

    asyncio.run(scenario())


class Talker(Model):
    """Answers with texts of some lengths."""

    def __init__(self, lengths: dict[str, int]) -> None:
        super().__init__()
        self.lengths = lengths

    def run(self, call: Call) -> CallResult:
        self.asked.append(call.id)
        now = float(int(time.time()))
        reply = Reply(text=noise(self.lengths[call.id], 0), tokens_out=5)
        return CallResult(reply=reply, started=now, ended=now, lane=call.lane)


def test_long_replies_are_kept_or_are_errors(url: str) -> None:
    desk = Desk(url, "replies", SEALED)
    desk.model = Talker({"call-0": 1000})
    with desk.worker():
        desk.ask("cycle", "call-0")
        (stored,) = desk.stored(desk.names.results, desk.names.results_to("cycle", "call-0"))
        around = len(stored.data or b"") - 1000
        room = room_for_data(MOST, headers_of("call-0"))
        full = room - around
        desk.model.lengths = {"call-1": full, "call-2": full + 1, "call-3": MOST - around, "call-4": 3 * MOST}
        found = desk.ask("cycle", *desk.model.lengths)
        assert {call: len(text) for call, text in texts(found).items()} == {
            call: length for call, length in desk.model.lengths.items() if call != "call-4"
        }
        error = found["call-4"].error
        assert error is not None
        assert error.kind is ErrorKind.MALFORMED
        assert "but the NATS server accepts only 1,048,576 (max_payload) with the headers; ask for" in error.message
        assert error.reply is not None
        assert error.reply.tokens_out == 5
        desk.model.lengths["call-5"] = 10
        assert texts(desk.ask("cycle", "call-5")) == {"call-5": noise(10, 0)}
    assert desk.model.asked == [f"call-{number}" for number in range(6)]


def prompting(call_id: str, text: str) -> Call:
    request = replace(HELLO.request, messages=(Message(role="user", content=text),))
    return replace(HELLO, id=call_id, request=request)


HELLO_3 = prompting("call-3", "hello")


def test_long_prompts_are_compressed_or_are_errors(url: str) -> None:
    desk = Desk(url, "prompts", OPEN)
    found: dict[str, CallResult] = {}
    with desk.worker(), desk.session("cycle") as runner:
        calls = [prompting("call-1", noise(MOST, 1)), prompting("call-2", noise(3 * MOST, 2)), HELLO_3]
        runner.run_batch(calls, lambda ended: found.update({one.call.id: one.result for one in ended}))
    assert texts(found) == {"call-1": "hello call-1", "call-3": "hello call-3"}
    error = found["call-2"].error
    assert error is not None
    assert error.kind is ErrorKind.REQUEST
    assert "accepts only 1,048,576 (max_payload) with the headers; ask for shorter prompts" in error.message
    assert sorted(desk.model.asked) == ["call-1", "call-3"]


def test_a_batch_makes_no_subscriptions(tmp_path: Path) -> None:
    assert publishes(tmp_path, 50).startswith("50 publishes: 4 subscriptions before, 4 after")


@pytest.mark.timeout(120)
def test_a_closed_session_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_engine, "AWAY_S", 1e6)
    server = nats_server(tmp_path, free_port())
    config = server.config
    assert config is not None
    with server.start() as running:
        wait_for(lambda: server.listens(running))
        desk = Desk(server.address, "closed", OPEN)

        def close_once_queued() -> None:
            wait_for(lambda: desk.stored(desk.names.calls, f"{desk.names.name}.calls.>"))
            config.write_text('authorization { token: "another" }')
            running.send_signal(signal.SIGHUP)

        closing = threading.Thread(target=close_once_queued)
        sentence = "has closed the connection .*authorization.*; continue with --selfopt-resume"
        with pretender(desk.config), desk.session("cycle", silence_s=1e6) as runner:
            closing.start()
            with pytest.raises(RunnerError, match=f"(?i){sentence}"):
                ask(runner, "call-1")
        closing.join()
        running.kill()


def test_refusals_are_told_apart(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second message on a subject is stored already; one in a full stream is not, and waits for a while."""
    monkeypatch.setattr(stored_results, "REFUSED_S", 0.0)
    desk = Desk(url, "refusals", OPEN)

    async def work(connection: Connection) -> None:
        jetstream = connection.jetstream()
        stream = (await jetstream.stream_info(desk.names.results)).config
        await jetstream.update_stream(replace(stream, max_bytes=1500, max_msg_size=900))
        results = StoredResults(desk.names, desk.messages, lambda: jetstream, lambda _: MOST)
        subjects = [desk.names.report(MessageKind.RESULT, "cycle", "call-1", mark) for mark in "ab"]
        assert await results.store(subjects[0], "call-1", b"x" * 800)
        assert await results.store(subjects[0], "call-1", b"x" * 10)
        assert not await results.store(subjects[1], "call-1", b"x" * 1000)
        with pytest.raises(StreamRefusesError, match="takes no results: maximum bytes exceeded"):
            await results.store(subjects[1], "call-1", b"x" * 800)

    desk.do(work)
