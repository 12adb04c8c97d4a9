"""What a case asks and expects, in words, for readers of a report who do not know the suite."""

from __future__ import annotations

from pytest_selfopt.bench.call_format import show_calls
from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.phrases import in_words
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.trial import Conversation, Reply

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


def _talk(talk: Conversation) -> str:
    lines = []
    for step in talk.steps:
        results = [f"→ {result}" for result in step.results]
        parts = [show_calls(step.calls), *results, step.text]
        lines.append(f"turn {step.turn}: {' '.join(filter(None, parts))}")
    return "\n".join(lines)
