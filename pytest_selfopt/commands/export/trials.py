"""`selfopt export csv` and `selfopt export json`: a row for each trial."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_project_options, load_project
from pytest_selfopt.commands.export.cycle import add_cycle_option, note_unjudged
from pytest_selfopt.console.sanitize import defused, defused_json, without_commands
from pytest_selfopt.redaction.known import redact_written

FORMATS = {
    "csv": "a CSV file, for spreadsheets",
    "json": "JSON, for programs",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt export csv` and `selfopt export json`."""
    for name, description in FORMATS.items():
        _add_format(subparsers, name, description)


def _add_format(subparsers: Subparsers, name: str, description: str) -> None:
    parser = subparsers.add_parser(
        name,
        help=f"the trials as {description}: one row for each",
        epilog=f"example: selfopt export {name} -o trials.{name}",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="the file to write (default: print it)",
    )
    add_cycle_option(parser)
    add_project_options(parser)
    parser.set_defaults(run=run, form=name)


def run(args: argparse.Namespace) -> int:
    """Write the table to a file, or to stdout."""
    from pytest_selfopt.export.export import export_trials
    from pytest_selfopt.routing.atomic_files import write_pieces

    settings = load_project(args)
    note_unjudged(settings, args.cycle)
    lines = export_trials(settings, args.cycle, args.form)
    if args.output is None:
        _write_to_stdout(lines, args.form)
        return EXIT_DONE
    write_pieces(args.output, lines)
    write_line(f"written: {args.output}")
    return EXIT_DONE


def _write_to_stdout(lines: Iterable[str], form: str) -> None:
    """Write a table; CSV has no escapes, and is made harmless where it is shown, but left as it is in a file.

    Behind a pipe may be a program, but also the log of a build server: only commands to one are broken there.
    """
    # Not by `write_line`, which would end each line once more. And a table is UTF-8 wherever it is printed.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    make: Callable[[str], str] = str
    if form == "json":
        make = defused_json
    elif sys.stdout.isatty():
        make = _for_terminal
    elif not _is_file(sys.stdout):
        make = without_commands
    for line in lines:
        sys.stdout.write(make(redact_written(line)))
    sys.stdout.flush()


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _for_terminal(row: str) -> str:
    return defused(row.removesuffix("\r\n")) + "\n"
