"""Expectations in words, for readers who do not know the suite."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_selfopt.bench.call_format import show_calls
from pytest_selfopt.bench.grading.alternatives import show_wanted
from pytest_selfopt.bench.grading.argument_values import Comparison
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.expect import (
    AnyCall,
    Calls,
    Contains,
    ContainsAny,
    Exact,
    Expectation,
    Graded,
    JsonSchema,
    NoCall,
    Number,
    Regex,
)
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.numbers import number_in_words, show_number
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall
from pytest_selfopt.trial import Json


def in_words(expectation: Expectation) -> str:
    """Describe an expectation as a phrase, such as 'a call of weather(city = "Paris")'."""
    match expectation:
        case Calls(calls, in_order, comparison):
            return f"{_calls(calls, in_order=in_order)}{_compared(comparison)}"
        case NoCall():
            return "no tool call"
        case AnyCall():
            return "some tool call"
        case Goal():
            return _goal(expectation)
        case Not() | AllOf() | AnyOf():
            return _combined(expectation)
        case _:
            return _text(expectation)


def _combined(expectation: Not | AllOf | AnyOf) -> str:
    match expectation:
        case Not(NoCall()):
            return "some tool call"
        case Not(AnyCall()):
            return "no tool call"
        case Not(Not(part)):
            return in_words(part)
        case Not(part):
            return f"not {_part(part)}"
        case AllOf(parts):
            return " and ".join(map(_part, parts))
        case AnyOf(parts):
            return " or ".join(map(_part, parts))


def _part(expectation: Expectation) -> str:
    """Describe a part of a combination, in brackets if it has several parts itself."""
    words = in_words(expectation)
    if isinstance(expectation, AllOf | AnyOf) and len(expectation.parts) > 1:
        return f"({words})"
    return words


def _text(expectation: Exact | Contains | ContainsAny | Regex | Number | JsonSchema | Graded) -> str:
    match expectation:
        case Exact(texts, ignore_case):
            phrase = f"exactly {' or '.join(map(_quoted, texts))}"
            return _in_any_case(phrase, ignore_case=ignore_case)
        case Contains(parts, ignore_case):
            phrase = f"a text with {' and '.join(map(_quoted, parts))}"
            return _in_any_case(phrase, ignore_case=ignore_case)
        case ContainsAny(parts, ignore_case):
            phrase = f"a text with {' or '.join(map(_quoted, parts))}"
            return _in_any_case(phrase, ignore_case=ignore_case)
        case Regex(pattern):
            return f"a text that matches {pattern}"
        case Number(value, tolerance):
            return number_in_words(value, tolerance)
        case JsonSchema(schema):
            return f"JSON that satisfies {_json(schema)}"
        case Graded(grader, wanted):
            return _accepted(grader, wanted)


def _in_any_case(phrase: str, *, ignore_case: bool) -> str:
    if ignore_case:
        return f"{phrase} (in any case)"
    return phrase


def _accepted(grader: str, wanted: Json) -> str:
    if wanted is None:
        return f"what {grader} accepts"
    return f"what {grader} accepts, given {_json(wanted)}"


def _calls(calls: Sequence[ExpectedCall], *, in_order: bool) -> str:
    shown = list(map(_call, calls))
    if len(shown) == 1:
        return f"a call of {shown[0]}"
    phrase = f"{len(shown)} calls: {', '.join(shown)}"
    if in_order:
        return f"{phrase}, in this order"
    return phrase


def _call(call: ExpectedCall) -> str:
    arguments = []
    for name, values in call.arguments.items():
        arguments.append(f"{name} = {_alternatives(values)}")
    return f"{call.name}({', '.join(arguments)})"


def _compared(comparison: Comparison) -> str:
    """Say how arguments are compared, where it is not as usual."""
    phrase = ""
    if comparison.tolerance:
        phrase = f", numbers within {show_number(comparison.tolerance)}"
    if comparison.strict:
        phrase = f"{phrase}, texts to the letter"
    if comparison.as_bfcl:
        phrase = f"{phrase}, as BFCL's checker compares them"
    return phrase


def _alternatives(values: Sequence[Json]) -> str:
    given = [_quoted(value) for value in values if value != ""]
    if not given:
        return "nothing"
    if "" in values:
        given.append("none")
    return " or ".join(given)


def _goal(goal: Goal) -> str:
    parts = []
    if goal.state is not None:
        parts.append(f"the end state {_json(goal.state)}")
    if goal.calls:
        calls = _calls(goal.calls, in_order=goal.in_order)
        parts.append(f"{calls}{_compared(goal.comparison)}")
    for number, turn in enumerate(goal.by_turn, start=1):
        if turn.calls:
            parts.append(f"in turn {number} what {show_calls(turn.calls)} comes to")
    if goal.forbidden:
        parts.append(f"no call of {', '.join(goal.forbidden)}")
    if goal.quiet:
        parts.append(f"no tool call in turn {', '.join(map(str, goal.quiet))}")
    return "; ".join(parts) or "that it comes to its end"


def _quoted(value: Json) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return show_wanted(value)


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a value that is nested too deeply to show"
