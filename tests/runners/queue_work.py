"""Workers and sessions of queues in threads of a test, with a model that answers when it may."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.remote import RemoteRunner
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.worker_executor import Executor, WorkerConfig
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import CallResult, Reply
from tests.runners.hostile_messages import HELLO

LONG_S = 120.0
SEALED = Cipher(b"k" * 32)
OPEN = Cipher(None)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Model:
    """Answers when it may, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may = threading.Event()
        self.may.set()
        self.may_answer = ""
        """The only call that may be answered; any, if it is empty."""

    def run(self, call: Call) -> CallResult:
        self.asked.append(call.id)
        assert self.may.wait(LONG_S)
        wait_for(lambda: self.may_answer in ("", call.id))
        now = time.time()
        return CallResult(reply=Reply(text=f"hello {call.id}"), started=now, ended=now, lane=call.lane)

    def give_up(self, call_id: str) -> None: ...

    def abort(self, call_id: str) -> None: ...


class Worker(Protocol):
    async def run(self) -> None: ...

    def _end(self) -> None: ...


@contextmanager
def working(make: Callable[[WorkerConfig], Worker], model: Model, said: list[str]) -> Iterator[None]:
    """Let a worker have calls made by a model, on a thread of its own; what it says is kept."""
    there = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def say(text: str) -> None:
        said.append(text)
        there.set()

    executor = Executor(lambda _: model)  # type: ignore[arg-type, return-value]  # all that is called
    duty = WorkerConfig(executor=executor, providers=("own",), concurrency=4, variant=VARIANTS.__getitem__, say=say)
    worker = make(duty)

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        await worker.run()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert there.wait(LONG_S)
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(worker._end)
        thread.join(LONG_S)


def ask(runner: RemoteRunner, *calls: str) -> dict[str, CallResult]:
    found: dict[str, CallResult] = {}
    runner.run_batch(
        [replace(HELLO, id=one) for one in calls],
        lambda finished: found.update({one.call.id: one.result for one in finished}),
    )
    return found


def texts(results: dict[str, CallResult]) -> dict[str, str]:
    return {call_id: result.reply.text for call_id, result in results.items() if result.reply is not None}


@contextmanager
def asking(runner: RemoteRunner, *calls: str) -> Iterator[dict[str, CallResult]]:
    """Ask on another thread, and wait for the results at the end."""
    found: dict[str, CallResult] = {}
    thread = threading.Thread(target=lambda: found.update(ask(runner, *calls)))
    thread.start()
    yield found
    thread.join(LONG_S)
    assert not thread.is_alive()
