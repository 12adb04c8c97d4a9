"""Tiers by price and by name."""

from __future__ import annotations

import json

import pytest

from pytest_selfopt.economy.best import best_by_price
from pytest_selfopt.economy.prices import read_prices
from pytest_selfopt.economy.tiers import models_of_tier, tier_name, tier_of
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import PROVIDERS, ModelConfig


def model(name: str, price: float | None, tier: str | None = None) -> ModelConfig:
    return ModelConfig(id=name, provider=PROVIDERS["openrouter"], price_in=price, price_out=price, tier=tier)


@pytest.mark.parametrize(
    ("price", "tier"),
    [
        (None, None),
        (0.0, None),
        (0.01, "tier1"),
        (0.05, "tier1"),
        (0.055, "tier2"),
        (0.06, "tier2"),
        (0.15, "tier2"),
        (0.17, "tier3"),
        (0.5, "tier3"),
        (0.51, None),
    ],
)
def test_a_price_has_its_tier(price: float | None, tier: str | None) -> None:
    assert tier_of(model("a", price)) == tier


def test_a_given_tier_overrides_the_price() -> None:
    assert tier_of(model("a", 0.02, "dear")) == "dear"


def test_models_come_cheapest_first_or_as_listed() -> None:
    known = [model("b", 0.04), model("c", 0.02), model("a", 0.02), model("far", 3.0)]
    assert [one.id for one in models_of_tier("tier1", known, {})] == ["a", "c", "b"]
    assert [one.id for one in models_of_tier("best8", known, {"best8": (known[3], known[0])})] == ["far", "b"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("TIER1", "tier1"), ("BEST_8", "best8"), ("Best-8", "best8"), ("mine", "Mine"), ("MINE", "Mine"), ("x", "x")],
)
def test_tiers_may_be_written_as_the_documents_do(asked: str, meant: str) -> None:
    assert tier_name(asked, ["Mine", "tier1", "best8"]) == meant


def test_the_best_eight_are_the_cheapest_that_fit() -> None:
    def entry(price: float, **more: object) -> dict[str, object]:
        usual = {"litellm_provider": "openai", "mode": "chat", "supports_function_calling": True}
        return {"input_cost_per_token": price, "output_cost_per_token": price, **usual, **more}

    fits = {f"m{place}": entry(1e-6 + place * 1e-7) for place in range(9)}
    cheap = {
        "openrouter/far": entry(2e-7, litellm_provider="openrouter"),
        "m1-2025-08-07": entry(1e-7),
        "retired": entry(1e-7, deprecation_date="2026-11-30"),
        "retires": entry(3e-7, deprecation_date="2026-12-01"),
        "other/m": entry(1e-7, litellm_provider="other"),
        "m-audio": entry(1e-7),
        "ft:m": entry(1e-7),
        "old": entry(1e-7, supports_function_calling=None),
        "pictures": entry(1e-7, mode="image_generation"),
        "free": entry(0),
        "half": {**entry(1e-7), "output_cost_per_token": None},
        "sample_spec": entry(1e-7),
        "broken": 7,
    }
    prices = read_prices(json.dumps({**fits, **cheap}), "prices.json")

    def configured(name: str) -> ModelConfig:
        provider, _, rest = name.partition("/")
        return prices.priced(ModelConfig(id=name, provider=PROVIDERS[provider], name=rest))

    best = best_by_price(prices, PROVIDERS, configured, today="2026-11-30")
    assert [one.id for one in best] == ["openrouter/far", "openai/retires", *(f"openai/m{place}" for place in range(6))]
    with pytest.raises(SettingsError, match="best8 is the eight models of a price file"):
        models_of_tier("best8", [], {})


@pytest.mark.parametrize(
    ("tier", "sentence"),
    [("tier3", r"no model is in tier3 \(up to \$0.5 per million"), ("teir1", "did you mean 'tier1'")],
)
def test_an_empty_tier_is_named(tier: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        models_of_tier(tier, [model("a", 0.02)], {})
