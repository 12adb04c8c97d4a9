"""Reading the configuration tables `providers` and `models`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

from pytest_selfopt.config_table import Table
from pytest_selfopt.models.config import (
    EMBEDDED_MAX_TOKENS,
    EMBEDDED_MODELS,
    PROVIDERS,
    RESPONSE_CACHES,
    USUAL_MAX_TOKENS,
    WIRES,
    ModelConfig,
    ParameterSettings,
    ProviderConfig,
    ResponseCache,
    WireName,
)
from pytest_selfopt.redaction.addresses import secret_in_address, shown_address
from pytest_selfopt.trial import Json

MOST_CONCURRENT = 4096
MOST_TOKENS = 1_000_000

_OWN = frozenset(
    {"model", "messages", "tools", "system", "stream", "options", "format", "response_format", "output_config"}
)
_RENAMED = ("temperature", "top_p", "seed", "max_tokens")
"""The sampling parameters that `parameters` can rename or leave out."""


def read_providers(table: Table) -> dict[str, ProviderConfig]:
    """Return the built-in providers and those of `[providers.NAME]`, which may change a built-in one.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    providers = dict(PROVIDERS)
    for name, entry in table.tables().items():
        providers[name] = _provider(name, entry)
    return providers


def read_models(table: Table, providers: Mapping[str, ProviderConfig]) -> dict[str, ModelConfig]:
    """Return the built-in models and those of `[models."NAME"]`.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    models = dict(EMBEDDED_MODELS)
    for name, entry in table.tables().items():
        models[name] = _model(name, entry, providers)
    return models


def implied_model(name: str, providers: Mapping[str, ProviderConfig]) -> ModelConfig | None:
    """Return the unconfigured model that a name such as `ollama/llama3.2:1b` implies, or None."""
    owner, _, rest = name.partition("/")
    provider = providers.get(owner)
    if provider is None or not rest or provider.wire == "embedded":
        return None
    return ModelConfig(
        id=name,
        provider=provider,
        name=rest,
        max_concurrency=provider.max_concurrency,
        response_cache=provider.response_cache,
        overlap=is_always_loaded(provider),
    )


def is_always_loaded(provider: ProviderConfig) -> bool:
    """Whether the provider's models are always loaded; Ollama loads a model on its first call."""
    return provider.wire in ("openai", "anthropic")


def _provider(name: str, table: Table) -> ProviderConfig:
    usual = PROVIDERS.get(name, ProviderConfig(name=name, wire="openai"))
    wire = cast("WireName", table.text("wire", usual.wire, choices=WIRES))
    base_url = _base_url(table, usual.base_url or None)
    client = table.text("client", usual.client or None) or ""
    if client and ":" not in client:
        table.refuse("client", f'{client!r} is not an import path; expected "module:NAME"')
    if base_url is None and wire != "embedded" and not client:
        table.refuse("base_url", 'is missing; for example "http://127.0.0.1:8000/v1"')
    # Never send a key to any address but its own.
    key_variable = usual.api_key_env
    if base_url != usual.base_url:
        key_variable = None
    provider = ProviderConfig(
        name=name,
        wire=wire,
        base_url=base_url or "",
        api_key_env=_key_variable(table, key_variable),
        max_concurrency=table.integer("max_concurrency", usual.max_concurrency, least=1, most=MOST_CONCURRENT),
        fixed=table.has("max_concurrency"),
        client=client,
        response_cache=_response_cache(table, usual.response_cache),
    )
    table.finish()
    return provider


def _base_url(table: Table, usual: str | None) -> str | None:
    """Read an address; one with a secret is refused, because addresses are shown and recorded."""
    base_url = table.text("base_url", usual)
    secret = secret_in_address(base_url or "")
    if secret:
        table.refuse("base_url", f"{secret}; put it into an environment variable, and name that in api_key_env")
    return base_url


def _key_variable(table: Table, usual: str | None) -> str | None:
    """Read the name of a variable; anything else may be the key itself, so it is not repeated."""
    name = table.text("api_key_env", usual)
    if name is not None and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
        table.refuse(
            "api_key_env",
            "is not the name of an environment variable; if it is the key itself, put it into one, and name that here",
        )
    return name


