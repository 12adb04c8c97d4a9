"""Objects, lists, texts and numbers among the arguments of an expected call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.alternatives import first_value, show_apart
from pytest_selfopt.bench.grading.tool_calls import right_call
from pytest_selfopt.bench.loading.entries import EntryReader
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.trial import Reply, ToolCall

TEXTS = {"type": "array", "items": {"type": "string"}}
NULLABLE = {"anyOf": [TEXTS, {"type": "null"}]}
ROWS = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}


def line_of(member: Any, value: Any, **fields: Any) -> dict[str, Any]:
    """A case that expects f(v={"m": value}), where the tool declares `member` for m."""
    parameters = {"type": "object", "properties": {"v": {"type": "object", "properties": {"m": member}}}}
    tool = {"name": "f", "description": "d", "parameters": parameters}
    expect = {"call": {"name": "f", "arguments": {"v": {"m": value}}}}
    return {"id": "a", "prompt": "p", "tools": [tool], "expect": expect, **fields}


def read(line: dict[str, Any]) -> Case:
    problems = Problems("s.jsonl")
    reader = EntryReader("s", problems)
    reader.read([Entry("case", line, 1)])
    assert not problems.sentences
    return reader.cases[0]


def reason(case: Case, **arguments: Any) -> str:
    return case.judge(Reply(tool_calls=(ToolCall(name="f", arguments=arguments),))).reason


@pytest.mark.parametrize(
    ("member", "value", "right", "wrong"),
    [
        (TEXTS, ["x", "y"], [["x", "y"]], ["x", ["x"], ["y", "x"]]),
        (TEXTS, [["x", "y"], ["z"]], [["x", "y"], ["z"]], ["x", ["x"], [["x", "y"], ["z"]]]),
        (TEXTS, ["", ["x"]], [["x"]], ["x", []]),
        (TEXTS, [], [[]], ["", ["x"]]),
        (NULLABLE, ["x", "y"], [["x", "y"]], ["x", None]),
        ({"type": "array"}, ["x", "y"], [["x", "y"]], ["x"]),
        ({"type": "string"}, ["x", "y"], ["x", "y"], [["x", "y"], ["x"]]),
        ({"enum": ["x", "y"]}, ["x", "y"], ["x", "y"], [["x", "y"]]),
        (ROWS, [[1, 2], [3, 4]], [[[1, 2], [3, 4]]], [[1, 2], [[1, 2]]]),
        (NULLABLE, [["x", "y"], None], [["x", "y"], None], ["x", [["x", "y"]]]),
        (ROWS, [[[1]], [[2]]], [[[1]], [[2]]], [[1]]),
    ],
)
def test_the_schema_tells_what_a_list_is(member: Any, value: Any, right: list[Any], wrong: list[Any]) -> None:
    case = read(line_of(member, value))
    for answer in right:
        assert reason(case, v={"m": answer}) == ""
    for answer in wrong:
        assert reason(case, v={"m": answer})
    again = Case.from_json(case.to_json())
    assert again == case
    assert again.content_hash == case.content_hash


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ({}, ["x", "y"]),
        ({"type": "array"}, [["x"]]),
        ({"type": "array", "items": {}}, [[1, 2], [3, 4]]),
        ({"type": ["array", "string"]}, ["x", "y"]),
        (TEXTS, [""]),
    ],
)
def test_an_ambiguous_list_is_refused(tmp_path: Path, member: Any, value: Any) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(line_of(member, value)), encoding="utf-8")
    with pytest.raises(SuiteError) as refused:
        load_suite(path)
    written = json.dumps(value)
    assert f"s.jsonl:1: expect: f.v.m: {written} may be one value or a list of alternatives" in str(refused.value)
    assert f"write [{written}] for the value, {written} for alternatives" in str(refused.value)
    literal = read(line_of(member, [value], as_given=True))
    assert reason(literal, v={"m": value}) == ""
    listed = read(line_of(member, value, as_given=True))
    assert reason(listed, v={"m": value})


@pytest.mark.parametrize(
    ("member", "value", "sentence"),
    [
        ({"type": "string"}, [["x"]], "f.v.m cannot be"),
        (TEXTS, [["x"], "y"], "neither as a value nor as a list of alternatives"),
    ],
)
def test_an_impossible_list_is_refused(member: Any, value: Any, sentence: str) -> None:
    problems = Problems("s.jsonl")
    EntryReader("s", problems).read([Entry("case", line_of(member, value), 1)])
    assert sentence in problems.sentences[0]


def test_a_list_argument_says_how_to_write_it() -> None:
    line = line_of({}, 1)
    line["tools"][0]["parameters"]["properties"]["v"] = TEXTS
    line["expect"]["call"]["arguments"]["v"] = ["x", "y"]
    problems = Problems("s.jsonl")
    EntryReader("s", problems).read([Entry("case", line, 1)])
    assert 'write [["x", "y"]] for the value ["x", "y"]' in problems.sentences[0]


@pytest.mark.parametrize(
    ("value", "got", "told"),
    [
        ([["x", "y"]], ["x"], 'argument v.m: expected ["x", "y"], got ["x"]'),
        (["x", "y"], ["x"], 'argument v.m: expected ["x", "y"], got ["x"]'),
        ([["a" * 80]], ["a" * 80 + "b"], "…aaa"),
    ],
)
def test_a_difference_in_an_object_is_placed(value: Any, got: Any, told: str) -> None:
    assert told in reason(read(line_of(TEXTS, value)), v={"m": got})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(VALUES, min_size=1, max_size=2), VALUES)
def test_two_shown_values_are_never_equal(wanted: list[Any], got: Any) -> None:
    others = [value for value in wanted if repr(value) != repr(got) and value != ""]
    shown, given = show_apart(others, got)
    assert given not in shown.split(" or ") or any(" or " in str(value) for value in [*others, got])


@given(st.text(min_size=60, max_size=80), st.text(max_size=3), st.text(max_size=3))
def test_long_texts_are_shown_where_they_differ(start: str, left: str, right: str) -> None:
    if left != right:
        wanted, given = show_apart([start + left], start + right)
        assert wanted != given


def typed(value: Any) -> dict[str, Any]:
    """A schema that declares a value, of lists by their first item."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {name: typed(member) for name, member in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": typed(value[0])}
    return {"type": "string"}


