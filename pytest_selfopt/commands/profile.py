"""`selfopt profile`: what is known of models."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import output_width, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project
from pytest_selfopt.errors import SettingsError


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt profile`."""
    parser = subparsers.add_parser(
        "profile",
        help="show how accurate, fast, reliable and expensive a model is; with --all compare all models",
        epilog="examples: selfopt profile ollama/llama3.2:1b; selfopt profile --all --phase atomic --format md",
    )
    parser.add_argument("model", nargs="?", help="the model")
    parser.add_argument(
        "--all",
        action="store_true",
        help="compare all models, with the Pareto fronts and the best models of each tier",
    )
    parser.add_argument(
        "--phase",
        help="count only what was measured in this phase",
    )
    _add_format_options(parser)
    add_project_options(parser)
    parser.set_defaults(run=run)


def _add_format_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "json", "md"),
        default="table",
        help="a table (the default), JSON or Markdown",
    )
    parser.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def run(args: argparse.Namespace) -> int:
    """Print the profile of a model, or of all of them.

    Raises:
        SettingsError: when neither or both are asked for.
    """
    from pytest_selfopt.report.profile_report import profile_lines

    if (args.model is None) is not args.all:
        raise SettingsError("profile: name one model, or give --all")
    lines = profile_lines(
        load_project(args),
        args.model,
        args.phase,
        form=args.format,
        width=output_width(),
    )
    write_lines(lines)
    return EXIT_DONE
