"""`selfopt resolve`: what is in effect for a model in a phase."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE, EXIT_USAGE
from pytest_selfopt.commands.common.known_names import require_rule_names
from pytest_selfopt.commands.common.printing import write_json, write_lines, write_note
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.suggest import did_you_mean_file

if TYPE_CHECKING:
    from pytest_selfopt.settings import Settings


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt resolve`."""
    parser = subparsers.add_parser(
        "resolve",
        help="show which model and settings are in effect for MODEL in PHASE",
        epilog="example: selfopt resolve embedded/smollm2-135m atomic",
    )
    parser.add_argument("model", help="the model that an application asks for")
    parser.add_argument("phase", help="the phase, such as atomic")
    parser.add_argument(
        "--config",
        type=Path,
        help="the routing configuration (default: that of the project that the current folder is in)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for other programs, with the evidence that the rule rests on",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the route, and why it is this one; also by what can be read of a file that cannot be used as a whole."""
    from pytest_selfopt.routing.config import readable_config
    from pytest_selfopt.routing.explain_route import explain_route, route_to_json
    from pytest_selfopt.settings_lookup import routing_file

    path, note = args.config, ""
    if path is None:
        path, note = routing_file()
    elif not path.exists():
        raise SettingsError(f"--config {path}: there is no such file{did_you_mean_file(path)}")
    if note:
        write_note(f"selfopt: {note}")
    routing = readable_config(path)
    require_rule_names(args.model, args.phase, routing.rules, lambda: _settings_of(path))
    route = routing.apply_routing(args.model, args.phase)
    if args.json:
        write_json(route_to_json(route))
    else:
        write_lines(explain_route(route))
    if not routing.problem:
        return EXIT_DONE
    write_note(f"selfopt: {routing.problem}; repair it or move it away")
    return EXIT_USAGE


def _settings_of(path: Path) -> Settings:
    """The settings of the project that a routing configuration is of."""
    from pytest_selfopt.settings import Mode, Overrides, load_settings
    from pytest_selfopt.settings_lookup import choose_project

    cwd = Path.cwd()
    project = choose_project([path.absolute().parent, cwd], default=cwd)
    return load_settings(project.folder, Mode.PLAIN, Overrides())
