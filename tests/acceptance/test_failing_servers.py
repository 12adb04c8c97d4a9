"""Servers that fail for one candidate alone decide nothing: no failure is an answer, and no silence is restraint."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.conftest import Project, call, said
from tests.acceptance.failing import (
    CALLS,
    CASES,
    MODEL,
    SHAPE,
    Make,
    configure,
    disallowed,
    finds,
    reply_of,
    suite,
    verdicts,
)
from tests.models.reply_shapes.shape import Failure

BODY = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)

@pytest.mark.selfopt("items.jsonl", phase="words")
def test_words(case, reply):
    case.check(reply)
"""
BASELINES = f"{MODEL}/atomic/native_api/t60/r0/i0", f"{MODEL}/words/atomic/t60/r0/i0"
BOTH_WAYS = f"""
[tool.selfopt.phases.atomic]
baseline = "{BASELINES[0]}"
[tool.selfopt.phases.words]
baseline = "{BASELINES[1]}"
"""
NATIVE_FIRST, NATIVE_SECOND = f"{MODEL}/atomic/atomic/t60/r0/i0", f"{MODEL}/words/native_api/t60/r0/i0"
"""The candidates of the two phases: one against native calls, one that makes them."""
HASTY = """
import random
from dataclasses import replace

from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.runners.local import LocalRunner


class Hasty(LocalRunner):
    def run_batch(self, calls, on_results):
        hasty = [replace(call, options=replace(call.options, backoff_s=0.001, max_backoff_s=0.001)) for call in calls]
        super().run_batch(hasty, on_results)


def pytest_selfopt_runner(name, clients):
    limits = {model: ModelLimit(most=8) for model in clients}
    return Hasty(clients, ConcurrencyLimiter(limits), rng=random.Random(1)) if name == "hasty" else None
"""
"""A runner of the project that hardly waits between the attempts at a rate limit."""
OUTAGES = [
    "openrouter: finish_reason error after some text",
    "openrouter: choice with error 429",
    "openrouter: choice with error, finish_reason stop",
    "openrouter: 400 that is a cut-off",
    "openrouter: empty choices",
    "openai: stop, content null",
    "openai: refusal",
    "lm studio: wrong path, inside 200",
    "ollama: load",
    "ollama: thinking only, length",
    "ollama: empty, stop",
    "anthropic: overloaded inside 200",
    "anthropic: thinking only, max_tokens",
    "anthropic: content empty, end_turn",
    "anthropic: refusal after some text",
]
"""One shape of each kind of error in each wire format; `tests/models/test_reply_shapes.py` reads all shapes."""
FALLEN = ["openrouter: 429 inside 200", "vllm: abort after some text", "ollama: empty, stop"]
SILENCES = [
    "openai: length, thought only",
    "openai: stop, content null",
    "openai: refusal",
    "ollama: thinking only, length",
    "ollama: empty, stop",
    "anthropic: content empty, end_turn",
    "anthropic: refusal without content",
]


def kind_of(name: str) -> str:
    """The kind of error that a shape is."""
    expected = SHAPE[name].expected
    assert isinstance(expected, Failure)
    return expected.kind


def failing(project: Make, then: dict[str, Any], name: str, told: list[dict[str, Any]], *, calls: int) -> Project:
    """A project of two phases; a model that answers so where tools are offered, and by rules where they are told."""
    made = project({"rules": [{"when": {"native": True}, "then": then}, *told]})
    wire = "openai"
    if name in SHAPE:
        wire = SHAPE[name].wire
    configure(made, BOTH_WAYS, wire=wire)
    made.write_suite(suite(calls=calls, restraint=CASES - calls))
    made.pytester.makepyfile(test_items=BODY)
    made.pytester.makeconftest(HASTY)
    return made


def test_a_wrong_answer_decides_both_ways(project: Make) -> None:
    made = failing(project, {"text": "I do not know."}, "", finds(), calls=CALLS)
    assert made.run("--selfopt-cycle").ret == 0
    assert verdicts(made) == {NATIVE_FIRST: "PROMOTE", NATIVE_SECOND: "REJECT"}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_decides_neither_way(project: Make, name: str) -> None:
    kind = kind_of(name)
    made = failing(project, reply_of(SHAPE[name]), name, finds(), calls=CALLS)
    hasty: tuple[str, ...] = ()
    if kind == "rate_limit":
        hasty = ("--selfopt-runner", "hasty")
    result = made.run("--selfopt-cycle", *hasty)
    assert result.ret == 10, said(result)
    assert {NATIVE_FIRST: "HOLD", NATIVE_SECOND: "HOLD"}.items() <= verdicts(made).items()
    assert f"12 of 12 calls gave no answer (12 {kind})" in said(result)
    assert {entry["baseline_after"] for entry in made.history()} == set(BASELINES)
    variants = {(rule["phase"], rule["variant"]) for rule in made.routing()["rules"] if "variant" in rule}
    assert variants == {("words", "atomic")}
    assert disallowed(made) == []


NEEDLESS = [{"when": {"native": False}, "then": {"call": call("0")}}]


def test_restraint_decides_both_ways(project: Make) -> None:
    made = failing(project, {"text": "Hello."}, "", NEEDLESS, calls=0)
    assert made.run("--selfopt-cycle").ret == 0
    assert verdicts(made) == {NATIVE_FIRST: "REJECT", NATIVE_SECOND: "PROMOTE"}


@pytest.mark.parametrize("name", SILENCES)
def test_silence_is_no_restraint(project: Make, name: str) -> None:
    made = failing(project, reply_of(SHAPE[name]), name, NEEDLESS, calls=0)
    made.run("--selfopt-cycle")
    assert verdicts(made) == {NATIVE_FIRST: "HOLD", NATIVE_SECOND: "HOLD"}
    (words,) = [entry for entry in made.history() if entry["phase"] == "words"]
    assert words["metrics"][NATIVE_SECOND]["restraint"] is None


HOPELESS = f"""
[tool.selfopt.phases.extended]
baseline = "{MODEL}/extended/native_api/t60/r0/i0"
fallback = "desk/other"
"""


EXTENDED = """
@pytest.mark.selfopt("items.jsonl", phase="extended")
def test_items(case, reply):
    case.check(reply)
"""


def falling(project: Make, then: dict[str, Any], wire: str = "openai") -> Project:
    """A project in the extended phase, whose model answers so, and has a fallback that answers rightly."""
    made = project({"rules": [{"when": {"model": "served"}, "then": then}, *finds(CASES)]})
    configure(made, HOPELESS, wire=wire)
    made.write_suite(suite(calls=CASES, restraint=0))
    made.pytester.makepyfile(test_items=BODY.partition("\n@pytest")[0] + EXTENDED)
    made.pytester.makeconftest(HASTY)
    return made


def test_wrong_answers_ask_for_the_fallback(project: Make) -> None:
    made = falling(project, {"text": "I do not know."})
    made.run("--selfopt-cycle")
    assert [rule["fallback_model"] for rule in disallowed(made)] == ["desk/other"]


@pytest.mark.parametrize("name", FALLEN)
def test_an_outage_asks_for_no_fallback(project: Make, name: str) -> None:
    made = falling(project, reply_of(SHAPE[name]), SHAPE[name].wire)
    assert made.run("--selfopt-cycle", "--selfopt-runner", "hasty").ret == 10
    assert disallowed(made) == []
