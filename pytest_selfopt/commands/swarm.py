"""`selfopt swarm`: the models of a tier answer a suite together."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.batch_command import (
    add_batch_options,
    batch_status,
    confirm_cost,
    load_batch_project,
    run_batch,
)
from pytest_selfopt.commands.common.exit_status import EXIT_FAILED
from pytest_selfopt.commands.common.printing import write_json, write_lines


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt swarm`."""
    parser = subparsers.add_parser(
        "swarm",
        help="let the models of a tier answer a suite together, in a pattern, and show what that gains",
        epilog="example: selfopt swarm :10 --tier tier1 --suite benchmarks/atomic.jsonl",
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
    add_batch_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask the swarm, once its cost is agreed to, and set it beside its members."""
    from pytest_selfopt.planning.batch_questions import swarm_questions
    from pytest_selfopt.planning.cost import estimate_swarm
    from pytest_selfopt.report.batch_report import swarm_lines, to_json
    from pytest_selfopt.swarm.pattern import parse_pattern

    settings = load_batch_project(args)
    tier = settings.tier_name(args.tier)
    questions = swarm_questions(
        settings,
        args.pattern,
        tier,
        args.suite,
        tags=args.tags,
        phase=args.phase,
        variant=args.variant,
        runs=args.runs,
    )
    cost = estimate_swarm(
        parse_pattern(args.pattern),
        tier,
        questions.suites,
        settings,
        phase=args.phase,
        runs=args.runs,
    )
    if not confirm_cost(cost, settings, args):
        return EXIT_FAILED
    result = run_batch(settings, questions)
    if args.json:
        write_json(to_json(settings, questions, result, []))
    else:
        write_lines(swarm_lines(settings, questions, result))
    return batch_status(result)
