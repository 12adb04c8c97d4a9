"""How one comes to the server."""

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

MISSING = "calls through Temporal take a package: pip install 'pytest-selfopt[temporal]'"

CONNECT_S = 8.0
"""Within which a server has to answer."""

_PAUSE_S = 0.2
_SETTLE_S = 0.1


async def connect(config: TemporalConfig, cipher: Cipher, who: str) -> Client:
    """A connection that comes back by itself when the server does; `who` is what the server knows it by.

    Raises:
        RunnerError: when the package is missing, nobody answers, or one is turned away.
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
        "data_converter": converter(cipher),
        "grpc_compression": GrpcCompression.NONE,
    }
    try:
        options["tls"] = _tls(config)
        async with asyncio.timeout(CONNECT_S):
            while True:
                try:
                    return await Client.connect(config.target, **options)
                except RuntimeError as problem:
                    # It listens a moment before it can be used.
                    if "not healthy yet" not in str(problem):
                        raise
                await asyncio.sleep(_PAUSE_S)
    except (RuntimeError, OSError, TimeoutError, ValueError) as problem:
        raise RunnerError(
            f"no Temporal server can be used at {config.target} ({_reason(problem)}); start one for a trial by "
            "`selfopt engine temporal`, or say where it is by [tool.selfopt.temporal] target or TEMPORAL_ADDRESS"
        ) from None


@cache
def _runtime() -> Runtime:
    """The library's threads, one set of them for the process, which is never let go of.

    When its last reference went at the end of the process, Python would wait for these threads, and one of them that
    just then has something to tell for Python: one in four sessions hung. So a thread that never ends holds it.
    """
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig

    # They must not print into a test's captured output; of what goes wrong the library's errors tell.
    quiet = TelemetryConfig(logging=LoggingConfig(filter="OFF"))
    runtime = Runtime(telemetry=quiet, worker_heartbeat_interval=None, disable_environment_info=True)
    threading.Thread(target=_hold, args=(runtime,), name="selfopt-temporal-holder", daemon=True).start()
    # One of its threads that is just telling Python something, such as that nobody answers, has to be done with that:
    # otherwise one process in ten that ends right then is ended by a signal.
    atexit.register(time.sleep, _SETTLE_S)
    return runtime


def _hold(runtime: Runtime | None) -> None:
    while runtime is not None:
        threading.Event().wait()


def _reason(problem: BaseException) -> str:
    """Why it failed, without the structures that the library prints around it."""
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
