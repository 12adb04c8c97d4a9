"""From the raw entries of a suite file to tools, examples and cases, collecting every problem with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import USUAL_STEPS, Case, Example
from pytest_selfopt.bench.environment import BrokenWorld, World, environment_named, tools_of
from pytest_selfopt.bench.expect import Calls, Expectation
from pytest_selfopt.bench.read_expect import expectation_from_json
from pytest_selfopt.bench.read_goal import goal_from_json
from pytest_selfopt.bench.tool_calls import has_type, required_of, type_of
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import ToolCall

MOST_PROBLEMS = 10

_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")
_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_CASE_FIELDS = (
    *("id", "prompt", "messages", "tools", "expect", "as_given", "tags"),
    *("environment", "start", "turns", "steps"),
)
_TALK_FIELDS = ("turns", "start", "steps")
_ENVIRONMENT_FIELDS = ("id", "class", "start")
_MOST_STEPS = 100
_EXAMPLE_FIELDS = ("prompt", "messages", "tools", "answer")
_TOOL_FIELDS = ("name", "description", "parameters")
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Entry:
    """One raw entry of a suite file: what it is, and the line it begins on."""

    kind: str
    value: Any
    line: int


@dataclass(slots=True)
class Problems:
    """What is wrong with a file, each sentence with its place."""

    file: str
    sentences: list[str] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Note a problem; a line of 0 stands for the whole file."""
        place = f"{self.file}:{line}" if line else self.file
        self.sentences.append(f"{place}: {sentence}")

    def text(self) -> str:
        """All of them, a line each, the first ten if there are more."""
        more = len(self.sentences) - MOST_PROBLEMS
        rest = [f"{self.file}: and {more} more problems"] if more > 0 else []
        return "\n".join([*self.sentences[:MOST_PROBLEMS], *rest])


