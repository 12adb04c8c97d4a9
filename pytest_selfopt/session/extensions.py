"""The extensions of a project by its own hooks: gates and a runner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from pytest_selfopt.cycle.planned_cycle import PlannedCycle
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.execution.project_runner import ProjectRunner
from pytest_selfopt.loop.gate import GATE_NAMES
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, ProjectGates, no_project_gates
from pytest_selfopt.models.client import Client
from pytest_selfopt.runners.runner import Runner
from pytest_selfopt.session.options import looks_only
from pytest_selfopt.settings import RUNNERS, Settings

GATES_HOOK = "pytest_selfopt_gates"


def project_gates(config: pytest.Config) -> ProjectGates:
    """Return a function that calls all implementations of the gates hook.

    The function raises SettingsError if an implementation fails, or returns anything but new gates.
    """
    hook = config.hook.pytest_selfopt_gates
    if not hook.get_hookimpls():
        return no_project_gates

    def ask(measured: GateInput) -> Sequence[GateResult]:
        try:
            answers = hook(measured=measured)
        except Exception as problem:
            raise SettingsError(
                f"{GATES_HOOK} failed on {measured.spec}: {type(problem).__name__}: {problem}; the trials are in the "
                "ledger: fix the hook, then continue with --selfopt-resume"
            ) from problem
        return tuple(_checked(answers))

    return ask


def _checked(answers: Iterable[Any]) -> Iterable[GateResult]:
    names = list(GATE_NAMES)
    for answer in answers:
        results = answer
        if not isinstance(answer, (list, tuple)):
            results = (answer,)
        for result in results:
            if not isinstance(result, GateResult):
                raise SettingsError(f"{GATES_HOOK} returned {result!r}; expected a GateResult, a list of them, or None")
            if result.name in names:
                raise SettingsError(f"{GATES_HOOK}: a gate named {result.name!r} already exists; rename yours")
            names.append(result.name)
            yield result


RUNNER_HOOK = "pytest_selfopt_runner"
_METHODS = ("run", "run_batch", "has_begun", "give_up", "cancel")


def project_runner(config: pytest.Config) -> ProjectRunner:
    """Return a function that gets a runner from the runner hook, by name.

    The function raises SettingsError if no implementation knows the name, or one returns anything but a runner.
    """

    def ask(name: str, clients: Mapping[str, Client]) -> Runner:
        answer: Any = config.hook.pytest_selfopt_runner(name=name, clients=clients)
        if answer is None:
            known = ", ".join(RUNNERS)
            raise SettingsError(
                f"unknown runner {name!r}; available: {known}, "
                "and the runners that "
                f"{RUNNER_HOOK} in a conftest.py returns"
            )
        missing = [part for part in ("in_flight", *_METHODS) if not hasattr(answer, part)]
        if missing:
            raise SettingsError(
                f"{RUNNER_HOOK} returned {answer!r}, which is not a runner: it lacks {', '.join(missing)}"
            )
        runner: Runner = answer
        return runner

    return ask


def plan_cycle(config: pytest.Config, settings: Settings) -> PlannedCycle:
    """Make a cycle with the project's extensions; it touches no file, server or model before its first plan."""
    return PlannedCycle(
        settings,
        makes_calls=not looks_only(config),
        project_gates=project_gates(config),
        project_runner=project_runner(config),
    )
