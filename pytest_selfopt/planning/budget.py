"""The budget of a session: what it may spend, when that can be known."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.settings import Mode, Settings


def require_prices(settings: Settings, models: Sequence[ModelConfig]) -> None:
    """Refuse to bound what cannot be known.

    Raises:
        SettingsError: when there is a budget in USD and a model without prices.
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
    """What calls of these models may come to, of which so many calls and USD are `spent`; None without a bound."""
    # A plain session is a test run: leaving tests out and calling it green would be no bound but a lie.
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
