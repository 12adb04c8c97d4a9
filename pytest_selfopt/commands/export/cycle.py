"""What the exports of trials share: which cycle they are of, and which calls are no trials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.printing import write_note

if TYPE_CHECKING:
    from pytest_selfopt.settings import Settings


def add_cycle_option(parser: argparse.ArgumentParser) -> None:
    """Add `--cycle`."""
    parser.add_argument(
        "--cycle",
        type=int,
        help="the number of the cycle (default: all cycles)",
    )


def note_unjudged(settings: Settings, cycle: int | None) -> None:
    """Say on stderr how many calls of a cycle, or of all, are not exported."""
    from pytest_selfopt.export.export import unjudged

    number = unjudged(settings, cycle)
    if number:
        write_note(f"{number} finished calls have no verdict and were not exported")
