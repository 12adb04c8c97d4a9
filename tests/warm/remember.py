"""What each session looks up anew in plugins and packages that do not change, looked up once for all warm sessions.

A fifth of a small session is pytest's search for fixtures and hooks among all names of its own plugins and ours, and a
tenth is reading the metadata of what is installed. What a session imports itself is searched as ever.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from importlib import metadata
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pluggy._manager
from _pytest import fixtures

SEARCHED = ("_pytest", "anyio", "pytest_selfopt", "pytest_timeout", "xdist")
"""The packages of plugins that every session has."""


def remember_plugins() -> None:
    """Let pytest see only those names of the plugins imported so far that are fixtures or hooks."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in SEARCHED]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    _see_only(fixtures, _fixtures_of, modules, classes)
    _see_only(pluggy._manager, _hooks_of, modules, classes)


def _see_only(
    searcher: ModuleType, names_of: Callable[[Any], list[str]], modules: list[ModuleType], classes: list[type]
) -> None:
    """Give a module of pytest a `dir` that knows these modules, these classes, and objects of these classes."""
    in_modules = {id(module): names_of(module) for module in modules}
    in_classes = {holder: names_of(holder) for holder in classes if holder.__module__.partition(".")[0] in SEARCHED}

    def names(holder: object) -> list[str]:
        if isinstance(holder, ModuleType):
            known = in_modules.get(id(holder))
        elif isinstance(holder, type):
            known = None
        else:
            known = in_classes.get(type(holder))
            # What an object holds beside its class.
            if known is not None and hasattr(holder, "__dict__"):
                known = sorted({*known, *(name for name in vars(holder) if name.startswith("pytest_"))})
        return builtins.dir(holder) if known is None else known

    vars(searcher)["dir"] = names


def find_hooks_directly() -> None:
    """Let pluggy look into the namespaces of plugins, as far as it finds plain functions there."""
    search = pluggy._manager._static_hook_attr

    def found(plugin: Any, name: str) -> Any:
        if type(plugin) is ModuleType:
            function = vars(plugin).get(name)
            if type(function) is FunctionType:
                return function, function
        elif not isinstance(plugin, type) and name not in getattr(plugin, "__dict__", ()):
            for holder in type(plugin).__mro__:
                if name in vars(holder):
                    function = vars(holder)[name]
                    if type(function) is FunctionType:
                        return function, MethodType(function, plugin)
                    break
        return search(plugin, name)

    vars(pluggy._manager)["_static_hook_attr"] = found


def _fixtures_of(holder: Any) -> list[str]:
    manager = fixtures.FixtureManager
    look = manager._lookup_in_type_dict
    found = ((name, look(manager, holder, name)) for name in dir(holder))  # type: ignore[arg-type]  # uses no self
    return [name for name, value in found if manager._find_wrapped_fixture_def(manager, value)]  # type: ignore[arg-type]


def _hooks_of(holder: Any) -> list[str]:
    return [name for name in dir(holder) if name.startswith("pytest_")]


def remember_packages() -> None:
    """Read the entry points of what is installed, and the metadata and files of plugins."""
    entry_points: dict[str, metadata.EntryPoints] = {}
    about: dict[str, Any] = {}
    files: dict[str, Any] = {}
    for package in metadata.distributions():
        path = str(package._path)  # type: ignore[attr-defined]
        entry_points[path] = package.entry_points
        if package.entry_points.select(group="pytest11"):
            about[path] = package.metadata
            files[path] = package.files
    of = metadata.PathDistribution
    _know(of, "entry_points", entry_points)
    _know(of, "metadata", about)
    _know(of, "files", files)


def _know(of: type, name: str, values: dict[str, Any]) -> None:
    """Give a class a property that is known for some paths, and computed for all others."""
    compute = getattr(of, name).fget

    def value(package: Any) -> Any:
        known = values.get(str(package._path))
        return compute(package) if known is None else known

    setattr(of, name, property(value))
