"""What `selfopt swarm` and `selfopt batch` share: they ask many models, and spend money."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import add_tags_option, require_at_least_1
from pytest_selfopt.commands.common.exit_status import EXIT_INTERRUPTED, exit_status
from pytest_selfopt.commands.common.printing import write_note
from pytest_selfopt.commands.common.project import (
    add_project_options,
    add_suite_folders,
    given_state_dir,
    open_project,
)
from pytest_selfopt.commands.common.suite_phase import add_phase_option, phase_of
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    from pytest_selfopt.economy.estimate import Estimate
    from pytest_selfopt.execution.batch_run import BatchResult
    from pytest_selfopt.planning.batch_questions import Questions
    from pytest_selfopt.settings import Settings


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add what is asked, where calls are made, what they may cost, and how results are printed."""
    add_suite_options(parser, runs=1)
    add_phase_option(parser, "the phase whose settings apply")
    parser.add_argument(
        "--variant",
        help="the variant of the prompts (default: that of the phase's baseline)",
    )
    add_call_options(parser)


def add_call_options(parser: argparse.ArgumentParser) -> None:
    """Add where calls are made, what they may cost, and how results are printed."""
    _add_call_options(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for other programs",
    )
    add_project_options(parser)


def add_suite_options(parser: argparse.ArgumentParser, *, runs: int) -> None:
    """Add which cases are asked, and how often (usually `runs` times)."""
    parser.add_argument(
        "--suite",
        "--harness",
        type=Path,
        nargs="+",
        default=[],
        help="suite files or folders of them, or the names of suites (default: the only suite of the project)",
    )
    add_tags_option(parser)
    parser.add_argument(
        "--runs",
        type=int,
        default=runs,
        help=f"how often each case is asked (default: {runs})",
    )


def _add_call_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runner",
        help="where calls are made: local, nats or temporal (default: as configured)",
    )
    parser.add_argument(
        "--max-calls",
        type=int,
        help="make at most this many calls",
    )
    parser.add_argument(
        "--max-cost",
        type=float,
        help="spend at most this many US dollars, by the configured prices",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask for confirmation, whatever it costs",
    )


def load_batch_project(args: argparse.Namespace) -> Settings:
    """The settings of the project, with the runner and the budget of this command.

    Raises:
        SettingsError: when an option cannot be used, no suite is named or found, or the settings cannot be read.
    """
    from pytest_selfopt.planning.suite_selection import choose_suites, likely_suites
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    _check_numbers(args)
    if not args.suite or not all(path.exists() for path in args.suite):
        # Suites are found by reading them, and they may name modules beside them.
        folder = open_project(args)
        likely = likely_suites(folder)
        add_suite_folders(likely)
        near = [path for path in likely if path.is_relative_to(Path.cwd())]
        if near and not args.suite:
            likely = near
        args.suite = choose_suites(args.suite, likely, folder)
    folder = open_project(args, args.suite)
    add_suite_folders(args.suite)
    overrides = Overrides(
        state_dir=given_state_dir(args),
        runner=args.runner,
        max_calls=args.max_calls,
        max_cost_usd=args.max_cost,
    )
    settings = load_settings(folder, Mode.CYCLE, overrides)
    args.phase = phase_of(args, settings)
    return settings


def _check_numbers(args: argparse.Namespace) -> None:
    require_at_least_1("--runs", args.runs)
    require_at_least_1("--max-calls", args.max_calls)
    # Written so that NaN is refused, too.
    if args.max_cost is not None and not args.max_cost >= 0:
        raise SettingsError(f"--max-cost {args.max_cost:g}: must be at least 0 US dollars")


def confirm_cost(cost: Estimate, settings: Settings, args: argparse.Namespace) -> bool:
    """Say on stderr what it will cost, and ask the person at the terminal where that is much, or unknown."""
    from pytest_selfopt.planning.cost import confirm_cost, cost_warning, terminal_question

    sentence = f"{cost.sentence}{cost_warning(cost, settings)}"
    if not sentence.startswith("cost"):
        sentence = f"cost {sentence}"
    write_note(sentence)
    if args.yes or confirm_cost(cost, settings, terminal_question()):
        return True
    write_note("selfopt: nothing was asked")
    return False


def run_batch(settings: Settings, questions: Questions) -> BatchResult:
    """Ask every question, and say on stderr how far it is.

    Raises:
        SettingsError: when the budget ended it before anything was asked.
    """
    from pytest_selfopt.commands.common.batch_progress import progress_writer
    from pytest_selfopt.deferred_signals import interrupted_when_ended
    from pytest_selfopt.execution.batch_run import BatchRun

    command = " ".join(["selfopt", *sys.argv[1:]])
    write_progress = progress_writer(sys.stderr, clock.monotonic)
    with interrupted_when_ended():
        result = BatchRun(settings, questions, command, write_progress, write_note).run()
    if result.stopped and not result.calls and not result.interrupted:
        raise SettingsError(f"nothing was asked: {result.stopped}")
    return result


def batch_status(result: BatchResult) -> int:
    """The exit status, by how the calls ended."""
    from pytest_selfopt.report.batch_report import complete

    if result.interrupted:
        return EXIT_INTERRUPTED
    return exit_status(ok=complete(result))
