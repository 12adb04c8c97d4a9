"""What a case asks and expects, in words: for readers of a report, who do not know the suite."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_selfopt.bench.call_format import show, show_calls
from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.expect import (
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
from pytest_selfopt.bench.goal import Goal
from pytest_selfopt.bench.tool_calls import ExpectedCall
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.trial import Conversation, Json, Reply

LONGEST = 4000
"""Characters of a question that are kept: reports cut it further, and a prompt may hold a whole book."""


def asked(case: Case) -> str:
    """What is said to the model: the user's words alone, or all messages and turns with who says them."""
    said = [_line(message) for message in case.messages]
    if len(said) == 1 and not case.turns and case.messages[0].role == "user":
        said = [case.messages[0].content]
    said += [f"user, turn {number}: {turn}" for number, turn in enumerate(case.turns, start=2)]
    return "\n".join(said)[:LONGEST]


def expected(case: Case) -> str:
    """What the right answer is."""
    return in_words(case.expect)[:LONGEST]


def in_words(expectation: Expectation) -> str:
    """An expectation as a phrase, such as 'a call of weather(city = "Paris")'."""
    match expectation:
        case Calls(calls):
            return _calls(calls)
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
            return f"a text with {' and '.join(map(_quoted, parts))}{' (in any case)' if ignore_case else ''}"
        case Regex(pattern):
            return f"a text that matches {pattern}"
        case Number(value, tolerance):
            return f"the number {value:g}{f' within {tolerance:g}' if tolerance else ''}"
        case JsonSchema(schema):
            return f"JSON that satisfies {_json(schema)}"
        case Graded(grader, wanted):
            return f"what {grader} accepts{f', given {_json(wanted)}' if wanted is not None else ''}"


def answered(reply: Reply) -> str:
    """What the model answered: its calls, then its words; of a conversation, what happened turn by turn."""
    if reply.conversation is not None:
        return _talk(reply.conversation)
    parts = [show_calls(reply.tool_calls)] if reply.tool_calls else []
    return "\n".join([*parts, *([reply.text] if reply.text else [])]) or reply.refusal


def _line(message: Message) -> str:
    who = f"{message.role} {message.tool}".strip()
    parts = [message.content] if message.content else []
    return f"{who}: {' '.join([*parts, *([show_calls(message.calls)] if message.calls else [])])}"


def _calls(calls: Sequence[ExpectedCall]) -> str:
    shown = [_call(call) for call in calls]
    return f"a call of {shown[0]}" if len(shown) == 1 else f"{len(shown)} calls: {', '.join(shown)}"


def _call(call: ExpectedCall) -> str:
    arguments = []
    for name, values in call.arguments.items():
        given = [_quoted(value) for value in values if value != ""]
        optional = " or none" if "" in values else ""
        arguments.append(f"{name} = {' or '.join(given) or 'nothing'}{optional if given else ''}")
    return f"{call.name}({', '.join(arguments)})"


def _goal(goal: Goal) -> str:
    parts = []
    if goal.state is not None:
        parts.append(f"the end state {_json(goal.state)}")
    if goal.calls:
        order = ", in this order" if goal.in_order and len(goal.calls) > 1 else ""
        parts.append(f"{_calls(goal.calls)}{order}")
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
        gave = [f"→ {result}" for result in step.results]
        said = [part for part in (show_calls(step.calls) if step.calls else "", *gave, step.text) if part]
        lines.append(f"turn {step.turn}: {' '.join(said)}")
    return "\n".join(lines)


def _quoted(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else show(value)


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a value that is nested too deeply to show"
