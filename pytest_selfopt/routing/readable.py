"""What can be read of `routing_config.json`, even where it cannot be used as a whole; the standard library only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from pytest_selfopt.bounded_text import brief
from pytest_selfopt.routing.rule import Rule, read_rule
from pytest_selfopt.strict_json import parse_json

VERSION = 1
"""The version of the format that this version writes."""

_KNOWN = ("version", "timestamp", "rules")
_INSIDE_A_RULE = re.compile(r'"before"\s*:\s*$')
_BACK = 40
"""The characters before an object that are searched for the name it stands under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableConfig:
    """The readable part of a configuration; `problems` has a sentence for each part that is not (empty: all is).

    `newer` says that a newer version wrote the file. `extra` are the top-level fields that this version does not know.
    """

    rules: tuple[Rule, ...] = ()
    version: int | str = VERSION
    timestamp: str | float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    newer: bool = False

    def sentence(self, name: str) -> str:
        """Return what is wrong with the file of this name, and what holds nevertheless; empty if nothing is wrong."""
        if not self.problems:
            return ""
        what, *further = self.problems
        if further:
            what += f", and {len(further)} more"
        holds = "no rule in it could be read"
        if self.rules:
            holds = f"its readable rules hold ({len(self.rules)})"
        return f"{name} cannot be used as a whole: {what}; {holds}"


def read_bytes(content: bytes) -> ReadableConfig:
    """Read the content of a configuration file; what cannot be read never hides what can."""
    try:
        return read_document(content.decode("utf-8"))
    except UnicodeDecodeError as problem:
        reading = read_document(content.decode("utf-8", "replace"))
        wrong = f"it is not valid UTF-8 (byte {problem.start})"
        return _with_problems(reading, [wrong])


def read_document(text: str) -> ReadableConfig:
    """Read the text of a configuration file. Of a text that is no JSON, the rules that stand in it whole are read."""
    problems: list[str] = []
    try:
        document = parse_json(text)
    except ValueError as problem:
        problems.append(str(problem))
        try:
            document = _DECODER.decode(text)
        except (ValueError, RecursionError):
            return _with_problems(_read_rules(list(_whole_rules(text))), problems)
    if not isinstance(document, dict):
        problems.append("the file must contain an object")
        return _with_problems(_read_rules(list(_rules_in(document))), problems)
    values, misspelled = _listed_rules(document)
    problems += misspelled
    if not isinstance(values, list):
        problems.append("'rules' must be a list")
        values = list(_rules_in(values))
    stamp = document.get("timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, str | int | float | None):
        problems.append("'timestamp' must be a string or a number")
        stamp = None
    version = document.get("version", VERSION)
    wrong, newer = _version_problem(version)
    if wrong:
        problems.append(wrong)
        version = VERSION
    extra = {name: value for name, value in document.items() if name not in _KNOWN}
    reading = replace(_read_rules(values), version=version, timestamp=stamp, extra=extra, newer=newer)
    return _with_problems(reading, problems)


def _listed_rules(document: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the value of `rules`, or of a field that is meant to be it, and what is wrong with its name, if anything.

    A file of another name for its rules would have none, so that a model that it disables would be allowed.
    """
    if "rules" in document:
        return document["rules"], []
    for name in get_close_matches("rules", document):
        if any(_rules_in(document[name])):
            return document[name], [f"unknown field {brief(name)}; did you mean 'rules'?"]
    return [], []


def _read_rules(values: Sequence[Any]) -> ReadableConfig:
    rules: list[Rule] = []
    problems: list[str] = []
    for index, value in enumerate(values):
        rule, wrong = read_rule(value)
        problems += [f"rules[{index}]: {problem}" for problem in wrong]
        if rule is not None:
            rules.append(rule)
    return ReadableConfig(rules=tuple(rules), problems=tuple(problems))


def _with_problems(reading: ReadableConfig, problems: Sequence[str]) -> ReadableConfig:
    """Add problems. In a file with problems, a rule that disables a model outweighs others on the same model."""
    every = (*problems, *reading.problems)
    if not every:
        return reading
    disabled = {(rule.model, rule.phase) for rule in reading.rules if rule.in_force and not rule.allow}
    rules: list[Rule] = []
    for rule in reading.rules:
        outweighed = rule.in_force and rule.allow and (rule.model, rule.phase) in disabled
        if not outweighed:
            rules.append(rule)
    return replace(reading, rules=tuple(rules), problems=every)


def _version_problem(version: object) -> tuple[str, bool]:
    """Return what is wrong with a version (empty: nothing), and whether it is newer than this one."""
    if isinstance(version, bool) or not isinstance(version, int | str):
        return "'version' must be a number or a string", False
    major = str(version).partition(".")[0]
    if not major.isdecimal():
        return f"'version' must begin with a number, not {brief(version)}", False
    if int(major) <= VERSION:
        return "", False
    newer = (
        f"the routing configuration has version {version}, but this pytest-selfopt reads up to {VERSION}; "
        "use the newer pytest-selfopt that wrote it"
    )
    return newer, True


def _rules_in(value: Any) -> Iterator[Any]:
    """Yield the objects in a value that name a model and a phase, in order; what one of them holds is part of it."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "model" in found and "phase" in found:
                yield found
                continue
            # Other fields may hold rules that are not in force, such as old ones that were kept.
            if "rules" in found:
                found = {"rules": found["rules"]}
            found = list(found.values())
        if isinstance(found, list):
            waiting.extend(reversed(found))


def _whole_rules(text: str) -> Iterator[Any]:
    """Yield the rules that stand whole in a text that is no JSON, such as one that is cut off."""
    position = text.find("{")
    while position >= 0:
        start, position = position, position + 1
        try:
            value, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        # What a broken rule replaced is not in force.
        if not _INSIDE_A_RULE.search(text[max(0, start - _BACK) : start]):
            yield from _rules_in(value)
        position = text.find("{", position)


def _number(digits: str) -> float | None:
    """Return a number; None for one that no JSON file could hold again."""
    value = float(digits)
    if math.isinf(value):
        return None
    return value


def _whole_number(digits: str) -> int | None:
    if _number(digits) is None:
        return None
    return int(digits)


def _joined(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a name that stands in it twice, lists are joined, and false stays."""
    joined: dict[str, Any] = {}
    for name, value in pairs:
        known = joined.get(name)
        if isinstance(known, list) and isinstance(value, list):
            joined[name] = [*known, *value]
        elif known is not False:
            joined[name] = value
    return joined


_DECODER = json.JSONDecoder(
    parse_float=_number,
    parse_int=_whole_number,
    parse_constant=lambda _: None,
    object_pairs_hook=_joined,
)
