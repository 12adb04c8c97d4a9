"""Estimates: how calls are spread, what a sum rests on, and what is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.economy.estimate import (
    USUAL,
    Basis,
    CostPart,
    Estimate,
    Stage,
    Tokens,
    earlier_tokens,
    estimate_stages,
    most_tokens,
    together,
)
from pytest_selfopt.economy.tiers import models_of_tier
from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.models.config import EMBEDDED_MODELS, PROVIDERS, ModelConfig
from pytest_selfopt.specs.request import ChatRequest, Sampling

EARLIER = Tokens(tokens_in=100, tokens_out=10, basis=Basis.EARLIER, calls=7)
(EMBEDDED,) = EMBEDDED_MODELS.values()


def priced(name: str, price: float | None = 1.0) -> ModelConfig:
    return ModelConfig(id=name, provider=PROVIDERS["openrouter"], price_in=price, price_out=price)


def eight(least: float, most: float) -> list[ModelConfig]:
    """Eight models with prices spread over a band."""
    return [priced(f"p/{place}", least + (most - least) * place / 7) for place in range(8)]


BEST = [priced(f"b/{place}", price) for place, price in enumerate((0.02, 0.04, 0.05, 0.06, 0.10, 0.12, 0.15, 0.25))]


@pytest.mark.parametrize(
    ("tier", "models", "usd"),
    [
        ("tier1", eight(0.01, 0.05), 0.015),
        ("tier2", eight(0.06, 0.14), 0.050),
        ("tier3", eight(0.20, 0.40), 0.150),
        ("best8", BEST, 0.050),
    ],
)
def test_the_documented_estimate_is_reproduced(tier: str, models: list[ModelConfig], usd: float) -> None:
    chosen = models_of_tier(tier, models, {"best8": BEST} if tier == "best8" else {})
    found = estimate_stages([Stage(calls=512)], chosen, chosen[0], {model.id: USUAL for model in chosen}, 1)
    assert found.low_usd == found.high_usd == pytest.approx(usd, rel=0.05)
    assert found.sentence == f"about ${found.high_usd:.4f} at 1,000 tokens per call"
    assert {found.of(model.id).calls for model in chosen} == {64}


@given(st.lists(st.integers(1, 600), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 20))
def test_stage_calls_rotate_over_the_models(stages: list[int], models: int, times: int) -> None:
    chosen = [priced(f"m/{place}") for place in range(models)]
    found = estimate_stages(
        [Stage(calls=one) for one in stages], chosen, chosen[0], {one.id: USUAL for one in chosen}, times
    )
    for place, model in enumerate(chosen):
        asked = sum(1 for calls in stages for call in range(calls) if call % models == place)
        assert found.of(model.id).calls == asked * times
    assert found.calls == found.most_calls == sum(stages) * times


def test_possible_votes_only_raise_the_upper_bound() -> None:
    found = estimate_stages(
        [Stage(calls=8), Stage(calls=1, sources=8, vote=True)], [priced("m/a")], priced("m/a"), {"m/a": USUAL}, 1
    )
    assert (found.calls, found.most_calls) == (8, 9)
    assert (found.low_usd, found.high_usd) == pytest.approx((0.008, 0.009))
    assert found.sentence == "about $0.0080 to $0.0090 at 1,000 tokens per call"


def test_given_answers_add_their_tokens() -> None:
    stages = [Stage(calls=1), Stage(calls=1, sources=8)]
    found = estimate_stages(stages, [priced("m/a")], priced("m/a"), {"m/a": EARLIER}, 1)
    assert [part.tokens and part.tokens.tokens_in for part in found.parts] == [100, 180]
    bound = estimate_stages(stages, [priced("m/a")], priced("m/a"), {"m/a": replace(EARLIER, basis=Basis.BYTES)}, 1)
    assert bound.high_usd is not None
    assert found.high_usd is not None
    assert bound.high_usd > found.high_usd


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([CostPart(model=EMBEDDED, calls=5, tokens=None)], "free"),
        ([], "free"),
        ([CostPart(model=priced("m/a"), calls=5, tokens=EARLIER)], "about $0.00055 by the tokens of 7 earlier calls"),
        (
            [
                CostPart(model=priced("m/a"), calls=5, tokens=replace(EARLIER, calls=1)),
                CostPart(model=priced("m/a"), calls=5, tokens=replace(EARLIER, calls=1), certain=False),
            ],
            "about $0.00055 to $0.0011 by the tokens of 1 earlier call",
        ),
        (
            [
                CostPart(model=priced("m/a"), calls=5, tokens=EARLIER),
                CostPart(model=priced("m/b"), calls=5, tokens=Tokens(tokens_in=1e3, tokens_out=1, basis=Basis.BYTES)),
            ],
            "at most $0.0056, by the tokens of 7 earlier calls and by the bytes of the prompts",
        ),
        ([CostPart(model=priced("m/a", None), calls=5, tokens=EARLIER)], "cost unknown: m/a has no price"),
        (
            [CostPart(model=priced("m/a", 0.0), calls=5, tokens=EARLIER)],
            "about $0.0000 by the tokens of 7 earlier calls",
        ),
        (
            [CostPart(model=priced("m/a"), calls=5, tokens=None), CostPart(model=EMBEDDED, calls=5, tokens=None)],
            "cost unknown: m/a was not asked yet, so the tokens are unknown",
        ),
        (
            [CostPart(model=priced(name, None), calls=5, tokens=None) for name in ("m/a", "m/b")],
            "cost unknown: m/a, m/b have no price",
        ),
    ],
)
def test_an_estimate_states_total_and_basis(parts: list[CostPart], sentence: str) -> None:
    assert Estimate(parts=tuple(parts)).sentence == sentence


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    known, unknown = (
        CostPart(model=priced("m/a"), calls=1, tokens=EARLIER),
        CostPart(model=priced("m/b", None), calls=1, tokens=EARLIER),
    )
    both = together([Estimate(parts=(known,)), Estimate(parts=(unknown,))])
    assert (both.low_usd, both.high_usd) == (None, None)
    assert not both.exceeds(0)
    assert both.of("m/a").exceeds(0)


def test_similar_earlier_calls_count_first() -> None:
    def known(spec: str, tokens: float, calls: int) -> TokensOfSpec:
        return TokensOfSpec(phase="atomic", spec=spec, tokens_in=tokens, tokens_out=1, calls=calls)

    rows = [
        known("m/a/atomic/native_api/t60/r1/i0", 10, 3),
        known("m/a/atomic/native_api/t30/r1/i0", 20, 1),
        known("m/a/atomic/few_shot/t60/r1/i0", 100, 4),
        known("m/a/b/atomic/native_api/t60/r1/i0", 999, 9),
    ]
    native, other = earlier_tokens("m/a", "native_api", rows), earlier_tokens("m/a", "schema", rows)
    assert native is not None
    assert other is not None
    assert (native.tokens_in, native.calls) == (12.5, 4)
    assert (other.tokens_in, other.calls) == (56.25, 8)
    assert earlier_tokens("m/c", "native_api", rows) is None


@given(st.text(max_size=30), st.integers(1, 500))
def test_the_byte_bound_exceeds_any_tokenizer(text: str, most: int) -> None:
    request = ChatRequest(messages=(Message(role="user", content=text),), sampling=Sampling(max_tokens=most))
    found = most_tokens([request], 64)
    assert found is not None
    assert found.tokens_in >= len(text)
    assert (found.tokens_out, found.basis) == (most, Basis.BYTES)
    assert most_tokens([], 64) is None


def test_the_upper_bound_pays_the_judge() -> None:
    judge = ModelConfig(id="m/j", provider=PROVIDERS["openrouter"], price_in=100.0, price_out=400.0)
    stages = [Stage(calls=8), Stage(calls=1, sources=8, vote=True)]
    found = estimate_stages(stages, [priced("m/a")], judge, {"m/a": USUAL, "m/j": USUAL}, 1)
    assert found.of("m/j").most_calls == 1
    assert found.of("m/j").high_usd == pytest.approx((936 * 100 + 64 * 400) / 1e6)