class EntryReader:
    """Reads the entries of one file. A problem is noted and the entry left out, so that all are found at once."""

    def __init__(self, suite: str, problems: Problems) -> None:
        self._suite = suite
        self._problems = problems
        self.tools: dict[str, Tool] = {}
        self.examples: list[Example] = []
        self.cases: list[Case] = []
        self._worlds: dict[str, World] = {}
        self._lines: dict[str, int] = {}

    def read(self, entries: Sequence[Entry]) -> None:
        """Read all entries; tools first, because cases may name tools that stand below them."""
        readers = {
            "tool": self._read_tool,
            "environment": self._read_environment,
            "example": self._read_example,
            "case": self._read_case,
        }
        for kind, reader in readers.items():
            for entry in entries:
                if entry.kind != kind:
                    continue
                try:
                    reader(entry)
                except (ValueError, BrokenWorld) as problem:
                    self._problems.add(entry.line, str(problem))

    def _read_tool(self, entry: Entry) -> None:
        tool = read_tool(entry.value)
        if tool.name in self.tools:
            raise ValueError(f"tool {tool.name!r} is defined twice")
        self.tools[tool.name] = tool

    def _read_example(self, entry: Entry) -> None:
        value = _object(entry.value, "example", _EXAMPLE_FIELDS)
        self.examples.append(
            Example(messages=_messages(value), tools=self._tools(value), answer=_answer(value.get("answer")))
        )

    def _read_case(self, entry: Entry) -> None:
        value = _object(entry.value, "case", _CASE_FIELDS)
        name = value.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise ValueError(f"id: expected 1 to 80 letters, digits or ._-, got {show(name)}")
        if name in self._lines:
            raise ValueError(f"id: {name!r} is used twice, first on line {self._lines[name]}")
        self._lines[name] = entry.line
        if "expect" not in value:
            raise ValueError(f"case {name!r}: field 'expect' is missing")
        asked = {
            "id": name,
            "tags": _texts(value.get("tags", []), "tags"),
            "suite": self._suite,
            "source": f"{self._problems.file}:{entry.line}",
        }
        self.cases.append(self._conversation(value, asked) if "environment" in value else self._single(value, asked))

    def _single(self, value: Mapping[str, Any], asked: dict[str, Any]) -> Case:
        strange = next((field for field in _TALK_FIELDS if field in value), None)
        if strange is not None:
            raise ValueError(f"{strange}: is about a conversation, which needs an 'environment'")
        tools = self._tools(value)
        expect = expectation_from_json(value["expect"])
        as_given = value.get("as_given", False)
        if not isinstance(as_given, bool):
            raise ValueError(f"as_given: expected true or false, got {show(as_given)}")
        if not as_given:
            _check_expected(expect, tools)
        return Case(messages=_messages(value), tools=tools, expect=expect, **asked)

    def _conversation(self, value: Mapping[str, Any], asked: dict[str, Any]) -> Case:
        world = self._world(value["environment"], value.get("start", {}))
        offered = tools_of(world.build())
        messages, turns = _said(value)
        tools = _chosen(offered, value.get("tools"))
        steps = value.get("steps", USUAL_STEPS)
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= _MOST_STEPS:
            raise ValueError(f"steps: expected a number from 1 to {_MOST_STEPS}, got {show(steps)}")
        expect = goal_from_json(value["expect"], world, tools, len(turns) + 1)
        return Case(messages=messages, turns=turns, tools=tools, expect=expect, world=world, steps=steps, **asked)

    def _world(self, named: Any, start: Any) -> World:
        """The world that a case names, in the state that the case adds to."""
        if not isinstance(named, str):
            raise ValueError(f'environment: expected its id, or "module:Class", got {show(named)}')
        if not isinstance(start, dict):
            raise ValueError(f"start: expected an object, got {show(start)}")
        if ":" not in named and named not in self._worlds:
            raise ValueError(f"environment: unknown {show(named)}{did_you_mean(named, tuple(self._worlds))}")
        base = self._worlds.get(named, World(name=named))
        return World(name=base.name, start={**base.start, **start})

    def _read_environment(self, entry: Entry) -> None:
        value = _object(entry.value, "environment", _ENVIRONMENT_FIELDS)
        name, named, start = value.get("id"), value.get("class"), value.get("start", {})
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise ValueError(f"environment id: expected 1 to 80 letters, digits or ._-, got {show(name)}")
        if name in self._worlds:
            raise ValueError(f"environment {name!r} is defined twice")
        if not isinstance(named, str) or not isinstance(start, dict):
            raise ValueError(f'environment {name}: expected a class ("module:Class") and a start (an object)')
        environment_named(named)
        self._worlds[name] = World(name=named, start=start)

    def _tools(self, value: Mapping[str, Any]) -> tuple[Tool, ...]:
        named = value.get("tools", [])
        if not isinstance(named, list):
            raise ValueError(f"tools: expected a list of names or tools, got {show(named)}")
        tools = tuple(self._tool(entry) for entry in named)
        names = [tool.name for tool in tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"tools: {twice!r} is listed twice")
        return tools

    def _tool(self, entry: Any) -> Tool:
        if isinstance(entry, dict):
            return read_tool(entry)
        if isinstance(entry, str) and entry in self.tools:
            return self.tools[entry]
        raise ValueError(f"tools: unknown tool {show(entry)}{did_you_mean(str(entry), tuple(self.tools))}")


def read_tool(value: Any) -> Tool:
    """Read a tool definition.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    from jsonschema import exceptions, validators

    value = _object(value, "tool", _TOOL_FIELDS)
    name, description = value.get("name"), value.get("description", "")
    parameters = value.get("parameters", {"type": "object", "properties": {}})
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise ValueError(f"tool name: expected letters, digits or _.-, beginning with a letter, got {show(name)}")
    if not isinstance(description, str):
        raise ValueError(f"tool {name}: description: expected a text, got {show(description)}")
    if not isinstance(parameters, dict) or not isinstance(parameters.get("properties", {}), dict):
        raise ValueError(f"tool {name}: parameters: expected a JSON Schema of an object, got {show(parameters)}")
    try:
        validators.validator_for(parameters, default=validators.Draft7Validator).check_schema(parameters)
    except exceptions.SchemaError as problem:
        raise ValueError(f"tool {name}: parameters: is no JSON Schema: {problem.message}") from None
    return Tool(name=name, description=description, parameters=parameters)


def _object(value: Any, what: str, fields: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a {what} as an object, got {show(value)}")
    for name in value:
        if name not in fields:
            raise ValueError(f"unknown field {show(name)} of a {what}{did_you_mean(str(name), fields)}")
    return value


def _messages(value: Mapping[str, Any]) -> tuple[Message, ...]:
    if ("prompt" in value) == ("messages" in value):
        raise ValueError("needs either 'prompt' (a text) or 'messages' (a list of role and content)")
    if "prompt" in value:
        if not isinstance(value["prompt"], str) or not value["prompt"].strip():
            raise ValueError(f"prompt: expected a text that is not empty, got {show(value['prompt'])}")
        return (Message(role="user", content=value["prompt"]),)
    entries = value["messages"]
    if not isinstance(entries, list) or not entries:
        raise ValueError("messages: expected a list that is not empty")
    messages = tuple(_message(entry, index) for index, entry in enumerate(entries))
    if messages[-1].role != "user":
        raise ValueError(f"messages: the last one must be the user's, it is the {messages[-1].role}'s")
    return messages


def _said(value: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """What is said up to the user's first turn, and what the user says after that."""
    turns = value.get("turns", [])
    if not isinstance(turns, list) or not all(isinstance(turn, str) and turn.strip() for turn in turns):
        raise ValueError(f"turns: expected a list of texts that are not empty, got {show(turns)}")
    if "prompt" in value or "messages" in value:
        return _messages(value), tuple(turns)
    if not turns:
        raise ValueError("needs 'turns' (what the user says, turn by turn), or 'prompt' or 'messages' before them")
    return (Message(role="user", content=turns[0]),), tuple(turns[1:])


