"""`selfopt resolve`: what is in effect for a model in a phase."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_json, write_lines


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
        default=Path("routing_config.json"),
        help="the routing configuration (default: routing_config.json)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON for other programs, with the evidence that the rule rests on",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the route, and why it is this one."""
    from pytest_selfopt.routing.config import read_config
    from pytest_selfopt.routing.explain_route import explain_route, route_to_json

    routing = read_config(args.config)
    route = routing.apply_routing(args.model, args.phase)
    if args.json:
        write_json(route_to_json(route))
    else:
        write_lines(explain_route(route))
    return EXIT_DONE
