"""`selfopt rollback`: takes back what cycles have decided."""

from __future__ import annotations

import argparse

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt rollback`."""
    parser = subparsers.add_parser(
        "rollback",
        help="take back what cycles decided: the rules become as they were before",
        epilog="example: selfopt rollback 3 --dry-run",
    )
    parser.add_argument(
        "what",
        nargs="?",
        help='the number of a cycle, or a rule as "model::phase" (default: what was decided last)',
    )
    parser.add_argument(
        "--undo",
        action="store_true",
        help="take a rollback back: cycles may decide again, and rules not changed since are put back",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be done, write nothing",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Change the rules, and print what was done to each."""
    from pytest_selfopt.cycle.rollback import restore, roll_back
    from pytest_selfopt.routing.atomic_files import timestamp

    do = roll_back
    if args.undo:
        do = restore
    lines = do(
        load_project(args),
        args.what,
        now=timestamp(clock.now()),
        dry_run=args.dry_run,
    )
    write_lines(lines)
    return EXIT_DONE