def _chosen(offered: Sequence[Tool], named: Any) -> tuple[Tool, ...]:
    """The tools of an environment that a case offers: all, or those it names."""
    if named is None:
        return tuple(offered)
    known = {tool.name: tool for tool in offered}
    if not isinstance(named, list):
        raise ValueError(f"tools: expected a list of names, got {show(named)}")
    strange = next((name for name in named if name not in known), None)
    if strange is not None:
        raise ValueError(f"tools: the environment has no {show(strange)}{did_you_mean(str(strange), tuple(known))}")
    return tuple(known[name] for name in named)


def _message(value: Any, index: int) -> Message:
    if not isinstance(value, dict) or set(value) != {"role", "content"}:
        raise ValueError(f"messages[{index}]: expected an object with role and content, got {show(value)}")
    if value["role"] not in _ROLES:
        raise ValueError(f"messages[{index}].role: {show(value['role'])} is none of {', '.join(_ROLES)}")
    if not isinstance(value["content"], str):
        raise ValueError(f"messages[{index}].content: expected a text, got {show(value['content'])}")
    return Message(role=value["role"], content=value["content"])


def _answer(value: Any) -> tuple[ToolCall, ...] | str:
    if isinstance(value, str) and value.strip():
        return value
    entries = [value.get("call")] if isinstance(value, dict) and "call" in value else None
    if entries is None and isinstance(value, dict):
        entries = value.get("calls")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f'answer: expected a text or {{"call": {{"name", "arguments"}}}}, got {show(value)}')
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"name", "arguments"} or not isinstance(entry["name"], str):
            raise ValueError(f"answer: expected a call with name and arguments, got {show(entry)}")
        if not isinstance(entry["arguments"], dict):
            raise ValueError(f"answer: arguments: expected an object, got {show(entry['arguments'])}")
    return tuple(ToolCall(name=entry["name"], arguments=entry["arguments"]) for entry in entries)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}: expected a list of texts, got {show(value)}")
    return tuple(value)


def _check_expected(expect: Expectation, tools: Sequence[Tool]) -> None:
    """Refuse an expected call that no model could make with these tools."""
    if not isinstance(expect, Calls):
        return
    known = {tool.name: tool for tool in tools}
    for call in expect.calls:
        if call.name not in known:
            raise ValueError(
                f"expect: {call.name!r} is none of the case's tools{did_you_mean(call.name, tuple(known))}"
            )
        schema = known[call.name].parameters
        properties = schema.get("properties")
        names = tuple(properties) if isinstance(properties, dict) else ()
        for name, values in call.arguments.items():
            if name not in names:
                raise ValueError(f"expect: {call.name} has no argument {name!r}{did_you_mean(name, names)}")
            kind = type_of(schema, name)
            wrong = [value for value in values if kind and value != "" and not has_type(value, kind)]
            if wrong:
                raise ValueError(f"expect: {call.name}.{name} is of type {kind}, it cannot be {show(wrong[0])}")
        missing = [name for name in required_of(schema) if name not in call.arguments]
        if missing:
            raise ValueError(f"expect: {call.name} needs the argument {missing[0]!r}, the expectation does not name it")
