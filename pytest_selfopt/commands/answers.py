"""The commands that explain, judge again and take back what cycles have decided."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common import AddCommand, add_places, output_width, settings_of
from pytest_selfopt.console.output import Printed, Verbatim
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.routing.config import read_config

if TYPE_CHECKING:
    from pytest_selfopt.cycle.redecide import RedecidedPhase


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    _add_resolve(add)
    _add_history(add)
    _add_report(add)
    _add_why(add)
    _add_judging(add)


def _add_resolve(add: AddCommand) -> None:
    """Add `selfopt resolve`."""
    resolve = add(
        "resolve",
        help="which model and settings are in effect for MODEL in PHASE",
        epilog="example: selfopt resolve embedded/smollm2-135m atomic",
    )
    resolve.add_argument("model", help="whom an application asks for")
    resolve.add_argument("phase", help="the kind of work, such as atomic")
    resolve.add_argument(
        "--config",
        type=Path,
        default=Path("routing_config.json"),
        help="the routing configuration (default: routing_config.json)",
    )
    resolve.set_defaults(command=_resolve)


def _add_history(add: AddCommand) -> None:
    """Add `selfopt history`."""
    history = add(
        "history",
        help="what each cycle compared and decided, and how the accuracy rose",
        epilog="example: selfopt history",
    )
    add_places(history)
    history.set_defaults(command=_history)


def _add_report(add: AddCommand) -> None:
    """Add `selfopt report`."""
    report = add(
        "report",
        help="what was measured and decided, of one cycle or over all of them",
        epilog="example: selfopt report --cycle 3 --open",
    )
    report.add_argument(
        "--cycle",
        type=int,
        help="the number of a cycle (default: all)",
    )
    report.add_argument(
        "--format", choices=("html", "md", "json"), default="html", help="a page (the default), Markdown or JSON"
    )
    report.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="write it there, or print it (-); a page is written anyway"
    )
    report.add_argument(
        "--open",
        action="store_true",
        help="show the page in a browser",
    )
    add_places(report)
    report.set_defaults(command=_report)


def _add_why(add: AddCommand) -> None:
    """Add `selfopt why`."""
    why = add(
        "why",
        help="how a rule came about, and on which trials it rests",
        epilog="example: selfopt why embedded/smollm2-135m atomic",
    )
    why.add_argument(
        "rule",
        help='"model::phase", or a model followed by a phase',
    )
    why.add_argument(
        "phase",
        nargs="?",
        help="the kind of work, when MODEL alone was given",
    )
    add_places(why)
    why.set_defaults(command=_why)


def _add_judging(add: AddCommand) -> None:
    """Those that take back, and that judge again."""
    _add_rollback(add)
    _add_decide(add)


def _add_rollback(add: AddCommand) -> None:
    """Add `selfopt rollback`."""
    rollback = add(
        "rollback",
        help="put the rules back as they were before a cycle or a change",
        epilog="example: selfopt rollback 3 --dry-run",
    )
    rollback.add_argument(
        "what",
        nargs="?",
        help='a cycle, or a rule as "model::phase" (default: the last change)',
    )
    rollback.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be done, write nothing",
    )
    add_places(rollback)
    rollback.set_defaults(command=_rollback)


def _add_decide(add: AddCommand) -> None:
    """Add `selfopt decide`."""
    decide = add(
        "decide",
        help="judge the stored trials of a cycle again, without a call",
        epilog="example: selfopt decide 3 --json",
    )
    decide.add_argument(
        "cycle",
        nargs="?",
        type=int,
        help="its number (default: the last decided one)",
    )
    decide.add_argument(
        "--json",
        action="store_true",
        help="print the verdicts as the history holds them",
    )
    add_places(decide)
    decide.set_defaults(command=_decide)


def _resolve(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.report.explain import route_lines

    routing = read_config(options.config)
    route = routing.apply_routing(options.model, options.phase)
    return route_lines(route)


def _history(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.report.explain import history

    return history(settings_of(options), output_width())


def _report(options: argparse.Namespace) -> Sequence[Printed]:
    from pytest_selfopt.report.publish import report_to
    from pytest_selfopt.routing.atomic_files import timestamp

    return report_to(
        settings_of(options),
        options.cycle,
        form=options.format,
        output=options.output,
        show=options.open,
        now=timestamp(time.time()),
    )


def _why(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.report.explain import why

    model, phase = options.rule, options.phase
    if phase is None:
        model, _, phase = options.rule.rpartition("::")
    if not model or not phase:
        raise SettingsError(f'{options.rule!r}: name a rule as "model::phase", or a model and a phase')
    return why(settings_of(options), model, phase)


def _rollback(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.cycle.rollback import roll_back
    from pytest_selfopt.routing.atomic_files import timestamp

    return roll_back(
        settings_of(options),
        options.what,
        now=timestamp(time.time()),
        dry_run=options.dry_run,
    )


def _decide(options: argparse.Namespace) -> Iterator[Printed]:
    from pytest_selfopt.cycle.redecide import decide_again

    phases = decide_again(settings_of(options), options.cycle)
    if options.json:
        rows: list[dict[str, object]] = []
        for phase in phases:
            row = {
                "cycle": phase.cycle,
                "phase": phase.phase,
                "verdicts": phase.verdicts,
            }
            rows.append(row)
        yield Verbatim(json.dumps(rows, indent=2))
        return
    for phase in phases:
        yield from _decided_again(phase)


def _decided_again(phase: RedecidedPhase) -> Iterator[str]:
    """The verdicts on a phase beside those that were recorded."""
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
