"""`routing_config.json`: the rules that applications and the next session follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing import readable, resolve
from pytest_selfopt.routing.atomic_files import copy_aside, read_text, set_aside, to_text, write_atomically
from pytest_selfopt.routing.ownership import reason
from pytest_selfopt.routing.readable import VERSION, ReadableConfig
from pytest_selfopt.routing.regular_file import read_regular, require_regular
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.rule import Rule, rule_to_json


class NewerVersionError(StateError):
    """A newer version wrote the file; it is neither read nor set aside."""


@dataclass(frozen=True)
class RoutingConfig:
    """The configuration as read. `extra` keeps top-level fields that this version does not know.

    `problem` says what is wrong with a file that cannot be used as a whole (empty: nothing); its readable rules are
    there nevertheless.
    """

    rules: tuple[Rule, ...] = ()
    version: int | str = VERSION
    timestamp: str | float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @cached_property
    def _index(self) -> resolve.Index:
        return resolve.index_rules(self.rules)

    def get_rule(self, model: str, phase: str) -> Rule | None:
        """Return the rule in force for a model in a phase, or None."""
        return self._index.get((model, phase))

    def apply_routing(self, model: str, phase: str, *, fallback: str | None = None) -> Route:
        """Return the effective model and settings, after fallbacks; `fallback` is the phase's own, or None."""
        return resolve.route(self._index, model, phase, fallback=fallback)

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
    """Read the configuration; a missing file counts as empty.

    An unusable file is set aside and reported. The rules in it that can be read take its place at once, so that a model
    that they disable stays disabled for applications, too.

    Raises:
        StateError: if the file can be neither read nor set aside, or a newer version wrote it.
    """
    try:
        return parse_config(routing_text(path))
    except FileNotFoundError:
        return RoutingConfig()
    except ValueError as problem:
        return _rescued(path, problem)


def _rescued(path: Path, problem: ValueError) -> RoutingConfig:
    """Set an unusable file aside, and return what can be read of it."""
    config = _as_config(readable.read_bytes(read_regular(path)), "")
    sentence = f"{path.name} could not be used ({problem}); it was set aside as "
    if not config.rules:
        return replace(config, problem=f"{sentence}{set_aside(path).name}")
    aside = copy_aside(path)
    stamp = {}
    if config.timestamp is not None:
        stamp["timestamp"] = config.timestamp
    write_atomically(path, to_text({"version": config.version, **stamp, **_body(config)}))
    return replace(config, problem=f"{sentence}{aside.name}, and its readable rules hold ({len(config.rules)})")


def routing_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is too large or not UTF-8.
        StateError: if it cannot be read, or is no regular file.
    """
    try:
        require_regular(path)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise _cannot_read(path, problem) from None
    return read_text(path)


def _cannot_read(path: Path, problem: OSError) -> StateError:
    return StateError(f"cannot read {path}: {reason(problem, path)}")


def read_config(path: Path) -> RoutingConfig:
    """Read the configuration without changing any file.

    Raises:
        StateError: if the file exists but is unusable.
    """
    try:
        return parse_config(routing_text(path))
    except FileNotFoundError:
        return RoutingConfig()
    except ValueError as problem:
        raise StateError(f"{path.name} cannot be used: {problem}; repair it or move it away") from None


def readable_config(path: Path) -> RoutingConfig:
    """Read what can be read of the configuration, without changing any file; a missing file counts as empty.

    Raises:
        StateError: if the file exists but cannot be read at all.
    """
    try:
        reading = readable.read_bytes(read_regular(path))
    except FileNotFoundError:
        return RoutingConfig()
    except OSError as problem:
        raise _cannot_read(path, problem) from None
    return _as_config(reading, reading.sentence(path.name))


def parse_config(text: str) -> RoutingConfig:
    """Read the text of a configuration file.

    Raises:
        ValueError: if the text is invalid; the message says what is wrong and where.
        NewerVersionError: if a newer version wrote it.
    """
    reading = readable.read_document(text)
    if reading.newer:
        raise NewerVersionError(reading.problems[0])
    if reading.problems:
        raise ValueError(reading.problems[0])
    return _as_config(reading, "")


def _as_config(reading: ReadableConfig, problem: str) -> RoutingConfig:
    return RoutingConfig(
        rules=reading.rules,
        version=reading.version,
        timestamp=reading.timestamp,
        extra=reading.extra,
        problem=problem,
    )


def save_config(path: Path, config: RoutingConfig, *, now: str) -> RoutingConfig:
    """Write the configuration with timestamp `now`, unless the file has the same content (a missing file: no rules).

    Raises:
        StateError: if it cannot be written or its fallbacks are circular; the old file stays untouched.
    """
    text = new_text(path, config, now=now)
    if text is None:
        return config
    write_atomically(path, text)
    return replace(config, timestamp=now, problem="")


def new_text(path: Path, config: RoutingConfig, *, now: str) -> str | None:
    """Return what the file is to contain, with timestamp `now`; None if it has the same content (see `save_config`).

    Raises:
        StateError: if the file cannot be read, or the fallbacks are circular.
    """
    check_rules(config.rules)
    body = _body(config)
    try:
        written = parse_config(routing_text(path))
        same = _body(written) == body
    except FileNotFoundError:
        same = body == {"rules": []}
    except ValueError:
        same = False
    if same:
        return None
    return to_text({"version": config.version, "timestamp": now, **body})


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


def require_config(path: Path) -> None:
    """Refuse a gate without a routing configuration.

    Raises:
        StateError: if there is none.
    """
    if not path.exists():
        raise StateError(
            f"--selfopt-gate: {path.name} is missing, so nothing is in force that could be measured; "
            "write one by --selfopt-cycle, and keep it in git"
        )
