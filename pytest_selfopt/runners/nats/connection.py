"""Connecting to the server, and the streams of calls and results."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.redaction.addresses import password_in_address
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.wire import KEPT_S

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.js import JetStreamContext

CONNECT_S = 8.0
"""Seconds within which a server must answer."""

REFUSED_S = 2.0
"""Seconds within which a server that rejects connections must be up."""

CANCELLATIONS = 50
"""How many times, at intervals of 0.1 s, the client is told to abandon an attempt."""

Callback = Callable[[], Awaitable[None]]


async def connect(
    config: NatsConfig, who: str, came_back: Callback | None = None, closed: Callback | None = None
) -> Connection:
    """Connect; the connection restores itself when the server returns, and then calls `came_back`.

    If the server refuses something, it closes the connection for good, and `closed` is called; also if we close it.

    Raises:
        RunnerError: if the package is missing, no server answers, or it rejects the connection.
    """
    try:
        import nats
        from nats.errors import Error
    except ImportError:
        raise RunnerError("calls through NATS need a package: pip install 'pytest-selfopt[nats]'") from None
    where = config.where
    for server in config.servers:
        # The client's own messages may repeat it.
        KNOWN.add(password_in_address(server))
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
            closed_cb=closed,
            **_credentials(config),
        )
    )
    await _until_done(connecting, problems)
    try:
        return connecting.result()
    except (Error, OSError, TimeoutError, ValueError, asyncio.InvalidStateError, asyncio.CancelledError) as problem:
        # The server's message says more than how the connection then broke.
        refusals = [noted for noted in problems if not isinstance(noted, ConnectionError)]
        causes: Sequence[BaseException] = refusals or problems or [problem]
        why = str(causes[-1]) or "no answer"
        raise RunnerError(
            f"no usable NATS server at {where} ({why}); start one for a trial with `selfopt engine nats`, "
            "or set its address in [tool.selfopt.nats] servers or NATS_URL"
        ) from None


async def _until_done(connecting: asyncio.Future[Any], problems: Sequence[Exception]) -> None:
    """Wait until a connection is there or has failed; end the attempt of a server that does not answer in time.

    `problems` are those noted meanwhile: a server that rejects connections is waited for less long.
    """
    began = clock.monotonic()
    while not connecting.done() and clock.monotonic() - began < (REFUSED_S if problems else CONNECT_S):
        await asyncio.wait({connecting}, timeout=0.1)
    await cancel_attempt(connecting)


async def cancel_attempt(connecting: asyncio.Future[Any]) -> None:
    """Cancel an unfinished attempt to connect, or something else that waits."""
    for _ in range(CANCELLATIONS):
        if connecting.done():
            return
        # A cancellation is sometimes mistaken for the end of a wait, by the client and by Python before 3.12.
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=0.1)


def describe_closed(connection: Connection, where: str) -> str:
    """Say that the server at an address has closed the connection for good, and why."""
    why = ""
    if connection.last_error is not None:
        why = f" ({connection.last_error})"
    return f"the NATS server at {where} has closed the connection{why}"


def errors() -> tuple[type[Exception], ...]:
    """Return the exceptions raised if the server is unreachable or rejects a request."""
    from nats.errors import Error

    return Error, OSError, TimeoutError


def _credentials(config: NatsConfig) -> dict[str, Any]:
    for path in filter(None, (config.credentials, config.nkey)):
        # Without the file, servers that require no credentials would still accept the connection.
        if not Path(path).is_file():
            raise RunnerError(f"the credentials for NATS cannot be used ({path}): file not found")
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
    """Create the two streams if missing.

    Raises:
        RunnerError: if the server has no JetStream, or does not permit it.
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
            raise RunnerError(f"the NATS server has no stream {stream!r}: {problem}; is JetStream enabled?") from None


async def have_consumer(
    jetstream: JetStreamContext, names: Subjects, provider: str, place: str, *, ack_wait_s: float, most: int
) -> None:
    """Create or update the consumer that workers share, which limits their calls in flight to `most`."""
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
