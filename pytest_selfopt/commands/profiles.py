"""The command that tells what is known of models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pytest_selfopt.commands.common import AddCommand, add_places, output_width, settings_of
from pytest_selfopt.console.output import Printed
from pytest_selfopt.errors import SettingsError


def add_commands(add: AddCommand) -> None:
    """Add it to the parser."""
    profile = add(
        "profile",
        help="how good, fast, reliable and dear a model is, by all its trials; with --all the maps over all models",
        epilog="examples: selfopt profile ollama/llama3.2:1b; selfopt profile --all --phase atomic --format md",
    )
    profile.add_argument("model", nargs="?", help="which one")
    profile.add_argument(
        "--all",
        action="store_true",
        help="all models, the Pareto fronts and the elites of each tier",
    )
    profile.add_argument(
        "--phase",
        help="what was measured in this phase only",
    )
    profile.add_argument(
        "--format",
        choices=("table", "json", "md"),
        default="table",
        help="default: table",
    )
    profile.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )
    add_places(profile)
    profile.set_defaults(command=_profile)


def _profile(options: argparse.Namespace) -> Sequence[Printed]:
    from pytest_selfopt.report.profile_report import profile_lines

    if (options.model is None) is not options.all:
        raise SettingsError("profile: name one model, or ask for --all")
    return profile_lines(
        settings_of(options),
        options.model,
        options.phase,
        form=options.format,
        width=output_width(),
    )
