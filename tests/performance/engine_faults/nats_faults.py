"""Faults of NATS: replies around its max_payload, a max_payload that is lowered, and what publishes cost."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from nats.js.errors import NotFoundError

from pytest_selfopt.execution.dev_servers import nats_server
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.message import MessageKind, expanded
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect
from pytest_selfopt.runners.nats.engine import NatsEngine
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.nats.worker_directory import notice_context, notice_to_bytes
from pytest_selfopt.runners.remote import ProviderLimits, RemoteRunner
from tests.acceptance.test_interruption import wait_until
from tests.performance.engine_faults.bench import Bench, noise, supervised
from tests.runners.hostile_messages import HELLO
from tests.servers import free_port, started

MOST_BYTES = 1024 * 1024
"""The server's max_payload unless it is configured."""
LOWERED = 128 * 1024
HELLOS = [f"Hello {number}!" for number in range(3)]
CYCLE = "cycle"


def around_max_payload(bench: Bench, turn: int) -> str:
    """Replies that fill max_payload to the byte, are longer, and are far too long; the worker and sessions go on."""
    bench.play({HELLOS[0]: noise(MOST_BYTES // 2, turn)})
    bench.engine.work_in(bench.folder)
    (worker,) = bench.engine.workers
    bench.cycle()
    lengths = stored_lengths(bench)
    around = max(lengths) - MOST_BYTES // 2
    header = len("NATS/1.0\r\nSelfopt-Call: \r\n\r\n") + 32
    full = MOST_BYTES - around - header // 2
    texts = [noise(full, turn), noise(full + turn - 5, turn), noise(3 * MOST_BYTES, turn)]
    bench.play(dict(zip(HELLOS, texts, strict=True)))
    said = [bench.cycle(), bench.cycle()]
    found = stored_lengths(bench)
    in_vain = sum(MOST_BYTES - header < length <= MOST_BYTES for length in found)
    assert in_vain, f"no reply was in the window: {sorted(found)[-10:]}"
    errors = bench.errors()
    assert errors, said
    assert all("(max_payload) with the headers; ask for shorter replies" in error for error in errors), errors
    assert worker.poll() is None
    asked = bench.require_paid_once()
    return f"{asked} calls in three sessions, {in_vain} replies in the window, {len(errors)} too long"


def stored_lengths(bench: Bench) -> list[int]:
    """The lengths of all stored results of a bench, before they were compressed."""
    names = Subjects(bench.engine.name)

    async def read() -> list[int]:
        connection = await connect(NatsConfig(servers=(bench.engine.url,)), "reader")
        jetstream, after, found = connection.jetstream(), 0, []
        try:
            while True:
                stored = await jetstream.get_msg(
                    names.results, seq=after + 1, subject=f"{names.name}.results.>", direct=True, next=True
                )
                after = stored.seq or 0
                if (stored.subject or "").endswith(f".{MessageKind.RESULT}"):
                    found.append(len(expanded(stored.data or b"")))
        except NotFoundError:
            return found
        finally:
            await connection.close()

    return asyncio.run(read())


def lowered_max_payload(bench: Bench, turn: int) -> str:
    """The server closes connections, mostly for good; a worker stores what it has, and ends with a status."""
    bench.play({hello: noise(3 * LOWERED, turn) for hello in HELLOS}, latency_s=0.2)
    config = bench.engine.place / "nats" / "server.conf"
    config.write_text("")
    bench.engine.running.send_signal(signal.SIGHUP)
    with supervised(bench) as ends:
        session = bench.begin()
        wait_until(lambda: bench.server.seen.asked >= 8 + turn)
        config.write_text(f"max_payload: {LOWERED}\n")
        bench.engine.running.send_signal(signal.SIGHUP)
        bench.end(session)
        # None, if the connection ended before the server's error was read: then the client connects again by itself.
        for status, output in ends:
            assert status == 4, output
            assert "has closed the connection (nats: maximum payload violation)" in output, output
        ended = len(ends)
    assert any(f"accepts only {LOWERED:,} (max_payload)" in error for error in bench.errors())
    return f"{bench.require_paid_once()} calls, {ended} workers ended with status 4"


def publishes(folder: Path, number: int) -> str:
    """Many calls in one batch take no subscriptions, and little memory beyond their own."""
    watched = free_port()
    server = nats_server(folder, free_port())
    with started(replace(server, command=(*server.command, "-m", str(watched)))) as url:
        config = NatsConfig(servers=(url,), name="publishes")
        demand = ProviderLimits(limits={"own": 8}, provider_of=lambda _: "own", pinned=lambda _: False)
        engine = NatsEngine(config, Cipher(None), demand)
        with pretender(config):
            engine.connect()
            RemoteRunner(engine, cycle=CYCLE)
            engine.send([replace(HELLO, id="first")])
            gc.collect()
            before, memory = subscriptions(watched), psutil.Process().memory_info().rss
            began = time.perf_counter()
            engine.send([replace(HELLO, id=f"call-{number}") for number in range(number)])
            took = time.perf_counter() - began
            gc.collect()
            after, grown = subscriptions(watched), psutil.Process().memory_info().rss - memory
            engine.stop()
    assert after == before, f"{before} subscriptions became {after}"
    return f"{number:,} publishes: {before} subscriptions before, {after} after, {grown / 1e6:.1f} MB, {took:.1f} s"


def subscriptions(port: int) -> int:
    """The number of subscriptions of all clients, as the server says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/connz") as answer:
        return sum(connection["subscriptions"] for connection in json.load(answer)["connections"])


@contextmanager
def pretender(config: NatsConfig) -> Iterator[None]:
    """Somebody who says to be a worker, and takes no calls."""
    names, ready, ending = Subjects(config.name), threading.Event(), threading.Event()

    async def work() -> None:
        connection = await connect(config, "pretender")

        async def answer(message: Any) -> None:
            await message.respond(notice_to_bytes("pretender", ["own"], notice_context(names, message.reply)))

        await connection.subscribe(names.workers, cb=answer)
        await connection.flush()
        ready.set()
        while not ending.is_set():
            await asyncio.sleep(0.05)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        ending.set()
        thread.join(60)
