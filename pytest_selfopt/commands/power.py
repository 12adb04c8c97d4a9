"""`selfopt power`: what gain a cycle can find."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers, require_at_least_1
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_lines
from pytest_selfopt.commands.common.project import add_project_options, add_suite_folders, load_project
from pytest_selfopt.commands.common.suite_phase import add_phase_option, phase_of


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt power`."""
    parser = subparsers.add_parser(
        "power",
        help="show what gain a cycle over these suites can find, and in how many calls",
        epilog="example: selfopt power benchmarks/atomic.jsonl --candidates 3",
    )
    parser.add_argument(
        "suite",
        type=Path,
        nargs="+",
        help="the suite files of one phase",
    )
    add_phase_option(parser, "the phase of the suites")
    parser.add_argument(
        "--candidates",
        type=int,
        help="how many candidates are compared with the baseline (default: as configured)",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate cycles over the suites, and print what they find."""
    from pytest_selfopt.planning.power import known_of, power_report

    require_at_least_1("--candidates", args.candidates)
    settings = load_project(args, args.suite)
    add_suite_folders(args.suite)
    phase = phase_of(args, settings)
    limits = settings.phase(phase).limits
    lines = power_report(
        args.suite,
        candidates=args.candidates or settings.max_candidates,
        least=limits.min_samples,
        known=known_of(settings, phase),
        claim=limits.claim,
    )
    write_lines(lines)
    return EXIT_DONE
