"""Attempts to connect to NATS come to an end, whatever the client makes of it."""

from __future__ import annotations

import asyncio
import contextlib

from pytest_selfopt.runners.nats.connection import cancel_attempt


def test_an_attempt_mistaking_cancellation_for_timeout_ends() -> None:
    async def connect() -> None:
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def scenario() -> bool:
        attempt = asyncio.ensure_future(connect())
        await asyncio.sleep(0)
        await cancel_attempt(attempt)
        return attempt.cancelled()

    assert asyncio.run(asyncio.wait_for(scenario(), 20))
