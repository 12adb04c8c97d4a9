"""What things cost before they are spent: price files, estimates, warnings and refusals, on whole projects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.economy.tiers import BANDS
from tests.acceptance.conftest import BASELINE, CALLS, LONG_CASES, MODEL, RESTRAINT, Project, right, said, suite_lines
from tests.acceptance.test_calls import ONLY_BASELINE
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
PRICES = "price_in = 10\nprice_out = 20\nmax_tokens = 64\n"
TIERS = (*BANDS, "best8")
EIGHT = range(8)


def spent(made: Project, cycle: int, model: str = "") -> float:
    """What the calls of a cycle cost, in USD, of one model or of all."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        query = "SELECT sum(cost_usd) FROM call WHERE cycle = ? AND spec LIKE ?"
        cost: float = ledger.execute(query, (cycle, f"{model}%")).fetchone()[0]
    return cost


def write_prices(made: Project, entries: dict[str, Any]) -> None:
    (made.path / "prices.json").write_text(json.dumps(entries))


def with_price_file(made: Project, extra: str = "") -> None:
    """Settings in which the model's prices come from `prices.json`."""
    made.configure(extra)
    path = made.path / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.selfopt]\n", '[tool.selfopt]\nprices = "prices.json"\n'))


def test_a_price_file_gives_prices_and_costs(project: Make) -> None:
    made = project({"rules": right()})
    with_price_file(made, ONLY_BASELINE)
    write_prices(made, {MODEL: {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5}})
    assert "per million tokens $10 in, $20 out" in made.selfopt("models", MODEL, "--no-ask").stdout
    assert made.run("--selfopt-cycle").ret == 0
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT tokens_in, tokens_out, cost_usd FROM call").fetchall()
    assert rows
    for tokens_in, tokens_out, cost in rows:
        assert cost == pytest.approx(tokens_in * 1e-5 + tokens_out * 2e-5)


def test_a_merely_named_model_gets_its_price(project: Make) -> None:
    made = project()
    with_price_file(made)
    known = {"input_cost_per_token": 1.5e-7, "output_cost_per_token": 6e-7, "litellm_provider": "openai"}
    write_prices(
        made,
        {"gpt-4o-mini": {**known, "supports_function_calling": True}, "gpt-free": {**known, "input_cost_per_token": 0}},
    )
    shown = made.selfopt("models", "openai/gpt-4o-mini", "openai/gpt-free", "openai/gpt-x", "--no-ask").stdout
    assert "per million tokens $0.15 in, $0.6 out" in shown
    assert "per million tokens unknown in, $0.6 out" in shown
    assert "per million tokens unknown in, unknown out" in shown
    assert "512 calls, about $0.0915" in made.selfopt("cost-estimate", ":3", "--tier", "BEST_8").stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "prices: cannot read 'prices.json'"),
        ("{", "prices.json: invalid JSON at line 1"),
        ("[1]", "prices.json: expected an object"),
        (f'{{"{MODEL}": {{"input_cost_per_token": NaN}}}}', f"prices.json: '{MODEL}': input_cost_per_token: nan is no"),
        (f'{{"{MODEL}": {{"output_cost_per_token": -1}}}}', f"prices.json: '{MODEL}': output_cost_per_token: -1 is no"),
        (f'{{"{MODEL}": {{"input_cost_per_token": "1"}}}}', "input_cost_per_token: expected USD per token as a number"),
    ],
)
def test_an_unusable_price_file_is_one_sentence(project: Make, text: str | None, sentence: str) -> None:
    made = project()
    with_price_file(made)
    if text is not None:
        (made.path / "prices.json").write_text(text)
    shown = made.selfopt("models", "--no-ask")
    assert (shown.returncode, shown.stdout) == (4, "")
    assert sentence in shown.stderr
    assert "Traceback" not in shown.stderr
    session = made.run("--selfopt-cycle")
    assert session.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(session) + " ".join(session.stderr.str().split())


def eight_of_each_tier(made: Project) -> None:
    """Settings with eight models in each tier, a list of eight from all of them, and a phase for each model."""
    lines = ["[tool.pytest.ini_options]", "[tool.selfopt]", 'model = "desk/tier1-0"', ONLY_BASELINE]
    lines += ["[tool.selfopt.providers.desk]", f'base_url = "{made.server.base_url}"', "max_concurrency = 64"]
    tests = ["import pytest"]
    for tier, band in BANDS.items():
        for place in EIGHT:
            price = round(band.least + (band.most - band.least) * place / 7, 4)
            name, phase = f"desk/{tier}-{place}", f"{tier}_{place}"
            lines += [f'[tool.selfopt.models."{name}"]', f"price_in = {price}", f"price_out = {4 * price}"]
            lines += [f"[tool.selfopt.phases.{phase}]", f'baseline = "{name}/{phase}/native_api/t60/r1/i0"']
            tests += [f'@pytest.mark.selfopt("items.jsonl", phase="{phase}")']
            tests += [f"def test_{phase}(case, reply):", "    assert reply is not None"]
    best = [f"desk/{tier}-{place}" for tier in BANDS for place in (1, 4, 7)][:8]
    lines += ["[tool.selfopt.tiers]", f"best8 = {json.dumps(best)}"]
    (made.path / "pyproject.toml").write_text("\n".join(lines))
    made.pytester.makepyfile(test_items="\n".join(tests))


