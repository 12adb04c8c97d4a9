"""`selfopt import`: other people's benchmarks as lines of a suite file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers, require_at_least_1
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_line, write_note
from pytest_selfopt.console.output import JsonText


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt import`."""
    parser = subparsers.add_parser(
        "import",
        help="turn other people's benchmarks into lines of a suite file",
        epilog="example: selfopt import bfcl bfcl_eval/data --category irrelevance --limit 50 > irrelevance.jsonl",
    )
    parser.add_argument(
        "form",
        choices=("bfcl", "promptfoo", "chat", "csv"),
        help="the format of the benchmark",
    )
    parser.add_argument(
        "path",
        type=Path,
        help="the file; for BFCL the folder with its data files",
    )
    parser.add_argument(
        "--category",
        help="for BFCL: the category, such as irrelevance",
    )
    parser.add_argument("--limit", type=int, help="import at most this many cases")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the lines of a suite, and to stderr, as they usually go into a file, what they leave out."""
    import json

    from pytest_selfopt.bench.importing import import_from

    require_at_least_1("--limit", args.limit)
    imported = import_from(
        args.form,
        args.path,
        category=args.category,
        limit=args.limit,
    )
    for line in imported.lines:
        text = json.dumps(line, ensure_ascii=False)
        write_line(JsonText(text))
    for sentence in imported.notes:
        write_note(f"note: {sentence}")
    for sentence in imported.left_out:
        write_note(f"left out: {sentence}")
    write_note(f"{imported.cases} cases, {len(imported.left_out)} left out")
    return exit_status(ok=bool(imported.cases))
