"""The Berkeley Function-Calling Leaderboard, versions 3 and 4: its data files with their possible answers.

Right and wrong are as its checker defines them, which is how calls are judged here anyway (see `bench/calls.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
}
"""What can be imported, and what the files of a category are called in the versions."""

_TYPES = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "list": "array",
    "hashtable": "object",
    "int": "integer",
    "str": "string",
    "bool": "boolean",
}
_ANY = ("any",)
_VERSIONS = ("BFCL_v4_", "BFCL_v3_")


def import_bfcl(folder: Path, category: str, limit: int | None = None) -> Imported:
    """The cases of a category, at most `limit` of them, from the folder that holds the data files.

    Raises:
        SuiteError: when the category is unknown, or its files are missing or unreadable.
    """
    if category not in CATEGORIES:
        raise SuiteError(f"unknown category {category!r}; known are {', '.join(CATEGORIES)}")
    path = data_file(folder, category)
    answers = _answers(folder, path.name) if _has_answers(category) else {}
    imported = Imported()
    for number, value in json_lines(path):
        if limit is not None and imported.cases >= limit:
            break
        place = f"{path.name}:{number}"
        try:
            imported.add(_case(value, category, answers), place)
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
        "tools": [_tool(function) for function in value["function"]],
        "expect": _expect(value["id"], category, answers),
        "tags": ["bfcl", category],
    }


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """A tool under a name that every provider takes: dots read as underscores, as the checker does."""
    return {
        "name": function["name"].replace(".", "_"),
        "description": function.get("description", ""),
        "parameters": _schema(function["parameters"]),
    }


def _schema(part: Any) -> Any:
    """A schema of the benchmark's own types as JSON Schema."""
    if isinstance(part, list):
        return [_schema(one) for one in part]
    if not isinstance(part, dict):
        return part
    found: dict[str, Any] = {}
    for name, value in part.items():
        if name == "type" and isinstance(value, str):
            if value.lower() not in _ANY:
                found["type"] = _TYPES.get(value.lower(), value.lower())
        elif name == "properties" and isinstance(value, dict):
            found["properties"] = {argument: _schema(one) for argument, one in value.items()}
        elif name in ("items", "additionalProperties", "anyOf", "oneOf"):
            found[name] = _schema(value)
        elif name != "optional":
            found[name] = value
    return found


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
