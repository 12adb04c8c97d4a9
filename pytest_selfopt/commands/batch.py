"""`selfopt batch`: each model of a tier answers a suite."""

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
    """Add `selfopt batch`."""
    parser = subparsers.add_parser(
        "batch",
        help="let each model of a tier answer a suite, and compare them",
        epilog="example: selfopt batch tier1 --suite benchmarks/atomic.jsonl --runs 3",
    )
    parser.add_argument(
        "tier",
        help="the tier: tier1, tier2, tier3, best8, or a list configured under tiers",
    )
    add_batch_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask the models, once the cost is agreed to, and compare them."""
    from pytest_selfopt.planning.batch_questions import batch_questions
    from pytest_selfopt.planning.cost import estimate_batch
    from pytest_selfopt.report.batch_report import batch_lines, to_json

    settings = load_batch_project(args)
    tier = settings.tier_name(args.tier)
    questions, notes = batch_questions(
        settings,
        tier,
        args.suite,
        tags=args.tags,
        phase=args.phase,
        variant=args.variant,
        runs=args.runs,
    )
    cost = estimate_batch(
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
        write_json(to_json(settings, questions, result, notes))
    else:
        write_lines(batch_lines(questions, result, notes))
    return batch_status(result)
