"""`harness_feedback.json`: recommendations, written by a cycle or by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bounded_text import brief
from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.atomic_files import read_or_set_aside, read_text, to_text
from pytest_selfopt.routing.rule import Recommendation
from pytest_selfopt.strict_json import parse_json
from pytest_selfopt.suggest import did_you_mean_file

FEEDBACK = "harness_feedback.json"
VERSION = 1

_TEXTS = ("type", "target", "model", "phase", "action", "reason", "fallback", "diagnosis")
_PLAIN_ACTIONS = {"disable": "disable_for_stateful", "allow": "allow_for_bounded_tasks"}
"""Short names of actions in handwritten files; they may leave out the phase, and are then meant for all."""
PHASES = ("atomic", "extended")
"""The phases that are always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The recommendations of a feedback file, and a sentence for each unusable entry.

    `cycle` is the last cycle it mentions; 0 if none.
    """

    recommendations: tuple[Recommendation, ...]
    problems: tuple[str, ...]
    cycle: int = 0


def read_feedback(path: Path, phases: Sequence[str] = PHASES, *, state: bool = False) -> Feedback:
    """Read a feedback file; unusable recommendations are reported and do not affect the others.

    One that disables or allows a model, and names no phase, counts for all `phases`. `state` says that the file is in
    the state directory, and not one of the user's own.

    Raises:
        StateError: if the file does not exist or is not a feedback file.
    """
    try:
        document = parse_json(read_text(path, state=state))
    except FileNotFoundError:
        advice = did_you_mean_file(path) or "; pytest --selfopt-cycle writes it, or write it by hand"
        raise StateError(f"{path} does not exist{advice}") from None
    except ValueError as problem:
        raise StateError(f"{path} cannot be used: {problem}") from None
    values, runs = document, []
    if isinstance(document, dict):
        values = document.get("recommendations")
        runs = document.get("recent_runs", [])
        if "action" in document:
            values = [document]
    if not isinstance(values, list):
        raise StateError(f"{path} cannot be used: it must contain a list of recommendations")
    recommendations: list[Recommendation] = []
    problems: list[str] = []
    for number, value in enumerate(values):
        try:
            recommendations += _recommendations(value, phases)
        except ValueError as problem:
            problems.append(f"recommendations[{number}]: {problem}")
    return Feedback(
        recommendations=tuple(recommendations),
        problems=tuple(problems),
        cycle=max(_cycles(runs), default=0),
    )


def read_document(path: Path) -> dict[str, Any]:
    """Return the content of a feedback file as it is; nothing if there is none that can be read."""
    try:
        document = parse_json(read_text(path, state=True))
    except (OSError, ValueError, StateError):
        return {}
    if not isinstance(document, dict):
        return {}
    return document


def set_unusable_aside(path: Path) -> str:
    """Set aside what is no feedback of a cycle, before a new file replaces it; return a sentence on it, else empty.

    Raises:
        StateError: if it can be neither read nor set aside.
    """
    nothing: dict[str, Any] = {}
    _, note = read_or_set_aside(path, _object_in, nothing)
    return note


def _object_in(text: str) -> dict[str, Any]:
    document = parse_json(text)
    if not isinstance(document, dict):
        raise ValueError("it must contain an object")
    return document


def _cycles(runs: Any) -> Iterator[int]:
    """Yield the cycles in a file, which may be written by hand."""
    if not isinstance(runs, list):
        return
    for run in runs:
        if not isinstance(run, dict):
            continue
        cycle = run.get("cycle")
        # Not isinstance: true and false are not cycles.
        if type(cycle) is int:
            yield cycle


def feedback_text(
    *,
    generated_at: str,
    recent_runs: Sequence[Mapping[str, Any]],
    accuracy: Mapping[str, Mapping[str, Any]],
    hot_failures: Sequence[Mapping[str, Any]],
    recommendations: Sequence[Recommendation],
    kept: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the text of a feedback file.

    `accuracy` is keyed by "model::phase"; `hot_failures` are the prompts that failed in two or more runs; `kept` are
    recommendations of the file before, which stay as they are.
    """
    document = {
        "version": VERSION,
        "generated_at": generated_at,
        "recent_runs": list(map(dict, recent_runs)),
        "model_phase_accuracy": {name: dict(value) for name, value in accuracy.items()},
        "hot_failures": list(map(dict, hot_failures)),
        "recommendations": [*map(dict, kept), *map(_plain, recommendations)],
    }
    return to_text(document)


def _recommendations(value: Any, phases: Sequence[str]) -> list[Recommendation]:
    if not isinstance(value, dict):
        raise ValueError(f"it must be an object, not {brief(value)}")
    for name in _TEXTS:
        if value.get(name) is not None and not isinstance(value[name], str):
            raise ValueError(f"{name!r} must be a string, not {brief(value[name])}")
    targets = _targets(value, phases)
    if not value.get("action"):
        raise ValueError("'action' is missing")
    return [_recommendation(value, target) for target in targets]


def _targets(value: dict[str, Any], phases: Sequence[str]) -> list[str]:
    """Return what a recommendation is about, from its target, or from its model and phase."""
    model, phase, target = value.get("model"), value.get("phase"), value.get("target")
    if target or not model:
        if not target:
            raise ValueError("'target' is missing")
        model, _, phase = target.rpartition("::")
        if not model or not phase:
            raise ValueError(f"'target' must read \"model::phase\", not {brief(target)}")
        return [target]
    if phase:
        return [f"{model}::{phase}"]
    if value.get("action") not in _PLAIN_ACTIONS:
        raise ValueError("'phase' is missing")
    return [f"{model}::{every}" for every in phases]


def _recommendation(value: dict[str, Any], target: str) -> Recommendation:
    action = value["action"]
    requirements = _requirements(value)
    if action == "allow" and requirements is None:
        # Short for what it says: it asks for no warm-up.
        requirements = ()
    allow = value.get("allow")
    if allow is not None and not isinstance(allow, bool):
        raise ValueError(f"'allow' must be true or false, not {brief(allow)}")
    return Recommendation(
        type=value.get("type") or "routing",
        target=target,
        action=_PLAIN_ACTIONS.get(action, action),
        reason=value.get("reason") or "no reason is given",
        allow=allow,
        fallback=value.get("fallback"),
        requirements=requirements,
        retries=_number(value, "retries", int, most=10),
        timeout=_number(value, "timeout", (int, float), most=86_400),
        max_tokens=_number(value, "max_tokens", int, most=1_000_000),
        diagnosis=value.get("diagnosis"),
    )


def _requirements(value: dict[str, Any]) -> tuple[str, ...] | None:
    requirements = value.get("requirements")
    if requirements is None:
        return None
    if not isinstance(requirements, list) or not all(isinstance(text, str) for text in requirements):
        raise ValueError(f"'requirements' must be a list of strings, not {brief(requirements)}")
    return tuple(requirements)


def _number(value: dict[str, Any], name: str, kinds: type[int] | tuple[type, ...], *, most: int) -> Any:
    number: Any = value.get(name)
    usable = isinstance(number, kinds) and not isinstance(number, bool)
    if number is not None and not (usable and 0 < float(number) <= most):
        raise ValueError(f"{name!r} must be a number above 0 and at most {most}, not {brief(number)}")
    return number


def _plain(recommendation: Recommendation) -> dict[str, Any]:
    fields = asdict(recommendation).items()
    document = {name: value for name, value in fields if value is not None}
    document["requirements"] = list(recommendation.requirements or ())
    return document
