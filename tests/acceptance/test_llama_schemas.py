"""Tools that llama.cpp's server refuses under a schema are told before a cycle, and what it ignores by suite check."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.execution.reply_notes import ReplyNotes
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.askable import with_isolation_told
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.settings import Mode, Overrides, load_settings
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import CallResult, Reply
from tests.acceptance.conftest import MODEL, TOOL, Project, said, short_suite
from tests.acceptance.test_refused import ONLY_SCHEMA

REFUSED = (
    "llama.cpp's server refuses 7 of its 7 cases under a schema (look_up.item: minLength 3,000 is more than 2,000)"
)


def suite_with(**item: Any) -> list[dict[str, Any]]:
    """A short suite whose tool declares more of its argument."""
    parameters = {**TOOL["parameters"], "properties": {"item": {"type": "string", **item}}}  # type: ignore[dict-item]
    return [{"tool": {**TOOL, "parameters": parameters}}, *short_suite()[1:]]


def test_a_refused_candidate_costs_no_call(project: Callable[..., Project]) -> None:
    made = project({"owned_by": "llamacpp", "models": ["model"]})
    made.configure(ONLY_SCHEMA)
    made.write_suite(suite_with(minLength=3000))
    text = said(made.run("--selfopt-cycle"))
    assert f"not tried: schema, because {REFUSED}; change that in the suite to try them" in text
    assert "candidate:" not in text
    assert not any("response_format" in request for request in made.server.seen.requests)
    before = len(made.server.seen.requests)
    refused = made.run("--selfopt-cycle", "--selfopt-baseline", f"{MODEL}/atomic/schema/t60/r1/i0")
    assert refused.ret == 4
    wanted = f"{MODEL} cannot be asked items with the variant schema: {REFUSED}; change that in the suite, or take"
    assert wanted in said(refused) + " ".join(refused.stderr.str().split())
    assert len(made.server.seen.requests) == before


def test_other_servers_are_asked_as_ever(project: Callable[..., Project]) -> None:
    made = project({"models": ["model"]})
    made.configure(ONLY_SCHEMA)
    made.write_suite(suite_with(minLength=3000))
    dry = said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    assert "not tried" not in dry
    assert f"candidate {MODEL}/items/schema" in dry or "/schema/" in dry


def test_what_is_not_enforced_stays_with_the_grader(project: Callable[..., Project]) -> None:
    wrong = {"then": {"text": json.dumps({"tool": "look_up", "arguments": {"item": "none"}})}}
    made = project({"owned_by": "llamacpp", "models": ["model"], "rules": [wrong]})
    made.configure(ONLY_SCHEMA)
    made.write_suite(suite_with(pattern="\\d"))
    checked = made.selfopt("suite", "check", "items.jsonl")
    assert checked.returncode == 0
    assert (
        "items.jsonl:3: llama.cpp's server, embedded models among them, does not enforce look_up.item: "
        "pattern '\\\\d'; only the grader judges it (cases item-0, item-1, item-2, item-3, item-4 and 2 more)"
    ) in checked.stdout
    judged = made.run("--selfopt-baseline", f"{MODEL}/atomic/schema/t60/r1/i0")
    judged.assert_outcomes(failed=7)
    assert "argument item: expected '0', got 'none'" in judged.stdout.str()


def test_providers_known_by_name_are_not_warned_of(project: Callable[..., Project]) -> None:
    made = project()
    (made.path / "pyproject.toml").write_text('[tool.selfopt]\nmodel = "openai/gpt-5"\n')
    made.write_suite(suite_with(minLength=3000, pattern="x"))
    assert "llama.cpp" not in made.selfopt("suite", "check", "items.jsonl").stdout


def test_a_comparison_of_isolation_says_what_it_compares(project: Callable[..., Project]) -> None:
    settings = load_settings(project().path, Mode.CYCLE, Overrides())
    baseline, isolated = (parse_spec(f"embedded/smollm2-135m/atomic/native_api/t60/r1/{flag}") for flag in ("i0", "i1"))
    untried = Candidate(spec=isolated, why="untried")
    (told,) = with_isolation_told([untried], baseline, settings)
    assert told.why.startswith("untried; its words differ also where nothing else does: at temperature 0 llama.cpp's")
    assert with_isolation_told([untried], isolated, settings) == (untried,)
    notes = ReplyNotes()
    for fresh, cached in ((False, 90), (True, 0)):
        request = ChatRequest(messages=(Message(role="user", content="Hello"),), fresh=fresh)
        call = Call(id=str(fresh), model="m", request=request)
        notes.add(call, CallResult(reply=Reply(tokens_in=100, tokens_cached=cached), started=0, ended=1))
    assert "calls took 90 prompt tokens from a cache, isolated ones (i1) none" in notes.lines()[0]
