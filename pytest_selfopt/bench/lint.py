"""What is odd about suites that can be read: cases that measure nothing, measure twice, or cannot be passed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.environment import state_of
from pytest_selfopt.bench.expect import AnyCall, Calls, NoCall
from pytest_selfopt.bench.goal import Goal
from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.bench.tool_calls import ExpectedCall, Schema, has_type, properties_of, required_of, type_of

ALIKE = 0.8
"""Prompts that share so much of their words are told to be nearly the same (Jaccard index of pairs of words)."""
MANY_RESTRAINED = 0.5
COMMON = 200
"""Two words that stand in more prompts than this tell nothing about any of them."""
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a suite; `wrong` when it should be mended, else it is for information."""

    place: str
    sentence: str
    wrong: bool = False


def check_suites(suites: Sequence[Suite]) -> list[Finding]:
    """Everything that is odd about these suites, by suite and then across them."""
    found = [finding for suite in suites for finding in _suite(suite)]
    cases = [case for suite in suites for case in suite.cases]
    return [*found, *_twice(cases), *_alike(cases)]


def _suite(suite: Suite) -> Iterator[Finding]:
    for case in suite.cases:
        for sentence in _idle(case):
            yield Finding(place=case.source, sentence=f"case {case.id!r} {sentence}", wrong=True)
    restrained = sum(case.restraint for case in suite.cases)
    share = restrained / len(suite.cases)
    called = any(case.tools for case in suite.cases)
    note = ""
    if called and not restrained:
        note = ": nothing tells a model that calls tools for everything"
    elif share > MANY_RESTRAINED:
        note = ": a model that never calls anything does well here"
    sentence = f"{len(suite.cases)} cases, {restrained} of them for restraint ({share:.0%}){note}"
    yield Finding(place=suite.path.name, sentence=sentence, wrong=bool(note))
    yield from _tools(suite)


def _tools(suite: Suite) -> Iterator[Finding]:
    """Tools that no case offers, and those that are offered and never right to call."""
    offered = {tool.name for case in suite.cases for tool in case.tools}
    expected = {call.name for case in suite.cases for call in _calls(case)}
    unused = [tool.name for tool in suite.tools if tool.name not in offered]
    if unused:
        yield Finding(place=suite.path.name, sentence=f"no case offers {', '.join(unused)}", wrong=True)
    single = {tool.name for case in suite.cases if case.world is None for tool in case.tools}
    idle = sorted(single - expected)
    if idle and expected:
        more = f" and {len(idle) - SHOWN} more" if len(idle) > SHOWN else ""
        sentence = f"offered, but never right to call: {', '.join(idle[:SHOWN])}{more}"
        yield Finding(place=suite.path.name, sentence=sentence)


def _idle(case: Case) -> Iterator[str]:
    """Why a case cannot be passed, or cannot be failed."""
    if isinstance(case.expect, NoCall) and not case.tools:
        yield "offers no tool, so that calling none is no restraint"
    if isinstance(case.expect, Calls | AnyCall) and not case.tools:
        yield "expects a call and offers no tool"
    if isinstance(case.expect, Goal) and case.world is not None:
        nothing = not (case.expect.calls or case.expect.quiet or any(one.calls for one in case.expect.by_turn))
        if nothing and case.expect.state in (None, state_of(case.world.build())):
            yield "is passed by doing nothing: the world is to end as it starts, and no call is expected"
    schemas = {tool.name: tool.parameters for tool in case.tools}
    for call in _calls(case):
        if call.name in schemas:
            yield from (f"cannot be passed: {reason}" for reason in _unreachable(call, schemas[call.name]))


def _unreachable(call: ExpectedCall, schema: Schema) -> Iterator[str]:
    """Arguments of which no alternative can be given with the declared types."""
    known = properties_of(schema)
    for name, values in call.arguments.items():
        kind = type_of(schema, name)
        if name not in known and "" not in values:
            yield f"{call.name} has no argument {name!r}"
        elif kind and values and not any(value == "" or has_type(value, kind) for value in values):
            yield f"{call.name}.{name} is of type {kind}, it is expected to be {show(values[0])}"
    for name in required_of(schema):
        if name not in call.arguments:
            yield f"{call.name} needs the argument {name!r}, the expectation does not name it"


def _calls(case: Case) -> tuple[ExpectedCall, ...]:
    return case.expect.calls if isinstance(case.expect, Calls | Goal) else ()


def _twice(cases: Sequence[Case]) -> Iterator[Finding]:
    """Cases that ask the very same."""
    asked: dict[tuple[object, ...], Case] = {}
    for case in cases:
        address = (case.messages, case.turns, tuple(sorted(tool.name for tool in case.tools)), repr(case.world))
        first = asked.setdefault(address, case)
        if first is not case:
            where = f"case {case.id!r} asks the same as {first.id!r} ({first.source})"
            yield Finding(place=case.source, sentence=f"{where}: one prompt counts twice", wrong=True)


def _alike(cases: Sequence[Case]) -> Iterator[Finding]:
    """Cases whose prompts hardly differ: what helps one helps the other, so that they are less evidence than two."""
    pairs = [_pairs(case) for case in cases]
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, known in enumerate(pairs):
        for pair in known:
            by_pair[pair].append(index)
    compared: set[tuple[int, int]] = set()
    for together in (cases_of for cases_of in by_pair.values() if len(cases_of) <= COMMON):
        for place, one in enumerate(together):
            compared |= {(one, other) for other in together[place + 1 :]}
    for one, other in sorted(compared):
        shared, either = len(pairs[one] & pairs[other]), len(pairs[one] | pairs[other])
        if pairs[one] != pairs[other] and shared / either >= ALIKE:
            first, second = cases[one], cases[other]
            yield Finding(
                place=second.source,
                sentence=f"case {second.id!r} is nearly the same as {first.id!r} ({first.source})",
            )


def _pairs(case: Case) -> frozenset[tuple[str, str]]:
    words = " ".join([case.prompt, *case.turns]).casefold().split()
    return frozenset(itertools.pairwise(words))
