"""The Berkeley Function-Calling Leaderboard, versions 3 and 4: its data files with their possible answers.

Right and wrong are as its checker defines them, which is how calls are judged here anyway (see `bench/tool_calls.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
"""What can be imported, and what the files of a category are called in the versions."""

_TURNS = "multi_turn_base"
_WORLD = "pytest_selfopt.bench.importing.bfcl_world:BfclWorld"
_STEPS = 20
"""How often a model may answer in a turn there, too."""
_VERSIONS = ("BFCL_v4_", "BFCL_v3_")


def import_bfcl(folder: Path, category: str, limit: int | None = None) -> Imported:
    """The cases of a category, at most `limit` of them, from the folder that holds the data files.

    Raises:
        SuiteError: when the category is unknown, or its files are missing or unreadable.
    """
    if category not in CATEGORIES:
        raise SuiteError(f"unknown category {category!r}; known are {', '.join(CATEGORIES)}")
    path = data_file(folder, category)
    if category == _TURNS:
        systems_folder()
    answers = _answers(folder, path.name) if _has_answers(category) else {}
    imported = Imported()
    for number, value in json_lines(path):
        if limit is not None and imported.cases >= limit:
            break
        place = f"{path.name}:{number}"
        try:
            made = _talk(value, folder, answers) if category == _TURNS else _case(value, category, answers)
            imported.add(made, place)
        except (LookupError, TypeError, ValueError) as problem:
            imported.leave(place, f"it is not in the form of this benchmark ({type(problem).__name__}: {problem})")
    return imported


def _has_answers(category: str) -> bool:
    return not category.endswith(("irrelevance", "relevance"))


def data_file(folder: Path, category: str) -> Path:
    """The file that holds a category's cases.

    Raises:
        SuiteError: when there is none.
    """
    names = [f"{version}{name}.json" for version in _VERSIONS for name in CATEGORIES[category]]
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise SuiteError(f"{folder} holds none of {', '.join(names)}; name the folder with the data files of BFCL")
    return found


def _answers(folder: Path, name: str) -> Mapping[str, Any]:
    path = folder / "possible_answer" / name
    if not path.is_file():
        raise SuiteError(f"{path} is missing: without the possible answers nobody can tell what is right")
    return {value["id"]: value["ground_truth"] for _, value in json_lines(path)}


def _case(value: Mapping[str, Any], category: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    turns = value["question"]
    if len(turns) != 1:
        raise ValueError(f"it has {len(turns)} turns")
    return {
        "id": str(value["id"]),
        "messages": [{"role": one["role"], "content": one["content"]} for one in turns[0]],
        "tools": [bfcl_tool(function) for function in value["function"]],
        "expect": _expect(value["id"], category, answers),
        "tags": ["bfcl", category],
    }


def _expect(name: str, category: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    if category.endswith("irrelevance"):
        return {"no_call": True}
    if category.endswith("relevance"):
        return {"any_call": True}
    calls = [
        {"name": function.replace(".", "_"), "arguments": dict(arguments)}
        for one in answers[name]
        for function, arguments in one.items()
    ]
    return {"calls": calls}


def _talk(value: Mapping[str, Any], folder: Path, answers: Mapping[str, Any]) -> dict[str, Any]:
    """A case of several turns, each judged by what its reference calls lead to."""
    systems = value["involved_classes"]
    order = {
        function["name"]: list(function["parameters"]["properties"])
        for system in systems
        for function in documented(folder, system)
    }
    said = [turn[0]["content"] for turn in value["question"] if [one["role"] for one in turn] == ["user"]]
    if len(said) != len(value["question"]):
        raise ValueError("a turn is more than one message of the user's")
    scenario = value["initial_config"]
    return {
        "id": str(value["id"]),
        "environment": _WORLD,
        "start": {
            "systems": systems,
            "scenario": {name: scenario[name] for name in systems if name in scenario},
            "without": value.get("excluded_function", []),
        },
        "turns": said,
        "steps": _STEPS,
        "expect": {"by_turn": [[_call(text, order) for text in turn] for turn in answers[value["id"]]]},
        "tags": ["bfcl", _TURNS],
    }


def _call(text: str, order: Mapping[str, list[str]]) -> dict[str, Any]:
    """A call written in Python, such as `sort('a.txt')`, its arguments by name and as plain values."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"{text} is no call of a tool")
    given = [ast.literal_eval(one) for one in call.args]
    named = dict(zip(order[call.func.id], given, strict=False))
    if len(named) < len(given):
        raise ValueError(f"{text} has more arguments than {call.func.id} takes")
    named |= {one.arg: ast.literal_eval(one.value) for one in call.keywords if one.arg}
    return {"name": call.func.id, "arguments": named}
