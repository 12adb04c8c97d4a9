"""Starting the workflows that carry calls."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pytest_selfopt.runners.temporal.shared import WORKFLOW, CallPayloads
from pytest_selfopt.runners.wire import KEPT_S

if TYPE_CHECKING:
    from temporalio.client import Client

_TASK_TIMEOUT = timedelta(seconds=5)
"""Silence of a worker over a workflow, whose code takes milliseconds, after which another worker gets it."""


async def start_calls(client: Client, workflow: str, queue: str, work: CallPayloads) -> bool:
    """Start a workflow by its id; return False if it is started already: the server's answer may have been lost.

    Raises:
        RPCError: if the server cannot be asked, or rejects it.
    """
    from temporalio.common import WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    try:
        await client.start_workflow(
            WORKFLOW,
            work,
            id=workflow,
            task_queue=queue,
            execution_timeout=timedelta(seconds=KEPT_S),
            task_timeout=_TASK_TIMEOUT,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
