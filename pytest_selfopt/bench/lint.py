"""Lint for valid suites: cases that measure nothing, measure the same twice, or cannot be passed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.dialects import dialect_of, idle_keywords, name_of
from pytest_selfopt.bench.environment import state_of
from pytest_selfopt.bench.grading.argument_values import Schema, has_type, properties_of, type_of
from pytest_selfopt.bench.grading.expect import JsonSchema, Regex
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.json_schema import patterns_in, subschemas
from pytest_selfopt.bench.grading.meaning import (
    allows_no_call,
    calls_of,
    needs_call,
    simple_parts,
)
from pytest_selfopt.bench.grading.patterns import for_python
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall, required_of
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.bench.schema_patterns import schema_pattern
from pytest_selfopt.bench.slow_patterns import slow_text
from pytest_selfopt.trial import Json

ALIKE = 0.8
"""Jaccard index of word pairs from which two prompts count as nearly the same."""
MANY_RESTRAINED = 0.5
COMMON = 200
"""Number of prompts above which a word pair no longer distinguishes any of them."""
SHOWN = 5

_Pairs: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """A remark on a suite; `wrong` if it should be fixed, else for information."""

    place: str
    sentence: str
    wrong: bool = False


def check_suites(suites: Sequence[Suite]) -> list[LintFinding]:
    """Return all findings: per suite first, then across suites."""
    findings: list[LintFinding] = []
    cases: list[Case] = []
    for suite in suites:
        findings.extend(_suite(suite))
        cases.extend(suite.counted)
    findings.extend(_twice(cases))
    findings.extend(_alike(cases))
    return findings


def _suite(suite: Suite) -> Iterator[LintFinding]:
    for case in suite.counted:
        for reason in _idle(case):
            sentence = f"case {case.id!r} {reason}"
            yield LintFinding(place=case.source, sentence=sentence, wrong=True)
    for note in suite.notes:
        yield LintFinding(place=suite.path.name, sentence=note)
    yield _restraint(suite)
    yield from _tools(suite)


def _restraint(suite: Suite) -> LintFinding:
    """Count the cases for which calling no tool is right; wrong if there are none, or too many."""
    cases = suite.counted
    if not cases:
        sentence = "every case is an expected failure: nothing is measured"
        return LintFinding(place=suite.path.name, sentence=sentence, wrong=True)
    restrained = sum(case.restraint for case in cases)
    share = restrained / len(cases)
    called = any(case.tools for case in cases)
    note = ""
    if called and not restrained:
        note = ": nothing detects a model that calls tools for everything"
    elif share > MANY_RESTRAINED:
        note = ": a model that never calls anything does well here"
    sentence = f"{len(cases)} cases, {restrained} of them for restraint ({share:.0%}){note}"
    expected = len(suite.cases) - len(cases)
    if expected:
        sentence += f"; besides, {expected} expected failures, which count neither way"
    return LintFinding(place=suite.path.name, sentence=sentence, wrong=bool(note))


def _tools(suite: Suite) -> Iterator[LintFinding]:
    """Find tools that no case offers, and tools that are offered but never right to call."""
    place = suite.path.name
    offered = _offered(suite.cases)
    unused = [tool.name for tool in suite.tools if tool.name not in offered]
    if unused:
        sentence = f"no case offers {', '.join(unused)}"
        yield LintFinding(place=place, sentence=sentence, wrong=True)
    expected = _expected(suite.cases)
    single = _offered(case for case in suite.cases if case.world is None)
    idle = sorted(single - expected)
    if idle and expected:
        sentence = f"offered, but never right to call: {some_of(idle)}"
        yield LintFinding(place=place, sentence=sentence)


def _offered(cases: Iterable[Case]) -> set[str]:
    """Return the names of the tools that any case offers."""
    names = set[str]()
    for case in cases:
        names.update(tool.name for tool in case.tools)
    return names


def _expected(cases: Iterable[Case]) -> set[str]:
    """Return the names of the tools that any case expects to be called."""
    names = set[str]()
    for case in cases:
        names.update(call.name for call in calls_of(case.expect))
    return names


def some_of(names: Sequence[str]) -> str:
    """List the first of some names, and say how many more there are."""
    shown = ", ".join(names[:SHOWN])
    if len(names) > SHOWN:
        return f"{shown} and {len(names) - SHOWN} more"
    return shown


def _idle(case: Case) -> Iterator[str]:
    """Yield the reasons why a case cannot be passed, or cannot be failed."""
    if case.world is None and not case.tools and allows_no_call(case.expect):
        yield "offers no tool, so that calling none shows no restraint"
    if needs_call(case.expect) and not case.tools:
        yield "expects a call but offers no tool"
    yield from _slow(case)
    yield from _without_meaning(case)
    if _passed_by_nothing(case):
        yield "is passed by doing nothing: the expected end state is the start state, and no call is expected"
    schemas = {tool.name: tool.arguments for tool in case.tools}
    for call in calls_of(case.expect):
        if call.name not in schemas:
            continue
        for reason in _unreachable(call, schemas[call.name]):
            yield f"cannot be passed: {reason}"


def _passed_by_nothing(case: Case) -> bool:
    """Whether a model that calls no tool reaches the goal of a conversation."""
    goal = case.expect
    if not isinstance(goal, Goal) or case.world is None:
        return False
    if goal.calls or goal.quiet or any(turn.calls for turn in goal.by_turn):
        return False
    return goal.state in (None, state_of(case.world.build()))


def _unreachable(call: ExpectedCall, schema: Schema) -> Iterator[str]:
    """Yield the arguments for which no alternative has the declared type."""
    known = properties_of(schema)
    for name, values in call.arguments.items():
        kind = type_of(schema, name)
        if name not in known and "" not in values:
            yield f"{call.name} has no argument {name!r}"
        elif kind and values and not _has_any(values, kind):
            yield f"{call.name}.{name} is of type {kind}, but expected to be {show(values[0])}"
    for name in required_of(schema):
        if name not in call.arguments:
            yield f"{call.name} requires the argument {name!r}, which the expectation does not name"


def _has_any(values: Sequence[Json], kind: str) -> bool:
    """Whether any alternative has this type; "" stands for leaving the argument out."""
    return any(value == "" or has_type(value, kind) for value in values)


def _slow(case: Case) -> Iterator[str]:
    """Name the regular expressions with which judging a reply may take too long."""
    for pattern, read in _patterns(case):
        text = slow_text(read)
        if text:
            slow = f"its regular expression {show(pattern)} takes too long on texts such as {show(text)}"
            yield f"may end in an error: {slow}"


def _without_meaning(case: Case) -> Iterator[str]:
    """Name the keywords of JSON Schemas that mean nothing in their dialect."""
    for part in simple_parts(case.expect):
        if not isinstance(part, JsonSchema):
            continue
        dialect = dialect_of(part.schema)
        found: dict[str, None] = {}
        for schema in subschemas(part.schema):
            found |= dict.fromkeys(idle_keywords(schema, dialect))
        for keyword in found:
            name = name_of(dialect)
            yield f"its JSON Schema has {keyword}, which means nothing in {name}; name its own dialect in $schema"


def _patterns(case: Case) -> Iterator[tuple[str, str]]:
    """Yield each regular expression as it is written, and as Python reads it."""
    for part in simple_parts(case.expect):
        if isinstance(part, Regex):
            yield part.pattern, for_python(part.pattern, part.dialect)
        elif isinstance(part, JsonSchema):
            for pattern in patterns_in(part.schema):
                yield pattern, schema_pattern(pattern)


def _twice(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Find cases that ask exactly the same."""
    asked: dict[tuple[object, ...], Case] = {}
    for case in cases:
        tools = tuple(sorted(tool.name for tool in case.tools))
        question = (case.messages, case.turns, tools, repr(case.world))
        first = asked.setdefault(question, case)
        if first is not case:
            same = f"{first.id!r} ({first.source})"
            sentence = f"case {case.id!r} asks the same as {same}: one prompt counts twice"
            yield LintFinding(place=case.source, sentence=sentence, wrong=True)


