"""Models that refuse parameters: a cycle adapts to what their server says, once, and records what was really sent."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.acceptance.conftest import BODY, Project, said
from tests.acceptance.failing import CASES, MODEL, Make, configure, finds, suite, verdicts
from tests.ledger_file import open_ledger
from tests.models.reply_shapes.shape import claude_error, error

CALLS = 2 * 4 * CASES
RENAMED = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
FIXED = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
TOO_MANY = "max_tokens is too large: 4096. This model supports at most 1024 completion tokens."
GONE = "`temperature` is deprecated for this model."
KNOWN = 'parameters = {temperature = false, max_tokens = "max_completion_tokens"}'


def refuse(name: str, body: dict[str, Any], **when: Any) -> dict[str, Any]:
    """A rule by which requests with a parameter are refused."""
    return {"when": {"has": name, **when}, "then": {"status": 400, "body": json.dumps(body)}}


def refuse_as_openai(name: str, message: str, **when: Any) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    return refuse(name, error(message, **kind), **when)


OPENAI = [refuse_as_openai("max_tokens", RENAMED), refuse_as_openai("temperature", FIXED)]
ANTHROPIC = [refuse("temperature", claude_error("invalid_request_error", GONE))]
LIMITED = [refuse_as_openai("max_tokens", TOO_MANY, first=1)]
MODELS: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "another name, no temperature": ("openai", OPENAI, {"max_completion_tokens": 4096}),
    "fewer tokens": ("openai", LIMITED, {"max_tokens": 1024, "temperature": 0}),
    "no temperature": ("anthropic", ANTHROPIC, {"max_tokens": 4096}),
}
"""Wire format, refusals, and the sampling that is sent in the end."""


def refusing(project: Make, name: str, extra: str) -> Project:
    wire, refusals, _ = MODELS[name]
    made = project({"rules": [*refusals, *finds(native=False)], "latency": 0.01})
    configure(made, f'[tool.selfopt.models."{MODEL}"]\n{extra}\n', wire=wire)
    made.write_suite(suite())
    made.pytester.makepyfile(test_items=BODY)
    return made


def sent(made: Project) -> list[dict[str, Any]]:
    """The sampling of all replies in the ledger, as it was really sent."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT reply FROM call WHERE attempts = 1 AND attempt_errors = '[]'").fetchall()
    return [json.loads(row[0])["sent"] for row in rows]


def refused(made: Project) -> int:
    """The number of requests that were refused."""
    return made.server.seen.asked - CALLS


# The controller makes the calls of a distributed session by the same client: one model stands for all.
@pytest.mark.parametrize(("name", "way"), [*((name, "alone") for name in MODELS), (next(iter(MODELS)), "-n2")])
def test_each_refusal_is_met_only_once(project: Make, name: str, way: str) -> None:
    made = refusing(project, name, "max_concurrency = 1")
    ways = {"alone": (), "-n2": ("-n2",)}
    result = made.run("--selfopt-cycle", *ways[way])
    assert result.ret == 0, said(result)
    assert list(verdicts(made).values()) == ["PROMOTE"]
    assert refused(made) == len(MODELS[name][1])
    assert sent(made) == [MODELS[name][2]] * CALLS


def test_calls_in_flight_together_learn_together(project: Make) -> None:
    name = "another name, no temperature"
    made = refusing(project, name, "max_concurrency = 8")
    assert made.run("--selfopt-cycle").ret == 0
    # The first calls are all sent before any of them is refused.
    assert refused(made) <= 8 * len(OPENAI)
    assert sent(made) == [MODELS[name][2]] * CALLS


def test_configured_parameters_are_never_refused(project: Make) -> None:
    name = "another name, no temperature"
    made = refusing(project, name, KNOWN)
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert refused(made) == 0
    assert sent(made) == [MODELS[name][2]] * CALLS
    assert f"{MODEL}: temperature not sent" in said(result)


def test_an_unknown_refusal_is_no_wrong_answer(project: Make) -> None:
    made = project({"rules": [refuse_as_openai("model", "Unsupported value: 'model' is not for you.", native=True)]})
    configure(made)
    made.write_suite(suite())
    made.pytester.makepyfile(test_items=BODY)
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "12 of 12 calls gave no answer (12 request)" in said(result)
    bodies = Counter(map(json.dumps, made.server.seen.requests))
    assert max(bodies.values()) == 3, "one request a pass, none of them repeated"
