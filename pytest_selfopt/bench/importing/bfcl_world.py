"""The world of BFCL's multi-turn cases: the simulated systems of the package `bfcl-eval`, as an environment.

The package is not a dependency, because it pulls in hundreds of megabytes that its systems do not need.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.environment import Environment, ToolError
from pytest_selfopt.bench.importing.bfcl_tools import bfcl_tool, documented
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.trial import Json, ToolCall

HOW_TO_INSTALL = "pip install --no-deps bfcl-eval mpmath"

_FORBIDDEN = ("kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run")
"""Names that BFCL's checker refuses to call."""


class BfclWorld(Environment):
    """Several BFCL systems side by side; their methods are the tools.

    `start` holds the names of the `systems`, their `scenario`, and the tools that the case is `without`.
    """

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin in a scenario."""
        self._without = tuple(start.get("without", ()))
        self._systems: dict[str, Any] = {}
        for name in start["systems"]:
            scenario = start["scenario"].get(name, {})
            self._systems[name] = _begun(name, scenario)

    def tools(self) -> tuple[Tool, ...]:
        """Return the documented tools of the systems."""
        folder = _package_folder() / "data"
        tools = []
        for name in self._systems:
            for function in documented(folder, name):
                if function["name"] in self._without:
                    continue
                tool = Tool(**bfcl_tool(function))
                tools.append(tool)
        return tuple(tools)

    def call(self, call: ToolCall) -> Json:
        """Call the method of the last system that has it, as BFCL's runner does.

        Raises:
            ToolError: if the method raises anything.
        """
        method = self._method(call.name)
        if method is None or call.name.startswith("_") or call.name in _FORBIDDEN:
            raise ToolError(f"there is no tool {call.name!r}")
        try:
            return _answer(_called(method, call.arguments))
        except Exception as problem:
            raise ToolError(str(problem)) from problem

    def _method(self, name: str) -> Callable[..., Any] | None:
        for system in reversed(self._systems.values()):
            method: Callable[..., Any] | None = getattr(system, name, None)
            if callable(method):
                return method
        return None

    def state(self) -> dict[str, Json]:
        """Return the public attributes of each system."""
        return {name: _plain_object(system) for name, system in self._systems.items()}


def systems_folder() -> Path:
    """Return the folder of the installed package.

    Raises:
        SuiteError: if the package is not installed; the message says how to install it.
    """
    try:
        return _package_folder()
    except ImportError as problem:
        need = "cases of several turns need the simulated systems of the package bfcl-eval"
        raise SuiteError(f"{need}, which cannot be imported ({problem}); install them: {HOW_TO_INSTALL}") from None


def _package_folder() -> Path:
    importlib.import_module("mpmath")
    constants = importlib.import_module("bfcl_eval.constants")
    return Path(constants.__path__[0]).parent


def _begun(name: str, scenario: Mapping[str, Any]) -> Any:
    backend = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    module = importlib.import_module(backend.CLASS_FILE_PATH_MAPPING[name])
    system = getattr(module, name)()
    if name not in backend.STATELESS_CLASSES:
        # BFCL's runner does the same; the systems have no public way to start.
        system._load_scenario(copy.deepcopy(scenario), long_context=False)  # noqa: SLF001
    return system


def _called(method: Callable[..., Any], arguments: Mapping[str, Json]) -> Any:
    """Call a method with copies of its defaults, because some methods keep and change a default list."""
    bound = inspect.signature(method).bind(**arguments)
    bound.apply_defaults()
    positional = copy.deepcopy(bound.args)
    named = copy.deepcopy(bound.kwargs)
    return method(*positional, **named)


def _answer(result: Any) -> Json:
    """Convert a result as BFCL's runner does: strings and objects unchanged, everything else to a string."""
    if isinstance(result, dict):
        try:
            plain: Json = json.loads(json.dumps(result))
        except (TypeError, ValueError):
            return str(result)
        return plain
    return str(result)


def _plain_object(thing: Any) -> dict[str, Json]:
    """Return the public attributes of an object, without `parent`, which leads back up the tree."""
    plain = {}
    for name, value in vars(thing).items():
        if name[0] == "_" or name == "parent":
            continue
        plain[name] = _plain(value)
    return plain


def _plain(value: Any) -> Json:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return _plain_dict(value)
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if hasattr(value, "__dict__"):
        return _plain_object(value)
    return repr(value)


def _plain_dict(members: Mapping[Any, Any]) -> dict[str, Json]:
    """Return a dict with string keys; other keys are written as in Python."""
    plain = {}
    for key, value in members.items():
        name = key
        if not isinstance(name, str):
            name = repr(key)
        plain[name] = _plain(value)
    return plain
