"""The commands that ask many models at once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    AddCommand,
    add_places,
    let_import_beside,
    settings_of,
    tell,
)
from pytest_selfopt.console.output import Printed, Verbatim
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    from pytest_selfopt.economy.estimate import Estimate
    from pytest_selfopt.execution.batch_run import BatchResult
    from pytest_selfopt.planning.batch_questions import Questions
    from pytest_selfopt.settings import Settings


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    _add_swarm(add)
    _add_batch(add)


def _add_swarm(add: AddCommand) -> None:
    """Add `selfopt swarm`."""
    swarm = add(
        "swarm",
        help="let the models of a tier answer a suite together, in a pattern, and see what that bought",
        epilog="example: selfopt swarm :10 --tier tier1 --suite benchmarks/atomic.jsonl",
    )
    swarm.add_argument(
        "pattern",
        help="stages in powers of 8: :10 is 8 calls and then 1, :01 is 1 and then 8",
    )
    swarm.add_argument(
        "--tier",
        required=True,
        help="tier1, tier2, tier3, or a list that is named under tiers",
    )
    _add_questions(swarm)
    swarm.set_defaults(command=_swarm)


def _add_batch(add: AddCommand) -> None:
    """Add `selfopt batch`."""
    batch = add(
        "batch",
        help="ask each model of a tier a suite, and compare them",
        epilog="example: selfopt batch tier1 --suite benchmarks/atomic.jsonl --runs 3",
    )
    batch.add_argument(
        "tier",
        help="tier1, tier2, tier3, or a list that is named under tiers",
    )
    _add_questions(batch)
    batch.set_defaults(command=_batch)


def _add_questions(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--suite",
        type=Path,
        nargs="+",
        required=True,
        help="suite files, or folders of them",
    )
    command.add_argument(
        "--runs",
        type=int,
        default=1,
        help="how often each case is asked (default: 1)",
    )
    command.add_argument(
        "--phase",
        default="atomic",
        help="whose settings hold (default: atomic)",
    )
    command.add_argument(
        "--variant",
        help="the manner of asking (default: that of the phase's baseline)",
    )
    _add_limits(command)
    add_places(command)


def _add_limits(command: argparse.ArgumentParser) -> None:
    """Let a command be told where its calls are made, what they may cost, and how they are told."""
    command.add_argument(
        "--runner",
        help="where calls are made: local, nats or temporal (default: as configured)",
    )
    command.add_argument(
        "--max-calls",
        type=int,
        help="make at most so many calls",
    )
    command.add_argument(
        "--max-cost",
        type=float,
        help="spend at most so many US dollars, by the configured prices",
    )
    command.add_argument(
        "--yes",
        action="store_true",
        help="go on without asking, whatever it costs",
    )
    command.add_argument(
        "--json",
        action="store_true",
        help="print the numbers for programs",
    )


def _swarm(options: argparse.Namespace) -> Iterator[Printed]:
    from pytest_selfopt.planning.batch_questions import swarm_questions
    from pytest_selfopt.planning.cost import estimate_swarm
    from pytest_selfopt.report.batch_report import swarm_lines, to_json
    from pytest_selfopt.swarm.pattern import parse_pattern

    _check(options)
    settings = settings_of(options, spends=True)
    questions = swarm_questions(
        settings,
        options.pattern,
        options.tier,
        options.suite,
        phase=options.phase,
        variant=options.variant,
        runs=options.runs,
    )
    cost = estimate_swarm(
        parse_pattern(options.pattern),
        options.tier,
        options.suite,
        settings,
        phase=options.phase,
        runs=options.runs,
    )
    if not _may_go_on(cost, settings, options):
        return
    result = _run(settings, questions)
    if options.json:
        value = to_json(settings, questions, result, [])
        yield Verbatim(json.dumps(value, indent=2))
    else:
        yield from swarm_lines(settings, questions, result)
    options.status = _status(result)


def _batch(options: argparse.Namespace) -> Iterator[Printed]:
    from pytest_selfopt.planning.batch_questions import batch_questions
    from pytest_selfopt.planning.cost import estimate_batch
    from pytest_selfopt.report.batch_report import batch_lines, to_json

    _check(options)
    settings = settings_of(options, spends=True)
    questions, notes = batch_questions(
        settings,
        options.tier,
        options.suite,
        phase=options.phase,
        variant=options.variant,
        runs=options.runs,
    )
    cost = estimate_batch(
        options.tier,
        options.suite,
        settings,
        phase=options.phase,
        runs=options.runs,
    )
    if not _may_go_on(cost, settings, options):
        return
    result = _run(settings, questions)
    if options.json:
        value = to_json(settings, questions, result, notes)
        yield Verbatim(json.dumps(value, indent=2))
    else:
        yield from batch_lines(questions, result, notes)
    options.status = _status(result)


def _run(settings: Settings, questions: Questions) -> BatchResult:
    """Ask everything.

    Raises:
        SettingsError: when the budget ended it before anything was asked.
    """
    from pytest_selfopt.commands.batch_progress import progress
    from pytest_selfopt.execution.batch_run import BatchRun

    command = " ".join(["selfopt", *sys.argv[1:]])
    say = progress(sys.stderr, time.monotonic)
    result = BatchRun(settings, questions, command, say).run()
    if result.stopped and not result.calls and not result.interrupted:
        raise SettingsError(f"nothing was asked: {result.stopped}")
    return result


def _status(result: BatchResult) -> int:
    """The exit status of a command, by how its calls ended."""
    from pytest_selfopt.report.batch_report import complete

    if result.interrupted:
        return EXIT_INTERRUPTED
    if complete(result):
        return 0
    return EXIT_FAILED


def _may_go_on(cost: Estimate, settings: Settings, options: argparse.Namespace) -> bool:
    """Say what it will cost, on the other stream; whoever sits at a terminal is asked where it is much, or unknown."""
    from pytest_selfopt.planning.cost import asker, confirmed, cost_warning

    sentence = f"{cost.sentence}{cost_warning(cost, settings)}"
    if not sentence.startswith("cost"):
        sentence = f"cost {sentence}"
    tell(sentence)
    if options.yes or confirmed(cost, settings, asker()):
        return True
    tell("selfopt: nothing was asked")
    options.status = EXIT_FAILED
    return False


def _check(options: argparse.Namespace) -> None:
    for name in ("runs", "max_calls"):
        value = getattr(options, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise SettingsError(f"--{option} {value}: expected at least 1")
    if options.max_cost is not None and not options.max_cost >= 0:
        raise SettingsError(f"--max-cost {options.max_cost:g}: expected US dollars")
    let_import_beside(options.suite)
