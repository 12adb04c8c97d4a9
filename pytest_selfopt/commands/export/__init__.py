"""`selfopt export`: a module for each foreign format."""

from __future__ import annotations

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.export import inspect_logs, litellm, trials


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt export` and its formats."""
    parser = subparsers.add_parser(
        "export",
        help="export what was measured and decided to the formats of other tools",
        epilog="example: selfopt export csv --cycle 3 -o trials.csv",
    )
    formats = parser.add_subparsers(required=True, metavar="FORM")
    litellm.add_parser(formats)
    inspect_logs.add_parser(formats)
    trials.add_parser(formats)