def chatty() -> dict[str, Any]:
    """A script of answers of which half are twice as long: the sum over 288 varies by 2 %, a fifth is far out."""
    answer = "I could look that up for you, if you told me where to look. "
    return {"rules": [{"when": {"chance": 0.5}, "then": {"text": answer}}], "default": {"text": answer * 2}}


def test_estimates_are_within_a_fifth_of_measurement(long_project: Make) -> None:
    made = long_project(chatty())
    eight_of_each_tier(made)
    assert made.run("--selfopt-cycle", "-q").ret in (0, 1)
    estimates = {}
    for tier in TIERS:
        command = ["cost-estimate", ":1", "--tier", tier, "--suite", "items.jsonl", "--runs", "1", "--json"]
        shown = made.selfopt(*command)
        assert shown.returncode == 0, shown.stderr
        estimates[tier] = json.loads(shown.stdout)
    foretold = said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    assert foretold.count("by the tokens of 36 earlier calls") == 3 * len(EIGHT)
    assert made.run("--selfopt-cycle", "-q").ret in (0, 1)
    for tier, estimate in estimates.items():
        models = {one["model"]: one["cost_usd"]["most"] for one in estimate["models"]}
        assert len(models) == len(EIGHT)
        # The second cycle knows its baselines, and asks them once.
        assert estimate["calls"] == {"least": 8 * LONG_CASES, "most": 8 * LONG_CASES}
        assert estimate["grounds"] == f"by the tokens of {8 * 3 * LONG_CASES} earlier calls"
        measured = sum(spent(made, 2, f"{model}/") for model in models)
        assert estimate["cost_usd"]["most"] == pytest.approx(measured, rel=0.2), tier
    # They repeat no first session: the answers of the second were others.
    assert spent(made, 1) != spent(made, 2)


def test_an_unknown_tier_assumes_1000_tokens_each(project: Make) -> None:
    made = project()
    eight_of_each_tier(made)
    shown = made.selfopt("cost-estimate", ":3", "--tier", "tier1")
    assert shown.returncode == 0
    head, *models = shown.stdout.splitlines()
    assert head.startswith(":3 (512) of tier1: 512 calls, about $0.0")
    assert head.endswith(" at 1,000 tokens per call")
    assert [line.split(":")[0].strip() for line in models] == [f"desk/tier1-{place}" for place in EIGHT]
    assert made.server.seen.asked == 0
    assert not (made.path / ".selfopt").exists()


def test_without_history_prompt_bytes_bound_the_cost(project: Make) -> None:
    made = project(chatty())
    eight_of_each_tier(made)
    command = ["cost-estimate", ":10", "--tier", "tier2", "--suite", "items.jsonl", "--json"]
    bound = json.loads(made.selfopt(*command).stdout)
    assert (bound["bound"], bound["grounds"]) == (True, "by the bytes of the prompts")
    assert bound["calls"] == {"least": 8 * CASES, "most": 9 * CASES}
    made.run("--selfopt-cycle", "-q")
    known = json.loads(made.selfopt(*command).stdout)
    assert not known["bound"]
    assert json.loads(made.selfopt(*command, "--phase", "tier1_0").stdout) == bound
    assert bound["cost_usd"]["least"] > known["cost_usd"]["least"] > 0
    assert bound["cost_usd"]["most"] > known["cost_usd"]["most"] > known["cost_usd"]["least"]


def test_an_unknown_price_makes_the_sum_unknown(project: Make) -> None:
    made = project()
    made.configure(f'[tool.selfopt.tiers]\nall = ["{MODEL}", "embedded/smollm2-135m"]\n')
    shown = made.selfopt("cost-estimate", ":10", "--tier", "all")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        f":10 (8 then 1) of all: 9 calls, cost unknown: {MODEL} has no price",
        f"  {MODEL}: 5 calls, cost unknown: {MODEL} has no price",
        "  embedded/smollm2-135m: 4 calls, free",
    ]
    told = json.loads(made.selfopt("cost-estimate", ":10", "--tier", "all", "--json").stdout)
    assert told["cost_usd"] == {"least": None, "most": None}


