"""Spent quotas end a session at once and say why; waits that are worth it are announced and waited for."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.conftest import BODY, Project, said
from tests.acceptance.failing import CASES, MODEL, SHAPE, Make, configure, finds, reply_of, suite, verdicts
from tests.ledger_file import open_ledger

ANSWERED, IN_FLIGHT = 10, 4
CANDIDATE = f"{MODEL}/atomic/atomic/t60/r1/i0"
LIMITS = f"""
[tool.selfopt.models."{MODEL}"]
max_concurrency = {IN_FLIGHT}
[tool.selfopt.gate]
min_accuracy = 0.9
[tool.selfopt.tiers]
mine = ["{MODEL}"]
"""
ROUTED = {"model": MODEL, "phase": "atomic", "allow": True, "variant": "atomic"}
HEALTHY = {"rules": finds(native=False)}
"""A server on which the candidate, which is told the tools in words, is better."""
WAIT = {"status": 429, "latency": 0.6, "headers": {"Retry-After": 6}}
LONG_WAIT = {"status": 429, "message": "Slow down.", "headers": {"Retry-After": 3723}}
DAILY = {**LONG_WAIT, "message": "Your daily limit is reached."}
SPENT = {
    "openai: 429 insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "openrouter: 402 more credits or fewer tokens": "This request requires more credits, or fewer max_tokens.",
    "xai: 403 spending limit, flat": "HTTP status 403",
    "anthropic: 400 credit balance": "Your credit balance is too low to access the Anthropic API.",
    "a long wait": "asks for a wait of 1:02:03 h, until ",
}
WAYS = ["alone", "-n2"]
RUNS_OUT = [("a long wait", "-n2"), ("openai: 429 insufficient_quota", "-n2"), *((name, "alone") for name in SPENT)]


def running_out(project: Make, name: str, *, after: int = ANSWERED) -> Project:
    """A project whose server refuses all calls after some, in one of the ways of `SPENT`."""
    refusal, wire = {"a daily limit": DAILY}.get(name, LONG_WAIT), "openai"
    if name in SHAPE:
        refusal, wire = reply_of(SHAPE[name]), SHAPE[name].wire
    when: dict[str, Any] = {}
    if after:
        when = {"after": after}
    made = project({"rules": [{"when": when, "then": refusal}, *HEALTHY["rules"]], "latency": 0.02})
    configure(made, LIMITS, wire=wire)
    made.write_suite(suite())
    made.pytester.makepyfile(test_items=BODY)
    return made


def run(made: Project, way: str, *arguments: str) -> pytest.RunResult:
    ways = {"alone": (), "-n2": ("-n2",)}
    return made.run(*arguments, *ways[way])


def refused(made: Project) -> list[tuple[str, int]]:
    """Why calls in the ledger got no answer, and how often."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        query = "SELECT error_kind, count(*) FROM call WHERE error_kind IS NOT NULL GROUP BY error_kind"
        rows: list[tuple[str, int]] = ledger.execute(query).fetchall()
    return rows


@pytest.mark.parametrize(("name", "way"), RUNS_OUT)
def test_a_spent_quota_stops_a_resumable_cycle(project: Make, name: str, way: str) -> None:
    made = running_out(project, name)
    result = run(made, way, "--selfopt-cycle")
    assert result.ret == 10, said(result)
    assert ANSWERED < made.server.seen.asked <= ANSWERED + IN_FLIGHT
    assert f"HOLD: {MODEL} takes no more calls: " in said(result)
    assert SPENT[name] in said(result)
    assert "nothing was promoted or rewritten" in said(result)
    assert "new quota, pytest --selfopt-cycle --selfopt-resume makes the calls that are missing" in said(result)
    assert result.parseoutcomes().keys() <= {"passed", "missed", "skipped"}
    assert not (made.path / "routing_config.json").exists()
    assert made.history()[-1]["status"] == "stopped"
    assert verdicts(made) == {CANDIDATE: "HOLD"}

    made.server.play(HEALTHY)
    before = made.server.seen.asked
    resumed = run(made, way, "--selfopt-cycle", "--selfopt-resume")
    assert resumed.ret == 0, said(resumed)
    assert made.server.seen.asked - before == 2 * 4 * CASES - ANSWERED
    assert verdicts(made) == {CANDIDATE: "PROMOTE"}
    assert refused(made) == []


@pytest.mark.parametrize(("name", "words"), [("a long wait", "Slow down."), ("a daily limit", "Your daily limit")])
def test_a_long_wait_says_until_when(project: Make, name: str, words: str) -> None:
    made = running_out(project, name)
    began = time.time()
    sentence = said(made.run("--selfopt-cycle"))
    ended = time.time()
    until = re.search(r"until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d): HTTP status 429: (.*)", sentence)
    assert until is not None
    assert until[2].startswith(words)
    assert began + 3722 < datetime.fromisoformat(until[1]).timestamp() < ended + 3723


