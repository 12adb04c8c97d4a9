"""`selfopt verify`: whether the decisions log is as it was written."""

from __future__ import annotations

import argparse

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE, exit_status
from pytest_selfopt.commands.common.printing import write_line, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check that nobody changed the decisions log",
        epilog='example: selfopt verify --accept "merged the branch of Ann, whose decisions we checked"',
    )
    parser.add_argument(
        "--accept",
        metavar="WHY",
        help="take a log that was changed as it is from now on; the reason becomes an entry of the log",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check every line against the one before it and against the ledger, or accept the log as it is."""
    from pytest_selfopt.ledger.accepted_log import accept_log
    from pytest_selfopt.ledger.decision_log import verify
    from pytest_selfopt.routing.atomic_files import timestamp

    files = load_project(args)
    if args.accept is not None:
        write_lines(accept_log(files.state_dir, files.routing_path, args.accept, now=timestamp(clock.now())))
        return EXIT_DONE
    verification = verify(files.state_dir)
    write_line(verification.sentence)
    return exit_status(ok=verification.ok)
