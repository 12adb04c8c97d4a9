"""`selfopt why`: how a rule came about."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.known_names import require_rule_names
from pytest_selfopt.commands.common.printing import write_lines
from pytest_selfopt.commands.common.project import (
    add_project_options,
    load_files,
    load_project,
    warn_of_changed_log,
)
from pytest_selfopt.errors import SettingsError


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt why`."""
    parser = subparsers.add_parser(
        "why",
        help="explain how a rule came about, and on which trials it rests",
        epilog="example: selfopt why embedded/smollm2-135m atomic",
    )
    parser.add_argument(
        "rule",
        help='the rule as "model::phase", or its model',
    )
    parser.add_argument(
        "phase",
        nargs="?",
        help="the phase of the rule, when RULE is a model",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the rule, the decisions behind it, and their trials."""
    from pytest_selfopt.report.explain import why
    from pytest_selfopt.routing.config import readable_config

    model, phase = _named_rule(args)
    files = load_files(args)
    require_rule_names(model, phase, readable_config(files.routing_path).rules, lambda: load_project(args))
    warn_of_changed_log(files)
    write_lines(why(files, model, phase))
    return EXIT_DONE


def _named_rule(args: argparse.Namespace) -> tuple[str, str]:
    """The model and the phase of the rule that the arguments name.

    Raises:
        SettingsError: when they name only one of them.
    """
    model, phase = args.rule, args.phase
    if phase is None:
        model, _, phase = args.rule.rpartition("::")
    if not model or not phase:
        raise SettingsError(f'{args.rule!r}: name a rule as "model::phase", or a model and a phase')
    return model, phase
