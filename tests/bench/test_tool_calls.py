"""How calls are compared, rule by rule, by our own rules and to the letter of BFCL's checker."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.argument_values import USUAL, Comparison
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall, mismatch, unmatched
from pytest_selfopt.trial import ToolCall

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "share": {"type": "number"},
        "open": {"type": "boolean"},
        "names": {"type": "array"},
        "place": {"type": "object"},
    },
    "required": ["city"],
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text(min_size=1, max_size=6), VALUES, max_size=4)


def expected(**arguments: Any) -> ExpectedCall:
    return ExpectedCall(name="forecast", arguments={name: tuple(values) for name, values in arguments.items()})


def called(name: str = "forecast", **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        (expected(city=["Paris"]), called(city="Paris")),
        (expected(city=["Paris"]), called(city="paris")),
        (expected(city=["New York, NY"]), called(city="new-york ny")),
        (expected(city=['the "best"']), called(city="the 'best'")),
        (expected(city=["Paris", "Paris, France"]), called(city="Paris France")),
        (expected(city=["Paris"], days=["", 3]), called(city="Paris")),
        (expected(city=["Paris"], share=[3.0]), called(city="Paris", share=3)),
        (expected(city=["Paris"], names=[["A.b", "c"]]), called(city="Paris", names=["ab", "C"])),
        (
            expected(city=["Paris"], place=[{"lat": 1, "name": "X Y"}]),
            called(city="Paris", place={"lat": 1, "name": "xy"}),
        ),
    ],
)
def test_these_calls_match(wanted: ExpectedCall, got: ToolCall) -> None:
    assert mismatch(wanted, got, SCHEMA) == ""


@pytest.mark.parametrize(
    ("wanted", "got", "reason"),
    [
        (expected(city=["Paris"]), called("weather", city="Paris"), "expected forecast(city='Paris'), got weather"),
        (expected(city=["Paris"]), called(), "argument city is missing, expected 'Paris'"),
        (expected(city=["", "Paris"]), called(), "argument city is missing"),
        (expected(city=["Paris"]), called(city="Rome"), "argument city: expected 'Paris', got 'Rome'"),
        (expected(city=["Paris"]), called(city="Paris", days=2), "argument days=2 was not expected"),
        (expected(city=["Paris"], days=[1]), called(city="Paris", days=True), "should be of type integer, got true"),
        (expected(city=["Paris"], days=[3]), called(city="Paris", days="3"), "should be of type integer, got '3'"),
        (expected(city=["Paris"], days=[3]), called(city="Paris", days=3.5), "should be of type integer, got 3.5"),
        (expected(city=["Paris"], days=[3]), called(city="Paris", days=3.0), "should be of type integer, got 3.0"),
        (expected(city=["Paris"], open=[True]), called(city="Paris", open=False), "expected true, got false"),
        (expected(city=["Paris"], names=[["a", "b"]]), called(city="Paris", names=["b", "a"]), "argument names"),
        (expected(city=["Paris"], names=[["a"]]), called(city="Paris", names=["a", "a"]), "argument names"),
    ],
)
def test_these_calls_do_not(wanted: ExpectedCall, got: ToolCall, reason: str) -> None:
    assert reason in mismatch(wanted, got, SCHEMA)


def test_dots_in_names_read_as_underscores() -> None:
    wanted = ExpectedCall(name="math.sqrt", arguments={"x": (4,)})
    assert mismatch(wanted, ToolCall(name="math_sqrt", arguments={"x": 4}), None) == ""


def as_expected(value: Any) -> Any:
    """A value as an expectation of itself: in an expected object every member stands in a list of alternatives."""
    if isinstance(value, dict):
        return {name: [as_expected(member)] for name, member in value.items()}
    return [as_expected(item) for item in value] if isinstance(value, list) else value


@given(st.lists(st.tuples(st.sampled_from("fgh"), ARGUMENTS), min_size=1, max_size=4), st.randoms())
def test_expected_calls_match_in_any_order(calls: list[tuple[str, dict[str, Any]]], rng: Any) -> None:
    wanted = [
        ExpectedCall(name=name, arguments={key: (as_expected(value),) for key, value in arguments.items()})
        for name, arguments in calls
    ]
    got = [ToolCall(name=name, arguments=arguments) for name, arguments in calls]
    rng.shuffle(got)
    assert unmatched(wanted, got, {}) == ""


@given(ARGUMENTS.filter(bool))
def test_a_missing_or_extra_argument_never_matches(arguments: dict[str, Any]) -> None:
    wanted = ExpectedCall(name="f", arguments={key: (value,) for key, value in arguments.items()})
    less = dict(list(arguments.items())[1:])
    assert mismatch(wanted, ToolCall(name="f", arguments=less), None)
    assert mismatch(wanted, ToolCall(name="f", arguments={**arguments, "another one": 1}), None)


def test_a_list_in_an_object_holds_alternatives() -> None:
    wanted = ExpectedCall(name="f", arguments={"box": ({"size": [1, 2], "tags": [["a", "b"]], "lid": ["", True]},)})
    assert mismatch(wanted, ToolCall(name="f", arguments={"box": {"size": 2, "tags": ["a", "b"]}}), None) == ""
    assert mismatch(wanted, ToolCall(name="f", arguments={"box": {"size": 3, "tags": ["a", "b"]}}), None)
    assert mismatch(wanted, ToolCall(name="f", arguments={"box": {"size": 1}}), None)
    assert mismatch(wanted, ToolCall(name="f", arguments={"box": {"size": 1, "tags": "a"}}), None)


def test_every_expected_call_needs_its_own() -> None:
    one = ExpectedCall(name="f", arguments={"x": (1, 2)})
    other = ExpectedCall(name="f", arguments={"x": (1,)})
    first, second = ToolCall(name="f", arguments={"x": 1}), ToolCall(name="f", arguments={"x": 2})
    assert unmatched([one, other], [first, second], {}) == ""
    assert unmatched([other, other], [first, second], {})
    assert "expected 2 calls" in unmatched([one, other], [first], {})
    assert "got 2 calls" in unmatched([one], [first, first], {})


FLOATS = {"type": "array", "items": {"type": "number"}}
TEXTS = {"type": "array", "items": {"type": "string"}}
AS_BFCL = Comparison(as_bfcl=True)


@pytest.mark.parametrize(
    ("declared", "values", "got", "usual", "by_bfcl"),
    [
        (FLOATS, [[1.0, 3.0]], [1, 3], True, False),
        (FLOATS, [[1.0, 3.0], ""], [1, 3], True, True),
        (FLOATS, [[1, 3.0]], [1, 3], True, True),
        ({"type": "number"}, [3.0], 3, True, True),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, [{"a": [24]}], {"a": 24.0}, False, True),
        ({"type": "object"}, [{"a": [True]}], {"a": 1}, False, True),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, [{"a": [5, ""]}], {"a": ""}, False, True),
        ({"type": "object"}, [{"a": [["X"]]}], {"a": ["x"]}, True, False),
        (TEXTS, [["x"], ""], [], False, True),
        (TEXTS, [["X Y"]], ["x-y"], True, True),
        ({"type": "string"}, ["it\u2019s"], "it's", True, False),
        ({}, ["x"], "X", True, True),
        ({}, [3], 3, True, True),
        ({"type": "integer"}, [3], True, False, False),
        ({"type": "number"}, [3.0], 10**400, False, False),
    ],
)
def test_bfcl_is_followed_to_the_letter(
    declared: dict[str, Any], values: list[Any], got: Any, *, usual: bool, by_bfcl: bool
) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"x": declared}}
    for comparison, right in ((USUAL, usual), (AS_BFCL, by_bfcl)):
        reason = mismatch(expected(x=values), called(x=got), schema, comparison)
        assert (reason == "") is right, reason
        if not right:
            assert "argument x" in reason


def test_bfcl_gives_a_call_to_the_first_that_takes_it() -> None:
    wanted = [expected(city=["Rome", "Paris"]), expected(city=["Paris"])]
    calls = [called(city="Paris"), called(city="Rome")]
    schemas = {"forecast": SCHEMA}
    assert unmatched(wanted, calls, schemas) == ""
    assert unmatched(wanted, calls, schemas, AS_BFCL) == "two of the calls match the same expected one"
    assert unmatched(wanted, calls[::-1], schemas, AS_BFCL) == ""


def test_as_bfcl_stands_alone() -> None:
    call = {"call": {"name": "forecast", "arguments": {"city": "Paris"}}, "as_bfcl": True}
    assert expectation_from_json(call).to_json()["as_bfcl"] is True
    with pytest.raises(ValueError, match=r"expect\.as_bfcl: BFCL's checker has no 'tolerance'; leave out one"):
        expectation_from_json({**call, "tolerance": 1})
