"""Where the server is, how one shows who one is, and what queues and workflows are called."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.wire import token
from pytest_selfopt.tables import Table

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime
    from temporalio.service import TLSConfig

MISSING = "calls through Temporal take a package: pip install 'pytest-selfopt[temporal]'"

CONNECT_S = 8.0
"""Within which a server has to answer."""

_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalConfig:
    """How to reach the server. Files are paths; what is secret comes from the environment alone."""

    target: str = "127.0.0.1:7233"
    namespace: str = "default"
    name: str = "selfopt"
    """Of queues and workflows, so that several teams can share a namespace."""
    heartbeat_s: float = 30.0
    """After how many seconds of silence a worker's calls are given to another one."""
    tls: bool | None = None
    """Whether the connection is encrypted; None: when there is a key or a certificate."""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    api_key: str = field(default="", repr=False)

    def with_environment(self, environment: Mapping[str, str]) -> TemporalConfig:
        """The same with what the environment says above it, in the variables of Temporal's own programs."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, variable in _VARIABLES.items():
            values[name] = environment.get(variable) or values[name]
        if environment.get(_TLS):
            values["tls"] = environment[_TLS].lower() in {"1", "true"}
        return TemporalConfig(**values)


def read_config(table: Table) -> TemporalConfig:
    """What `[tool.selfopt.temporal]` says.

    Raises:
        SettingsError: naming key and value.
    """
    usual = TemporalConfig()
    if table.has("api_key"):
        table.refuse("api_key", f"a secret stands in no file; it comes from {_VARIABLES['api_key']}")
    heartbeat_s = table.number("heartbeat", usual.heartbeat_s, least=0.5, most=3600)
    assert heartbeat_s is not None
    name = table.text("name", usual.name) or usual.name
    if token(name) != name:
        table.refuse("name", f"{name!r} is no name: letters, digits, _ and - only, at most 64")
    target = table.text("target", usual.target) or usual.target
    if re.fullmatch(r"[^\s/]+:\d+", target) is None:
        table.refuse("target", f"{target!r} is no address; expected HOST:PORT")
    config = TemporalConfig(
        target=target,
        namespace=table.text("namespace", usual.namespace) or usual.namespace,
        name=name,
        heartbeat_s=heartbeat_s,
        tls=table.flag("tls"),
        **{key: table.text(key) or "" for key in ("tls_ca", "tls_cert", "tls_key")},
    )
    table.finish()
    return config


_TLS = "TEMPORAL_TLS"
_VARIABLES = {
    "target": "TEMPORAL_ADDRESS",
    "namespace": "TEMPORAL_NAMESPACE",
    "api_key": "TEMPORAL_API_KEY",
    "tls_ca": "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "tls_cert": "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "tls_key": "TEMPORAL_TLS_CLIENT_KEY_PATH",
}


async def connect(config: TemporalConfig, cipher: Cipher, who: str) -> Client:
    """A connection that comes back by itself when the server does; `who` is what the server knows it by.

    Raises:
        RunnerError: when the package is missing, nobody answers, or one is turned away.
    """
    try:
        from temporalio.client import Client
        from temporalio.service import GrpcCompression

        from pytest_selfopt.runners.temporal.sealing import converter
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
    return runtime


def _hold(runtime: Runtime | None) -> None:
    while runtime is not None:
        threading.Event().wait()


def _reason(problem: BaseException) -> str:
    """Why it failed, without the structures that the library prints around it."""
    text = str(problem) or type(problem).__name__
    inner = re.search(r'message: "([^"]+)"', text)
    return inner[1] if inner else text[:200]


def _tls(config: TemporalConfig) -> TLSConfig | bool:
    from temporalio.service import TLSConfig

    if config.tls is False:
        return False
    if not config.tls_ca and not config.tls_cert:
        return bool(config.tls or config.api_key)

    def content(path: str) -> bytes | None:
        return Path(path).read_bytes() if path else None

    return TLSConfig(
        server_root_ca_cert=content(config.tls_ca),
        client_cert=content(config.tls_cert),
        client_private_key=content(config.tls_key),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """The names of queues and workflows."""

    name: str

    def queue(self, provider: str) -> str:
        """Where the calls wait that any worker of a provider may make."""
        return f"{self.name}-{token(provider)}"

    def queue_of(self, worker: str) -> str:
        """Where the calls wait that only a certain worker may make."""
        return f"{self.name}-at-{worker}"

    def workflow(self, cycle: str, number: int) -> str:
        """The workflow with a number, of those that carry the calls of a cycle."""
        return f"{self.name}-{cycle}-{number}"
