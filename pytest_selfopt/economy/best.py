"""The tier `best8`: the eight models of a price file that are best by price."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from pytest_selfopt.economy.prices import SAMPLE, PriceFile
from pytest_selfopt.models.config import ModelConfig

BEST = "best8"
COUNT = 8

TOKENS_IN, TOKENS_OUT = 936, 64
"""The tokens of a call by which models are ranked: those of an estimate without a suite."""

_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
"""The end of the name of one state of a model, such as gpt-5-nano-2025-08-07."""

_OTHER_USES = ("audio", "search")
"""Parts of the names of models that hear, speak, or bill for searches."""

_TUNED = "ft:"
"""The prefix of prices of one's own fine-tuned models."""


def best_by_price(
    prices: PriceFile, providers: Collection[str], model: Callable[[str], ModelConfig], *, today: str
) -> tuple[ModelConfig, ...]:
    """Return the cheapest models of a price file, at most eight, cheapest first.

    They chat and call tools, are served by one of `providers`, are not retired by `today` (ISO 8601), and cost
    something; `model` returns the configuration of an id. Of the states of a model under dated names, only the one
    under the plain name counts.
    """
    ranked: list[tuple[float, str, ModelConfig]] = []
    for name in _candidates(prices.entries, providers, today):
        candidate = model(name)
        price = _price_of_a_call(candidate)
        if price:
            ranked.append((price, name, candidate))
    # By names where prices are equal, so that the choice is the same each time.
    ranked.sort(key=lambda row: row[:2])
    return tuple(candidate for _, _, candidate in ranked[:COUNT])


def _candidates(entries: Mapping[str, Any], providers: Collection[str], today: str) -> Iterator[str]:
    """Yield the ids of the models that may be chosen, as PROVIDER/NAME."""
    for key, entry in entries.items():
        if not isinstance(entry, dict) or key == SAMPLE or key.startswith(_TUNED):
            continue
        provider = entry.get("litellm_provider")
        if provider not in providers or any(use in key for use in _OTHER_USES):
            continue
        if entry.get("mode", "chat") != "chat" or entry.get("supports_function_calling") is not True:
            continue
        if str(entry.get("deprecation_date") or "9") <= today:
            continue
        plain = _DATED.sub("", key)
        if plain != key and plain in entries:
            continue
        name = key.removeprefix(f"{provider}/")
        yield f"{provider}/{name}"


def _price_of_a_call(model: ModelConfig) -> float | None:
    """Return the price of a usual call, in USD per million calls; None if it is not known."""
    if model.price_in is None or model.price_out is None:
        return None
    return model.price_in * TOKENS_IN + model.price_out * TOKENS_OUT
