"""`selfopt export litellm`: what is in force, as a configuration of LiteLLM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line, write_note
from pytest_selfopt.commands.common.project import add_project_options, load_project
from pytest_selfopt.console.output import Verbatim


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt export litellm`."""
    parser = subparsers.add_parser(
        "litellm",
        help="the rules in force as a configuration of a LiteLLM proxy or router (YAML)",
        epilog="example: selfopt export litellm -o litellm.yaml --report litellm.txt",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="the file to write (default: print it)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        help="the file for what LiteLLM cannot express (default: stderr)",
    )
    parser.add_argument(
        "--with-max-parallel-requests",
        action="store_true",
        help="write max_concurrency as max_parallel_requests; LiteLLM refuses the calls over it, they do not wait",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the configuration, and what of the rules it cannot hold."""
    from pytest_selfopt.export.export import export_litellm

    config = export_litellm(load_project(args), with_limits=args.with_max_parallel_requests)
    gaps = [gap.sentence for gap in config.gaps]
    _write_gaps(gaps, args.report)
    _write_config(config.text, args.output)
    return EXIT_DONE


def _write_gaps(gaps: Sequence[str], path: Path | None) -> None:
    from pytest_selfopt.routing.atomic_files import write_atomically

    if path is not None:
        report = "".join(f"{sentence}\n" for sentence in gaps)
        write_atomically(path, report)
        return
    for sentence in gaps:
        write_note(sentence)


def _write_config(text: str, path: Path | None) -> None:
    from pytest_selfopt.routing.atomic_files import write_atomically

    if path is None:
        write_line(Verbatim(text.rstrip("\n")))
        return
    write_atomically(path, text)
    write_line(f"written: {path}")
