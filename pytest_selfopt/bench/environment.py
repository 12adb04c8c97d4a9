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
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.json_schema import first_problem
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.import_string import imported
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json, ToolCall

F = TypeVar("F", bound=Callable[..., Any])

FAILED = "error: "
"""What the result of a call that was not carried out begins with."""

_MARK = "_selfopt_tool"
_TOOLS: dict[type[Environment], tuple[Tool, ...]] = {}
"""The tools of each class, which are asked for at every call."""
_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}


class ToolError(Exception):
    """What a tool answers when it cannot do what it was asked; the model reads the sentence."""


class BrokenWorld(SelfoptError):
    """An environment raised something else: a fault of the benchmark, and nothing about the model."""


def tool(function: F) -> F:
    """Make a method of an environment a tool: its signature says which arguments, its docstring what it does."""
    setattr(function, _MARK, True)
    return function


class Environment:
    """A world that tools act on; what its public attributes hold is its state.

    It must be deterministic: no clock, no chance, no network. `start` is the state it begins in, as plain JSON values.
    """

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin in a state."""
        self.__dict__.update(json.loads(json.dumps(dict(start))))

    def tools(self) -> tuple[Tool, ...]:
        """The tools it offers: the methods that are marked, in the order they are defined.

        Raises:
            BrokenWorld: when an argument has a type that no tool can have.
        """
        kind = type(self)
        if kind not in _TOOLS:
            _TOOLS[kind] = _marked(kind)
        return _TOOLS[kind]

    def call(self, call: ToolCall) -> Json:
        """Carry out a call and return what the tool answers, as plain JSON values.

        Raises:
            ToolError: saying what is wrong with the call, or why the world does not allow it.
        """
        tools = {one.name: one for one in self.tools()}
        if call.name not in tools:
            raise ToolError(f"there is no tool {call.name!r}{did_you_mean(call.name, tuple(tools))}")
        wrong = first_problem(tools[call.name].parameters, call.arguments)
        if wrong:
            raise ToolError(f"the arguments of {call.name} cannot be used {wrong}")
        plain: Json = json.loads(json.dumps(getattr(self, call.name)(**call.arguments)))
        return plain

    def state(self) -> dict[str, Json]:
        """What is so now, as plain JSON values."""
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        state: dict[str, Json] = json.loads(json.dumps(public, sort_keys=True))
        return state


def carry_out(environment: Environment, call: ToolCall) -> Json:
    """Let an environment, which is somebody else's code, carry out a call.

    Raises:
        ToolError: what the tool answers instead.
        BrokenWorld: when it raised anything else, or answered what is no plain value.
    """
    try:
        # A world may keep and change what it is given; what was called stays what it was.
        return environment.call(replace(call, arguments=copy.deepcopy(call.arguments)))
    except ToolError:
        raise
    except Exception as problem:
        raise BrokenWorld(f"{call.name} of {type(environment).__name__}: {_said(problem)}") from problem


def result_of(environment: Environment, call: ToolCall) -> str:
    """What a call gives, as the model reads it: JSON, or "error: " and why it could not be carried out.

    Raises:
        BrokenWorld: as `carry_out`.
    """
    try:
        return json.dumps(carry_out(environment, call), ensure_ascii=False)
    except ToolError as problem:
        return f"{FAILED}{problem}"


def tools_of(environment: Environment) -> tuple[Tool, ...]:
    """The tools of an environment, which is somebody else's code.

    Raises:
        BrokenWorld: when it cannot tell them.
    """
    try:
        return environment.tools()
    except BrokenWorld:
        raise
    except Exception as problem:
        raise BrokenWorld(f"the tools of {type(environment).__name__}: {_said(problem)}") from problem


def state_of(environment: Environment) -> dict[str, Json]:
    """The state of an environment, which is somebody else's code.

    Raises:
        BrokenWorld: when it has none that is plain values.
    """
    try:
        return environment.state()
    except Exception as problem:
        raise BrokenWorld(f"the state of {type(environment).__name__}: {_said(problem)}") from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An environment by name ("module:Class") and the state it starts in: all that another process needs."""

    name: str
    start: dict[str, Json] = field(default_factory=dict)

    def build(self) -> Environment:
        """The environment, fresh.

        Raises:
            BrokenWorld: when there is no such class, or it cannot start in this state.
        """
        made = environment_named(self.name)
        try:
            return made(json.loads(json.dumps(self.start)))
        except Exception as problem:
            raise BrokenWorld(f"{self.name} cannot start in {show(self.start)}: {_said(problem)}") from problem

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"name": self.name, "start": self.start}


def environment_named(name: str) -> type[Environment]:
    """The class of an environment, "module:Class".

    Raises:
        BrokenWorld: when it cannot be imported or is no environment.
    """
    try:
        found = imported(name)
    except ValueError as problem:
        raise BrokenWorld(f"environment {problem}") from None
    if not (isinstance(found, type) and issubclass(found, Environment)):
        raise BrokenWorld(f"environment {name!r} is no subclass of pytest_selfopt.Environment")
    return found


def _marked(kind: type[Environment]) -> tuple[Tool, ...]:
    methods = {
        name: method
        for base in reversed(kind.__mro__)
        for name, method in vars(base).items()
        if getattr(method, _MARK, False)
    }
    return tuple(
        Tool(name=name, description=inspect.cleandoc(method.__doc__ or ""), parameters=_parameters(method))
        for name, method in methods.items()
    )


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _parameters(method: Callable[..., Any]) -> dict[str, Json]:
    """The JSON Schema of a method's arguments."""
    hints = get_type_hints(method)
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for name, parameter in list(inspect.signature(method).parameters.items())[1:]:
        properties[name] = _schema(hints.get(name, str), f"{method.__qualname__}: {name}")
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(kind: Any, place: str) -> dict[str, Json]:
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": "array", "items": _schema(get_args(kind)[0], place)}
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not type(None)]
        if len(kinds) == 1:
            return _schema(kinds[0], place)
    raise BrokenWorld(f"{place}: a tool's argument is a str, int, float, bool, dict, list or Literal, not {kind!r}")
