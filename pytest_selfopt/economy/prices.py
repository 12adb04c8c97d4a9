"""Prices of models from a LiteLLM price file (`model_prices_and_context_window.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import MILLION

SAMPLE = "sample_spec"
"""The entry that only documents the format."""

ANSWERING = ("chat", "completion", "responses")
"""The modes of entries that price text answers; others are for images, speech or embeddings."""

LOCAL = ("ollama", "ollama_chat", "vllm", "hosted_vllm", "lm_studio", "llamafile", "lemonade")
"""LiteLLM's providers that run on the user's own machines, for free."""

FREE = ":free"
"""OpenRouter's suffix for models that cost nothing."""

_ENTRIES = {
    "price_in": "input_cost_per_token",
    "price_out": "output_cost_per_token",
    "price_cache_read": "cache_read_input_token_cost",
    "price_cache_write": "cache_creation_input_token_cost",
}
"""The prices of a model, and the members of a file's entry that state them."""

DIGITS = 9
"""Decimals of a price in USD per million tokens: 1.5e-07 per token is 0.15, not 0.15000000000000002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """A price file: its entries by name, each read on demand, and its path for messages."""

    place: str = ""
    entries: Mapping[str, Any] = field(default_factory=dict)

    def priced(self, model: ModelConfig) -> ModelConfig:
        """Return the model, its missing prices filled in from the file if present.

        Raises:
            SettingsError: if the entry has an invalid price; the message names file and entry.
        """
        if model.free or None not in (model.price_in, model.price_out):
            return model
        key = self._key(model)
        if key is None:
            return model
        # All are read first: an invalid price in the file is an error even if the model has its own.
        prices = {name: self._price(key, entry) for name, entry in _ENTRIES.items()}
        own = {name: getattr(model, name) for name in _ENTRIES}
        changed: dict[str, Any] = {name: price for name, price in prices.items() if own[name] is None}
        return replace(model, **changed)

    def _key(self, model: ModelConfig) -> str | None:
        """Return the key of a model's entry: its id, PROVIDER/NAME, or the bare name if the provider is the same."""
        owner = model.provider.name
        for key in (model.id, f"{owner}/{model.name}", model.name):
            entry = self.entries.get(key)
            if entry is None or key == SAMPLE:
                continue
            if not isinstance(entry, dict):
                raise SettingsError(f"{self.place}: {key!r}: expected an object with the model's prices, got {entry!r}")
            # Many providers serve a model of this name, at different prices.
            bare = key == model.name and key != model.id
            if bare and entry.get("litellm_provider") != owner:
                continue
            if entry.get("mode", "chat") in ANSWERING:
                return key
        return None

    def _price(self, key: str, name: str) -> float | None:
        """Return a price in USD per million tokens; None if the file has none."""
        entry = self.entries[key]
        value = entry.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingsError(f"{self.place}: {key!r}: {name}: expected USD per token as a number, got {value!r}")
        if not 0 <= value <= 1:
            raise SettingsError(
                f"{self.place}: {key!r}: {name}: {value} is not a price; expected USD per token, from 0 to 1"
            )
        # Such files have zeros for unknown prices, which would hide all spending.
        if value == 0 and not _says_free(key, entry):
            return None
        return round(value * MILLION, DIGITS)


NO_PRICES = PriceFile()


def read_prices(text: str, place: str) -> PriceFile:
    """Read a price file; `place` names it in messages.

    Raises:
        SettingsError: if it is not a JSON object.
    """
    try:
        # Not strict: LiteLLM itself takes the last of duplicate keys, and NaN is rejected with its entry.
        entries = json.loads(text)
    except json.JSONDecodeError as problem:
        raise SettingsError(f"{place}: invalid JSON at line {problem.lineno}: {problem.msg}") from None
    except (RecursionError, ValueError) as problem:
        raise SettingsError(f"{place}: cannot be read: {problem}") from None
    if not isinstance(entries, dict):
        raise SettingsError(
            f"{place}: expected an object with an entry per model, as in LiteLLM's model_prices_and_context_window.json"
        )
    return PriceFile(place=place, entries=entries)


def _says_free(key: str, entry: Mapping[str, Any]) -> bool:
    """Whether a price of zero is real: the name says free, or the provider is the user's own machine."""
    return key.endswith(FREE) or entry.get("litellm_provider") in LOCAL
