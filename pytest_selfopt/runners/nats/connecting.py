"""Where the server is, how one shows who one is, and the streams that calls and results are kept in."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.wire import token
from pytest_selfopt.tables import Table

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.js import JetStreamContext

CONNECT_S = 8.0
"""Within which a server has to answer."""

KEPT_S = 7 * 86_400.0
"""How long calls and results are kept that nobody asks for any more."""

EXISTS = 10077
"""The server's code for a message that is refused because its subject has one (JSStreamStoreFailedF)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsConfig:
    """How to reach the server. Files are paths; what is secret comes from the environment alone."""

    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    name: str = "selfopt"
    """Of subjects and streams, so that several teams can share a server."""
    ack_wait_s: float = 30.0
    """After how many seconds of silence a worker's calls are given to another one."""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    credentials: str = ""
    nkey: str = ""
    user: str = ""
    password: str = ""
    token: str = ""

    def with_environment(self, environment: Mapping[str, str]) -> NatsConfig:
        """The same with what the environment says above it."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, variable in _VARIABLES.items():
            values[name] = environment.get(variable) or values[name]
        if environment.get("NATS_URL"):
            values["servers"] = tuple(environment["NATS_URL"].split(","))
        return NatsConfig(**values)


def read_config(table: Table) -> NatsConfig:
    """What `[tool.selfopt.nats]` says.

    Raises:
        SettingsError: naming key and value.
    """
    usual = NatsConfig()
    for secret in SECRETS:
        if table.has(secret):
            table.refuse(secret, f"a secret stands in no file; it comes from {_VARIABLES[secret]}")
    wait_s = table.number("ack_wait", usual.ack_wait_s, least=0.5, most=3600)
    assert wait_s is not None
    name = table.text("name", usual.name) or usual.name
    if token(name) != name:
        table.refuse("name", f"{name!r} is no name: letters, digits, _ and - only, at most 64")
    files = {key: table.text(key) or "" for key in ("tls_ca", "tls_cert", "tls_key", "credentials", "nkey", "user")}
    config = NatsConfig(servers=table.texts("servers", usual.servers), name=name, ack_wait_s=wait_s, **files)
    if not config.servers:
        table.refuse("servers", "must not be empty")
    table.finish()
    return config


_VARIABLES = {
    "user": "NATS_USER",
    "password": "NATS_PASSWORD",
    "token": "NATS_TOKEN",
    "credentials": "NATS_CREDS",
    "nkey": "NATS_NKEY",
    "tls_ca": "NATS_CA",
    "tls_cert": "NATS_CERT",
    "tls_key": "NATS_KEY",
}
SECRETS = ("password", "token")
"""What stands in no settings file."""


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

    try:
        return await asyncio.wait_for(
            nats.connect(
                servers=list(config.servers),
                name=who,
                connect_timeout=3,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                error_cb=note,
                reconnected_cb=came_back,
                **_credentials(config),
            ),
            CONNECT_S,
        )
    except (Error, OSError, TimeoutError, ValueError) as problem:
        why = str(problems[-1] if problems else problem) or type(problem).__name__
        raise RunnerError(
            f"no NATS server can be used at {where} ({why}); start one for a trial by `selfopt engine nats`, "
            "or say where it is by [tool.selfopt.nats] servers or NATS_URL"
        ) from None


def _credentials(config: NatsConfig) -> dict[str, Any]:
    options: dict[str, Any] = {
        "user": config.user or None,
        "password": config.password or None,
        "token": config.token or None,
        "user_credentials": config.credentials or None,
        "nkeys_seed": config.nkey or None,
    }
    if config.tls_ca or config.tls_cert:
        context = ssl.create_default_context(cafile=config.tls_ca or None)
        if config.tls_cert:
            context.load_cert_chain(config.tls_cert, config.tls_key or None)
        options["tls"] = context
    return {name: value for name, value in options.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of streams and subjects. A call's subject is its own, so that it is in the queue once at most."""

    name: str

    @property
    def calls(self) -> str:
        """The stream of calls that are to be made."""
        return f"{self.name}-calls"

    @property
    def results(self) -> str:
        """The stream of what was begun and what came of it."""
        return f"{self.name}-results"

    @property
    def workers(self) -> str:
        """Where workers are asked whether they are there."""
        return f"{self.name}.workers"

    @property
    def control(self) -> str:
        """Where workers are told to abort calls."""
        return f"{self.name}.control"

    def call(self, provider: str, place: str, cycle: str, call_id: str) -> str:
        """The subject of a call: for any worker of a provider, or for a certain one."""
        return f"{self.name}.calls.{token(provider)}.{place}.{cycle}.{token(call_id)}"

    def calls_of(self, provider: str, place: str) -> str:
        """The subjects of all calls in one place."""
        return f"{self.name}.calls.{token(provider)}.{place}.>"

    def calls_in(self, cycle: str) -> str:
        """The subjects of all calls of one cycle."""
        return f"{self.name}.calls.*.*.{cycle}.*"

    def consumer(self, provider: str, place: str) -> str:
        """The consumer of the calls in one place."""
        return f"{token(provider)}-{place}"

    def result(self, cycle: str, call_id: str) -> str:
        """The subject of a result; the first message there is the last."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.result"

    def begun(self, cycle: str, call_id: str, time: str) -> str:
        """The subject of one beginning of a call."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.begun.{time}"

    def results_of(self, cycle: str) -> str:
        """The subjects of everything that is told of one cycle."""
        return f"{self.name}.results.{cycle}.>"


async def have_streams(jetstream: JetStreamContext, names: Names) -> None:
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
    jetstream: JetStreamContext, names: Names, provider: str, place: str, *, ack_wait_s: float, most: int
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
