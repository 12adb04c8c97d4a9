"""A project's own runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.records import result_without_reply
from pytest_selfopt.models.client import Client
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.runners.runner import Finished, Runner
from pytest_selfopt.settings import RUNNERS, Mode, Settings
from pytest_selfopt.trial import CallResult

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


def is_project_runner(settings: Settings) -> bool:
    """Whether calls are carried out by a project's own runner."""
    return settings.runner not in RUNNERS


def without_secrets(finished: Sequence[Finished]) -> list[Finished]:
    """Black secrets out of the results of a project's own runner; those of the built-in ones have none."""
    return [Finished(each.call, _without_secrets(each.result)) for each in finished]


def _without_secrets(result: CallResult) -> CallResult:
    try:
        return KNOWN.redactor.redact_value(result)
    except RecursionError as problem:
        # The ledger could not hold it either.
        return result_without_reply(result, problem)
