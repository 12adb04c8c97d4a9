"""Tiers: groups of models with similar prices, and named lists of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from pytest_selfopt.economy.best import BEST
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Band:
    """The price range of a tier, in USD per million tokens in."""

    least: float
    most: float


BANDS = {"tier1": Band(0.01, 0.05), "tier2": Band(0.06, 0.15), "tier3": Band(0.20, 0.50)}


def tier_name(asked: str, names: Iterable[str]) -> str:
    """Return the name among `names` that is meant: TIER1 and BEST_8 are tier1 and best8; without one, as asked."""
    known = tuple(names)
    if asked in known:
        return asked
    for name in known:
        if _bare(name) == _bare(asked):
            return name
    return asked


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def tier_of(model: ModelConfig) -> str | None:
    """Return the tier of a model: the configured one, or the one of its price, or None.

    A price between two bands belongs to the next band above, so that no model falls into a gap.
    """
    if model.tier is not None:
        return model.tier
    lowest = min(map(attrgetter("least"), BANDS.values()))
    if model.price_in is None or model.price_in < lowest:
        return None
    for name, band in BANDS.items():
        if model.price_in <= band.most:
            return name
    return None


def models_of_tier(
    tier: str, models: Iterable[ModelConfig], named: Mapping[str, Sequence[ModelConfig]]
) -> tuple[ModelConfig, ...]:
    """Return the models of a tier, cheapest first, or of a named list in its own order.

    Raises:
        SettingsError: if the tier is unknown or empty.
    """
    if tier in named:
        return tuple(named[tier])
    known = tuple(models)
    if tier == BEST:
        raise SettingsError(
            f"{BEST} is the eight models of a price file that are best by price, and there are none: "
            "name the file under prices, or a list of models under tiers"
        )
    members = [model for model in known if tier_of(model) == tier]
    if members:
        return tuple(sorted(members, key=_dearness))
    tiers = sorted({*named, *filter(None, map(tier_of, known))})
    if tier not in BANDS:
        guess = did_you_mean(tier, list(dict.fromkeys([*BANDS, *tiers, BEST])))
        raise SettingsError(f"unknown tier {tier!r}{guess}; named lists of models are configured under tiers")
    band = BANDS[tier]
    others = ""
    if tiers:
        others = f"; available: {', '.join(tiers)}"
    raise SettingsError(
        f"no model is in {tier} (up to ${band.most:g} per million tokens in, and above the previous tier){others}: "
        "give models their prices, or name a list of them under tiers"
    )


def _dearness(model: ModelConfig) -> tuple[float, float, str]:
    """Return the sort key of models, cheapest first."""
    return model.price_in or 0.0, model.price_out or 0.0, model.id
