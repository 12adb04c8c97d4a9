"""A Temporal server on loopback and a worker inside the test; as a program it records the history of the replay test.

python -m tests.runners.temporal_server
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.temporal.connecting import TemporalConfig, connect
from pytest_selfopt.runners.temporal.errands import ACTIVITY, WORKFLOW, Errand, Errands
from pytest_selfopt.runners.temporal.workflow import Calls, Here
from pytest_selfopt.runners.wire import result_to_bytes
from pytest_selfopt.session.engines import QUIET, temporal_command
from pytest_selfopt.trial import CallResult, Reply

HISTORY = Path(__file__).parent / "temporal_history.json"


@contextmanager
def server(place: Path) -> Iterator[str]:
    """A server; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with subprocess.Popen(
        temporal_command(place, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **QUIET},
    ) as process:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


class Model:
    """Answers after a while, and counts how many calls were under way at a time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.made: list[str] = []
        self.now = self.most = 0

    @activity.defn(name=ACTIVITY)
    async def make(self, text: str) -> bytes:
        self.made.append(activity.info().activity_id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(10):
                await asyncio.sleep(self.seconds / 10)
                activity.heartbeat()
        finally:
            self.now -= 1
        now = time.time()
        return result_to_bytes(CallResult(reply=Reply(text="hello"), started=now - self.seconds, ended=now))


@asynccontextmanager
async def worker(client: Client, queue: str, model: Model) -> AsyncIterator[None]:
    """A worker that takes what is in a queue."""
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Calls, Here],
        activities=[model.make],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


def errands(queue: str, number: int, window: int) -> Errands:
    """Some calls, in a queue."""
    some = [Errand(id=f"call-{index}", queue=queue, call="{}", seconds=60) for index in range(number)]
    return Errands(errands=some, window=window, heartbeat_s=2)


async def _record(target: str) -> None:
    client = await connect(TemporalConfig(target=target), Cipher(None), "recorder")
    async with worker(client, "here", Model(0.5)):
        work = errands("here", 8, 2)
        work.errands[1].queue = "gone"
        carried = await client.start_workflow(WORKFLOW, work, id="recorded", task_queue="here")
        await asyncio.sleep(0.7)
        await carried.signal("widen", 4)
        await carried.signal("move", args=["gone", "here"])
        await carried.signal("give_up", "call-3")
        await carried.signal("give_up", "call-7")
        await carried.result()
        HISTORY.write_text((await carried.fetch_history()).to_json())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as address:
        asyncio.run(_record(address))
