"""Answers from a cache of answers are no evidence: whole cycles and builds behind gateways that replay them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import CALLS, RESTRAINT, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS
from tests.caching_proxy import CachingProxy, LiteLLM, OpenRouter, Style, caching_proxy
from tests.ledger_file import open_ledger

CASES = CALLS + RESTRAINT
Make = Callable[..., Project]
ALLOWED = 'response_cache = "allow"\n'
PRICED = "price_in = 1.0\nprice_out = 2.0\n"
COIN = {"seed": 5, "rules": right(chance=0.5), "default": {"text": "Hello!"}}
FIXING = {"rules": right(constrained=True), "default": {"text": "Hello!"}}


def rows(made: Project, columns: str) -> list[Any]:
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as connection:
        return list(connection.execute(f"SELECT {columns} FROM call WHERE purpose = 'trial'"))


def behind(made: Project, proxy: CachingProxy, extra: str = ALLOWED) -> None:
    made.configure(extra + PRICED + TWO_SPECS, base_url=proxy.base_url)


@pytest.mark.parametrize("style", [LiteLLM(), OpenRouter(), Style()], ids=["litellm", "openrouter", "only-ids"])
def test_copies_of_one_draw_fix_nothing(project: Make, style: Style) -> None:
    """One pass of flips, and copies of it: without them the same gain would come again in every pass."""
    made = project(COIN)
    with caching_proxy(made.server.base_url, style) as proxy:
        behind(made, proxy)
        result = made.run("--selfopt-cycle")
        first = proxy.passed_on
        copies = proxy.asked - first
        assert (first, copies) == (2 * CASES, 4 * CASES)
        sentence = f"independent: {copies} of {copies + first} answers were copies; {first} count, at least 50% must"
        assert sentence in said(result)
        assert "HOLD" in said(result)
        assert f"scripted/model: {copies} of {copies + first} answers are copies from a cache" in said(result)
        assert not (made.path / "routing_config.json").exists()
        costs = Counter((bool(copied), cost > 0) for copied, cost in rows(made, "copied, cost_usd"))
        assert costs == {(False, True): first, (True, False): copies}
    assert "of the repeats of a prompt differed" not in made.selfopt("power", "items.jsonl").stdout


def test_an_earlier_cycle_comes_back(project: Make) -> None:
    """Of one id nobody knows yet whether the server knows others."""
    made = project(COIN)
    with caching_proxy(made.server.base_url, Style()) as proxy:
        behind(made, proxy)
        for _ in range(2):
            made.run("--selfopt-cycle", "-k", "run0")
            assert proxy.passed_on == 2 * CASES
    signs = Counter(copied for (copied,) in rows(made, "copied"))
    assert signs == {"": 2 * CASES + 1, "its id came before, in cycle 1": 2 * CASES - 1}


def test_calls_ask_past_a_cache(project: Make) -> None:
    made = project(FIXING)
    with caching_proxy(made.server.base_url, LiteLLM()) as proxy:
        behind(made, proxy, "")
        result = made.run("--selfopt-cycle")
        assert result.ret == 0
        assert "PROMOTE atomic: schema" in said(result)
        assert proxy.passed_on == proxy.asked
        assert not any(copied for (copied,) in rows(made, "copied"))


def test_a_build_of_copies_is_not_decided(project: Make) -> None:
    made = project({"rules": right(), "default": {"text": "Hello!"}})
    made.write_routing([])
    with caching_proxy(made.server.base_url, Style()) as proxy:
        behind(made, proxy)
        result = made.run("--selfopt-gate", "-n2")
    assert result.ret == 10
    assert f"independent: {2 * CASES} of {3 * CASES} answers were copies; {CASES} count" in said(result)
