"""`selfopt export inspect`: the trials as logs of Inspect."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_project_options, add_suite_folders, load_project
from pytest_selfopt.commands.export.cycle import add_cycle_option, note_unjudged


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt export inspect`."""
    parser = subparsers.add_parser(
        "inspect",
        help="the trials as logs of Inspect, one for each spec of a cycle",
        epilog="example: selfopt export inspect --cycle 3 --suite benchmarks/atomic.jsonl -o logs && inspect view",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("logs"),
        help="the folder for the logs (default: logs)",
    )
    parser.add_argument(
        "--suite",
        type=Path,
        action="append",
        default=[],
        help="a suite file or folder with the prompts, which the ledger does not have",
    )
    add_cycle_option(parser)
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the logs, and name each as soon as it is written."""
    from pytest_selfopt.export.export import export_inspect

    settings = load_project(args, args.suite)
    add_suite_folders(args.suite)
    note_unjudged(settings, args.cycle)
    for path in export_inspect(settings, args.cycle, args.suite, args.output):
        write_line(f"written: {path}")
    return EXIT_DONE
