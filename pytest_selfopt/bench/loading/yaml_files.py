"""YAML 1.2 with JSON's types and nothing else: keys are unique texts, aliases are bounded, problems have a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from pytest_selfopt.bench.call_format import line as one_line
from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.plain_numbers import bounded, plain_number
from pytest_selfopt.bench.loading.texts import HALF_A_CHARACTER, SURROGATE, whole_text
from pytest_selfopt.bench.loading.yaml_changes import reading_before
from pytest_selfopt.bench.loading.yaml_hints import hint_on

Place: TypeAlias = tuple[str | int, ...]
"""Where a value is: the keys and indices that lead to it."""

DEEPEST = 200
"""Levels of lists and objects in each other."""
_MOST_REPEATED = 10_000_000
"""Characters that aliases may repeat."""

_PLAIN = "plain"
_MERGE = "<<"
_TEXT = "tag:yaml.org,2002:str"
_LIST = "tag:yaml.org,2002:seq"
_OBJECT = "tag:yaml.org,2002:map"
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE_TAGS: dict[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:null": (type(None),),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (int, float),
}
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_OTHER_BREAKS = "\x85\u2028\u2029"
_PRIVATE = range(0xE000, 0xF900)
_NO_CHARACTER = "found invalid Unicode character escape code"

_Node: TypeAlias = yaml.nodes.Node
if TYPE_CHECKING:
    _Parser = yaml.SafeLoader
else:
    # The parser in C takes a fraction of the time; wheels of PyYAML bring it along.
    _Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlProblem(ValueError):
    """A file is no YAML, or says what JSON cannot; `line` counts from 1, and is 0 where it is unknown."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """A document as plain JSON values."""

    value: Any
    lines: dict[Place, int]
    """The first lines of the members of the document, and of their members."""
    changes: tuple[tuple[int, str], ...]
    """Line and sentence of each plain value that readers of YAML 1.1 understand otherwise."""


def read_yaml(
    text: str, *, name_key: Callable[[Any], str] | None = None, plain_text: Callable[[str], str] = str
) -> YamlDocument:
    """Read a text that holds one document, or none: then its value is None.

    `name_key` makes a text of a key that is none; without it such keys are refused. `plain_text` marks texts that
    stand without quotes.

    Raises:
        YamlProblem: if it cannot be read.
    """
    stand_ins = _stand_ins(text)
    try:
        root = _composed(text.translate(stand_ins))
        restored = {stand_in: sign for sign, stand_in in stand_ins.items()}
        reader = _Reader(len(text) + _MOST_REPEATED, name_key, plain_text, restored)
        value = None
        if root is not None:
            value = reader.value(root, 0)
    except yaml.MarkedYAMLError as problem:
        raise _broken(problem, text) from None
    except yaml.YAMLError as problem:
        # The second line names a position in a text that has no name.
        reason = one_line(str(problem).partition("\n")[0])
        raise YamlProblem(0, f"invalid YAML: {reason}") from None
    except UnicodeEncodeError as problem:
        line = text.count("\n", 0, problem.start) + 1
        raise YamlProblem(line, HALF_A_CHARACTER) from None
    except RecursionError:
        raise YamlProblem(0, "invalid YAML: nested too deeply") from None
    changes = tuple(reader.changes)
    return YamlDocument(value=value, lines=_lines(root), changes=changes)


def _stand_ins(text: str) -> dict[int, int]:
    """Return private characters that stand for those that the parser takes for line breaks, as YAML 1.1 had them."""
    breaks = [ord(sign) for sign in _OTHER_BREAKS if sign in text]
    if not breaks:
        return {}
    written = text.lower()
    free = (code for code in _PRIVATE if chr(code) not in text and f"{code:x}" not in written)
    return dict(zip(breaks, free, strict=False))


def _composed(text: str) -> _Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.scanner.ScannerError as problem:
        if problem.problem != _NO_CHARACTER or not SURROGATE.search(text):
            raise
    # JSON writes a character beyond U+FFFF as two escapes; the parser in Python keeps them, to be joined.
    try:
        return yaml.compose(text, Loader=_SlowLoader)
    except (ValueError, OverflowError):
        raise YamlProblem(0, f"invalid YAML: {_NO_CHARACTER}") from None


class _PlainValues:
    """Leaves plain values to the reader, which knows the core schema."""

    def resolve(self, kind: type[_Node], _value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none."""
        if kind is yaml.MappingNode:
            return _OBJECT
        if kind is yaml.SequenceNode:
            return _LIST
        if implicit[0]:
            return _PLAIN
        return _TEXT


class _Loader(_PlainValues, _Parser):
    pass


class _SlowLoader(_PlainValues, yaml.SafeLoader):
    pass


