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
        "--redo",
        "--undo",
        action="store_true",
        help="take a rollback back: cycles may decide again, and rules not changed since are put back",
    )
    parser.add_argument(
        "--further",
        action="store_true",
        help="after a rollback, go one decision further back",
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
    from pytest_selfopt.errors import SettingsError
    from pytest_selfopt.routing.atomic_files import timestamp

    if args.redo and args.further:
        raise SettingsError("--redo takes a rollback back, and --further rolls back more; leave one of them out")
    settings, now = load_project(args), timestamp(clock.now())
    if args.redo:
        write_lines(restore(settings, args.what, now=now, dry_run=args.dry_run))
    else:
        write_lines(roll_back(settings, args.what, now=now, dry_run=args.dry_run, further=args.further))
    return EXIT_DONE
