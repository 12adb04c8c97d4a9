"""Prices from a LiteLLM price file: which entry is whose, what a zero means, and what is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.prices import NO_PRICES, read_prices
from pytest_selfopt.economy.tiers import BANDS, tier_of
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import EMBEDDED_MODELS, PROVIDERS, ModelConfig, ProviderConfig


def entry(price: object = 1e-6, provider: str = "openai", **more: object) -> dict[str, object]:
    return {
        "input_cost_per_token": price,
        "output_cost_per_token": price,
        "litellm_provider": provider,
        "mode": "chat",
        **more,
    }


def model(name: str, **more: Any) -> ModelConfig:
    owner, _, rest = name.partition("/")
    provider = PROVIDERS.get(owner) or ProviderConfig(name=owner, wire="openai")
    return ModelConfig(id=name, provider=provider, name=rest, **more)


def prices(name: str, entries: dict[str, Any], **more: Any) -> tuple[float | None, float | None]:
    found = read_prices(json.dumps(entries), "prices.json").priced(model(name, **more))
    return found.price_in, found.price_out


@pytest.mark.parametrize(
    ("name", "key", "provider"),
    [
        ("openrouter/meta-llama/llama-3.2-1b", "openrouter/meta-llama/llama-3.2-1b", "openrouter"),
        ("openai/gpt-4o-mini", "gpt-4o-mini", "openai"),
        ("anthropic/claude-haiku", "claude-haiku", "anthropic"),
        ("desk/llama", "desk/llama", "whoever"),
    ],
)
def test_a_model_matches_by_id_or_bare_name(name: str, key: str, provider: str) -> None:
    assert prices(name, {key: entry(1e-6, provider)}) == (1.0, 1.0)


def test_a_wire_name_finds_its_entry() -> None:
    found = read_prices(json.dumps({"openai/gpt-4o-mini": entry(2e-6)}), "prices.json").priced(
        ModelConfig(id="openai/small", provider=PROVIDERS["openai"], name="gpt-4o-mini")
    )
    assert found.price_in == 2.0


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("openai/gpt-4o", {}),
        ("desk/gpt-4o", {"gpt-4o": entry()}),
        ("openai/gpt-4o", {"gpt-4o": entry(provider="azure")}),
        ("openai/gpt-4o", {"gpt-4o-mini": entry(), "openrouter/openai/gpt-4o": entry(provider="openrouter")}),
        ("openai/dall-e-3", {"dall-e-3": entry(mode="image_generation")}),
        ("openai/sample_spec", {"sample_spec": entry()}),
        ("openai/gpt-4o", {"gpt-4o": {"litellm_provider": "openai", "mode": "chat"}}),
        ("openai/gpt-4o", {"gpt-4o": entry(None)}),
    ],
)
def test_an_unlisted_price_stays_unknown(name: str, entries: dict[str, Any]) -> None:
    assert prices(name, entries) == (None, None)


@pytest.mark.parametrize(
    ("name", "key", "provider", "price"),
    [
        ("openai/gpt-4o", "gpt-4o", "openai", None),
        ("openrouter/openrouter/auto", "openrouter/openrouter/auto", "openrouter", None),
        ("openrouter/meta/llama:free", "openrouter/meta/llama:free", "openrouter", 0.0),
        ("ollama/llama3.2:1b", "ollama/llama3.2:1b", "ollama", 0.0),
    ],
)
def test_zero_is_a_price_only_if_declared(name: str, key: str, provider: str, price: float | None) -> None:
    assert prices(name, {key: entry(0, provider)}) == (price, price)
    assert prices(name, {key: {**entry(1e-6, provider), "output_cost_per_token": 0.0}}) == (1.0, price)


def test_configured_prices_override_the_file_individually() -> None:
    file = {"gpt-4o": entry(1e-6)}
    assert prices("openai/gpt-4o", file, price_in=0.0, price_out=3.0) == (0.0, 3.0)
    assert prices("openai/gpt-4o", file, price_out=3.0) == (1.0, 3.0)


def test_an_embedded_model_needs_no_price() -> None:
    (embedded,) = EMBEDDED_MODELS.values()
    assert read_prices(json.dumps({embedded.id: entry()}), "prices.json").priced(embedded) is embedded
    assert NO_PRICES.priced(model("openai/gpt-4o")).price_in is None


@pytest.mark.parametrize("tier", BANDS)
def test_a_tier_file_includes_its_bounds(tier: str) -> None:
    for price in (BANDS[tier].least, BANDS[tier].most):
        file = read_prices(f'{{"gpt": {{"input_cost_per_token": {price}e-6, "litellm_provider": "openai"}}}}', "p")
        assert tier_of(file.priced(model("openai/gpt"))) == tier


@pytest.mark.parametrize("value", ["1e-6", True, [], -1e-6, float("nan"), float("inf"), 10**400, 1.5])
def test_an_invalid_price_is_refused_on_use(value: object) -> None:
    entries = {"gpt-4o": entry(value), "gpt-4o-mini": entry(1e-6)}
    with pytest.raises(SettingsError, match=r"prices\.json: 'gpt-4o': input_cost_per_token: "):
        prices("openai/gpt-4o", entries)
    assert prices("openai/gpt-4o-mini", entries) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "invalid JSON at line 1"),
        ('{"a": \n}', "invalid JSON at line 2"),
        ("[]", "expected an object with an entry per model"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_an_invalid_price_file_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_prices(text, "prices.json")


def test_an_invalid_entry_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"prices\.json: 'gpt-4o': expected an object"):
        prices("openai/gpt-4o", {"gpt-4o": 3})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["openai/gpt", "gpt", "sample_spec"]),
        JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "input_cost_per_token": JSON,
                "output_cost_per_token": JSON,
                "mode": st.sampled_from(["chat", "embedding"]) | JSON,
                "litellm_provider": st.sampled_from(["openai", "ollama"]) | JSON,
            },
        ),
    )
)
def test_any_file_gives_a_valid_price_or_refusal(entries: dict[str, Any]) -> None:
    found: tuple[float | None, ...] = ()
    with contextlib.suppress(SettingsError):
        found = prices("openai/gpt", entries)
    local = any(isinstance(one, dict) and one.get("litellm_provider") == "ollama" for one in entries.values())
    for price in found:
        assert price is None or 0 < price <= 1e6 or (price == 0 and local)
