"""Connecting to the server, and the streams that calls and results are kept in."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.subjects import Subjects

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.js import JetStreamContext

CONNECT_S = 8.0
"""Within which a server has to answer."""

REFUSED_S = 2.0
"""Within which one that turns connections away has to have come up."""

CANCELLATIONS = 50
"""How often the client is told, each 0.1 s, to give an attempt up."""

KEPT_S = 7 * 86_400.0
"""How long calls and results are kept that nobody asks for any more."""

EXISTS = 10077
"""The server's code for a message that is refused because its subject has one (JSStreamStoreFailedF)."""


async def connect(config: NatsConfig, who: str, came_back: Callable[[], Awaitable[None]] | None = None) -> Connection:
    """A connection that comes back by itself when the server does, of which `came_back` is told.

    Raises:
        RunnerError: when the package is missing, nobody answers, or one is turned away.
    """
    try:
        import nats
        from nats.errors import Error
    except ImportError:
        raise RunnerError("calls through NATS take a package: pip install 'pytest-selfopt[nats]'") from None
    where = ", ".join(re.sub(r"//[^@/]*@", "//", server) for server in config.servers)
    problems: list[Exception] = []

    async def note(problem: Exception) -> None:
        problems.append(problem)

    connecting = asyncio.ensure_future(
        nats.connect(
            servers=list(config.servers),
            name=who,
            connect_timeout=3,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            error_cb=note,
            reconnected_cb=came_back,
            **_credentials(config),
        )
    )
    began = time.monotonic()
    while not connecting.done() and time.monotonic() - began < (REFUSED_S if problems else CONNECT_S):
        await asyncio.wait({connecting}, timeout=0.1)
    await cancel_attempt(connecting)
    try:
        return connecting.result()
    except (Error, OSError, TimeoutError, ValueError, asyncio.InvalidStateError, asyncio.CancelledError) as problem:
        # What the server says tells more than how the connection broke after it.
        refusals = [noted for noted in problems if not isinstance(noted, ConnectionError)]
        causes: Sequence[BaseException] = refusals or problems or [problem]
        why = str(causes[-1]) or "no answer"
        raise RunnerError(
            f"no NATS server can be used at {where} ({why}); start one for a trial by `selfopt engine nats`, "
            "or say where it is by [tool.selfopt.nats] servers or NATS_URL"
        ) from None


async def cancel_attempt(connecting: asyncio.Future[Connection]) -> None:
    """End an attempt to connect that is not done."""
    for _ in range(CANCELLATIONS):
        if connecting.done():
            return
        # The client takes a cancellation for an end of its own waits now and then, and goes on.
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=0.1)


def errors() -> tuple[type[Exception], ...]:
    """What is raised when the server is away, or does not do what it is asked."""
    from nats.errors import Error

    return Error, OSError, TimeoutError


def _credentials(config: NatsConfig) -> dict[str, Any]:
    for path in filter(None, (config.credentials, config.nkey)):
        # A server that asks nobody would let one in without it, and another one not.
        if not Path(path).is_file():
            raise RunnerError(f"the credentials for NATS cannot be used ({path}): there is no such file")
    options: dict[str, Any] = {
        "user": config.user or None,
        "password": config.password or None,
        "token": config.token or None,
        "user_credentials": config.credentials or None,
        "nkeys_seed": config.nkey or None,
    }
    if config.tls_ca or config.tls_cert:
        options["tls"] = _tls(config)
    return {name: value for name, value in options.items() if value is not None}


def _tls(config: NatsConfig) -> ssl.SSLContext:
    files = ", ".join(filter(None, (config.tls_ca, config.tls_cert, config.tls_key)))
    try:
        context = ssl.create_default_context(cafile=config.tls_ca or None)
        if config.tls_cert:
            context.load_cert_chain(config.tls_cert, config.tls_key or None)
    except OSError as problem:
        raise RunnerError(f"the certificates for NATS cannot be used ({files}): {problem}") from None
    return context


async def have_streams(jetstream: JetStreamContext, names: Subjects) -> None:
    """Create the two streams, if they are not there.

    Raises:
        RunnerError: when the server has no JetStream, or one may not.
    """
    from nats.errors import Error
    from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig

    for stream, kind, retention in (
        (names.calls, "calls", RetentionPolicy.WORK_QUEUE),
        (names.results, "results", RetentionPolicy.LIMITS),
    ):
        config = StreamConfig(
            name=stream,
            subjects=[f"{names.name}.{kind}.>"],
            retention=retention,
            max_age=KEPT_S,
            max_msgs_per_subject=1,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            allow_direct=True,
        )
        try:
            await jetstream.add_stream(config)
        except Error as problem:
            raise RunnerError(f"the NATS server gives no stream {stream!r}: {problem}; is JetStream on?") from None


async def have_consumer(
    jetstream: JetStreamContext, names: Subjects, provider: str, place: str, *, ack_wait_s: float, most: int
) -> None:
    """Create or change the consumer that workers share: so many calls are with them at most."""
    from nats.js.api import AckPolicy, ConsumerConfig

    await jetstream.add_consumer(
        names.calls,
        ConsumerConfig(
            durable_name=names.consumer(provider, place),
            filter_subject=names.calls_of(provider, place),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_s,
            max_deliver=-1,
            max_ack_pending=most,
            inactive_threshold=KEPT_S,
        ),
    )
