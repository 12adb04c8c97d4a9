"""Whether a model that some place names can be asked at all, which is known before any call."""

from __future__ import annotations

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SelfoptError, SettingsError
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.settings import Settings


def require_askable(model: str, where: str, settings: Settings) -> None:
    """Refuse a model that could not be asked; `where` is the place that names it.

    Raises:
        SettingsError: if it is unknown or, where this process makes the calls, lacks its key or package.
    """
    try:
        check_askable(model, settings)
    except SelfoptError as problem:
        raise SettingsError(f"{where}: {model!r} cannot be asked: {problem}") from None


def check_askable(model: str, settings: Settings) -> None:
    """Check that a model is known and, where this process makes the calls, has its key and package.

    Raises:
        SelfoptError: if not.
    """
    if not makes_calls_here(settings):
        settings.model(model)
        return
    for member in resolve_members(settings, [model]):
        require_model(member)


def converses(suite: Suite) -> bool:
    """Whether a suite holds conversations of several turns."""
    return any(case.world is not None for case in suite.cases)


def require_conversations(model: str, where: str, suite: Suite, settings: Settings) -> None:
    """Refuse a swarm that would have to hold a conversation; `where` is the place that names it.

    Raises:
        SettingsError: if so.
    """
    if settings.model(model).members and converses(suite):
        raise SettingsError(
            f"{where}: {model} cannot be asked: a swarm answers single questions, and "
            f"{suite.name} holds conversations of several turns; name one model"
        )
