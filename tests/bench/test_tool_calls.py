"""The rules of BFCL's checker, one by one, and properties of the whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
