"""Reading the raw entries of a suite file into tools, examples and cases, with the line of every problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard

from pytest_selfopt.bench.call_format import mistaken, show
from pytest_selfopt.bench.case import USUAL_STEPS, Case, Example
from pytest_selfopt.bench.environment import BrokenWorld, World, environment_named, tools_of
from pytest_selfopt.bench.grading.expect import Expectation
from pytest_selfopt.bench.grading.read_expect import expectation_from_json, unknown_names
from pytest_selfopt.bench.grading.read_goal import goal_from_json
from pytest_selfopt.bench.loading.counting import read_group, read_reason, read_weight
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.bench.loading.expected_calls import check_expected, lists_read
from pytest_selfopt.bench.loading.fields import Fields, WrongFields, object_of, unknown_fields
from pytest_selfopt.bench.loading.tool_definitions import read_tool, tool_name
from pytest_selfopt.bench.tools import Message, Tool, tools_by_name
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import ToolCall

_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")
_CASE_FIELDS = (
    *("id", "prompt", "messages", "tools", "expect", "as_given", "tags"),
    *("weight", "expected_failure", "group"),
    *("environment", "start", "turns", "steps"),
)
_TALK_FIELDS = ("turns", "start", "steps")
_ENVIRONMENT_FIELDS = ("id", "class", "start")
_MOST_STEPS = 100
_EXAMPLE_FIELDS = ("prompt", "messages", "tools", "answer")
_NO_PROMPT = "needs either 'prompt' (a string) or 'messages' (a list of objects with role and content)"
_ROLES = ("system", "user", "assistant")


class EntryReader:
    """Reads the entries of one file; skips entries with problems, so that one pass reports all of them."""

    def __init__(self, suite: str, problems: Problems) -> None:
        self._suite = suite
        self._problems = problems
        self.tools: dict[str, Tool] = {}
        self.examples: list[Example] = []
        self.cases: list[Case] = []
        self._worlds: dict[str, World] = {}
        self._lines: dict[str, int] = {}
        self._wrong_tools: list[Any] = []
        """Names of tools that are defined, but wrongly; cases that name them are not told again."""

    def read(self, entries: Sequence[Entry]) -> None:
        """Read all entries, tools first: a case may name tools defined below it."""
        readers = {
            "tool": self._read_tool,
            "environment": self._read_environment,
            "example": self._read_example,
            "case": self._read_case,
        }
        for kind, reader in readers.items():
            for entry in entries:
                if entry.kind == kind:
                    self._attempt(reader, entry)

    def _attempt(self, reader: Callable[[Entry], None], entry: Entry) -> None:
        try:
            reader(entry)
        except WrongFields as problem:
            for sentence in problem.sentences:
                self._refuse(entry, sentence)
        except (ValueError, BrokenWorld) as problem:
            self._refuse(entry, str(problem))
        except RecursionError:
            self._refuse(entry, "nested too deeply")

    def _refuse(self, entry: Entry, sentence: str) -> None:
        if entry.place:
            self._problems.add_in(entry.place, sentence)
        else:
            self._problems.add(entry.line, sentence)

    def _read_tool(self, entry: Entry) -> None:
        try:
            tool = read_tool(entry.value)
        except ValueError:
            self._wrong_tools.append(tool_name(entry.value))
            raise
        if tool.name in self.tools:
            raise ValueError(f"tool {tool.name!r} is defined twice")
        self.tools[tool.name] = tool

    def _read_example(self, entry: Entry) -> None:
        example = read_example(entry.value)
        self.examples.append(replace(example, tools=self._tools(entry.value)))

    def _read_case(self, entry: Entry) -> None:
        fields = Fields(entry.unread)
        value = object_of(entry.value, "case")
        unknown = unknown_fields(value, "case", _CASE_FIELDS)
        fields.refuse(unknown)
        if not unknown:
            fields.refuse(_missing(value))
        read: dict[str, Any] = {
            "id": self._id(value, fields, entry),
            "tags": fields.read(_texts, value.get("tags", []), "tags"),
            "weight": fields.read(read_weight, value.get("weight", 1)),
            "expected_failure": fields.read(read_reason, value.get("expected_failure")),
            "group": fields.read(read_group, value.get("group", "")),
        }
        own = self._single
        if "environment" in value:
            own = self._conversation
        read |= own(value, fields, entry)
        fields.check()
        source = f"{self._problems.file}:{entry.line}"
        self.cases.append(Case(suite=self._suite, source=source, **read))

    def _id(self, value: Mapping[str, Any], fields: Fields, entry: Entry) -> str | None:
        if "id" not in value:
            return None
        return fields.read(self._new_id, value["id"], entry.line)

    def _new_id(self, name: Any, line: int) -> str:
        if not _is_id(name):
            raise mistaken("id", "a text of 1 to 80 letters, digits or ._-", name)
        first = self._lines.get(name)
        if first is not None:
            raise ValueError(f"id: {name!r} is already used on line {first}")
        self._lines[name] = line
        return name

    def _single(self, value: Mapping[str, Any], fields: Fields, entry: Entry) -> dict[str, Any]:
        for name in _TALK_FIELDS:
            if name in value:
                fields.refuse([f"{name}: only a conversation has it; a conversation needs an 'environment'"])
        messages = None
        if _asks(value):
            messages = fields.read(_messages, value)
        tools = fields.read(self._tools, value)
        expect = self._expect(value, fields, entry, expectation_from_json)
        as_given = fields.read(_as_given, value)
        if expect is not None and tools is not None and not as_given:
            expect = fields.read(_fitting, expect, tools)
        return {"messages": messages, "tools": tools, "expect": expect}

    def _expect(
        self, value: Mapping[str, Any], fields: Fields, entry: Entry, read: Callable[[Any], Expectation]
    ) -> Expectation | None:
        """Return the expectation of a case; None if it is wrong, missing, or told already."""
        if "expect" not in value or "expect" in entry.unread:
            return None
        return fields.read(read, value["expect"])

    def _conversation(self, value: Mapping[str, Any], fields: Fields, entry: Entry) -> dict[str, Any]:
        world = fields.read(self._world, value["environment"], value.get("start", {}))
        said = fields.read(_said, value)
        read: dict[str, Any] = {"steps": fields.read(_steps, value), "world": world}
        as_given = fields.read(_as_given, value)
        if world is None or said is None:
            return read
        read["messages"], read["turns"] = said
        tools = fields.read(_offered, world, value.get("tools"))
        if tools is None:
            return read
        goal = partial(goal_from_json, world=world, tools=tools, turns=len(said[1]) + 1)
        expect = self._expect(value, fields, entry, goal)
        if expect is not None and not as_given:
            expect = fields.read(lists_read, expect, tools)
        return {**read, "tools": tools, "expect": expect}

    def _world(self, named: Any, start: Any) -> World:
        """Return the world that a case names, its start state updated by the case's own `start`."""
        if not isinstance(named, str):
            raise mistaken("environment", 'its id, or "module:Class"', named)
        if not isinstance(start, dict):
            raise mistaken("start", "an object", start)
        if ":" not in named and named not in self._worlds:
            hint = did_you_mean(named, tuple(self._worlds))
            raise ValueError(f"environment: unknown {show(named)}{hint}")
        base = self._worlds.get(named, World(name=named))
        return World(name=base.name, start={**base.start, **start})

    def _read_environment(self, entry: Entry) -> None:
        value = object_of(entry.value, "environment", _ENVIRONMENT_FIELDS)
        name, named = value.get("id"), value.get("class")
        start = value.get("start", {})
        if not _is_id(name):
            raise mistaken("environment id", "a text of 1 to 80 letters, digits or ._-", name)
        if name in self._worlds:
            raise ValueError(f"environment {name!r} is defined twice")
        if not isinstance(named, str) or not isinstance(start, dict):
            wanted = "'class' to be \"module:Class\" and 'start' to be an object"
            raise ValueError(f"environment {name}: expected {wanted}")
        environment_named(named)
        self._worlds[name] = World(name=named, start=start)

    def _tools(self, value: Mapping[str, Any]) -> tuple[Tool, ...]:
        named = value.get("tools", [])
        if not isinstance(named, list):
            raise mistaken("tools", "a list of names or tools", named)
        tools = tuple(map(self._tool, named))
        _refuse_twice([tool.name for tool in tools])
        return tools

    def _tool(self, entry: Any) -> Tool:
        if isinstance(entry, dict):
            return read_tool(entry)
        if isinstance(entry, str) and entry in self.tools:
            return self.tools[entry]
        if entry in self._wrong_tools:
            raise WrongFields(())
        if isinstance(entry, str) and entry.lstrip().startswith("{"):
            raise mistaken("tools", "names, or tools as objects without quotes around them", entry)
        hint = did_you_mean(str(entry), tuple(self.tools))
        raise ValueError(f"tools: unknown tool {show(entry)}{hint}")


