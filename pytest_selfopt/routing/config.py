"""`routing_config.json`: the rules that applications and the next session follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing import resolve
from pytest_selfopt.routing.atomic_files import (
    read_or_set_aside,
    read_text,
    to_text,
    write_atomically,
)
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.rule import Rule, rule_from_json, rule_to_json
from pytest_selfopt.strict_json import parse_json

VERSION = 1


class NewerVersionError(StateError):
    """A newer version wrote the file; it is neither read nor set aside."""


@dataclass(frozen=True)
class RoutingConfig:
    """The configuration as read. `extra` keeps top-level fields that this version does not know.

    `problem` says what was wrong with a file that was set aside; otherwise it is empty.
    """

    rules: tuple[Rule, ...] = ()
    version: int | str = VERSION
    timestamp: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @cached_property
    def _index(self) -> resolve.Index:
        return resolve.index_rules(self.rules)

    def get_rule(self, model: str, phase: str) -> Rule | None:
        """Return the rule in force for a model in a phase, or None."""
        return self._index.get((model, phase))

    def apply_routing(self, model: str, phase: str) -> Route:
        """Return the effective model and settings, after fallbacks."""
        return resolve.route(self._index, model, phase)

    def without_trials(self) -> RoutingConfig:
        """Return the configuration without anything on trial."""
        untried = filter(None, map(attrgetter("untried"), self.rules))
        return replace(self, rules=tuple(untried))

    def with_rules(self, rules: Iterable[Rule]) -> RoutingConfig:
        """Return the configuration with these rules, sorted by model and phase, in their order within these.

        Raises:
            StateError: if fallbacks are circular; the message names the models.
        """
        ordered = tuple(sorted(rules, key=attrgetter("model", "phase")))
        check_rules(ordered)
        return replace(self, rules=ordered)

    def save_rule(self, path: Path, rule: Rule, *, now: str) -> RoutingConfig:
        """Replace the rule for the same model and phase, and write the file."""
        address = (rule.model, rule.phase)
        others = [other for other in self.rules if not other.in_force or (other.model, other.phase) != address]
        return save_config(path, self.with_rules([*others, rule]), now=now)


def load_config(path: Path) -> RoutingConfig:
    """Read the configuration; a missing file counts as empty, an unusable one is set aside and reported.

    Raises:
        StateError: if the file can be neither read nor set aside, or a newer version wrote it.
    """
    config, problem = read_or_set_aside(path, parse_config, RoutingConfig())
    return replace(config, problem=problem)


def read_config(path: Path) -> RoutingConfig:
    """Read the configuration without changing any file.

    Raises:
        StateError: if the file exists but is unusable.
    """
    try:
        return parse_config(read_text(path))
    except FileNotFoundError:
        return RoutingConfig()
    except ValueError as problem:
        raise StateError(f"{path.name} cannot be used: {problem}; repair it or move it away") from None


def peek(path: Path) -> RoutingConfig:
    """Read the configuration without changing any file; an unusable file counts as empty."""
    try:
        return read_config(path)
    except StateError:
        return RoutingConfig()


def parse_config(text: str) -> RoutingConfig:
    """Read the text of a configuration file.

    Raises:
        ValueError: if the text is invalid; the message says what is wrong and where.
        NewerVersionError: if a newer version wrote it.
    """
    document = parse_json(text)
    if not isinstance(document, dict):
        raise ValueError("the file must contain an object")
    version = document.get("version", VERSION)
    _check_version(version)
    values = document.get("rules", [])
    if not isinstance(values, list):
        raise ValueError("'rules' must be a list")
    stamp = document.get("timestamp")
    if stamp is not None and not isinstance(stamp, str):
        raise ValueError("'timestamp' must be a string")
    extra = dict(document)
    for name in ("version", "rules", "timestamp"):
        extra.pop(name, None)
    return RoutingConfig(rules=_rules(values), version=version, timestamp=stamp, extra=extra)


def save_config(path: Path, config: RoutingConfig, *, now: str) -> RoutingConfig:
    """Write the configuration with timestamp `now`, unless the file has the same content (a missing file: no rules).

    Raises:
        StateError: if it cannot be written or its fallbacks are circular; the old file stays untouched.
    """
    check_rules(config.rules)
    body = _body(config)
    try:
        written = parse_config(read_text(path))
        same = _body(written) == body
    except FileNotFoundError:
        same = body == {"rules": []}
    except ValueError:
        same = False
    if same:
        return config
    write_atomically(path, to_text({"version": config.version, "timestamp": now, **body}))
    return replace(config, timestamp=now, problem="")


def _body(config: RoutingConfig) -> dict[str, Any]:
    """Return the file's content without version and timestamp."""
    rules = list(map(rule_to_json, config.rules))
    return {"rules": rules, **config.extra}


def check_rules(rules: Iterable[Rule]) -> None:
    """Reject circular fallbacks, and two rules in force for the same model and phase.

    Raises:
        StateError: if there are any; the message names the models.
    """
    index: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        if rule.in_force and index.setdefault((rule.model, rule.phase), rule) is not rule:
            raise StateError(f"there are two rules for {rule.model} in {rule.phase}; keep one of them")
    for model, phase in index:
        seen = [model]
        fallback = _fallback(index, model, phase)
        while fallback is not None:
            if fallback in seen:
                circle = " → ".join([*seen, fallback])
                raise StateError(f"the fallbacks of phase {phase} are circular: {circle}")
            seen.append(fallback)
            fallback = _fallback(index, fallback, phase)


def _fallback(index: resolve.Index, model: str, phase: str) -> str | None:
    """Return the fallback of a disabled model, or None."""
    rule = index.get((model, phase))
    if rule is None or rule.allow:
        return None
    return rule.fallback_model or None


def _check_version(version: object) -> None:
    if isinstance(version, bool) or not isinstance(version, int | str):
        raise ValueError("'version' must be a number or a string")
    major = str(version).partition(".")[0]
    if not major.isdecimal():
        raise ValueError(f"'version' must begin with a number, not {version!r}")
    if int(major) > VERSION:
        raise NewerVersionError(
            f"the routing configuration has version {version}, but this pytest-selfopt reads up to {VERSION}; "
            "use the newer pytest-selfopt that wrote it"
        )


def _rules(values: list[Any]) -> tuple[Rule, ...]:
    rules = []
    for index, value in enumerate(values):
        try:
            rules.append(rule_from_json(value))
        except ValueError as problem:
            raise ValueError(f"rules[{index}]: {problem}") from None
    return tuple(rules)
