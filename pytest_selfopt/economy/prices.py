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
"""The entry that only shows what an entry looks like."""

ANSWERING = ("chat", "completion", "responses")
"""The modes of entries whose prices are those of answers; others are for pictures, speech or vectors."""

LOCAL = ("ollama", "ollama_chat", "vllm", "hosted_vllm", "lm_studio", "llamafile", "lemonade")
"""LiteLLM's providers that run on the user's own machines, where nobody sends a bill."""

FREE = ":free"
"""How OpenRouter ends the names of models that cost nothing."""

DIGITS = 9
"""Of a price in USD per million tokens: 1.5e-07 a token is 0.15 a million, not 0.15000000000000002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """A price file: its entries by name, read when a model asks for its own, and where they stand."""

    place: str = ""
    entries: Mapping[str, Any] = field(default_factory=dict)

    def priced(self, model: ModelConfig) -> ModelConfig:
        """The model with the prices that it was not given, as far as the file knows them.

        Raises:
            SettingsError: naming file and entry, when a price in it is none.
        """
        if model.free or None not in (model.price_in, model.price_out):
            return model
        key = self._key(model)
        if key is None:
            return model
        # Both are read first: an unusable price in the file is an error also where the model was given its own.
        price_in = self._price(key, "input_cost_per_token")
        price_out = self._price(key, "output_cost_per_token")
        if model.price_in is not None:
            price_in = model.price_in
        if model.price_out is not None:
            price_out = model.price_out
        return replace(model, price_in=price_in, price_out=price_out)

    def _key(self, model: ModelConfig) -> str | None:
        """The entry of a model: of its id, of PROVIDER/NAME, or of the bare name that is the same provider's."""
        owner = model.provider.name
        for key in (model.id, f"{owner}/{model.name}", model.name):
            entry = self.entries.get(key)
            if entry is None or key == SAMPLE:
                continue
            if not isinstance(entry, dict):
                raise SettingsError(f"{self.place}: {key!r}: expected an object with the model's prices, got {entry!r}")
            # Many providers serve a model of this name, each at a price of its own.
            bare = key == model.name and key != model.id
            if bare and entry.get("litellm_provider") != owner:
                continue
            if entry.get("mode", "chat") in ANSWERING:
                return key
        return None

    def _price(self, key: str, name: str) -> float | None:
        """A price in USD per million tokens; None when the file does not know it."""
        entry = self.entries[key]
        value = entry.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingsError(f"{self.place}: {key!r}: {name}: expected USD a token as a number, got {value!r}")
        if not 0 <= value <= 1:
            raise SettingsError(
                f"{self.place}: {key!r}: {name}: {value} is no price; expected USD a token, from 0 to 1"
            )
        # Files of this kind hold zeros where nobody filled a price in, and these would make all that is spent vanish.
        if value == 0 and not _says_free(key, entry):
            return None
        return round(value * MILLION, DIGITS)


NO_PRICES = PriceFile()


def read_prices(text: str, place: str) -> PriceFile:
    """Read a price file; `place` names it in sentences.

    Raises:
        SettingsError: when it is no JSON object.
    """
    try:
        # Not strictly: of a key that stands twice LiteLLM itself takes the last, and NaN is refused with its entry.
        entries = json.loads(text)
    except json.JSONDecodeError as problem:
        raise SettingsError(f"{place}: invalid JSON at line {problem.lineno}: {problem.msg}") from None
    except (RecursionError, ValueError) as problem:
        raise SettingsError(f"{place}: cannot be read: {problem}") from None
    if not isinstance(entries, dict):
        raise SettingsError(
            f"{place}: expected an object with one entry a model, as in LiteLLM's model_prices_and_context_window.json"
        )
    return PriceFile(place=place, entries=entries)


def _says_free(key: str, entry: Mapping[str, Any]) -> bool:
    """Whether a zero is a price: the name says that the model is free, or its provider is the user's own machine."""
    return key.endswith(FREE) or entry.get("litellm_provider") in LOCAL