def _missing(value: Mapping[str, Any]) -> list[str]:
    """Return a sentence on each field that a case needs and does not have."""
    sentences: list[str] = []
    if "id" not in value:
        sentences.append("field 'id' is missing")
    if "expect" not in value:
        sentences.append(f"case {show(value.get('id'))}: field 'expect' is missing")
    if "environment" not in value and not _asks(value):
        sentences.append(_NO_PROMPT)
    return sentences


def _asks(value: Mapping[str, Any]) -> bool:
    return "prompt" in value or "messages" in value


def _fitting(expect: Expectation, tools: Sequence[Tool]) -> Expectation:
    """Return an expectation that fits the tools of its case."""
    check_expected(expect, tools)
    return lists_read(expect, tools)


def _offered(world: World, named: Any) -> tuple[Tool, ...]:
    return _chosen(tools_of(world.build()), named)


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is a string that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def _steps(value: Mapping[str, Any]) -> int:
    steps = value.get("steps", USUAL_STEPS)
    wanted = f"a number from 1 to {_MOST_STEPS}"
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise mistaken("steps", wanted, steps)
    if not 1 <= steps <= _MOST_STEPS:
        raise mistaken("steps", wanted, steps)
    return steps


def read_example(value: Any) -> Example:
    """Read a worked example without its tools, which no variant of ours shows.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    value = object_of(value, "example", _EXAMPLE_FIELDS)
    return Example(messages=_messages(value), tools=(), answer=_answer(value.get("answer")))


def _messages(value: Mapping[str, Any]) -> tuple[Message, ...]:
    if ("prompt" in value) == ("messages" in value):
        raise ValueError(_NO_PROMPT)
    if "prompt" in value:
        prompt = value["prompt"]
        if not _is_text(prompt):
            raise mistaken("prompt", "a non-empty string", prompt)
        return (Message(role="user", content=prompt),)
    return _listed_messages(value["messages"])


def _listed_messages(entries: Any) -> tuple[Message, ...]:
    if not isinstance(entries, list) or not entries:
        raise mistaken("messages", "a non-empty list of objects with role and content", entries)
    messages = tuple(_message(entry, index) for index, entry in enumerate(entries))
    last = messages[-1].role
    if last != "user":
        raise ValueError(f"messages: the last role must be 'user', got {last!r}")
    return messages


def _said(value: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Read the messages up to the user's first turn, and the texts of the later turns."""
    turns = value.get("turns", [])
    if not isinstance(turns, list) or not all(map(_is_text, turns)):
        raise mistaken("turns", "a list of non-empty strings", turns)
    if "prompt" in value or "messages" in value:
        return _messages(value), tuple(turns)
    if not turns:
        raise ValueError("needs 'turns' (what the user says, turn by turn), or 'prompt' or 'messages' before them")
    first, *later = turns
    message = Message(role="user", content=first)
    return (message,), tuple(later)


