"""Faults of Temporal: workflows that are gone or terminated, and what is too long for the server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect
from pytest_selfopt.runners.temporal.shared import WORKFLOW
from tests.acceptance.conftest import suite_lines
from tests.performance.engine_faults.bench import Bench, noise

MORE = 18
"""Cases, so that a cycle has three workflows."""
HELLOS = [f"Hello {number}!" for number in range(3)]
LOW_BLOBS = ("--dynamic-config-value", "limit.blobSize.error=300000")
LOW_HISTORIES = (
    *("--dynamic-config-value", "limit.historySize.error=1500000"),
    *("--dynamic-config-value", "limit.historySize.warn=1000000"),
)


def lost_workflows(bench: Bench, turn: int) -> str:
    """After a killed session all its workflows are gone, some of them, or terminated: one resumed session ends."""
    how = ("all gone", "first gone", "last left", "some gone", "terminated")[turn % 5]
    lines = suite_lines()
    more = [{**lines[-1], "id": f"more-{number}", "prompt": f"Hello, number {number}!"} for number in range(MORE)]
    bench.write_suite([*lines, *more])
    bench.play(latency_s=0.05)
    bench.engine.work_in(bench.folder)
    bench.kill_after(bench.begin(cold=True), 150 - 15 * turn)
    found = do(bench, lambda client: listed(client, bench.engine.name))
    chosen = choose(how, found, turn)
    if how == "terminated":
        do(bench, lambda client: terminate(client, chosen))
    else:
        do(bench, lambda client: delete(client, chosen))
    left = found if how == "terminated" else [one for one in found if one not in chosen]
    known = set(bench.recorded()) | do(bench, lambda client: answered(client, left))
    before = bench.server.seen.asked
    # Another worker, which remembers nothing: what is lost is paid for again, and nothing else.
    bench.engine.end_workers()
    bench.engine.work_in(bench.folder)
    bench.cycle("--selfopt-resume")
    again = bench.server.seen.asked - before
    new = len(set(bench.recorded()) - known)
    assert again == new, f"{again} were asked, {new} were lacking ({how})"
    assert not bench.errors(), bench.errors()
    return f"{how}: {len(chosen)} of {len(found)} workflows, {len(known)} calls known, {new} asked"


def choose(how: str, found: Sequence[str], turn: int) -> list[str]:
    if how == "first gone":
        return list(found[:1])
    if how == "last left":
        return list(found[:-1])
    if how == "some gone":
        return random.Random(turn).sample(list(found), max(1, len(found) // 2))
    return list(found)


def do(bench: Bench, work: Callable[[Client], Any]) -> Any:
    """Let somebody work on the server of a bench."""

    async def scenario() -> Any:
        return await work(await connect(TemporalConfig(target=bench.engine.url), Cipher(None), "somebody"))

    return asyncio.run(scenario())


async def listed(client: Client, name: str) -> list[str]:
    """The ids of a team's workflows, in order of their numbers."""
    query = f'WorkflowType = "{WORKFLOW}" AND WorkflowId STARTS_WITH "{name}-"'
    await asyncio.sleep(2)  # What the server lists may be a second old.
    found = [workflow.id async for workflow in client.list_workflows(query)]
    return sorted(found, key=lambda workflow: int(workflow.rpartition("-")[2]))


async def answered(client: Client, workflows: Sequence[str]) -> set[str]:
    """The ids of the calls whose results are in these workflows."""
    calls: set[str] = set()
    for workflow in workflows:
        names: dict[int, str] = {}
        async for event in client.get_workflow_handle(workflow).fetch_history_events():
            scheduled = event.activity_task_scheduled_event_attributes.activity_id
            if scheduled:
                names[event.event_id] = scheduled
            done = event.activity_task_completed_event_attributes.scheduled_event_id
            if done:
                calls.add(names[done])
    return calls


async def terminate(client: Client, workflows: Sequence[str]) -> None:
    for workflow in workflows:
        with contextlib.suppress(RPCError):  # Most have ended.
            await client.get_workflow_handle(workflow).terminate("to see what comes of it")


async def delete(client: Client, workflows: Sequence[str]) -> None:
    """Remove workflows as the end of their retention does."""
    for workflow in workflows:
        execution = WorkflowExecution(workflow_id=workflow)
        request = DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=execution)
        await client.workflow_service.delete_workflow_execution(request)
    for workflow in workflows:
        while await exists(client, workflow):
            await asyncio.sleep(0.05)


async def exists(client: Client, workflow: str) -> bool:
    try:
        await client.get_workflow_handle(workflow).describe()
    except RPCError:
        return False
    return True


def long_prompts(bench: Bench, turn: int) -> str:
    """Prompts of 2.5 and 5 MB are errors of their calls, and nothing else."""
    lines = suite_lines()
    for line, length in zip(lines[-2:], (2_500_000, 5_000_000), strict=True):
        line["prompt"] += noise(length, turn)
    bench.write_suite(lines)
    bench.play()
    bench.engine.work_in(bench.folder)
    bench.cycle()
    errors = bench.errors()
    assert all("(its limit.blobSize.error); ask with shorter prompts" in error for error in errors), errors
    asked = bench.require_paid_once(len(errors))
    assert len(errors) == (asked + len(errors)) / 6, (asked, errors)
    return f"{asked} calls, {len(errors)} too long"


def low_blob_limit(bench: Bench, turn: int) -> str:
    """A server that accepts payloads of 300 KB only: longer replies are compressed, or errors of their calls."""
    bench.play(dict(zip(HELLOS, (noise(length, turn) for length in (298_000, 500_000, 900_000)), strict=True)))
    bench.engine.work_in(bench.folder)
    bench.cycle()
    errors = bench.errors()
    assert errors
    assert all("Temporal's history takes at most 298,976; ask for shorter replies" in error for error in errors), errors
    return f"{bench.require_paid_once()} calls, {len(errors)} too long"


def low_history_limit(bench: Bench, turn: int) -> str:
    """A server that terminates workflows of more than 1.5 MB: what they lack goes into new ones."""
    bench.play({hello: noise(400_000, turn) for hello in HELLOS})
    bench.engine.work_in(bench.folder)
    bench.cycle()
    assert not bench.errors(), bench.errors()
    return f"{bench.require_paid_once()} calls"