TYPED = st.recursive(
    st.text("abc", min_size=1, max_size=3),
    lambda inner: inner.map(lambda one: [one, one]) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text("xyz", min_size=1), TYPED, min_size=1, max_size=3))
def test_an_object_as_declared_expects_itself(value: dict[str, Any]) -> None:
    line = line_of({}, 1)
    line["tools"][0]["parameters"]["properties"]["v"] = typed(value)
    line["expect"]["call"]["arguments"]["v"] = value
    case = read(line)
    assert reason(case, v=value) == ""
    call = right_call(case.expect.calls[0])  # type: ignore[union-attr]
    assert call.arguments == {"v": value}
    assert first_value([value]) == [first_value(value)]


def switched(wanted: Any, **switches: Any) -> Case:
    expect = {"call": {"name": "f", "arguments": {"v": [wanted]}}, **switches}
    return read(
        {"id": "a", "prompt": "p", "tools": [{"name": "f", "description": ""}], "expect": expect, "as_given": True}
    )


@pytest.mark.parametrize(
    ("wanted", "got", "switches", "passed"),
    [
        ("-5", "5", {}, True),
        ("-5", "5", {"strict": True}, False),
        ("Paris", "paris", {"strict": True}, False),
        ("Paris", "Paris", {"strict": True}, True),
        (["a.b"], ["ab"], {"strict": True}, False),
        ({"n": "A"}, {"n": "a"}, {"strict": True}, False),
        ("it\u2019s 5\u00a0km", "it's 5 km", {}, True),
        ("caf\u00e9", "cafe\u0301", {}, True),
        ("caf\u00e9", "cafe\u0301", {"strict": True}, False),
        (0.3, 0.30000000000000004, {}, False),
        (0.3, 0.30000000000000004, {"tolerance": 1e-9}, True),
        (0.3, 0.4, {"tolerance": 0.1}, True),
        (0.3, 0.4000001, {"tolerance": 0.1}, False),
        ({"lat": 48.85}, {"lat": 48.86}, {"tolerance": 0.01}, True),
        ([1, 2], [1, 2.5], {"tolerance": 0.5}, True),
        (2**60, 2**60 + 1, {}, False),
        (2**60, 2**60 + 1, {"tolerance": 1}, True),
        (1, True, {"tolerance": 1}, False),
    ],
)
def test_switches_widen_numbers_and_narrow_texts(wanted: Any, got: Any, switches: Any, *, passed: bool) -> None:
    case = switched(wanted, **switches)
    told = reason(case, v=got)
    assert (told == "") is passed
    assert Case.from_json(case.to_json()) == case
    expected, _, given = told.partition(", got ")
    assert not given or not expected.endswith(f"expected {given}")


def test_plain_cases_keep_their_hash() -> None:
    assert "tolerance" not in switched(1).to_json()["expect"]  # type: ignore[operator]
    assert switched(1).content_hash == switched(1, tolerance=0, strict=False).content_hash
    assert switched(1).content_hash != switched(1, strict=True).content_hash
