"""A case: one benchmark prompt with its tools and its expectation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_selfopt.bench.expect import Expectation, Judgement, NoCall
from pytest_selfopt.bench.read_expect import expectation_from_json
from pytest_selfopt.trial import Json, Reply, ToolCall


class Miss(AssertionError):
    """An answer came and it was wrong; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str

    def to_json(self) -> dict[str, Json]:
        """Role and content."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Json]

    def to_json(self) -> dict[str, Json]:
        """The function schema as providers take it."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A worked example for few-shot variants; never scored. `answer` is the calls to make, or plain words."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    answer: tuple[ToolCall, ...] | str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One benchmark prompt. `source` is where it stands ("file:line"), `suite` the stem of that file."""

    id: str
    messages: tuple[Message, ...]
    expect: Expectation
    tools: tuple[Tool, ...] = ()
    tags: tuple[str, ...] = ()
    suite: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """The case's name among all suites."""
        return f"{self.suite}/{self.id}"

    @property
    def prompt(self) -> str:
        """What the user said last."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def restraint(self) -> bool:
        """Whether the right answer is to call no tool."""
        return isinstance(self.expect, NoCall)

    @cached_property
    def content_hash(self) -> str:
        """A short hash of everything that makes the question and its judgement; source and tags are no part of it."""
        value = self.to_json()
        kept = {name: value[name] for name in ("id", "messages", "tools", "expect")}
        return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]

    def judge(self, reply: Reply) -> Judgement:
        """Whether the reply is what was expected, and why not."""
        return self.expect.judge(reply, self.tools)

    def check(self, reply: Reply) -> None:
        """Fail the test when the reply is not what was expected.

        Raises:
            Miss: saying what was expected and what came.
        """
        __tracebackhide__ = True
        judgement = self.judge(reply)
        if not judgement.passed:
            raise Miss(judgement.reason)

    def to_json(self) -> dict[str, Json]:
        """The case as plain JSON values, as worker processes get it."""
        return {
            "id": self.id,
            "messages": [message.to_json() for message in self.messages],
            "tools": [tool.to_json() for tool in self.tools],
            "expect": self.expect.to_json(),
            "tags": list(self.tags),
            "suite": self.suite,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Case:
        """The inverse of `to_json`."""
        return cls(
            id=value["id"],
            messages=tuple(Message(**message) for message in value["messages"]),
            tools=tuple(Tool(**tool) for tool in value["tools"]),
            expect=expectation_from_json(value["expect"]),
            tags=tuple(value["tags"]),
            suite=value["suite"],
            source=value["source"],
        )