def _model(name: str, table: Table, providers: Mapping[str, ProviderConfig]) -> ModelConfig:
    owner = name.partition("/")[0]
    provider = _provider_of(table, providers, owner)
    config = ModelConfig(
        id=name,
        provider=provider,
        name=table.text("name") or name.partition("/")[2] or name,
        max_concurrency=table.integer("max_concurrency", provider.max_concurrency, least=1, most=MOST_CONCURRENT),
        price_in=table.number("price_in", None, least=0, most=1e6),
        price_out=table.number("price_out", None, least=0, most=1e6),
        price_cache_read=table.number("price_cache_read", None, least=0, most=1e6),
        price_cache_write=table.number("price_cache_write", None, least=0, most=1e6),
        max_tokens=table.integer("max_tokens", _usual_max_tokens(provider), least=1, most=MOST_TOKENS),
        parameters=_parameters(table),
        tier=table.text("tier"),
        context=_context(table),
        keep_alive=table.text("keep_alive"),
        response_cache=_response_cache(table, provider.response_cache),
        overlap=_flag(table, "overlap", default=is_always_loaded(provider)),
        pinned=_flag(table, "pinned", default=provider.wire == "embedded"),
        path=table.text("path"),
        port=table.integer("port", 0, least=0, most=65_535),
    )
    table.finish()
    return config


def _response_cache(table: Table, usual: ResponseCache) -> ResponseCache:
    return cast("ResponseCache", table.text("response_cache", usual, choices=RESPONSE_CACHES))


def _usual_max_tokens(provider: ProviderConfig) -> int:
    if provider.wire == "embedded":
        return EMBEDDED_MAX_TOKENS
    return USUAL_MAX_TOKENS


def _parameters(table: Table) -> ParameterSettings:
    """Read the table `parameters` of a model."""
    entries = table.table("parameters")
    root = entries.text("schema_root", choices=("any", "object"))
    object_root = None
    if root is not None:
        object_root = root == "object"
    settings = ParameterSettings(
        names=_parameter_names(entries),
        object_root=object_root,
        strict=entries.flag("strict"),
        extra=_extra(entries),
    )
    entries.finish()
    return settings


def _parameter_names(entries: Table) -> dict[str, str | None]:
    """Read the names under which parameters are sent: a name, true for its own, false for not at all."""
    names: dict[str, str | None] = {}
    for name in _RENAMED:
        value = entries.raw(name)
        if value is None:
            continue
        if value is True:
            value = name
        if value is not False and (not isinstance(value, str) or not value):
            entries.refuse(name, f"{value!r}: expected false (not sent), true, or the name under which it is sent")
        names[name] = value or None
    return names


def _extra(entries: Table) -> dict[str, Json]:
    """Read the members that are added to each request."""
    extra = entries.raw("extra")
    if extra is None:
        return {}
    if not isinstance(extra, dict):
        entries.refuse("extra", f"{extra!r}: expected a table of members that are added to each request")
    for name in _OWN & extra.keys():
        entries.refuse("extra", f"{name!r} belongs to every request; only other members can be added")
    try:
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as problem:
        entries.refuse("extra", f"cannot be sent as JSON: {problem}")
    return extra


def _context(table: Table) -> int | None:
    """Read the context window in tokens; None if not configured."""
    if not table.has("context"):
        return None
    return table.integer("context", 0, least=1, most=10**9)


def _flag(table: Table, key: str, *, default: bool) -> bool:
    flag = table.flag(key)
    if flag is None:
        return default
    return flag


def _provider_of(table: Table, providers: Mapping[str, ProviderConfig], owner: str) -> ProviderConfig:
    """Return the provider that a model names or its id begins with; a model's own `base_url` makes a new one."""
    usual = "openai"
    if owner in providers:
        usual = owner
    name = table.text("provider", usual, choices=tuple(providers)) or usual
    named = providers[name]
    base_url, key = _base_url(table, None), _key_variable(table, None)
    if base_url is None:
        if named is PROVIDERS["openai"] and not table.has("provider") and owner != "openai":
            table.refuse("base_url", 'is missing; for example "http://127.0.0.1:8000/v1"')
        if not key:
            return named
        return replace(named, api_key_env=key)
    try:
        host = urlsplit(base_url).netloc
    except ValueError as problem:
        table.refuse("base_url", f"{shown_address(base_url)!r} is not a valid address: {problem}")
    # All models at one address share its limit; the key of the provider's own address is not sent there.
    return replace(named, name=host or base_url, base_url=base_url, api_key_env=key)
