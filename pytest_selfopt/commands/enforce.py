"""`selfopt enforce`: recommendations become rules on trial."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt import clock
from pytest_selfopt.bounded_text import bounded
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_line, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt enforce`."""
    parser = subparsers.add_parser(
        "enforce",
        help="turn the recommendations of a feedback file into rules on trial",
        epilog="example: selfopt enforce harness_feedback.json --dry-run",
    )
    parser.add_argument(
        "feedback",
        type=Path,
        nargs="?",
        help="the feedback file (default: that of the last cycle)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be done, write nothing",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the rules, and print what became of each recommendation."""
    from pytest_selfopt.cycle.enforce_feedback import enforce_feedback
    from pytest_selfopt.routing.atomic_files import timestamp
    from pytest_selfopt.routing.feedback import FEEDBACK

    settings = load_project(args, makes_state=True)
    path = args.feedback or settings.state_dir / FEEDBACK
    now = timestamp(clock.now())
    enforced = enforce_feedback(path, settings, now=now, dry_run=args.dry_run)
    write_lines(enforced.notes)
    for change in (*enforced.applied, *enforced.skipped):
        write_line(bounded(change.sentence))
    for error in enforced.errors:
        write_line(bounded(f"error: {error}"))
    summary = enforced.summary
    if args.dry_run:
        summary = f"dry run, nothing was written: {summary}"
    write_line(summary)
    return exit_status(ok=not enforced.errors)
