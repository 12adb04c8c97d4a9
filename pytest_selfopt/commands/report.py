"""`selfopt report`: what was measured and decided, as a page, Markdown or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project, warn_of_changed_log


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt report`."""
    parser = subparsers.add_parser(
        "report",
        help="report what was measured and decided, in one cycle or in all",
        epilog="example: selfopt report --cycle 3 --open",
    )
    parser.add_argument(
        "--cycle",
        type=int,
        help="the number of the cycle (default: all cycles)",
    )
    parser.add_argument(
        "--format",
        choices=("html", "md", "json"),
        default="html",
        help="a page in HTML (the default), Markdown or JSON",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="write the report to PATH, or print it (-); by default a page is written, and other formats are printed",
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="open the page in a browser",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report to a file, or print it."""
    from pytest_selfopt.report.publish import report_to
    from pytest_selfopt.routing.atomic_files import timestamp

    settings = load_project(args)
    warn_of_changed_log(settings)
    printed = report_to(
        settings,
        args.cycle,
        form=args.format,
        output=args.output,
        show=args.open,
        now=timestamp(clock.now()),
    )
    write_lines(printed)
    return EXIT_DONE
