"""What cases ask and expect, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.describe import LONGEST, answered, asked, expected
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.trial import Conversation, Reply, Step, ToolCall
from tests.packages import ROOT

TOOL = {
    "name": "weather",
    "description": "w",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def case(tmp_path: Path, **fields: Any) -> Case:
    path = tmp_path / "suite.jsonl"
    lines = [{"tool": TOOL}, {"id": "one", "tools": ["weather"], "prompt": "Hi", **fields}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_suite(path).cases[0]


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"call": {"name": "weather", "arguments": {"city": "Paris"}}}, 'a call of weather(city = "Paris")'),
        (
            {"call": {"name": "weather", "arguments": {"city": ["Paris", "paris, FR", ""]}}},
            'a call of weather(city = "Paris" or "paris, FR" or none)',
        ),
        (
            {"calls": [{"name": "weather", "arguments": {"city": name}} for name in ("Rome", "Bonn")]},
            '2 calls: weather(city = "Rome"), weather(city = "Bonn")',
        ),
        ({"no_call": True}, "no tool call"),
        ({"any_call": True}, "some tool call"),
        ({"exact": "Yes."}, 'exactly "Yes."'),
        ({"contains": ["a", "b"], "ignore_case": True}, 'a text with "a" and "b" (in any case)'),
        ({"regex": "^x+$"}, "a text that matches ^x+$"),
        ({"number": 42, "tolerance": 0.5}, "the number 42 within 0.5"),
        ({"json_schema": {"type": "object"}}, 'JSON that satisfies {"type": "object"}'),
        ({"grader": "json:dumps", "wanted": [1]}, "what json:dumps accepts, given [1]"),
    ],
)
def test_every_expectation_has_words(tmp_path: Path, expect: dict[str, Any], words: str) -> None:
    assert expected(case(tmp_path, expect=expect)) == words


def test_questions_and_dialogues_are_described(tmp_path: Path) -> None:
    assert asked(case(tmp_path, expect={"no_call": True})) == "Hi"
    path = tmp_path / "talk.jsonl"
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    path.write_text(json.dumps({"id": "one", "messages": said, "expect": {"no_call": True}}) + "\n")
    assert asked(load_suite(path).cases[0]) == "system: Be brief.\nuser: Hi"


def test_conversations_are_described_with_turns_and_goals() -> None:
    cases = load_suite(ROOT / "benchmarks/extended.jsonl").cases
    for one in cases:
        text = asked(one)
        assert all(f"user, turn {number}: {turn}" in text for number, turn in enumerate(one.turns, start=2))
        assert expected(one) not in ("", "that it comes to its end")


def test_a_book_is_cut(tmp_path: Path) -> None:
    assert len(asked(case(tmp_path, prompt="word " * 5000, expect={"no_call": True}))) == LONGEST


def test_answers_are_described_with_their_calls() -> None:
    call = ToolCall(name="weather", arguments={"city": "Rome"})
    assert answered(Reply(text="Sunny.", tool_calls=(call,))) == "weather(city='Rome')\nSunny."
    assert answered(Reply(refusal="I may not.")) == "I may not."
    steps = (Step(turn=1, calls=(call,), results=("error: no such city",)), Step(turn=2, text="Sorry."))
    talk = Conversation(steps=steps, states=({}, {}))
    assert answered(Reply(conversation=talk)) == "turn 1: weather(city='Rome') → error: no such city\nturn 2: Sorry."
