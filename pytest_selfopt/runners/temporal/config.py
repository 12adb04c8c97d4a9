"""Configuration of the server's address and of authentication."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_selfopt.config_table import Table
from pytest_selfopt.runners.ids import token


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalConfig:
    """The connection to the server. Files are paths; secrets come only from the environment."""

    target: str = "127.0.0.1:7233"
    namespace: str = "default"
    name: str = "selfopt"
    """The prefix of queues and workflows, so that several teams can share a namespace."""
    heartbeat_s: float = 30.0
    """Seconds of silence after which a worker's calls go to another worker."""
    tls: bool | None = None
    """Whether the connection is encrypted; None: if there is a key or a certificate."""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    api_key: str = field(default="", repr=False)

    def with_environment(self, environment: Mapping[str, str]) -> TemporalConfig:
        """Return the configuration with overrides from the environment variables of Temporal's own programs."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, variable in _VARIABLES.items():
            values[name] = environment.get(variable) or values[name]
        if environment.get(_TLS):
            values["tls"] = environment[_TLS].lower() in {"1", "true"}
        return TemporalConfig(**values)


def read_config(table: Table) -> TemporalConfig:
    """Read `[tool.selfopt.temporal]`.

    Raises:
        SettingsError: naming key and value.
    """
    usual = TemporalConfig()
    if table.has("api_key"):
        table.refuse("api_key", f"secrets are not read from files; set {_VARIABLES['api_key']}")
    heartbeat_s = table.number("heartbeat", usual.heartbeat_s, least=0.5, most=3600)
    assert heartbeat_s is not None
    name = table.text("name", usual.name) or usual.name
    if token(name) != name:
        table.refuse("name", f"{name!r} is not a valid name: letters, digits, _ and - only, at most 64")
    target = table.text("target", usual.target) or usual.target
    if re.fullmatch(r"[^\s/]+:\d+", target) is None:
        table.refuse("target", f"{target!r} is not an address; expected HOST:PORT")
    config = TemporalConfig(
        target=target,
        namespace=table.text("namespace", usual.namespace) or usual.namespace,
        name=name,
        heartbeat_s=heartbeat_s,
        tls=table.flag("tls"),
        tls_ca=table.text("tls_ca") or "",
        tls_cert=table.text("tls_cert") or "",
        tls_key=table.text("tls_key") or "",
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
