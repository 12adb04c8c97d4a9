"""Expectations combine with not, all and any, and say what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.expect import Expectation
from pytest_selfopt.bench.grading.meaning import allows_no_call, needs_call
from pytest_selfopt.bench.grading.phrases import in_words
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.models.scripted.read_script import expected_answer
from pytest_selfopt.trial import Reply, ToolCall

F = ToolCall(name="f", arguments={})
G = ToolCall(name="g", arguments={})
BROKEN = Reply(text='{"tool": "f', undecodable="looks like a tool call but is not valid JSON")
CALL: dict[str, Any] = {"call": {"name": "f"}}

SIMPLE = st.one_of(
    st.sampled_from(
        [
            CALL,
            {"calls": [{"name": "f"}, {"name": "g"}], "in_order": True},
            {"no_call": True},
            {"any_call": True},
            {"regex": "^a"},
            {"number": 1},
            {"json_schema": {"type": "object"}},
            {"exact": ["a", "b"]},
        ]
    ),
    st.builds(lambda text, flag: {"exact": text, "ignore_case": flag}, st.text(max_size=2), st.booleans()),
    st.builds(
        lambda parts, flag: {"contains_any": parts, "ignore_case": flag},
        st.lists(st.text(min_size=1, max_size=2), min_size=1, max_size=3),
        st.booleans(),
    ),
)


def combined(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda part: {"not": part}, parts),
        st.builds(lambda parts: {"all": parts}, several),
        st.builds(lambda parts: {"any": parts}, several),
    )


PARTS = st.one_of(SIMPLE, combined(SIMPLE))
EXPECTATIONS = st.one_of(PARTS, combined(PARTS)).map(expectation_from_json)
TEXTS = st.one_of(st.text(), st.sampled_from(["a", "b", "1", "{}", '{"a": 1}', ""]))
REPLIES = st.one_of(
    st.builds(Reply, text=TEXTS, tool_calls=st.lists(st.sampled_from([F, G]), max_size=2).map(tuple)),
    st.builds(Reply, text=TEXTS, undecodable=st.just("looks like a tool call")),
)


def case(expect: Expectation) -> Case:
    tools = tuple(Tool(name=name, description="", parameters={"type": "object"}) for name in "fg")
    return Case(id="a", messages=(Message(role="user", content="Hi"),), expect=expect, tools=tools)


@given(EXPECTATIONS, REPLIES)
def test_only_one_of_two_opposites_is_right(part: Expectation, reply: Reply) -> None:
    judgement = part.judge(reply)
    opposite = Not(part).judge(reply)
    assert bool(judgement.reason) != judgement.passed
    if judgement.applicable:
        assert opposite.passed != judgement.passed
    else:
        assert not judgement.passed
        assert (opposite.passed, opposite.applicable) == (False, False)
        assert judgement.reason in opposite.reason
    assert Not(Not(part)).judge(reply).passed == judgement.passed


@given(st.lists(EXPECTATIONS, min_size=1, max_size=3).map(tuple), REPLIES)
def test_the_laws_of_de_morgan_hold(parts: tuple[Expectation, ...], reply: Reply) -> None:
    opposites = tuple(map(Not, parts))
    assert Not(AllOf(parts)).judge(reply).passed == AnyOf(opposites).judge(reply).passed
    assert Not(AnyOf(parts)).judge(reply).passed == AllOf(opposites).judge(reply).passed
    judged = [part.judge(reply).passed for part in parts]
    assert AllOf(parts).judge(reply).passed == all(judged)
    assert AnyOf(parts).judge(reply).passed == any(judged)


@given(EXPECTATIONS, REPLIES)
def test_what_follows_is_true_of_replies(part: Expectation, reply: Reply) -> None:
    if not part.judge(reply).passed:
        return
    if allows_no_call(part):
        assert not reply.tool_calls
    if needs_call(part):
        assert reply.tool_calls


@given(EXPECTATIONS)
def test_combinations_round_trip_and_have_words(part: Expectation) -> None:
    assert expectation_from_json(part.to_json()) == part
    assert in_words(part)
    assert Case.from_json(case(part).to_json()) == case(part)


@pytest.mark.parametrize(
    ("expect", "right", "wrong"),
    [
        (
            {"not": {"contains": "sorry"}},
            [Reply(text="Yes.")],
            [Reply(text="I am sorry"), Reply(tool_calls=(F,)), BROKEN],
        ),
        ({"not": {"exact": "a"}}, [Reply(text="b")], [Reply(text="b", tool_calls=(F,)), BROKEN]),
        ({"not": CALL}, [Reply(text="No."), Reply(tool_calls=(G,))], [Reply(tool_calls=(F,)), BROKEN]),
        ({"not": {"any_call": True}}, [Reply(text="No.")], [Reply(tool_calls=(G,)), BROKEN]),
        ({"not": {"no_call": True}}, [Reply(tool_calls=(G,))], [Reply(text="No."), BROKEN]),
        (
            {"all": [{"no_call": True}, {"contains_any": ["cannot", "can't"]}]},
            [Reply(text="I can’t.")],
            [Reply(text="Fine."), Reply(text="I cannot.", tool_calls=(F,))],
        ),
        (
            {"any": [{"no_call": True}, CALL]},
            [Reply(text="x"), Reply(tool_calls=(F,))],
            [Reply(tool_calls=(G,)), BROKEN],
        ),
        ({"exact": ["Yes", "Sure"], "ignore_case": True}, [Reply(text="SURE ")], [Reply(text="No")]),
        (
            {"calls": [{"name": "f"}, {"name": "g"}], "in_order": True},
            [Reply(tool_calls=(F, G))],
            [Reply(tool_calls=(G, F)), Reply(tool_calls=(F, G, G))],
        ),
    ],
)
def test_combinations_judge_as_they_say(expect: dict[str, Any], right: list[Reply], wrong: list[Reply]) -> None:
    expectation = expectation_from_json(expect)
    for reply in right:
        assert expectation.judge(reply).passed, reply
    for reply in wrong:
        assert not expectation.judge(reply).passed, reply


@pytest.mark.parametrize(
    ("expect", "reply", "reason"),
    [
        ({"not": {"contains": "a"}}, Reply(text="ab"), "expected not a text with \"a\", got 'ab'"),
        ({"not": CALL}, Reply(tool_calls=(F,)), "expected not a call of f(), got f()"),
        ({"not": {"no_call": True}}, Reply(text="x"), "expected some tool call, got 'x'"),
        (
            {"any": [{"call": {"name": "g"}}, {"call": {"name": "f", "arguments": {"n": 1}}}, {"exact": "x"}]},
            Reply(tool_calls=(F,)),
            "f: argument n is missing, expected 1 (2 other alternatives miss too)",
        ),
        ({"all": [{"exact": "a"}, {"exact": "b"}]}, Reply(text="c"), "expected exactly 'a', got 'c'"),
        ({"exact": ["a", "b"]}, Reply(text="c"), "expected exactly 'a' or 'b', got 'c'"),
        ({"contains_any": ["a", "b"]}, Reply(text="c"), "expected 'a' or 'b' in the text, got 'c'"),
        (
            {"calls": [{"name": "f"}, {"name": "g"}], "in_order": True},
            Reply(tool_calls=(G, F)),
            "call 1 of 2 is out of order: expected f(), got g()",
        ),
    ],
)
def test_a_combination_says_what_is_wrong(expect: dict[str, Any], reply: Reply, reason: str) -> None:
    assert expectation_from_json(expect).judge(reply).reason == reason


@pytest.mark.parametrize(
    ("expect", "restraint"),
    [
        ({"all": [{"no_call": True}, {"contains": "a"}]}, True),
        ({"not": {"any_call": True}}, True),
        ({"not": {"any": [{"any_call": True}, {"contains": "a"}]}}, True),
        ({"any": [{"no_call": True}, CALL]}, False),
        ({"not": CALL}, False),
        ({"not": {"no_call": True}}, False),
    ],
)
def test_restraint_is_seen_inside_combinations(expect: dict[str, Any], restraint: object) -> None:
    assert case(expectation_from_json(expect)).restraint is restraint


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"not": {"exact": 5}}, "expect.not.exact: expected a string or a list of strings, got 5"),
        ({"any": [{"exact": "a"}, {"regx": "b"}]}, "expect.any[1]: unknown field 'regx'; did you mean 'regex'?"),
        ({"all": []}, "expect.all: expected a non-empty list of expectations, got []"),
        ({"not": {"any": [CALL, {"call": {"name": "h"}}]}}, "expect: 'h' is not one of the case's tools"),
        ({"not": CALL, "exact": "a"}, "got exact and not"),
        ({"call": {"name": "f"}, "in_order": True}, "unknown field 'in_order' next to 'call'"),
        ({"not": {"not": {"not": {"not": {"not": {"not": CALL}}}}}}, "may be 5 deep inside each other at most"),
    ],
)
def test_a_wrong_part_is_named(tmp_path: Path, expect: Any, problem: str) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(f"- {{id: a, prompt: Hi, tools: [{{name: f}}], expect: {expect!r}}}\n".replace("True", "true"))
    with pytest.raises(SuiteError) as caught:
        load_suite(file)
    assert problem in str(caught.value)


def test_old_forms_keep_their_hash() -> None:
    forms: list[dict[str, Any]] = [
        {"exact": "a"},
        {"contains": ["a"], "ignore_case": False},
        {"calls": [{"name": "f", "arguments": {}}]},
    ]
    for form in forms:
        assert expectation_from_json(form).to_json() == form


def test_tables_hold_the_new_expectations(tmp_path: Path) -> None:
    file = tmp_path / "suite.csv"
    file.write_text('id,prompt,contains_any,ignore_case,not\na,Hi,Hello,true,\nb,Ho,,,"{""regex"": ""x""}"\n')
    first, second = load_suite(file).cases
    assert first.judge(Reply(text="hello")).passed
    assert not second.judge(Reply(text="xy")).passed


def test_scripted_answers_are_right_for_combinations() -> None:
    for expect in ({"any": [{"regex": "a"}, CALL]}, {"all": [{"no_call": True}, {"contains": "a"}]}):
        answer = expected_answer(case(expectation_from_json(expect)))
        assert answer is not None
    assert expected_answer(case(expectation_from_json({"not": CALL}))) is None
