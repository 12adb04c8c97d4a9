"""Expected calls beside the tools of their case: calls that no model could make, and lists inside objects."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_selfopt.bench.grading.check_calls import check_possible, with_lists_read
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.expect import Calls, Expectation
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.meaning import simple_parts
from pytest_selfopt.bench.tools import Tool, tools_by_name
from pytest_selfopt.suggest import did_you_mean


def check_expected(expect: Expectation, tools: Sequence[Tool]) -> None:
    """Reject an expected call that no model could make with these tools.

    So is a call inside `not`: without it every answer would be right.

    Raises:
        ValueError: "expect: …", naming the call and its argument.
    """
    known = tools_by_name(tools)
    for part in simple_parts(expect):
        if isinstance(part, Calls):
            _check_calls(part, known)


def _check_calls(expect: Calls, known: Mapping[str, Tool]) -> None:
    for call in expect.calls:
        if call.name not in known:
            hint = did_you_mean(call.name, tuple(known))
            raise ValueError(f"expect: {call.name!r} is not one of the case's tools{hint}")
        check_possible(call, known[call.name].arguments)


def lists_read(expect: Expectation, tools: Sequence[Tool]) -> Expectation:
    """Return the expectation with the lists in expected objects read by the schemas of the tools.

    Raises:
        ValueError: "expect: …", naming the place of a list that has two meanings, or none.
    """
    match expect:
        case AllOf(parts) | AnyOf(parts):
            read = tuple(map(lists_read, parts, itertools.repeat(tools)))
            return replace(expect, parts=read)
        case Not(part):
            return Not(lists_read(part, tools))
        case Calls() | Goal():
            return _calls_read(expect, tools_by_name(tools))
        case _:
            return expect


def _calls_read(expect: Calls | Goal, known: Mapping[str, Tool]) -> Expectation:
    calls = []
    for call in expect.calls:
        read = with_lists_read(call, known[call.name].arguments)
        calls.append(read)
    return replace(expect, calls=tuple(calls))
