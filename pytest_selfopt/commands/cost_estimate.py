"""`selfopt cost-estimate`: what a swarm will cost."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers, add_tags_option
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.known_names import require_phase
from pytest_selfopt.commands.common.printing import write_json, write_lines
from pytest_selfopt.commands.common.project import add_project_options, add_suite_folders, load_project
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    from pytest_selfopt.bench.loading.suites import Suite
    from pytest_selfopt.economy.estimate import Estimate
    from pytest_selfopt.settings import Settings
    from pytest_selfopt.swarm.pattern import Topology

VERSION = 1
"""Of the JSON that is printed."""
MAX_RUNS = 10**9


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt cost-estimate`."""
    parser = subparsers.add_parser(
        "cost-estimate",
        help="estimate what a swarm of a tier's models will cost, before anything is spent",
        epilog="example: selfopt cost-estimate :1010 --tier tier1 --suite benchmarks/atomic.jsonl --runs 3",
    )
    parser.add_argument(
        "pattern",
        help="a digit for each stage: 0, 1, 2 and 3 stand for 1, 8, 64 and 512 calls; :10 is 8 calls, then 1",
    )
    parser.add_argument(
        "--tier",
        required=True,
        help="the tier: tier1, tier2, tier3, best8, or a list configured under tiers",
    )
    parser.add_argument(
        "--suite",
        type=Path,
        nargs="+",
        default=[],
        help="suite files, or folders of them; each case is asked once in each run",
    )
    add_tags_option(parser)
    parser.add_argument(
        "--runs",
        type=int,
        default=1,
        help="how often each case is asked (default: 1)",
    )
    parser.add_argument(
        "--phase",
        help="estimate from the earlier calls of this phase (default: of all phases)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for other programs",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what each model, and all of them, will cost.

    Raises:
        SettingsError: when an option cannot be used.
    """
    from pytest_selfopt.planning.cost import estimate_swarm
    from pytest_selfopt.planning.suite_selection import load_suites
    from pytest_selfopt.swarm.pattern import parse_pattern

    if not 1 <= args.runs <= MAX_RUNS:
        raise SettingsError(f"--runs {args.runs}: must be 1 to {MAX_RUNS:,}")
    topology = parse_pattern(args.pattern)
    settings = load_project(args, args.suite)
    tier = settings.tier_name(args.tier)
    add_suite_folders(args.suite)
    suites: tuple[Suite, ...] = ()
    if args.phase is not None:
        require_phase(args.phase, settings, ())
    if args.suite:
        suites = load_suites(args.suite, args.tags)
    elif args.tags is not None:
        raise SettingsError("--tags selects cases of suites; name the suites by --suite")
    estimate = estimate_swarm(
        topology,
        tier,
        suites,
        settings,
        phase=args.phase,
        runs=args.runs,
    )
    if args.json:
        write_json(_as_json(estimate, topology, tier, settings))
    else:
        write_lines(_describe(estimate, topology, tier, settings))
    return EXIT_DONE


def _describe(
    estimate: Estimate,
    topology: Topology,
    tier: str,
    settings: Settings,
) -> Iterator[str]:
    from pytest_selfopt.console.quantities import format_cost
    from pytest_selfopt.planning.cost import cost_warning

    stages = " then ".join(f"{calls:,}" for calls in topology.stages)
    yield f"{topology.code} ({stages}) of {tier}: {estimate.most_calls:,} calls, {estimate.sentence}"
    for model in estimate.models:
        own = estimate.of(model.id)
        yield f"  {model.id}: {own.most_calls:,} calls, {own.amount}"
    low, high = estimate.low_usd, estimate.high_usd
    if low is not None and high is not None and high > low:
        votes = estimate.most_calls - estimate.calls
        most = format_cost(high - low)
        yield f"  of it at most {most} in {votes:,} calls that aggregate: where they are votes, nothing"
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
