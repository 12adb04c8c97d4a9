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
        help="restore the rules as they were before a cycle or a change",
        epilog="example: selfopt rollback 3 --dry-run",
    )
    parser.add_argument(
        "what",
        nargs="?",
        help='the number of a cycle, or a rule as "model::phase" (default: the last change)',
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be done, write nothing",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Restore the rules, and print what was done to each."""
    from pytest_selfopt.cycle.rollback import roll_back
    from pytest_selfopt.routing.atomic_files import timestamp

    lines = roll_back(
        load_project(args),
        args.what,
        now=timestamp(clock.now()),
        dry_run=args.dry_run,
    )
    write_lines(lines)
    return EXIT_DONE
