"""`selfopt history`: what each cycle compared and decided."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import output_width, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt history`."""
    parser = subparsers.add_parser(
        "history",
        help="show what each cycle compared and decided, and how the accuracy rose",
        epilog="example: selfopt history",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the cycles, the improvement curve and the error budget."""
    from pytest_selfopt.report.explain import history

    write_lines(history(load_project(args), output_width()))
    return EXIT_DONE
