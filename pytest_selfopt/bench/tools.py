"""What a model receives: tools to call, and the messages of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.bench.argument_schema import argument_schema
from pytest_selfopt.trial import Echo, Json, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    An assistant's message may hold `calls`. The messages of role "tool" after it hold their results, in the same order;
    `tool` names the tool called, `echo` is an assistant's message in its provider's own form.
    """

    role: str
    content: str
    calls: tuple[ToolCall, ...] = ()
    tool: str = ""
    echo: Echo | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Json]:
        """Return role and content, and calls and tool if set."""
        value: dict[str, Json] = {"role": self.role, "content": self.content}
        if self.calls:
            value["calls"] = list(map(call_to_json, self.calls))
        if self.tool:
            value["tool"] = self.tool
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Message:
        """The inverse of `to_json`."""
        calls = tuple(ToolCall(**call) for call in value.get("calls", ()))
        return cls(
            role=value["role"],
            content=value["content"],
            calls=calls,
            tool=value.get("tool", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema of an object.

    `arguments` are the parameters as graders read them, with every reference replaced.
    """

    name: str
    description: str
    parameters: dict[str, Json]
    arguments: dict[str, Json] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Once for all the replies that are graded by it.
        object.__setattr__(self, "arguments", argument_schema(self.parameters))

    def to_json(self) -> dict[str, Json]:
        """The function schema as providers take it."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }


def tools_by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Map the name of each tool to the tool."""
    return {tool.name: tool for tool in tools}


def call_to_json(call: ToolCall) -> dict[str, Json]:
    """Return name and arguments of a call."""
    return {"name": call.name, "arguments": call.arguments}
