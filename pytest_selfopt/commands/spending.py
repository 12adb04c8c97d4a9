"""The commands about money: what something will cost, before it is spent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common import AddCommand, add_places, let_import_from, settings_of
from pytest_selfopt.console.output import Printed, Verbatim
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    from pytest_selfopt.economy.estimate import Estimate
    from pytest_selfopt.settings import Settings
    from pytest_selfopt.swarm.pattern import Topology

VERSION = 1
"""Of the JSON that is printed."""


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    cost = add(
        "cost-estimate",
        help="what a swarm of a tier's models will cost, before anything is spent",
        epilog="example: selfopt cost-estimate :1010 --tier tier1 --suite benchmarks/atomic.jsonl --runs 3",
    )
    cost.add_argument(
        "pattern", help="a digit for each stage: 0, 1, 2 and 3 are 1, 8, 64 and 512 calls; :10 is 8, then 1"
    )
    cost.add_argument(
        "--tier",
        required=True,
        help="whose models: tier1, tier2, tier3, or a list named under tiers",
    )
    cost.add_argument(
        "--suite", type=Path, nargs="+", default=[], help="the suite files; each case is asked once a run"
    )
    cost.add_argument(
        "--runs",
        type=int,
        default=1,
        help="how often (default: 1)",
    )
    cost.add_argument(
        "--phase",
        help="go by the earlier calls of this phase (default: of all)",
    )
    cost.add_argument(
        "--json",
        action="store_true",
        help="print it for other programs",
    )
    add_places(cost)
    cost.set_defaults(command=_estimate)


def _estimate(options: argparse.Namespace) -> Iterator[Printed]:
    from pytest_selfopt.planning.cost import estimate_swarm
    from pytest_selfopt.swarm.pattern import parse_pattern

    if not 1 <= options.runs <= 10**9:
        raise SettingsError(f"--runs {options.runs}: expected 1 to 1,000,000,000")
    topology = parse_pattern(options.pattern)
    settings = settings_of(options)
    let_import_from(path.parent for path in options.suite)
    estimate = estimate_swarm(
        topology,
        options.tier,
        options.suite,
        settings,
        phase=options.phase,
        runs=options.runs,
    )
    if options.json:
        value = _as_json(estimate, topology, options.tier, settings)
        yield Verbatim(json.dumps(value, indent=2))
    else:
        yield from _lines(estimate, topology, options.tier, settings)


def _lines(
    estimate: Estimate,
    topology: Topology,
    tier: str,
    settings: Settings,
) -> Iterator[str]:
    from pytest_selfopt.economy.estimate import dollars
    from pytest_selfopt.planning.cost import cost_warning

    stages = " then ".join(f"{calls:,}" for calls in topology.stages)
    yield f"{topology.code} ({stages}) of {tier}: {estimate.most_calls:,} calls, {estimate.sentence}"
    for model in estimate.models:
        own = estimate.of(model.id)
        yield f"  {model.id}: {own.most_calls:,} calls, {own.amount}"
    low, high = estimate.low_usd, estimate.high_usd
    if low is not None and high is not None and high > low:
        votes = estimate.most_calls - estimate.calls
        yield f"  of it at most {dollars(high - low)} in {votes:,} calls that aggregate: where they are votes, nothing"
    warning = cost_warning(estimate, settings)
    if warning:
        yield f"warning: {estimate.amount}{warning} (budget: warn)"


def _as_json(
    estimate: Estimate,
    topology: Topology,
    tier: str,
    settings: Settings,
) -> dict[str, object]:
    models: list[dict[str, object]] = []
    for model in estimate.models:
        row = {
            "model": model.id,
            "price_in": model.price_in,
            "price_out": model.price_out,
            "free": model.free,
            **_numbers(estimate.of(model.id)),
        }
        models.append(row)
    return {
        "version": VERSION,
        "pattern": topology.code,
        "stages": list(topology.stages),
        "tier": tier,
        "bound": estimate.bounded,
        "warning": estimate.exceeds(settings.warn_usd),
        **_numbers(estimate),
        "models": models,
    }


def _numbers(estimate: Estimate) -> dict[str, object]:
    """Calls and USD, from what is certain to the most; null is unknown."""
    return {
        "calls": {"least": estimate.calls, "most": estimate.most_calls},
        "cost_usd": {"least": estimate.low_usd, "most": estimate.high_usd},
        "grounds": estimate.grounds,
    }