def _alike(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Find cases with nearly the same prompt: what helps one helps the other, so they count for less than two."""
    pairs = list(map(_pairs, cases))
    for left, right in sorted(_compared(pairs)):
        if pairs[left] == pairs[right]:
            continue
        shared = len(pairs[left] & pairs[right])
        either = len(pairs[left] | pairs[right])
        if shared / either >= ALIKE:
            first, second = cases[left], cases[right]
            same = f"{first.id!r} ({first.source})"
            sentence = f"case {second.id!r} is nearly the same as {same}"
            yield LintFinding(place=second.source, sentence=sentence)


def _compared(pairs: Sequence[_Pairs]) -> set[tuple[int, int]]:
    """Return the pairs of cases, in order, whose prompts share an uncommon word pair."""
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, known in enumerate(pairs):
        for pair in known:
            by_pair[pair].append(index)
    compared: set[tuple[int, int]] = set()
    for indexes in by_pair.values():
        # Comparing all cases that share a common pair would be quadratic in their number.
        if len(indexes) <= COMMON:
            compared.update(itertools.combinations(indexes, 2))
    return compared


def _pairs(case: Case) -> _Pairs:
    words = " ".join([case.prompt, *case.turns]).casefold().split()
    return frozenset(itertools.pairwise(words))
