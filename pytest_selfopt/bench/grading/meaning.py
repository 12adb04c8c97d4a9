"""What follows from an expectation for every reply that is as expected."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.expect import AnyCall, Calls, Expectation, NoCall
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall


def allows_no_call(expectation: Expectation) -> bool:
    """Whether the expectation is restraint: that no tool is called, in one of the turns at least."""
    match expectation:
        case Goal():
            return bool(expectation.quiet)
        case AllOf(parts):
            return any(map(allows_no_call, parts))
        case AnyOf(parts):
            return all(map(allows_no_call, parts))
        case Not(part):
            inner = _opposite(part)
            return inner is not None and allows_no_call(inner)
        case _:
            return isinstance(expectation, NoCall)


def needs_call(expectation: Expectation) -> bool:
    """Whether a single answer is as expected only if it calls a tool."""
    match expectation:
        case AllOf(parts):
            return any(map(needs_call, parts))
        case AnyOf(parts):
            return all(map(needs_call, parts))
        case Not(part):
            inner = _opposite(part)
            return inner is not None and needs_call(inner)
        case _:
            return isinstance(expectation, Calls | AnyCall)


def calls_of(expectation: Expectation) -> tuple[ExpectedCall, ...]:
    """Return the calls that can be right: those of all parts that are not negated."""
    calls: list[ExpectedCall] = []
    match expectation:
        case Calls() | Goal():
            return expectation.calls
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                calls.extend(calls_of(part))
        case Not(part):
            inner = _opposite(part)
            if inner is not None:
                return calls_of(inner)
    return tuple(calls)


def simple_parts(expectation: Expectation) -> Iterator[Expectation]:
    """Yield the expectations that a combination is made of, negated or not; one that is none yields itself."""
    match expectation:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from simple_parts(part)
        case Not(part):
            yield from simple_parts(part)
        case _:
            yield expectation


def _opposite(expectation: Expectation) -> Expectation | None:
    """Return the opposite of an expectation without a `Not` at its head; None if only `Not` can say it."""
    match expectation:
        case Not(part):
            return part
        case NoCall():
            return AnyCall()
        case AnyCall():
            return NoCall()
        case AllOf(parts):
            return AnyOf(tuple(map(Not, parts)))
        case AnyOf(parts):
            return AllOf(tuple(map(Not, parts)))
        case _:
            return None
