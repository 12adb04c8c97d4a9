"""Configuration of the server's addresses and of authentication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_selfopt.config_table import Table
from pytest_selfopt.redaction.addresses import secret_in_address, shown_address
from pytest_selfopt.runners.ids import token


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsConfig:
    """The connection to the server. Files are paths; secrets come only from the environment."""

    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    name: str = "selfopt"
    """The prefix of subjects and streams, so that several teams can share a server."""
    ack_wait_s: float = 30.0
    """Seconds of silence after which a worker's calls go to another worker."""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    credentials: str = ""
    nkey: str = ""
    user: str = ""
    password: str = ""
    token: str = ""

    @property
    def where(self) -> str:
        """The addresses of the servers, without the secrets that NATS_URL may have."""
        return ", ".join(map(shown_address, self.servers))

    def with_environment(self, environment: Mapping[str, str]) -> NatsConfig:
        """Return the configuration with overrides from the environment."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, variable in _VARIABLES.items():
            values[name] = environment.get(variable) or values[name]
        if environment.get("NATS_URL"):
            values["servers"] = tuple(environment["NATS_URL"].split(","))
        return NatsConfig(**values)


def read_config(table: Table) -> NatsConfig:
    """Read `[tool.selfopt.nats]`.

    Raises:
        SettingsError: naming key and value.
    """
    usual = NatsConfig()
    for secret in SECRETS:
        if table.has(secret):
            table.refuse(secret, f"secrets are not read from files; set {_VARIABLES[secret]}")
    wait_s = table.number("ack_wait", usual.ack_wait_s, least=0.5, most=3600)
    name = table.text("name", usual.name) or usual.name
    if token(name) != name:
        table.refuse("name", f"{name!r} is not a valid name: letters, digits, _ and - only, at most 64")
    files = {key: table.text(key) or "" for key in ("tls_ca", "tls_cert", "tls_key", "credentials", "nkey", "user")}
    config = NatsConfig(servers=table.texts("servers", usual.servers), name=name, ack_wait_s=wait_s, **files)
    for server in config.servers:
        if secret_in_address(server):
            variables = "NATS_USER and NATS_PASSWORD, NATS_TOKEN, or NATS_URL"
            table.refuse("servers", f"an address {secret_in_address(server)}; set {variables}")
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
"""The keys that are not allowed in a settings file."""
