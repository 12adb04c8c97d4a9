"""The Berkeley Function-Calling Leaderboard, versions 3 and 4: its data files with their possible answers.

Calls are judged as its checker judges them, to the letter (see `bench/grading/bfcl_letter.py`).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.grading.alternatives import has_alternatives
from pytest_selfopt.bench.importing.bfcl_tools import bfcl_tool, documented
from pytest_selfopt.bench.importing.bfcl_world import systems_folder
from pytest_selfopt.bench.importing.imported import Imported, json_lines
from pytest_selfopt.errors import SuiteError

CATEGORIES = {
    "simple": ("simple_python", "simple"),
    "multiple": ("multiple",),
    "parallel": ("parallel",),
    "parallel_multiple": ("parallel_multiple",),
    "irrelevance": ("irrelevance",),
    "live_simple": ("live_simple",),
    "live_multiple": ("live_multiple",),
    "live_parallel": ("live_parallel",),
    "live_parallel_multiple": ("live_parallel_multiple",),
    "live_irrelevance": ("live_irrelevance",),
    "live_relevance": ("live_relevance",),
    "multi_turn_base": ("multi_turn_base",),
}
"""The categories that can be imported, with the names of their files in each version."""

_TURNS = "multi_turn_base"
_WORLD = "pytest_selfopt.bench.importing.bfcl_world:BfclWorld"
_STEPS = 20
"""BFCL's own limit of answers per turn."""
_ODD = (AttributeError, LookupError, RecursionError, SyntaxError, TypeError, ValueError)
"""What reading data of another form raises."""
_VERSIONS = ("BFCL_v4_", "BFCL_v3_")


class _NoFunctions(Exception):
    """A case offers nothing to call."""


def import_bfcl(folder: Path, category: str, limit: int | None = None) -> Imported:
    """Import at most `limit` cases of a category from the folder that holds the data files.

    Raises:
        SuiteError: if the category is unknown, or its files are missing or unreadable.
    """
    category = _category_named(category)
    path = data_file(folder, category)
    if category == _TURNS:
        systems_folder()
    answers = _answers(folder, path.name, category)
    imported = Imported()
    for number, value in json_lines(path):
        if limit is not None and imported.cases >= limit:
            break
        place = f"{path.name}:{number}"
        try:
            imported.add(_any_case(value, folder, category, answers), place)
        except _NoFunctions as problem:
            imported.leave(place, str(problem))
        except _ODD as problem:
            cause = f"{type(problem).__name__}: {problem}"
            imported.leave(place, f"it does not have the form of a BFCL case ({cause})")
    return imported


def _category_named(name: str) -> str:
    """Return the category that has this name, or a file of this name."""
    for category, files in CATEGORIES.items():
        if name in (category, *files):
            return category
    raise SuiteError(f"unknown category {name!r}; available: {', '.join(CATEGORIES)}")


def _has_answers(category: str) -> bool:
    return not category.endswith(("irrelevance", "relevance"))


def data_file(folder: Path, category: str) -> Path:
    """Return the file that holds a category's cases.

    Raises:
        SuiteError: if it does not exist.
    """
    pairs = itertools.product(_VERSIONS, CATEGORIES[category])
    names = [f"{version}{name}.json" for version, name in pairs]
    for name in names:
        path = folder / name
        if path.is_file():
            return path
    raise SuiteError(f"{folder} contains none of {', '.join(names)}; give the folder with BFCL's data files")


def _answers(folder: Path, name: str, category: str) -> Mapping[str, Any]:
    """Return the possible answers by case id; empty for categories where no call, or any call, is right."""
    if not _has_answers(category):
        return {}
    path = folder / "possible_answer" / name
    if not path.is_file():
        raise SuiteError(f"{path} is missing: without the possible answers the cases cannot be judged")
    answers: dict[str, Any] = {}
    for number, value in json_lines(path):
        try:
            answers[value["id"]] = value["ground_truth"]
        except _ODD as problem:
            cause = f"{type(problem).__name__}: {problem}"
            raise SuiteError(f"{path}:{number}: does not have the form of a BFCL answer ({cause})") from None
    return answers


def _any_case(value: Mapping[str, Any], folder: Path, category: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    if category == _TURNS:
        return _talk(value, folder, answers)
    return _case(value, category, answers)


def _case(value: Mapping[str, Any], category: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    turns = value["question"]
    if len(turns) != 1:
        raise ValueError(f"it has {len(turns)} turns")
    if not value["function"]:
        raise _NoFunctions("it offers no function, so that it would show nothing")
    case: dict[str, Any] = {
        "id": str(value["id"]),
        "messages": list(map(_message, turns[0])),
        "tools": list(map(bfcl_tool, value["function"])),
        "expect": _expect(value["id"], category, answers),
        "tags": ["bfcl", category],
    }
    if any(map(has_alternatives, _values(case["expect"]))):
        # Its lists in objects are alternatives already, whatever the tool declares.
        case["as_given"] = True
    return case


def _values(expect: Mapping[str, Any]) -> list[Any]:
    """Return the possible values of all arguments."""
    values: list[Any] = []
    for call in expect.get("calls", ()):
        for alternatives in call["arguments"].values():
            values.extend(alternatives)
    return values


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def _expect(name: str, category: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    if category.endswith("irrelevance"):
        return {"no_call": True}
    if category.endswith("relevance"):
        return {"any_call": True}
    calls = []
    for answer in answers[name]:
        for function, arguments in answer.items():
            tool = function.replace(".", "_")
            calls.append({"name": tool, "arguments": dict(arguments)})
    return {"calls": calls, "as_bfcl": True}


def _talk(value: Mapping[str, Any], folder: Path, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case of several turns, each judged by what its reference calls lead to."""
    systems = value["involved_classes"]
    order = _argument_order(folder, systems)
    turns = list(map(_user_text, value["question"]))
    scenario = value["initial_config"]
    start = {
        "systems": systems,
        "scenario": {name: scenario[name] for name in systems if name in scenario},
        "without": value.get("excluded_function", []),
    }
    by_turn = []
    for texts in answers[value["id"]]:
        calls = [_call(text, order) for text in texts]
        by_turn.append(calls)
    return {
        "id": str(value["id"]),
        "environment": _WORLD,
        "start": start,
        "turns": turns,
        "steps": _STEPS,
        "expect": {"by_turn": by_turn},
        "tags": ["bfcl", _TURNS],
    }


def _argument_order(folder: Path, systems: Sequence[str]) -> dict[str, list[str]]:
    """Map each tool of these simulated systems to its argument names, in the order of declaration."""
    order: dict[str, list[str]] = {}
    for system in systems:
        for function in documented(folder, system):
            properties = function["parameters"]["properties"]
            order[function["name"]] = list(properties)
    return order


def _user_text(turn: Sequence[Mapping[str, Any]]) -> Any:
    roles = [message["role"] for message in turn]
    if roles != ["user"]:
        raise ValueError("a turn has more than one user message")
    return turn[0]["content"]


def _call(text: str, order: Mapping[str, list[str]]) -> dict[str, Any]:
    """Parse a call written in Python, such as `sort('a.txt')`, into named arguments with plain values."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"{text} is not a call of a tool")
    name = call.func.id
    given = list(map(ast.literal_eval, call.args))
    arguments = dict(zip(order[name], given, strict=False))
    if len(arguments) < len(given):
        raise ValueError(f"{text} has more arguments than {name} takes")
    for keyword in call.keywords:
        if keyword.arg:
            arguments[keyword.arg] = ast.literal_eval(keyword.value)
    return {"name": name, "arguments": arguments}
