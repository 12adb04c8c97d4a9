"""What a cycle spends and how: budgets, warm-up, retries, rate limits, stopping, keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import BASELINE, CALLS, MODEL, RESTRAINT, Project, right, said
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
PRICES = "price_in = 100.0\nprice_out = 100.0\nmax_tokens = 64"
ONLY_BASELINE = "[tool.selfopt.search]\nvariants = []\ntimeouts = []\nretries = []\nisolation = []\nwarmup = []"


def column(made: Project, name: str) -> list[Any]:
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        return [row[0] for row in ledger.execute(f"SELECT {name} FROM call ORDER BY lane_seq")]


@pytest.mark.parametrize("calls", [1, 20, 50])
def test_an_exhausted_call_budget_holds(project: Make, calls: int) -> None:
    made = project({"rules": right(constrained=True)})
    result = made.run("--selfopt-cycle", "--selfopt-max-calls", str(calls))
    assert result.ret == 10
    assert made.server.seen.asked == calls
    assert result.parseoutcomes()["skipped"] == 1
    assert f"HOLD: the budget of {calls} calls (--selfopt-max-calls) is used up" in said(result)
    assert "with a larger budget or new quota, pytest" in said(result)
    assert len(column(made, "id")) == calls
    assert not (made.path / "routing_config.json").exists()
    (entry,) = made.history()
    assert {one["verdict"] for one in entry["verdicts"]} == {"HOLD"}
    assert entry["status"] == "stopped"


def test_a_larger_budget_resumes_a_stopped_cycle(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    assert made.run("--selfopt-cycle", "--selfopt-max-calls", "50").ret == 10
    assert made.run("--selfopt-cycle", "--selfopt-resume", "--selfopt-max-calls", "60").ret == 10
    assert made.server.seen.asked == 60
    result = made.run("--selfopt-cycle", "--selfopt-resume")
    assert result.ret == 0
    assert made.server.seen.asked == (4 + 2 * 3) * CASES
    (entry,) = made.history()
    assert "status" not in entry
    assert entry["winner"] is not None


def test_a_dollar_budget_is_never_exceeded(long_project: Make) -> None:
    made = long_project({"rules": right(), "latency": 0.01})
    made.configure(f"max_concurrency = 16\n{PRICES}")
    result = made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-max-cost", "0.5")
    assert result.ret == 10
    spent = sum(column(made, "cost_usd"))
    assert 0.3 < spent <= 0.5
    assert "HOLD: the budget of $0.5 (--selfopt-max-cost) is used up: $0." in said(result)


def test_dollars_cannot_bound_unknown_prices(project: Make) -> None:
    made = project({"rules": right()})
    result = made.run("--selfopt-cycle", "--selfopt-max-cost", "0.5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"model '{MODEL}' has no price" in " ".join(result.stderr.str().split())
    assert made.server.seen.asked == 0
    assert made.run("--selfopt-cycle", "--selfopt-max-cost", "a lot").ret == pytest.ExitCode.USAGE_ERROR


def test_an_unknown_price_is_called_unknown(project: Make) -> None:
    made = project({"rules": right()})
    assert "cost unknown" in said(made.run("--selfopt-cycle"))


@pytest.mark.parametrize("configured", ["true", "false"])
def test_the_command_line_overrides_routed_warm_up(project: Make, configured: str) -> None:
    made = project({"rules": right()})
    made.configure(ONLY_BASELINE)
    rule = f'{{"model": "{MODEL}", "phase": "atomic", "enable_warmup": {configured}}}'
    (made.path / "routing_config.json").write_text(f'{{"version": 1, "rules": [{rule}]}}')

    def warmups(*arguments: str) -> int:
        made.server.seen.requests.clear()
        made.run("--selfopt-cycle", *arguments)
        return sum(one["messages"][-1]["content"] == "What is 2+2?" for one in made.server.seen.requests)

    assert warmups() == (configured == "true")
    assert warmups("--selfopt-warmup") == 1
    assert warmups("--no-selfopt-warmup") == 0


def test_the_warm_up_is_first_and_recorded(project: Make) -> None:
    slow = {"when": {"prompt": "2+2"}, "then": {"status": 500, "message": "out of memory"}}
    made = project({"rules": [slow, *right()]})
    made.configure(ONLY_BASELINE)
    result = made.run("--selfopt-cycle", "--selfopt-warmup")
    assert made.server.seen.requests[0]["messages"][-1]["content"] == "What is 2+2?"
    assert f"warm-up of {BASELINE}/w1 failed after 0.0" in said(result)
    assert "server: HTTP status 500: out of memory" in said(result)
    (warmup,) = made.history()[0]["warmups"]
    assert warmup["answered"] is False
    assert warmup["error"] == "server: HTTP status 500: out of memory"
    assert warmup["latency_s"] >= 0
    assert made.history()[0]["metrics"][f"{BASELINE}/w1"]["trials"] == 3 * CASES


def test_retries_cost_and_first_attempts_are_shown(project: Make) -> None:
    flaky = {"when": {"prompt": "item 1.", "first": 1}, "then": {"status": 503}}
    made = project({"rules": [flaky, *right()]})
    made.configure(ONLY_BASELINE)
    result = made.run("--selfopt-cycle")
    assert "1st attempt" in said(result)
    numbers = made.history()[0]["metrics"][BASELINE]
    assert numbers["accuracy"] == 1.0
    assert numbers["first_attempt_accuracy"] == pytest.approx(1 - 1 / (3 * CASES))
    assert numbers["attempts"] == 3 * CASES + 1 == made.server.seen.asked
    assert f"{3 * CASES + 1} calls in" in said(result)


def test_a_rate_limit_slows_without_error(project: Make) -> None:
    limited = {"when": {"busy": 3}, "then": {"status": 429, "retry_after": 0.05}}
    made = project({"rules": [limited, *right()], "latency": 0.02})
    made.configure(f"max_concurrency = 12\n{ONLY_BASELINE}")
    result = made.run("--selfopt-cycle", "--selfopt-baseline", f"{MODEL}/atomic/native_api/t60/r0/i0")
    assert result.ret == 0, said(result)
    numbers = made.history()[0]["metrics"][f"{MODEL}/atomic/native_api/t60/r0/i0"]
    assert (numbers["accuracy"], numbers["first_attempt_accuracy"], numbers["errors_by_kind"]) == (1.0, 1.0, {})
    refused = made.server.seen.asked - 3 * CASES
    # Twelve at a time that come again without slowing down are refused some sixty times.
    assert 0 < refused < 3 * CASES


def test_waiting_and_queue_are_recorded(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.02})
    made.configure(f"max_concurrency = 2\n{ONLY_BASELINE}")
    assert made.run("--selfopt-cycle").ret == 0
    assert max(column(made, "in_flight")) == 2
    assert max(column(made, "queue_depth")) > CASES / 2
    waited = column(made, "waited_s")
    assert waited[0] < waited[CASES // 2] < waited[CASES - 1]


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_an_interruptible_session_looks_ahead_little(project: Make, option: str) -> None:
    made = project({"rules": [], "latency": 0.5})
    made.configure("max_concurrency = 4")
    result = made.run("--selfopt-cycle", option)
    assert result.ret != 0
    assert made.server.seen.asked <= 3 * 4
    assert made.server.seen.most_in_flight == 4
    assert "no decision: the session was interrupted" in said(result)


def test_a_budget_setting_spares_plain_sessions(project: Make) -> None:
    made = project({"rules": right()})
    made.configure("[tool.selfopt.budget]\nmax_calls = 3")
    made.run().assert_outcomes(passed=CASES)
    assert made.run("--selfopt-cycle").ret == 10
    assert made.server.seen.asked == CASES + 3


@pytest.mark.parametrize(("overlap", "most"), [("true", 2 * CASES), ("false", CASES)])
def test_passes_overlap_without_shared_warmth(project: Make, overlap: str, most: int) -> None:
    made = project({"rules": right(), "latency": 0.5})
    made.configure(f"max_concurrency = {2 * CASES}\noverlap = {overlap}\n{ONLY_BASELINE}")
    assert made.run("--selfopt-cycle").ret == 0
    assert made.server.seen.most_in_flight == most
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        runs = [row[0] for row in ledger.execute("SELECT run FROM call ORDER BY lane_seq")]
    # Of calls that are in flight together, threads decide which is sent first.
    early = max(run - usual for run, usual in zip(runs, sorted(runs), strict=True))
    assert early <= (overlap == "true")


def test_settings_may_have_their_own_file(project: Make) -> None:
    made = project({"rules": right()})
    (made.path / "pyproject.toml").unlink()
    settings = made.path / "selfopt.toml"
    settings.write_text(f'model = "{MODEL}"\n[models."{MODEL}"]\nbase_url = "{made.server.base_url}"\n')
    assert made.run("--selfopt-cycle").ret == 0
    settings.write_text(settings.read_text() + "max_concurency = 3\n")
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"selfopt.toml models {MODEL}: unknown key 'max_concurency'; did you mean" in result.stderr.str()
    made.configure()
    assert "settings are in both selfopt.toml and pyproject.toml" in made.run("--selfopt-cycle").stderr.str()


@pytest.mark.parametrize("wire", ["openai", "ollama", "anthropic"])
def test_a_key_is_written_nowhere(project: Make, monkeypatch: pytest.MonkeyPatch, wire: str) -> None:
    key = "sk-planted-9f8e7d6c"
    monkeypatch.setenv("PLANTED_KEY", key)
    leaky = {"when": {"prompt": "item 2."}, "then": {"status": 401, "message": f"the key {key} is not valid"}}
    echo = {"when": {"prompt": "item 3."}, "then": {"text": f"You sent me {key}."}}
    broken = {"when": {"prompt": "item 4."}, "then": {"body": f"<html>{key}</html>"}}
    made = project({"rules": [leaky, echo, broken, *right()]})
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.providers.scripted]\nwire = "{wire}"\n'
        f'base_url = "{made.server.base_url if wire == "openai" else made.server.address}"\n'
        'api_key_env = "PLANTED_KEY"\n'
    )
    result = made.run("--selfopt-cycle", "-vv", "--showlocals", "--tb=long", "-rA", "--junitxml=junit.xml")
    assert any(key in "".join(headers.values()) for headers in made.server.seen.headers)
    assert any("[key]" in str(error) for error in column(made, "error"))
    plain = made.run("-vv", "--showlocals", "--tb=long", "-rA")
    assert plain.ret == 1
    said_in_all = "".join(one.stdout.str() + one.stderr.str() for one in (result, plain))
    assert "[key]" in plain.stdout.str()
    assert key not in said_in_all
    written = [path for path in made.path.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(written) > 8
    assert [path.name for path in written if key.encode() in path.read_bytes()] == []


def test_a_missing_key_stops_before_any_call(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANTED_KEY", raising=False)
    made = project({"rules": right()})
    made.configure('api_key_env = "PLANTED_KEY"')
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert made.server.seen.asked == 0
    assert f"model '{MODEL}': the environment variable PLANTED_KEY is not set" in result.stderr.str()
