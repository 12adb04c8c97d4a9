"""Every kind of expectation judges as it says, and reads back from its JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case, Miss
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.trial import Reply, ToolCall

CALL = ToolCall(name="f", arguments={})


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"exact": "Paris"}, " Paris\n"),
        ({"contains": "paris", "ignore_case": True}, "It is Paris."),
        ({"contains": ["a", "b"]}, "b then a"),
        ({"regex": r"^\d+$"}, "42"),
        ({"number": 1234.5}, "First 7, then 1,234.5 of them."),
        ({"number": -0.5, "tolerance": 0.1}, "about -.45"),
        ({"json_schema": {"type": "object", "required": ["a"]}}, '{"a": 1}'),
        ({"json_schema": {"type": "array"}}, "Here you are:\n```json\n[1, 2]\n```\n"),
        ({"no_call": True}, "I will not."),
    ],
)
def test_a_right_text_must_come_without_calls(expect: dict[str, Any], text: str) -> None:
    expectation = expectation_from_json(expect)
    assert expectation.judge(Reply(text=text)).passed
    assert not expectation.judge(Reply(text=text, tool_calls=(CALL,))).passed


@pytest.mark.parametrize(
    ("expect", "text", "reason"),
    [
        ({"exact": "Paris"}, "paris", "expected exactly 'Paris', got 'paris'"),
        ({"contains": ["a", "z"]}, "a", "expected 'z' in the text, got 'a'"),
        ({"regex": "^x"}, "ax", "expected a match of '^x'"),
        ({"number": 3}, "none at all", "expected the number 3, got 'none at all'"),
        ({"number": 3, "tolerance": 0.1}, "3.2", "expected the number 3 within 0.1"),
        ({"json_schema": {"type": "object"}}, "{", "expected JSON"),
        ({"json_schema": {"properties": {"a": {"type": "string"}}}}, '{"a": 1}', "does not satisfy the schema at $.a"),
        ({"call": {"name": "f"}}, "words", "expected a call of f, got no call but 'words'"),
    ],
)
def test_a_wrong_text_shows_the_expected_one(expect: dict[str, Any], text: str, reason: str) -> None:
    judgement = expectation_from_json(expect).judge(Reply(text=text))
    assert not judgement.passed
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("expect", "text", "other"),
    [
        ({"exact": "a b"}, "a b", "a\u00a0b"),
        ({"exact": "a"}, "a", "a\n"),
        ({"exact": "straße", "ignore_case": True}, "STRAßE", "STRASSE"),
        ({"contains": ["don't"], "ignore_case": False}, "I don't", "I don’t"),
        ({"contains_any": ["cafe", "x"], "ignore_case": True}, "Cafe\u0301", "Café"),
        ({"json_schema": {}}, " {}\n", "```json\n{}\n```"),
    ],
)
def test_strict_texts_are_compared_as_they_are(expect: dict[str, Any], text: str, other: str) -> None:
    expectation = expectation_from_json({**expect, "strict": True})
    assert expectation.to_json() == {**expect, "strict": True}
    assert expectation.judge(Reply(text=text)).passed
    assert not expectation.judge(Reply(text=other)).passed


def test_a_pattern_may_be_of_javascript() -> None:
    value = {"regex": r"^\d..$", "dialect": "javascript"}
    expectation = expectation_from_json(value)
    assert expectation.to_json() == value
    assert expectation.judge(Reply(text="1😀")).passed
    assert not expectation.judge(Reply(text="١😀")).passed
    for wrong, reason in (({**value, "dialect": "perl"}, "dialect"), ({**value, "regex": "(?i)a"}, "has a group")):
        with pytest.raises(ValueError, match=reason):
            expectation_from_json(wrong)


def test_an_attempted_call_is_no_restraint() -> None:
    reply = Reply(text='{"tool": "f", "argum', undecodable="looks like a tool call but is not valid JSON")
    for expect in ({"call": {"name": "f"}}, {"no_call": True}):
        judgement = expectation_from_json(expect).judge(reply)
        assert not judgement.passed
        assert "looks like a tool call but is not valid JSON" in judgement.reason


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ([], "expected an object"),
        ({}, "needs exactly one of"),
        ({"exact": "a", "regex": "b"}, "got exact and regex"),
        ({"exact": "a", "tolerance": 1}, "unknown field 'tolerance' next to 'exact'"),
        ({"no_call": False}, "expected true, got false"),
        ({"regex": "("}, "is not a valid regular expression"),
        ({"number": "3"}, "expect.number: expected a number, got '3'"),
        ({"number": True}, "expect.number: expected a number"),
        ({"number": 1, "tolerance": -1}, "must not be negative"),
        ({"contains": []}, "expected a string or a list of strings"),
        ({"json_schema": {"type": "nonsense"}}, "is not a valid JSON Schema"),
        ({"call": {"arguments": {}}}, "expect.call: expected"),
        ({"call": {"name": "f", "arguments": []}}, "expect.call.arguments: expected an object"),
        ({"call": {"name": "f", "arguments": {"x": []}}}, "must not be empty"),
        ({"calls": []}, "a non-empty list of calls"),
    ],
)
def test_a_wrong_expectation_names_its_field(expect: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"expect") as refused:
        expectation_from_json(expect)
    assert problem in str(refused.value)


EXPECTATIONS = st.one_of(
    st.builds(lambda text: {"exact": text}, st.text()),
    st.builds(
        lambda parts, fold: {"contains": parts, "ignore_case": fold},
        st.lists(st.text(min_size=1), min_size=1),
        st.booleans(),
    ),
    st.builds(lambda value, near: {"number": value, "tolerance": near}, st.floats(-1e9, 1e9), st.floats(0, 10)),
    st.just({"no_call": True}),
    st.builds(
        lambda arguments: {"call": {"name": "f", "arguments": arguments}},
        st.dictionaries(st.text(min_size=1), st.lists(st.integers() | st.text(), min_size=1), max_size=3),
    ),
)


@given(EXPECTATIONS, st.text(min_size=1), st.lists(st.text(min_size=1), max_size=2))
def test_a_case_round_trips_through_json(expect: dict[str, Any], prompt: str, tags: list[str]) -> None:
    case = Case(
        id="a",
        messages=(Message(role="user", content=prompt),),
        tools=(Tool(name="f", description="d", parameters={"type": "object"}),),
        expect=expectation_from_json(expect),
        tags=tuple(tags),
        suite="s",
        source="s.jsonl:1",
    )
    again = Case.from_json(case.to_json())
    assert again == case
    assert again.content_hash == case.content_hash


def test_check_raises_a_miss_with_reason() -> None:
    case = Case(id="a", messages=(), expect=expectation_from_json({"exact": "yes"}))
    case.check(Reply(text="yes"))
    with pytest.raises(Miss, match="expected exactly 'yes', got 'no'"):
        case.check(Reply(text="no"))


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": "use ```x``` here"}\n```',
        '````json\n{"a": 1}\n````',
        '~~~json\n{"a": 1}\n~~~',
        'So:\n```json\n{"a": 1}\n',
        'Inline ```{"a": 1}``` it is.',
    ],
)
def test_json_is_read_in_any_fence(text: str) -> None:
    assert expectation_from_json({"json_schema": {"type": "object"}}).judge(Reply(text=text)).passed


def test_many_open_fences_are_read_soon() -> None:
    assert not expectation_from_json({"json_schema": {"type": "object"}}).judge(Reply(text="```x\n" * 100_000)).passed
