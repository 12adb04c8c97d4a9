"""The gates that a project adds by the hook `pytest_selfopt_gates`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.loop.gates import GateInput, GateResult, ProjectGates, no_project_gates

HOOK = "pytest_selfopt_gates"
BUILT_IN = (
    "comparable",
    "interleaved",
    "errors",
    "min_samples",
    "variance",
    "no_regression",
    "restraint",
    "extended_phase_min_accuracy",
    "latency",
    "cost",
    "veto",
    "new_prompts",
    "better",
)


def project_gates(config: pytest.Config) -> ProjectGates:
    """A function that asks all implementations of the hook.

    The function raises SettingsError when one of them fails, or answers something that is no gate of its own.
    """
    hook = config.hook.pytest_selfopt_gates
    if not hook.get_hookimpls():
        return no_project_gates

    def ask(measured: GateInput) -> Sequence[GateResult]:
        try:
            answers = hook(measured=measured)
        except Exception as problem:
            raise SettingsError(
                f"{HOOK} failed on {measured.spec}: {type(problem).__name__}: {problem}; the trials are in the ledger: "
                "mend it and go on with --selfopt-resume"
            ) from problem
        return tuple(_checked(answers))

    return ask


def _checked(answers: Iterable[Any]) -> Iterable[GateResult]:
    names = list(BUILT_IN)
    for answer in answers:
        for result in answer if isinstance(answer, (list, tuple)) else (answer,):
            if not isinstance(result, GateResult):
                raise SettingsError(f"{HOOK} answered {result!r}; expected a GateResult, a list of them, or None")
            if result.name in names:
                raise SettingsError(f"{HOOK}: there is a gate {result.name!r} already; name yours differently")
            names.append(result.name)
            yield result