def _chosen(offered: Sequence[Tool], named: Any) -> tuple[Tool, ...]:
    """Return the tools of an environment that a case offers: those it names, or all."""
    if named is None:
        return tuple(offered)
    known = tools_by_name(offered)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise mistaken("tools", "a list of names", named)
    _refuse_twice(named)
    for name in unknown_names(named, tuple(known)):
        hint = did_you_mean(str(name), tuple(known))
        raise ValueError(f"tools: the environment has no tool {show(name)}{hint}")
    return tuple(known[name] for name in named)


def _refuse_twice(names: Sequence[str]) -> None:
    counts = Counter(names)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(f"tools: {show(name)} is listed twice")


def _message(value: Any, index: int) -> Message:
    place = f"messages[{index}]"
    if not isinstance(value, dict) or set(value) != {"role", "content"}:
        raise mistaken(place, "an object with role and content", value)
    role, content = value["role"], value["content"]
    if role not in _ROLES:
        raise ValueError(f"{place}.role: {show(role)} is not one of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise mistaken(f"{place}.content", "a text", content)
    return Message(role=role, content=content)


def _answer(value: Any) -> tuple[ToolCall, ...] | str:
    if _is_text(value):
        return value
    entries = _answer_entries(value)
    if not isinstance(entries, list) or not entries:
        raise mistaken("answer", 'a string or {"call": {"name", "arguments"}}', value)
    return tuple(map(_answer_call, entries))


def _answer_entries(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if "call" in value:
        return [value["call"]]
    return value.get("calls")


def _answer_call(entry: Any) -> ToolCall:
    wanted = "a call with name and arguments"
    if not isinstance(entry, dict) or set(entry) != {"name", "arguments"}:
        raise mistaken("answer", wanted, entry)
    name, arguments = entry["name"], entry["arguments"]
    if not isinstance(name, str):
        raise mistaken("answer", wanted, entry)
    if not isinstance(arguments, dict):
        raise mistaken("answer: arguments", "an object", arguments)
    return ToolCall(name=name, arguments=arguments)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise mistaken(name, "a list of strings", value)
    return tuple(value)


def _as_given(value: Mapping[str, Any]) -> bool:
    """Whether expected values are taken as BFCL takes them, whatever the tools declare."""
    as_given = value.get("as_given", False)
    if not isinstance(as_given, bool):
        raise mistaken("as_given", "true or false", as_given)
    return as_given
