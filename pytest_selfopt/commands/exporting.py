"""The commands that hand what was measured and decided to other tools."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common import AddCommand, add_places, let_import_beside, settings_of, tell
from pytest_selfopt.console.output import Verbatim

if TYPE_CHECKING:
    from pytest_selfopt.settings import Settings


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    export = add(
        "export",
        help="what was measured and decided, in the formats of other tools",
        epilog="example: selfopt export csv --cycle 3 -o trials.csv",
    )
    forms = export.add_subparsers(required=True, metavar="FORM").add_parser
    _add_litellm(forms)
    _add_inspect(forms)
    _add_table(forms, "csv", "a CSV file, for spreadsheets")
    _add_table(forms, "json", "JSON, for programs")


def _add_litellm(forms: AddCommand) -> None:
    """Add `selfopt export litellm`."""
    litellm = forms(
        "litellm",
        help="what is in force, as a configuration of a LiteLLM proxy or router (YAML)",
        epilog="example: selfopt export litellm -o litellm.yaml --report litellm.txt",
    )
    litellm.add_argument(
        "-o",
        "--output",
        type=Path,
        help="write it to a file (default: print it)",
    )
    litellm.add_argument(
        "--report",
        type=Path,
        help="write what has no counterpart to a file (default: to stderr)",
    )
    add_places(litellm)
    litellm.set_defaults(command=_litellm)


def _add_inspect(forms: AddCommand) -> None:
    """Add `selfopt export inspect`."""
    inspect = forms(
        "inspect",
        help="the trials as logs of Inspect, one for each spec of a cycle",
        epilog="example: selfopt export inspect --cycle 3 --suite benchmarks/atomic.jsonl -o logs && inspect view",
    )
    inspect.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("logs"),
        help="the folder (default: logs)",
    )
    inspect.add_argument(
        "--suite",
        type=Path,
        action="append",
        default=[],
        help="a file or folder with the questions",
    )
    _add_cycle(inspect)
    inspect.set_defaults(command=_inspect)


def _add_table(forms: AddCommand, form: str, what: str) -> None:
    """Add `selfopt export` of a table in a form; `what` names it in the help."""
    table = forms(
        form,
        help=f"the trials as {what}: a row for each",
        epilog=f"example: selfopt export {form} -o trials.{form}",
    )
    table.add_argument(
        "-o",
        "--output",
        type=Path,
        help="write it to a file (default: print it)",
    )
    _add_cycle(table)
    table.set_defaults(command=_table, form=form)


def _add_cycle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cycle",
        type=int,
        help="the number of a cycle (default: all)",
    )
    add_places(command)


def _litellm(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.export.export import export_litellm
    from pytest_selfopt.routing.atomic_files import write_atomically

    config = export_litellm(settings_of(options))
    sentences = [gap.sentence for gap in config.gaps]
    if options.report is not None:
        report = "".join(f"{sentence}\n" for sentence in sentences)
        write_atomically(options.report, report)
    else:
        for sentence in sentences:
            tell(sentence)
    if options.output is None:
        yield Verbatim(config.text.rstrip("\n"))
    else:
        write_atomically(options.output, config.text)
        yield f"written: {options.output}"


def _inspect(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.export.export import export_inspect

    settings = settings_of(options)
    let_import_beside(options.suite)
    _tell_unjudged(settings, options.cycle)
    for path in export_inspect(settings, options.cycle, options.suite, options.output):
        yield f"written: {path}"


def _table(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.export.export import export_trials
    from pytest_selfopt.routing.atomic_files import write_pieces

    settings = settings_of(options)
    _tell_unjudged(settings, options.cycle)
    lines = export_trials(settings, options.cycle, options.form)
    if options.output is None:
        # Not yielded: printing a line would end each once more. And a table is UTF-8 wherever it is printed.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        for line in lines:
            sys.stdout.write(line)
        sys.stdout.flush()
        return
    write_pieces(options.output, lines)
    yield f"written: {options.output}"


def _tell_unjudged(settings: Settings, cycle: int | None) -> None:
    from pytest_selfopt.export.export import unjudged

    number = unjudged(settings, cycle)
    if number:
        tell(f"{number} finished calls were judged by nobody; they are no trials, and are left out")
