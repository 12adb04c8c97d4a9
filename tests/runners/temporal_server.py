"""A worker of Temporal inside the test; as a program it records the history of the replay test.

python -m tests.runners.temporal_server
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.execution.dev_servers import temporal_server
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.message import MessageKind
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect
from pytest_selfopt.runners.temporal.shared import ACTIVITY, WORKFLOW, CallPayload, CallPayloads
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from pytest_selfopt.runners.temporal.workflow import CallBatchWorkflow, PingWorkflow
from pytest_selfopt.runners.wire import question_of, result_to_bytes
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallResult, Reply
from tests.servers import free_port, started

HISTORY = Path(__file__).parent / "temporal_history.json"


def a_call(call_id: str) -> Call:
    """A call that says hello."""
    question = ChatRequest(messages=(Message(role="user", content="Hello"),))
    return Call(id=call_id, model="own/model", request=question, lane="lane")


class Model:
    """Answers after a while, and counts how many calls were under way at a time."""

    def __init__(self, seconds: float, name: str = "selfopt") -> None:
        self.seconds = seconds
        self.name = name
        self.made: list[str] = []
        self.now = self.most = 0

    @activity.defn(name=ACTIVITY)
    async def make(self, text: str) -> bytes:
        info = activity.info()
        self.made.append(info.activity_id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(10):
                await asyncio.sleep(self.seconds / 10)
                activity.heartbeat()
        finally:
            self.now -= 1
        now = time.time()
        names, workflow = TaskQueues(self.name), info.workflow_id or ""
        about = names.context(MessageKind.RESULT, workflow, info.activity_id.rstrip("~"))
        result = CallResult(reply=Reply(text="hello"), started=now - self.seconds, ended=now)
        return result_to_bytes(result, about, question_of(a_call(about.call)))


@asynccontextmanager
async def worker(client: Client, queue: str, model: Model) -> AsyncIterator[None]:
    """A worker that takes what is in a queue."""
    async with Worker(
        client,
        task_queue=queue,
        workflows=[CallBatchWorkflow, PingWorkflow],
        activities=[model.make],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


def errands(queue: str, number: int, window: int) -> CallPayloads:
    """Some calls, in a queue."""
    some = [CallPayload(id=f"call-{index}", queue=queue, call="{}", seconds=60) for index in range(number)]
    return CallPayloads(errands=some, window=window, heartbeat_s=2)


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
    with tempfile.TemporaryDirectory() as folder, started(temporal_server(Path(folder), free_port())) as address:
        asyncio.run(_record(address))
