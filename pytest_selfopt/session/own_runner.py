"""The runner that a project adds by the hook `pytest_selfopt_runner`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.client import Client
from pytest_selfopt.runners.runner import Runner
from pytest_selfopt.settings import RUNNERS, Mode, Settings

HOOK = "pytest_selfopt_runner"
ProjectRunner: TypeAlias = Callable[[str, Mapping[str, Client]], Runner]


def project_runner(config: pytest.Config) -> ProjectRunner:
    """A function that asks the implementations of the hook for the runner of a name.

    It raises SettingsError when none of them knows it, or when one answers something that is no runner.
    """

    def ask(name: str, clients: Mapping[str, Client]) -> Runner:
        answer: Any = config.hook.pytest_selfopt_runner(name=name, clients=clients)
        if answer is None:
            raise SettingsError(
                f"unknown runner {name!r}; known are {', '.join(RUNNERS)}, and whatever an implementation of {HOOK} in "
                "a conftest.py answers to"
            )
        missing = [part for part in ("in_flight", *_METHODS) if not hasattr(answer, part)]
        if missing:
            raise SettingsError(f"{HOOK} answered {answer!r}, which is no runner: it has no {', '.join(missing)}")
        runner: Runner = answer
        return runner

    return ask


_METHODS = ("run", "run_batch", "has_begun", "give_up", "cancel")


def refuse_budget(settings: Settings) -> None:
    """Refuse to bound what only the runner could.

    Raises:
        SettingsError: when there is a budget.
    """
    bounded = settings.max_calls is not None or settings.max_cost_usd is not None
    if bounded and settings.mode is not Mode.PLAIN:
        raise SettingsError(
            f"a budget (--selfopt-max-calls, --selfopt-max-cost) is kept by the runners {', '.join(RUNNERS)}, not by "
            f"{settings.runner!r}; leave one of them out"
        )