@pytest.mark.parametrize("way", WAYS)
def test_a_still_spent_quota_stops_a_resumed_cycle(project: Make, way: str) -> None:
    made = running_out(project, "openai: 429 insufficient_quota")
    run(made, way, "--selfopt-cycle")
    before = made.server.seen.asked
    again = run(made, way, "--selfopt-cycle", "--selfopt-resume")
    assert again.ret == 10
    assert made.server.seen.asked - before <= IN_FLIGHT
    assert "takes no more calls" in said(again)


@pytest.mark.parametrize("way", WAYS)
def test_a_quota_spent_by_the_warm_up_stops_it(project: Make, way: str) -> None:
    made = running_out(project, "openai: 429 insufficient_quota", after=0)
    result = run(made, way, "--selfopt-cycle", "--selfopt-warmup")
    assert result.ret == 10
    assert made.server.seen.asked <= 2
    assert f"HOLD: {MODEL} takes no more calls: HTTP status 429" in said(result)
    assert made.history()[-1]["status"] == "stopped"


@pytest.mark.parametrize("way", WAYS)
def test_a_spent_quota_leaves_a_gate_open(project: Make, way: str) -> None:
    made = running_out(project, "a long wait", after=2)
    made.write_routing([ROUTED])
    result = run(made, way, "--selfopt-gate")
    assert result.ret == 10, said(result)
    assert made.server.seen.asked <= 2 + IN_FLIGHT
    assert f"{MODEL} takes no more calls: asks for a wait of 1:02:03 h, until " in said(result)


@pytest.mark.parametrize("way", WAYS)
def test_a_spent_quota_fails_a_plain_session(project: Make, way: str) -> None:
    made = running_out(project, "openai: 429 insufficient_quota", after=0)
    result = run(made, way)
    assert result.ret == 1
    assert result.parseoutcomes() == {"errors": CASES}
    told = [line for line in result.outlines if line.startswith("items.jsonl:")]
    assert len(told) == CASES
    assert all("You exceeded your current quota" in line for line in told)
    assert made.server.seen.asked <= IN_FLIGHT


def test_a_spent_quota_ends_a_row_of_cycles(project: Make) -> None:
    made = running_out(project, "openai: 429 insufficient_quota")
    result = made.run("--selfopt-cycles", "3")
    assert result.ret == 10
    assert f"stopped after 1 of 3 cycles: {MODEL} takes no more calls: HTTP status 429" in said(result)
    assert made.server.seen.asked <= ANSWERED + IN_FLIGHT


def test_a_spent_quota_ends_a_batch(project: Make) -> None:
    made = running_out(project, "openrouter: 402 more credits or fewer tokens")
    shown = made.selfopt("batch", "mine", "--suite", "items.jsonl", "--runs", "5", "--yes")
    assert shown.returncode == 1
    assert ANSWERED < made.server.seen.asked <= ANSWERED + IN_FLIGHT
    told = " ".join(shown.stdout.split())
    assert f"some prompts were not asked: {MODEL} takes no more calls: HTTP status 402" in told


ENDS = re.compile(rf"waiting [56]\.\d s because the server asked for it \({MODEL}, until (\d\d:\d\d:\d\d)\)")


def turning_away(project: Make, status: int) -> Project:
    """A project whose server refuses all calls in flight for a while, after all answers before them were read."""
    turned_away = {"when": {"after": IN_FLIGHT, "first": 2 * IN_FLIGHT}, "then": {**WAIT, "status": status}}
    made = project({"rules": [turned_away, *HEALTHY["rules"]]})
    configure(made, LIMITS)
    made.write_suite(suite())
    made.pytester.makepyfile(test_items=BODY)
    return made


@pytest.mark.parametrize("way", WAYS)
def test_a_wait_is_announced_and_waited_for(project: Make, way: str) -> None:
    made = turning_away(project, 429)
    result = run(made, way, "--selfopt-cycle")
    ended = time.time()
    assert result.ret == 0
    assert verdicts(made) == {CANDIDATE: "PROMOTE"}
    (until,) = ENDS.findall(said(result))
    assert until in {time.strftime("%H:%M:%S", time.localtime(ended - second)) for second in range(120)}
    assert made.server.seen.asked == 2 * 4 * CASES + IN_FLIGHT


@pytest.mark.parametrize("way", WAYS)
def test_a_gate_announces_a_wait_for_a_full_server(project: Make, way: str) -> None:
    made = turning_away(project, 503)
    made.write_routing([ROUTED])
    result = run(made, way, "--selfopt-gate")
    assert result.ret == 0, said(result)
    assert len(ENDS.findall(said(result))) == 1


def test_a_batch_announces_a_wait(project: Make) -> None:
    made = turning_away(project, 429)
    shown = made.selfopt("batch", "mine", "--suite", "items.jsonl", "--runs", "3", "--yes")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert len(ENDS.findall(shown.stderr)) == 1
