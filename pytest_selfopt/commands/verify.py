"""`selfopt verify`: whether the decisions log is as it was written."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_project_options, load_project


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check that nobody changed the decisions log",
        epilog="example: selfopt verify",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check every line against the one before it."""
    from pytest_selfopt.routing.decisions import verify_log
    from pytest_selfopt.routing.history import DECISIONS

    path = load_project(args).state_dir / DECISIONS
    verification = verify_log(path)
    write_line(verification.sentence)
    return exit_status(ok=verification.ok)
