"""The budget of a session, and the check that its cost can be known."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.settings import Mode, Settings


def require_prices(settings: Settings, models: Sequence[ModelConfig]) -> None:
    """Refuse a budget in USD for models without prices.

    Raises:
        SettingsError: if there is a budget in USD and a model without prices.
    """
    if settings.mode is Mode.PLAIN:
        return
    if settings.max_cost_usd is None:
        return
    for model in models:
        unpriced = None in (model.price_in, model.price_out)
        if unpriced and not model.free:
            raise SettingsError(
                f"--selfopt-max-cost: model {model.id!r} has no price, "
                "so its cost is unknown; "
                "set price_in and price_out "
                "(USD per million tokens; 0 when it is free) "
                "or name a price file, "
                "or bound the calls by --selfopt-max-calls"
            )


def make_budget(
    settings: Settings,
    models: Sequence[ModelConfig],
    *,
    spent: tuple[int, float],
) -> CallBudget | None:
    """Make the budget for calls of these models, with `spent` calls and USD; None without a bound."""
    # A plain session is a test run: a budget would skip tests, and the run would still be green.
    if settings.mode is Mode.PLAIN or (settings.max_calls is None and settings.max_cost_usd is None):
        return None
    calls, cost_usd = spent
    return CallBudget(
        {model.id: model for model in models},
        max_calls=settings.max_calls,
        max_cost_usd=settings.max_cost_usd,
        calls=calls,
        cost_usd=cost_usd,
    )
