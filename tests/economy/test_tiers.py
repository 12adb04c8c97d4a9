"""Tiers by price and by name."""

from __future__ import annotations

import pytest

from pytest_selfopt.economy.tiers import models_of_tier, tier_of
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
    ("tier", "sentence"),
    [("tier3", r"no model is in tier3 \(up to \$0.5 per million"), ("teir1", "did you mean 'tier1'")],
)
def test_an_empty_tier_is_named(tier: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        models_of_tier(tier, [model("a", 0.02)], {})
