"""What a case asks and expects, in words, for readers of a report who do not know the suite."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_selfopt.bench.call_format import show_calls
from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.alternatives import show_wanted
from pytest_selfopt.bench.grading.expect import (
    AnyCall,
    Calls,
    Contains,
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
from pytest_selfopt.bench.grading.tool_calls import Comparison, ExpectedCall
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.trial import Conversation, Json, Reply

LONGEST = 4000
"""Characters kept of a question, since a prompt may hold a whole book; reports cut it further."""


def asked(case: Case) -> str:
    """Return what the model is asked: the user's words alone, or all messages and turns with their speakers."""
    messages = case.messages
    if len(messages) == 1 and not case.turns and messages[0].role == "user":
        return messages[0].content[:LONGEST]
    lines = list(map(_line, messages))
    lines += [f"user, turn {number}: {turn}" for number, turn in enumerate(case.turns, start=2)]
    return "\n".join(lines)[:LONGEST]


def expected(case: Case) -> str:
    """Describe the right answer."""
    return in_words(case.expect)[:LONGEST]


def in_words(expectation: Expectation) -> str:
    """Describe an expectation as a phrase, such as 'a call of weather(city = "Paris")'."""
    match expectation:
        case Calls(calls, comparison):
            return f"{_calls(calls)}{_compared(comparison)}"
        case NoCall():
            return "no tool call"
        case AnyCall():
            return "some tool call"
        case Goal():
            return _goal(expectation)
        case _:
            return _text(expectation)


def _text(expectation: Exact | Contains | Regex | Number | JsonSchema | Graded) -> str:
    match expectation:
        case Exact(text):
            return f"exactly {_quoted(text)}"
        case Contains(parts, ignore_case):
            return _containing(parts, ignore_case=ignore_case)
        case Regex(pattern):
            return f"a text that matches {pattern}"
        case Number(value, tolerance):
            return number_in_words(value, tolerance)
        case JsonSchema(schema):
            return f"JSON that satisfies {_json(schema)}"
        case Graded(grader, wanted):
            return _accepted(grader, wanted)


def _containing(parts: Sequence[str], *, ignore_case: bool) -> str:
    phrase = f"a text with {' and '.join(map(_quoted, parts))}"
    if ignore_case:
        return f"{phrase} (in any case)"
    return phrase


def _accepted(grader: str, wanted: Json) -> str:
    if wanted is None:
        return f"what {grader} accepts"
    return f"what {grader} accepts, given {_json(wanted)}"


def answered(reply: Reply) -> str:
    """Describe the answer: its calls, then its text; for a conversation, turn by turn."""
    if reply.conversation is not None:
        return _talk(reply.conversation)
    parts = [show_calls(reply.tool_calls), reply.text]
    return "\n".join(filter(None, parts)) or reply.refusal


def _line(message: Message) -> str:
    who = f"{message.role} {message.tool}".strip()
    parts = [message.content, show_calls(message.calls)]
    return f"{who}: {' '.join(filter(None, parts))}"


def _calls(calls: Sequence[ExpectedCall]) -> str:
    shown = list(map(_call, calls))
    if len(shown) == 1:
        return f"a call of {shown[0]}"
    return f"{len(shown)} calls: {', '.join(shown)}"


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
        calls = _calls(goal.calls)
        if goal.in_order and len(goal.calls) > 1:
            calls = f"{calls}, in this order"
        parts.append(f"{calls}{_compared(goal.comparison)}")
    for number, turn in enumerate(goal.by_turn, start=1):
        if turn.calls:
            parts.append(f"in turn {number} what {show_calls(turn.calls)} comes to")
    if goal.forbidden:
        parts.append(f"no call of {', '.join(goal.forbidden)}")
    if goal.quiet:
        parts.append(f"no tool call in turn {', '.join(map(str, goal.quiet))}")
    return "; ".join(parts) or "that it comes to its end"


def _talk(talk: Conversation) -> str:
    lines = []
    for step in talk.steps:
        results = [f"→ {result}" for result in step.results]
        parts = [show_calls(step.calls), *results, step.text]
        lines.append(f"turn {step.turn}: {' '.join(filter(None, parts))}")
    return "\n".join(lines)


def _quoted(value: Json) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return show_wanted(value)


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a value that is nested too deeply to show"
