"""What replies really cost, by all that a server says of their tokens: reported, and never beyond the budget."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import BODY, Project, said
from tests.acceptance.failing import MODEL, Make, configure, finds, suite
from tests.ledger_file import open_ledger
from tests.models.reply_shapes.shape import claude, completion, error
from tests.models.reply_shapes.shape import said as message

CASES = 8
PRICES = f"""
[tool.selfopt.phases.atomic]
baseline = "{MODEL}/atomic/native_api/t60/r0/i0"
[tool.selfopt.models."{MODEL}"]
max_concurrency = 8
price_in = 10.0
price_out = 20.0
price_cache_read = 1.0
price_cache_write = 12.5
"""
MILLION = 1e6
TOTAL: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 1600}
DEAR = (100 * 10 + 1500 * 20) / MILLION
THOUGHT = {"completion_tokens_details": {"reasoning_tokens": 1495}}
CACHED = {"prompt_tokens_details": {"cached_tokens": 1400, "cache_write_tokens": 500}}
USAGES: dict[str, tuple[dict[str, Any], float]] = {
    "only in the total": (TOTAL, DEAR),
    "told apart": ({**TOTAL, **THOUGHT}, DEAR),
    "told apart without a total": ({**TOTAL, "total_tokens": None, **THOUGHT}, DEAR),
    "the provider's own figure": ({**TOTAL, "cost": 0.03}, 0.03),
    "cached": (
        {"prompt_tokens": 3000, "completion_tokens": 5, "total_tokens": 3005, **CACHED},
        (1100 * 10 + 1400 * 1 + 500 * 12.5 + 5 * 20) / MILLION,
    ),
}
"""What a server says of each reply, and what that costs in USD."""
CLAUDE: dict[str, Any] = {"input_tokens": 100, "output_tokens": 1500}


def failed(finish: str) -> dict[str, Any]:
    """A reply that ended so, without a word, after tokens that are billed."""
    return completion(message(""), finish=finish, usage=TOTAL)


UNANSWERED: dict[str, dict[str, Any]] = {
    "cut off": failed("length"),
    "empty": failed("stop"),
    "filtered": failed("content_filter"),
    "unfinished": failed("error"),
    "with an error in its choice": completion(message(""), usage=TOTAL, error={"code": 502, "message": "Upstream"}),
    "with an error beside it": {**failed("stop"), **error("Provider returned error", code=503)},
    "paused": claude(stop="pause_turn", usage=CLAUDE),
    "refused": claude(stop="refusal", usage=CLAUDE),
}
"""Replies that give no answer, each at the price of `DEAR`."""


def priced(project: Make, script: dict[str, Any], *, wire: str = "openai", extra: str = "") -> Project:
    made = project({"latency": 0.01, **script})
    configure(made, PRICES + extra, wire=wire)
    made.write_suite(suite(calls=CASES, restraint=0))
    made.pytester.makepyfile(test_items=BODY)
    return made


def says(usage: dict[str, Any]) -> dict[str, Any]:
    """A script by which every reply has the same usage, and the text variant is right."""
    rules = [{**rule, "then": {**rule["then"], "usage": usage}} for rule in finds(CASES, native=False)]
    return {"rules": rules, "default": {"text": "I do not know.", "usage": usage}}


def recorded(made: Project) -> float:
    """What the calls cost according to the ledger, in USD."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        cost: float = ledger.execute("SELECT sum(cost_usd) FROM call").fetchone()[0]
    return cost


@pytest.mark.parametrize("name", USAGES)
def test_the_summary_has_what_replies_cost(project: Make, name: str) -> None:
    usage, each = USAGES[name]
    made = priced(project, says(usage))
    result = made.run("--selfopt-cycle")
    spent = made.server.seen.asked * each
    assert result.ret == 0
    assert recorded(made) == pytest.approx(spent)
    assert f"{made.server.seen.asked} calls in" in said(result)
    assert any(f"cost ${spent:.{digits}f}" in said(result) for digits in (2, 4))


ALONE = [(name, "alone") for name in ("only in the total", "told apart without a total", "the provider's own figure")]


# The controller keeps the budget of a distributed session as any other: one kind of usage stands for all.
@pytest.mark.parametrize("limit", ["", "max_tokens = 64\n"], ids=["usual", "thinks beyond its limit"])
@pytest.mark.parametrize(("name", "way"), [*ALONE, ("only in the total", "-n2")])
def test_the_budget_holds_by_what_replies_cost(project: Make, name: str, limit: str, way: str) -> None:
    usage, each = USAGES[name]
    made = priced(project, says(usage), extra=limit)
    ways = {"alone": (), "-n2": ("-n2",)}
    result = made.run("--selfopt-cycle", "--selfopt-max-cost", "1.00", *ways[way])
    spent = made.server.seen.asked * each
    assert 0.8 < spent <= 1.00
    assert made.server.seen.most_in_flight > 4
    assert result.ret == 10
    assert recorded(made) == pytest.approx(spent)
    assert f"HOLD: the budget of $1 (--selfopt-max-cost) is used up: ${spent:.4f} spent" in said(result)


@pytest.mark.parametrize("name", UNANSWERED)
def test_replies_without_an_answer_are_billed(project: Make, name: str) -> None:
    body = UNANSWERED[name]
    wire = {"message": "anthropic"}.get(body.get("type", ""), "openai")
    made = priced(project, {"default": {"body": json.dumps(body)}}, wire=wire, extra="max_tokens = 64\n")
    result = made.run("--selfopt-cycle", "--selfopt-max-cost", "1.00")
    spent = made.server.seen.asked * DEAR
    assert 0.8 < spent <= 1.00
    assert f"(--selfopt-max-cost) is used up: ${spent:.4f} spent" in said(result)
    assert recorded(made) == pytest.approx(spent)


def test_replies_that_become_dearer_stay_within_budget(project: Make) -> None:
    later = {"when": {"after": 16}, "then": {"text": "Well.", "usage": TOTAL}}
    cheap = {"prompt_tokens": 100, "completion_tokens": 5}
    made = priced(project, {"rules": [later], "default": {"text": "Well.", "usage": cheap}}, extra="max_tokens = 64\n")
    made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-max-cost", "1.00")
    spent = 16 * (100 * 10 + 5 * 20) / MILLION + (made.server.seen.asked - 16) * DEAR
    assert 0.8 < spent <= 1.00
    assert recorded(made) == pytest.approx(spent)


def test_a_cut_off_call_is_paid_for(project: Make) -> None:
    failing = {"rules": [], "default": {"body": json.dumps(failed("error"))}}
    made = priced(project, failing, extra="max_tokens = 64\n")
    settings = (made.path / "pyproject.toml").read_text()
    (made.path / "pyproject.toml").write_text(settings.replace("/t60/r0/i0", "/t60/r1/i0"))
    budget = ("--selfopt-cycle", "--selfopt-max-cost", "0.50")
    assert made.run(*budget).ret == 10
    assert made.run(*budget, "--selfopt-resume").ret == 10
    assert 0.4 < made.server.seen.asked * DEAR <= 0.50
