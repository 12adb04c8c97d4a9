"""A project's own runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.client import Client
from pytest_selfopt.runners.runner import Runner
from pytest_selfopt.settings import RUNNERS, Mode, Settings

ProjectRunner: TypeAlias = Callable[[str, Mapping[str, Client]], Runner]


def refuse_budget(settings: Settings) -> None:
    """Refuse a budget with a project's own runner, which alone could keep it.

    Raises:
        SettingsError: if a budget is configured.
    """
    bounded = settings.max_calls is not None or settings.max_cost_usd is not None
    if bounded and settings.mode is not Mode.PLAIN:
        raise SettingsError(
            f"a budget (--selfopt-max-calls, --selfopt-max-cost) is kept by the runners {', '.join(RUNNERS)}, not by "
            f"{settings.runner!r}; leave one of them out"
        )
