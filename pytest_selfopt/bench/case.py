"""A case: one benchmark prompt with its tools and its expectation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_selfopt.bench.environment import World
from pytest_selfopt.bench.grading.expect import Expectation
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.judgement import Judgement, SlowGrader
from pytest_selfopt.bench.grading.meaning import allows_no_call
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.bench.grading.read_goal import goal_from_json
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.trial import Json, Reply, ToolCall

USUAL_STEPS = 8
"""Answers a model may give in one turn: enough for a few calls, some of which fail."""


class Miss(AssertionError):
    """A wrong answer; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A worked example for few-shot variants; never scored. `answer` holds the calls to make, or plain text."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    answer: tuple[ToolCall, ...] | str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One benchmark prompt, or a task of several turns in a simulated `world`.

    `source` is its place ("file:line"), `suite` the stem of that file. In a task of several turns, `messages` end with
    the user's first message and `turns` are the user's later ones; in each turn the model may answer `steps` times.
    `weight` is what an answer counts in accuracy. `expected_failure` says why no right answer is expected yet; such a
    case is asked and shown, but counts neither way. Cases of one `group` may pass or fail together, such as paraphrases
    or questions on one document: as evidence the group counts once a pass.
    """

    id: str
    messages: tuple[Message, ...]
    expect: Expectation
    tools: tuple[Tool, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    expected_failure: str = ""
    group: str = ""
    world: World | None = None
    turns: tuple[str, ...] = ()
    steps: int = USUAL_STEPS
    suite: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """The case's name, unique across suites."""
        return f"{self.suite}/{self.id}"

    @property
    def prompt(self) -> str:
        """The user's last message."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.content
        return ""

    @property
    def restraint(self) -> bool:
        """Whether calling no tool is right, in at least one turn."""
        return allows_no_call(self.expect)

    @cached_property
    def content_hash(self) -> str:
        """A short hash of everything that decides question and judgement.

        Source, tags and group do not, nor how much the case counts: its recorded answers stay what they are.
        """
        value = self.to_json()
        for name in ("tags", "weight", "expected_failure", "group", "suite", "source"):
            value.pop(name, None)
        text = json.dumps(value, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def oversteps(self, reply: Reply) -> bool:
        """Whether the model called a tool, or tried to, where the case needs none."""
        if isinstance(self.expect, Goal):
            return self.expect.oversteps(reply)
        return bool(reply.tool_calls or reply.undecodable)

    def judge(self, reply: Reply) -> Judgement:
        """Judge whether the reply is as expected, and why not.

        Raises:
            BrokenGrader: if it cannot be judged; a grader that takes too long is named with its case.
        """
        try:
            return self.expect.judge(reply, self.tools)
        except SlowGrader as problem:
            raise SlowGrader(f"case {self.key!r} ({self.source}): {problem}") from None

    def check(self, reply: Reply) -> None:
        """Fail the test unless the reply is as expected.

        Raises:
            Miss: if the reply is wrong; the message says what was expected and what came.
        """
        __tracebackhide__ = True
        judgement = self.judge(reply)
        if not judgement.passed:
            raise Miss(judgement.reason)

    def to_json(self) -> dict[str, Json]:
        """The case as plain JSON values, the form in which worker processes receive it."""
        further: dict[str, Json] = {}
        if self.weight != 1:
            further["weight"] = self.weight
        if self.expected_failure:
            further["expected_failure"] = self.expected_failure
        if self.group:
            further["group"] = self.group
        if self.world is not None:
            further["world"] = self.world.to_json()
            further["turns"] = list(self.turns)
            further["steps"] = self.steps
        return {
            "id": self.id,
            "messages": [message.to_json() for message in self.messages],
            "tools": [tool.to_json() for tool in self.tools],
            "expect": self.expect.to_json(),
            "tags": list(self.tags),
            "suite": self.suite,
            "source": self.source,
            **further,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Case:
        """The inverse of `to_json`."""
        tools = tuple(Tool(**tool) for tool in value["tools"])
        turns = tuple(value.get("turns", ()))
        world, expect = _goal(value, tools, len(turns) + 1)
        return cls(
            id=value["id"],
            messages=tuple(map(Message.from_json, value["messages"])),
            tools=tools,
            expect=expect,
            tags=tuple(value["tags"]),
            weight=value.get("weight", 1.0),
            expected_failure=value.get("expected_failure", ""),
            group=value.get("group", ""),
            world=world,
            turns=turns,
            steps=value.get("steps", USUAL_STEPS),
            suite=value["suite"],
            source=value["source"],
        )


def _goal(value: dict[str, Any], tools: Sequence[Tool], turns: int) -> tuple[World | None, Expectation]:
    """Read the world of a case (None for a single answer) and its expectation."""
    if "world" not in value:
        return None, expectation_from_json(value["expect"])
    world = World(**value["world"])
    return world, goal_from_json(value["expect"], world, tools, turns)
