"""A case: one benchmark prompt with its tools and its expectation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_selfopt.bench.environment import World
from pytest_selfopt.bench.expect import Expectation, NoCall
from pytest_selfopt.bench.goal import Goal
from pytest_selfopt.bench.judgement import Judgement
from pytest_selfopt.bench.read_expect import expectation_from_json
from pytest_selfopt.bench.read_goal import goal_from_json
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.trial import Json, Reply, ToolCall

USUAL_STEPS = 8
"""How often a model may answer in a turn: enough for a task of a few calls, and for some that fail."""


class Miss(AssertionError):
    """An answer came and it was wrong; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A worked example for few-shot variants; never scored. `answer` is the calls to make, or plain words."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    answer: tuple[ToolCall, ...] | str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One benchmark prompt, or a task of several turns in a simulated `world`.

    `source` is where it stands ("file:line"), `suite` the stem of that file. Of several turns `messages` end with the
    user's first and `turns` are what the user says after that; in each the model may answer `steps` times.
    """

    id: str
    messages: tuple[Message, ...]
    expect: Expectation
    tools: tuple[Tool, ...] = ()
    tags: tuple[str, ...] = ()
    world: World | None = None
    turns: tuple[str, ...] = ()
    steps: int = USUAL_STEPS
    suite: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """The case's name among all suites."""
        return f"{self.suite}/{self.id}"

    @property
    def prompt(self) -> str:
        """What the user said last."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.content
        return ""

    @property
    def restraint(self) -> bool:
        """Whether the right answer is to call no tool, in one of its turns at least."""
        if isinstance(self.expect, Goal):
            return bool(self.expect.quiet)
        return isinstance(self.expect, NoCall)

    @cached_property
    def content_hash(self) -> str:
        """A short hash of everything that makes the question and its judgement; source and tags are no part of it."""
        value = self.to_json()
        for name in ("tags", "suite", "source"):
            del value[name]
        text = json.dumps(value, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def oversteps(self, reply: Reply) -> bool:
        """Whether a tool was called where the case has use for none, or was tried to be."""
        if isinstance(self.expect, Goal):
            return self.expect.oversteps(reply)
        return bool(reply.tool_calls or reply.undecodable)

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
        talk: dict[str, Json] = {}
        if self.world is not None:
            talk["world"] = self.world.to_json()
            talk["turns"] = list(self.turns)
            talk["steps"] = self.steps
        return {
            "id": self.id,
            "messages": [message.to_json() for message in self.messages],
            "tools": [tool.to_json() for tool in self.tools],
            "expect": self.expect.to_json(),
            "tags": list(self.tags),
            "suite": self.suite,
            "source": self.source,
            **talk,
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
            world=world,
            turns=turns,
            steps=value.get("steps", USUAL_STEPS),
            suite=value["suite"],
            source=value["source"],
        )


def _goal(value: dict[str, Any], tools: Sequence[Tool], turns: int) -> tuple[World | None, Expectation]:
    """The world of a case of so many turns, None for a single answer; and what is expected."""
    if "world" not in value:
        return None, expectation_from_json(value["expect"])
    world = World(**value["world"])
    return world, goal_from_json(value["expect"], world, tools, turns)
