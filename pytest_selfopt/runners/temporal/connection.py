"""Connecting to the server."""

from __future__ import annotations

import asyncio
import atexit
import re
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.temporal.config import TemporalConfig

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime
    from temporalio.service import TLSConfig

MISSING = "calls through Temporal need a package: pip install 'pytest-selfopt[temporal]'"

CONNECT_S = 8.0
"""Seconds within which a server must answer."""

_PAUSE_S = 0.2
_SETTLE_S = 0.1


async def connect(config: TemporalConfig, cipher: Cipher, who: str, *, lenient: bool = False) -> Client:
    """Connect as `who`, perhaps with a lenient codec; the connection restores itself when the server returns.

    Raises:
        RunnerError: if the package is missing, no server answers, or it rejects the connection.
    """
    try:
        from temporalio.client import Client
        from temporalio.service import GrpcCompression

        from pytest_selfopt.runners.temporal.codec import converter
    except ImportError:
        raise RunnerError(MISSING) from None
    options: dict[str, Any] = {
        "namespace": config.namespace,
        "api_key": config.api_key or None,
        "identity": who,
        "runtime": _runtime(),
        "data_converter": converter(cipher, lenient=lenient),
        "grpc_compression": GrpcCompression.NONE,
    }
    try:
        options["tls"] = _tls(config)
        async with asyncio.timeout(CONNECT_S):
            while True:
                try:
                    return await Client.connect(config.target, **options)
                except RuntimeError as problem:
                    # A starting server listens a moment before it is usable.
                    if "not healthy yet" not in str(problem):
                        raise
                await asyncio.sleep(_PAUSE_S)
    except (RuntimeError, OSError, TimeoutError, ValueError) as problem:
        raise RunnerError(
            f"no usable Temporal server at {config.target} ({_reason(problem)}); start one for a trial with "
            "`selfopt engine temporal`, or set its address in [tool.selfopt.temporal] target or TEMPORAL_ADDRESS"
        ) from None


async def most_bytes(client: Client) -> int | None:
    """Return the length of a payload that the server accepts; None if it does not say."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError

    try:
        request = DescribeNamespaceRequest(namespace=client.namespace)
        found = await client.workflow_service.describe_namespace(request)
    except RPCError:
        return None  # Describing may be forbidden to who may start workflows.
    most: int = found.namespace_info.limits.blob_size_limit_error
    return most or None


@cache
def _runtime() -> Runtime:
    """Return the library's runtime, one per process, which is never released.

    If its last reference were dropped at the end of the process, Python would wait for the library's threads while one
    of them waits for Python: one in four sessions hung. So a thread that never ends holds a reference.
    """
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig

    # No logging: it would print into a test's captured output, and the library's exceptions report problems anyway.
    quiet = TelemetryConfig(logging=LoggingConfig(filter="OFF"))
    runtime = Runtime(telemetry=quiet, worker_heartbeat_interval=None, disable_environment_info=True)
    threading.Thread(target=_hold, args=(runtime,), name="selfopt-temporal-holder", daemon=True).start()
    # A library thread that is calling into Python, such as to report a failed connection, must finish first:
    # otherwise one process in ten that ends at that moment is killed by a signal.
    atexit.register(time.sleep, _SETTLE_S)
    return runtime


def _hold(runtime: Runtime | None) -> None:
    while runtime is not None:
        threading.Event().wait()


def _reason(problem: BaseException) -> str:
    """Return the reason of a failure, without the library's debug output around it."""
    text = str(problem) or type(problem).__name__
    inner = re.search(r'message: "([^"]+)"', text)
    if inner is None:
        return text[:200]
    return inner[1]


def _tls(config: TemporalConfig) -> TLSConfig | bool:
    from temporalio.service import TLSConfig

    if config.tls is False:
        return False
    if not config.tls_ca and not config.tls_cert:
        return bool(config.tls or config.api_key)

    def content(path: str) -> bytes | None:
        if not path:
            return None
        return Path(path).read_bytes()

    return TLSConfig(
        server_root_ca_cert=content(config.tls_ca),
        client_cert=content(config.tls_cert),
        client_private_key=content(config.tls_key),
    )
