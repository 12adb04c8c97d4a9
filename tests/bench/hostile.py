"""Strategies that damage what is right: values, texts and files, as people, models and tools do."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import yaml
from hypothesis import strategies as st

Path: TypeAlias = tuple[Any, ...]

WORDS = (
    *("", " ", "a", "f", "x", "id", "name", "true", "null", "1", "-1", "0.5", "50%", "1e999", "NaN", "$ref", "#/a"),
    *("(", "[", "{", "}", "{{x}}", "{%", ":", "- a", "*a", "&a", "!!int", "<<", "file://a.csv", "file://a.py", "#"),
    *("\n", "\t", "\r\n", "\0", "\ud83d", "\ufeff", "😀", "\u2028", "é", "a" * 200, "(a+)+$", "integer", "array"),
    *("\\", '"', "'", ",", ";", "sep=;"),
)
"""Texts that stand for something somewhere."""
NUMBERS = (0, 1, -1, 2, 0.5, 1e308, -0.0, 10**30, 2**53 + 1, 1e-320)
NAMES = (
    *(
        "id",
        "name",
        "prompt",
        "messages",
        "role",
        "content",
        "tools",
        "expect",
        "type",
        "properties",
        "parameters",
        "x",
    ),
    *("call", "calls", "arguments", "not", "all", "any", "json_schema", "$ref", "$defs", "items", "enum", "required"),
    *(
        "case",
        "tool",
        "cases",
        "environment",
        "start",
        "turns",
        "weight",
        "tags",
        "assert",
        "value",
        "vars",
        "threshold",
    ),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from([*NUMBERS, *WORDS]) | st.text(max_size=5)
ODD: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all values inside of a value, its own first."""
    yield path
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, member in members:
        yield from places(member, (*path, name))


def at(value: Any, path: Path) -> Any:
    """The value that a path leads to."""
    for name in path:
        value = value[name]
    return value


def changed(value: Any, path: Path, new: Any) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    first, *rest = path
    inner = changed(value[first], tuple(rest), new)
    if isinstance(value, dict):
        return {**value, first: inner}
    return [*value[:first], inner, *value[first + 1 :]]


def without(value: Any, path: Path) -> Any:
    """The value without what a path leads to."""
    *parents, last = path
    parent = at(value, tuple(parents))
    if isinstance(parent, dict):
        left: Any = {name: member for name, member in parent.items() if name != last}
    else:
        left = [*parent[:last], *parent[last + 1 :]]
    return changed(value, tuple(parents), left)


def doubled(value: Any, path: Path, name: str) -> Any:
    """The value with what a path leads to a second time, in an object under another name."""
    *parents, last = path
    parent = at(value, tuple(parents))
    more: Any = [*parent, parent[last]] if isinstance(parent, list) else {**parent, name: parent[last]}
    return changed(value, tuple(parents), more)


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """A value with one to three damages at random places."""
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(value))
        path = draw(st.sampled_from(paths))
        kind = draw(st.sampled_from(["odd", "without", "doubled", "other", "in list", "in object", "as text"]))
        found = at(value, path)
        if kind == "without" and path:
            value = without(value, path)
        elif kind == "doubled" and path:
            value = doubled(value, path, draw(st.sampled_from(NAMES)))
        elif kind == "other":
            value = changed(value, path, at(value, draw(st.sampled_from(paths))))
        elif kind == "in list":
            value = changed(value, path, [found])
        elif kind == "in object":
            value = changed(value, path, {draw(st.sampled_from(NAMES)): found})
        elif kind == "as text":
            value = changed(value, path, json.dumps(found))
        else:
            value = changed(value, path, draw(ODD))
    return value


@st.composite
def scratched(draw: st.DrawFn, text: str) -> str:
    """A text that has lost, gained or doubled some signs, or none."""
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        middle = draw(st.sampled_from(["", text[start:end] * 2, *WORDS]))
        text = text[:start] + middle + text[end:]
    return text


def rows(entries: Sequence[Mapping[str, Any]], separator: str = ",") -> str:
    """A table of objects: texts as they are, other values as JSON."""
    header = list(dict.fromkeys(name for entry in entries for name in entry))
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerow(header)
    for entry in entries:
        cells = [entry.get(name, "") for name in header]
        writer.writerow([cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return written.getvalue()


def block(value: Any) -> str:
    """A value in YAML's block style; in JSON if PyYAML cannot write it."""
    try:
        return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, UnicodeEncodeError):
        return json.dumps(value)


def encoded(text: str) -> bytes:
    """The bytes of a file; halves of characters are not encoded as UTF-8 has it."""
    return text.encode("utf-8", "surrogatepass")