@dataclass(slots=True)
class _Reader:
    """Makes values of nodes. An alias leads to the same node again, so that its value is made once."""

    most: int
    """Characters of all values, aliases written out."""
    name_key: Callable[[Any], str] | None
    plain_text: Callable[[str], str]
    restored: Mapping[int, int]
    """Characters for which others stand."""
    changes: list[tuple[int, str]] = field(default_factory=list)
    _size: int = 0
    _made: dict[int, tuple[Any, int]] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    def value(self, node: _Node, depth: int) -> Any:
        """Return the value of a node that is inside `depth` others."""
        if isinstance(node, yaml.ScalarNode):
            self._grow(node, 1 + len(node.value))
            return self._scalar(node)
        key = id(node)
        if key in self._open:
            raise _problem(node, "an alias stands for something that contains it")
        if key in self._made:
            value, size = self._made[key]
            self._grow(node, size)
            return value
        if depth == DEEPEST:
            raise _problem(node, f"nested too deeply: more than {DEEPEST} levels")
        before = self._size
        self._open.add(key)
        value = self._collection(node, depth + 1)
        self._open.remove(key)
        self._made[key] = value, self._size - before
        return value

    def _grow(self, node: _Node, size: int) -> None:
        self._size += size
        if self._size > self.most:
            raise _problem(node, "aliases repeat too much; write the values out, or in JSONL")

    def _collection(self, node: _Node, depth: int) -> Any:
        self._grow(node, 1)
        if isinstance(node, yaml.SequenceNode) and node.tag == _LIST:
            return [self.value(item, depth) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == _OBJECT:
            return self._object(node, depth)
        raise _foreign(node)

    def _object(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] | None = None
        for key, item in node.value:
            if key.tag == _PLAIN and key.value == _MERGE:
                if merged is not None:
                    raise _problem(key, f"duplicate key {_MERGE!r}")
                merged = self._merged(item, depth)
                continue
            name = self._key(key)
            if name in own:
                raise _problem(key, f"duplicate key {show(name)}")
            own[name] = self.value(item, depth)
        if merged is None:
            return own
        return {**merged, **own}

    def _merged(self, node: _Node, depth: int) -> dict[str, Any]:
        """Return the members that a key `<<` brings in; of equal names the first counts."""
        parts = [node]
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        merged: dict[str, Any] = {}
        for part in parts:
            value = self.value(part, depth)
            if not isinstance(value, dict):
                raise _problem(part, f"{_MERGE}: expected an object, or a list of objects")
            merged = {**value, **merged}
        return merged

    def _key(self, node: _Node) -> str:
        self._grow(node, 1)
        if not isinstance(node, yaml.ScalarNode):
            raise _problem(node, "a key must be a text, no list or object; a text that begins with { needs quotes")
        name = self.value(node, 0)
        if isinstance(name, str):
            return name
        if self.name_key is not None:
            return self.name_key(name)
        written = node.value or "null"
        raise _problem(node, f"the key {written} is not a text; write '{written}' in quotes")

    def _restored(self, text: str) -> str:
        if self.restored:
            return text.translate(self.restored)
        return text

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            text = whole_text(self._restored(node.value))
        except ValueError as problem:
            raise _problem(node, str(problem)) from None
        if node.tag == _TEXT:
            return text
        if node.tag != _PLAIN and node.tag not in _CORE_TAGS:
            raise _foreign(node)
        try:
            value = _plain(text)
        except ValueError as problem:
            raise _problem(node, str(problem)) from None
        if node.tag in _CORE_TAGS:
            if not isinstance(value, _CORE_TAGS[node.tag]):
                kind = node.tag.rpartition(":")[2]
                raise _problem(node, f"{show(text)} is not a value of the type !!{kind}")
            return value
        if isinstance(value, str):
            value = self.plain_text(value)
        before = reading_before(text, value)
        if before:
            self.changes.append((_line(node), before))
        return value


def _plain(text: str) -> Any:
    """Return what a value without quotes stands for in YAML's core schema.

    Raises:
        ValueError: if JSON has no such value.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NO_NUMBER.fullmatch(text):
        raise ValueError(f"{text} is not a JSON number; write it in quotes if it is a text")
    if _OTHER_BASE.fullmatch(text):
        return bounded(int(text, 0), text)
    number = plain_number(text)
    if number is None:
        return text
    return number


def _lines(root: _Node | None) -> dict[Place, int]:
    lines: dict[Place, int] = {}
    for name, first, node in _members(root):
        lines[name,] = first
        for inner, line, _ in _members(node):
            lines[name, inner] = line
    return lines


def _members(node: _Node | None) -> list[tuple[str | int, int, _Node]]:
    """Return key or index, first line and node of each member of a node."""
    if isinstance(node, yaml.SequenceNode):
        return [(index, _line(item), item) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), _line(key), item) for key, item in node.value]
    return []


def _line(node: _Node) -> int:
    mark = node.start_mark
    if mark is None:
        return 0
    return mark.line + 1


def _problem(node: _Node, sentence: str) -> YamlProblem:
    return YamlProblem(_line(node), sentence)


def _foreign(node: _Node) -> YamlProblem:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    return _problem(node, f"the tag {one_line(tag, 60)} is none of JSON's types")


def _broken(problem: yaml.MarkedYAMLError, text: str) -> YamlProblem:
    """Return the problem that a parser found in a text, with the line that it names."""
    parts = filter(None, (problem.context, problem.problem))
    reason = one_line(", ".join(parts))
    line, sign = 0, ""
    mark = problem.problem_mark
    if mark is not None:
        line = mark.line + 1
        sign = text.lstrip("\ufeff")[mark.index : mark.index + 1]
    return YamlProblem(line, f"invalid YAML: {reason}{hint_on(reason, sign)}")
