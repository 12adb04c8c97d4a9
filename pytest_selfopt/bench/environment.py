"""Environments: simulated worlds with state, whose methods are the tools of a conversation.

An environment is an importable class, so that any process can rebuild it from its name and the state it starts in:

    class Lights(Environment):
        def __init__(self, start):
            self.on = sorted(start.get("on", []))

        @tool
        def switch_on(self, room: str) -> str:
            "Switch the light of a room on."
            if room in self.on:
                raise ToolError(f"the light of {room} is on already")
            self.on = sorted([*self.on, room])
            return f"{room} is lit"
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.grading.json_schema import first_problem
from pytest_selfopt.bench.tools import Tool, tools_by_name
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.import_string import imported
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json, ToolCall

F = TypeVar("F", bound=Callable[..., Any])

FAILED = "error: "
"""Prefix of the result of a call that failed."""

_MARK = "_selfopt_tool"
_TOOLS: dict[type[Environment], tuple[Tool, ...]] = {}
"""The tools of each class, cached because every call needs them."""
_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}


class ToolError(Exception):
    """Raised by a tool that cannot do what the model asked; the model reads the message."""


class BrokenWorld(SelfoptError):
    """An environment raised anything but `ToolError`: a fault of the benchmark, not of the model."""


def tool(function: F) -> F:
    """Mark a method of an environment as a tool, with the arguments of its signature, described by its docstring."""
    setattr(function, _MARK, True)
    return function


class Environment:
    """A world that tools act on; its public attributes are its state.

    It must be deterministic: no clock, no randomness, no network. `start` is its first state, as plain JSON values.
    """

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin in the state `start`."""
        self.__dict__.update(json.loads(json.dumps(dict(start))))

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools on offer: the marked methods, in the order of their definition.

        Raises:
            BrokenWorld: if an argument has a type that no tool can have.
        """
        kind = type(self)
        if kind not in _TOOLS:
            _TOOLS[kind] = _marked(kind)
        return _TOOLS[kind]

    def call(self, call: ToolCall) -> Json:
        """Carry out a call and return the tool's answer as plain JSON values.

        Raises:
            ToolError: if the call is wrong, or the world does not allow it.
        """
        tools = tools_by_name(self.tools())
        if call.name not in tools:
            # Models read this text; other words would change what is measured.
            hint = did_you_mean(call.name, tuple(tools), listing="known are")
            raise ToolError(f"there is no tool {call.name!r}{hint}")
        wrong = first_problem(tools[call.name].parameters, call.arguments)
        if wrong:
            raise ToolError(f"the arguments of {call.name} cannot be used {wrong}")
        method = getattr(self, call.name)
        answer = method(**call.arguments)
        plain: Json = json.loads(json.dumps(answer))
        return plain

    def state(self) -> dict[str, Json]:
        """Return the present state as plain JSON values."""
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        text = json.dumps(public, sort_keys=True)
        state: dict[str, Json] = json.loads(text)
        return state


def carry_out(environment: Environment, call: ToolCall) -> Json:
    """Have an environment, which is the project's code, carry out a call.

    Raises:
        ToolError: if the tool refuses, or the arguments are nested too deeply to copy.
        BrokenWorld: if the environment raises anything else, or its answer is not plain JSON.
    """
    try:
        # A world may keep and change its arguments; the recorded call must not change with them.
        arguments = copy.deepcopy(call.arguments)
    except RecursionError:
        raise ToolError(f"the arguments of {call.name} are nested too deeply") from None
    try:
        return environment.call(replace(call, arguments=arguments))
    except ToolError:
        raise
    except Exception as problem:
        raise _broken(f"{call.name} of", environment, problem) from problem


def result_of(environment: Environment, call: ToolCall) -> str:
    """Carry out a call and return its result as the model reads it: JSON, or "error: " and the reason.

    Raises:
        BrokenWorld: as `carry_out`.
    """
    try:
        return json.dumps(carry_out(environment, call), ensure_ascii=False)
    except ToolError as problem:
        return f"{FAILED}{problem}"


def tools_of(environment: Environment) -> tuple[Tool, ...]:
    """Return the tools of an environment, which is the project's code.

    Raises:
        BrokenWorld: if the environment raises anything.
    """
    try:
        return environment.tools()
    except BrokenWorld:
        raise
    except Exception as problem:
        raise _broken("the tools of", environment, problem) from problem


def state_of(environment: Environment) -> dict[str, Json]:
    """Return the state of an environment, which is the project's code.

    Raises:
        BrokenWorld: if the environment raises anything, or its state is not plain JSON.
    """
    try:
        return environment.state()
    except Exception as problem:
        raise _broken("the state of", environment, problem) from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An environment's name ("module:Class") and first state: all that another process needs to build it."""

    name: str
    start: dict[str, Json] = field(default_factory=dict)

    def build(self) -> Environment:
        """Build a new environment.

        Raises:
            BrokenWorld: if the class does not exist, or cannot start in this state.
        """
        kind = environment_named(self.name)
        try:
            start = json.loads(json.dumps(self.start))
            return kind(start)
        except Exception as problem:
            place = f"{self.name} cannot start in {show(self.start)}"
            raise BrokenWorld(f"{place}: {_cause(problem)}") from problem

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"name": self.name, "start": self.start}


def environment_named(name: str) -> type[Environment]:
    """Import the class of an environment, "module:Class".

    Raises:
        BrokenWorld: if the class cannot be imported or is not an environment.
    """
    try:
        kind = imported(name)
    except ValueError as problem:
        raise BrokenWorld(f"environment {problem}") from None
    if not (isinstance(kind, type) and issubclass(kind, Environment)):
        raise BrokenWorld(f"environment {name!r} is not a subclass of pytest_selfopt.Environment")
    return kind


def _marked(kind: type[Environment]) -> tuple[Tool, ...]:
    methods: dict[str, Callable[..., Any]] = {}
    for base in reversed(kind.__mro__):
        members = vars(base).items()
        methods |= {name: member for name, member in members if getattr(member, _MARK, False)}
    return tuple(_tool(name, method) for name, method in methods.items())


def _tool(name: str, method: Callable[..., Any]) -> Tool:
    description = inspect.cleandoc(method.__doc__ or "")
    parameters = _parameters(method)
    return Tool(name=name, description=description, parameters=parameters)


def _broken(what: str, environment: Environment, problem: Exception) -> BrokenWorld:
    kind = type(environment).__name__
    return BrokenWorld(f"{what} {kind}: {_cause(problem)}")


def _cause(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _parameters(method: Callable[..., Any]) -> dict[str, Json]:
    """Return the JSON Schema of a method's arguments."""
    hints = get_type_hints(method)
    properties: dict[str, Json] = {}
    required: list[Json] = []
    parameters = list(inspect.signature(method).parameters.items())
    # The first parameter is the environment itself.
    for name, parameter in parameters[1:]:
        kind = hints.get(name, str)
        properties[name] = _schema(kind, f"{method.__qualname__}: {name}")
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(kind: Any, place: str) -> dict[str, Json]:
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], place)}
    if origin in (Union, UnionType):
        kinds = [member for member in arguments if member is not type(None)]
        if len(kinds) == 1:
            return _schema(kinds[0], place)
    raise BrokenWorld(f"{place}: a tool's argument must be str, int, float, bool, dict, list or Literal, not {kind!r}")
