"""Parsers and arguments of commands."""

from __future__ import annotations

import argparse
from typing import Any, Protocol

from pytest_selfopt.errors import SettingsError


class Subparsers(Protocol):
    """What `ArgumentParser.add_subparsers` returns, whose class argparse does not name in public."""

    def add_parser(self, *args: Any, **kwargs: Any) -> argparse.ArgumentParser:
        """Add the parser of a command."""


def add_tags_option(parser: argparse.ArgumentParser) -> None:
    """Add the selection of cases by their tags."""
    parser.add_argument(
        "--tags",
        metavar="EXPRESSION",
        help="only cases of whose tags this is true, such as 'slow and not paid'",
    )


def require_at_least_1(option: str, value: int | None) -> None:
    """Refuse a number below 1; None is an option that was not given.

    Raises:
        SettingsError: when the number is too small.
    """
    if value is not None and value < 1:
        raise SettingsError(f"{option} {value}: must be at least 1")
