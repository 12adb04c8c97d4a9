"""`selfopt decide`: judges the stored trials of a cycle again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_json, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project

if TYPE_CHECKING:
    from pytest_selfopt.cycle.redecide import RedecidedPhase


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt decide`."""
    parser = subparsers.add_parser(
        "decide",
        help="judge the stored trials of a cycle again, without new calls",
        epilog="example: selfopt decide 3 --json",
    )
    parser.add_argument(
        "cycle",
        nargs="?",
        type=int,
        help="the number of the cycle (default: the last decided one)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the verdicts as JSON, in the form of the history",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the verdicts of today's gates beside those that were recorded."""
    from pytest_selfopt.cycle.redecide import decide_again

    phases = decide_again(load_project(args), args.cycle)
    if args.json:
        write_json(_as_json(phases))
        return EXIT_DONE
    for phase in phases:
        write_lines(_describe(phase))
    return EXIT_DONE


def _as_json(phases: Iterable[RedecidedPhase]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for phase in phases:
        row = {
            "cycle": phase.cycle,
            "phase": phase.phase,
            "verdicts": phase.verdicts,
        }
        rows.append(row)
    return rows


def _describe(phase: RedecidedPhase) -> Iterator[str]:
    comparison = "NOT as it was decided"
    if phase.same:
        comparison = "as it was decided"
    yield f"cycle {phase.cycle}, {phase.phase}: {comparison}"
    before = {row["spec"]: row["verdict"] for row in phase.recorded}
    for judgement in phase.conclusion.judgements:
        then = before.get(judgement.spec, "not judged")
        changed = ""
        if then != judgement.verdict:
            changed = f" (then {then})"
        yield f"  {judgement.verdict}{changed} {judgement.spec}: {judgement.grounds}"
