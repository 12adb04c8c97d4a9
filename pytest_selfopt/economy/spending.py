"""Spending limits and named lists of models: the configuration tables `budget` and `tiers`."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.config_table import Table

USUAL_WARNING_USD = 0.50

SWARM = "swarm:"
"""The prefix of swarm names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The limits of a cycle (None: no limit), and the USD above which the user is warned before it begins."""

    max_calls: int | None = None
    max_cost_usd: float | None = None
    warn_usd: float = USUAL_WARNING_USD


def read_spending(table: Table) -> Spending:
    """Read the table `budget`.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    warn = table.number("warn", USUAL_WARNING_USD, least=0, most=1e6)
    assert warn is not None
    max_calls = None
    if table.has("max_calls"):
        max_calls = table.integer("max_calls", 0, least=1, most=10**9)
    max_cost_usd = table.number("max_cost", None, least=0, most=1e6)
    table.finish()
    return Spending(max_calls=max_calls, max_cost_usd=max_cost_usd, warn_usd=warn)


def read_tiers(table: Table) -> dict[str, tuple[str, ...]]:
    """Read the table `tiers`: lists of models by name.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    # Read all lists before checking the first: wrong types are reported first.
    tiers = {name: table.texts(name, ()) for name in table.names()}
    for name, models in tiers.items():
        if not models:
            table.refuse(name, "must name at least one model")
        for model in models:
            if model.startswith(SWARM):
                table.refuse(name, f"contains {model!r}; a tier contains models, not swarms")
    return tiers