def test_an_estimate_states_savings_and_warns(project: Make) -> None:
    made = project()
    made.configure(
        f'price_in = 0.4\nprice_out = 0.4\ntier = "mine"\n[tool.selfopt.budget]\nwarn = 0.02\n{ONLY_BASELINE}'
    )
    below = made.selfopt("cost-estimate", ":10", "--tier", "mine", "--runs", "5")
    assert below.stdout.splitlines() == [
        ":10 (8 then 1) of mine: 45 calls, about $0.0160 to $0.0180 at 1,000 tokens per call",
        f"  {MODEL}: 45 calls, about $0.0160 to $0.0180",
        "  of it at most $0.0020 in 5 calls that aggregate: where they are votes, nothing",
    ]
    above = made.selfopt("cost-estimate", ":10", "--tier", "mine", "--runs", "6").stdout
    assert "warning: about $0.0192 to $0.0216; that is more than $0.02 (budget: warn)" in above


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((":19", "--tier", "tier1"), "pattern ':19': '9' (character 3)"),
        ((":1", "--tier", "teir1"), "unknown tier 'teir1'; did you mean 'tier1'"),
        ((":1", "--tier", "tier1"), "no model is in tier1"),
        ((":1", "--tier", "mine", "--runs", "0"), "--runs 0: must be 1 to"),
        ((":1", "--tier", "mine", "--suite", "none.jsonl"), "none.jsonl: suite file not found"),
    ],
)
def test_an_impossible_estimate_is_one_sentence(project: Make, arguments: tuple[str, ...], sentence: str) -> None:
    made = project()
    made.configure('tier = "mine"\n')
    shown = made.selfopt("cost-estimate", *arguments)
    assert (shown.returncode, shown.stdout) == (4, "")
    assert sentence in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_expensive_cycle_warns_in_one_line(long_project: Make) -> None:
    made = long_project({"rules": right()})
    made.configure(f"{PRICES}[tool.selfopt.budget]\nwarn = 0.001\n{ONLY_BASELINE}")
    first, second = said(made.run("--selfopt-cycle")), said(made.run("--selfopt-cycle"))
    assert " cost at most $" in first
    assert ", by the bytes of the prompts; that is more than $0.001" in first
    assert " cost about $" in second
    assert "by the tokens of 36 earlier calls; that is more than $0.001" in second
    made.configure(f"{PRICES}[tool.selfopt.budget]\nwarn = 5\n{ONLY_BASELINE}")
    assert "that is more than" not in said(made.run("--selfopt-cycle"))


def ask_at_length(made: Project, word: str) -> None:
    """Prompts that cost more than what is around them, each beginning with some words."""
    lines = suite_lines()
    for line in lines:
        if "prompt" in line:
            line["prompt"] = word * 300 + line["prompt"]
    made.write_suite(lines)


@pytest.mark.parametrize(("mode", "passes"), [("--selfopt-cycle", 1), ("--selfopt-gate", 3)])
def test_an_unaffordable_cycle_is_refused_before_calls(project: Make, mode: str, passes: int) -> None:
    """A cycle that knows its baseline asks it once, a gate three times, as the first cycle did."""
    made = project({"rules": right()})
    made.configure(PRICES + ONLY_BASELINE)
    ask_at_length(made, "Please, ")
    assert made.run("--selfopt-cycle").ret == 0
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        prompts = ledger.execute("SELECT sum(tokens_in) * 10e-6 FROM call WHERE purpose = 'trial'").fetchone()[0]
    prompts *= passes / 3
    asked = made.server.seen.asked
    refused = made.run(mode, "--selfopt-max-cost", f"{prompts * 0.9:.6f}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    told = said(refused) + " ".join(refused.stderr.str().split())
    assert f"--selfopt-max-cost: the prompts alone cost ${prompts:.4f}, by the tokens that the same prompts" in told
    assert made.server.seen.asked == asked
    # What may or may not suffice is begun, and bounded while it runs.
    assert made.run(mode, "--selfopt-max-cost", f"{prompts * 1.01:.6f}").ret == 10
    assert made.server.seen.asked > asked


def test_only_the_selection_is_estimated(project: Make) -> None:
    made = project({"rules": right()})
    made.configure(f"{PRICES}[tool.selfopt.budget]\nwarn = 0\n{ONLY_BASELINE}")
    ask_at_length(made, "Please, ")
    assert made.run("--selfopt-cycle").ret == 0
    whole, two = said(made.run("--selfopt-cycle")), said(made.run("--selfopt-cycle", "-k", "item-6"))
    assert "that is more than $0.00" in whole
    dollars = [float(text.partition(" cost about $")[2].split()[0]) for text in (whole, two)]
    assert dollars[1] == pytest.approx(dollars[0] / CASES, rel=0.02)
    made.configure(PRICES)
    # What is always right has no candidates otherwise, and so no tenth run.
    late = made.run("--selfopt-cycle", "--selfopt-exhaustive", "--selfopt-max-cost", "1", "-k", "run9 and item-6")
    assert late.ret == 10, said(late)
    assert "only some trials are selected" in said(late)


def test_unsent_prompts_never_refuse_a_budget(project: Make) -> None:
    made = project({"rules": right()})
    made.configure(PRICES + ONLY_BASELINE)
    ask_at_length(made, "Please, ")
    assert made.run("--selfopt-cycle").ret == 0
    budget = ("--selfopt-cycle", "--selfopt-no-race", "--selfopt-max-cost", "0.1", "--selfopt-baseline", BASELINE)
    assert made.run(*budget).ret == pytest.ExitCode.USAGE_ERROR
    ask_at_length(made, "Oh dear ")
    asked = made.server.seen.asked
    assert made.run(*budget).ret == 10
    assert made.server.seen.asked > asked
