"""`selfopt worker`: makes the calls of sessions that run elsewhere."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers, require_at_least_1
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_rootdir_option, open_project
from pytest_selfopt.runners.engines import ENGINES


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt worker`."""
    parser = subparsers.add_parser(
        "worker",
        help="make the calls of sessions that run elsewhere with --selfopt-runner",
        epilog="example: selfopt worker nats --target nats://queue.example.com:4222 --models ollama --concurrency 8",
    )
    parser.add_argument(
        "engine",
        choices=ENGINES,
        help="the engine that carries the calls",
    )
    parser.add_argument(
        "--target",
        help="the server's address (default: as configured)",
    )
    parser.add_argument(
        "--models",
        help="the providers to call, separated by commas (default: all)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=64,
        help="calls at a time to each provider (default: 64)",
    )
    add_rootdir_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make calls until the process is told to end."""
    from pytest_selfopt.execution.worker_process import run_worker

    require_at_least_1("--concurrency", args.concurrency)
    run_worker(
        args.engine,
        open_project(args),
        target=args.target,
        models=args.models,
        concurrency=args.concurrency,
        say=lambda line: write_line(f"selfopt: {line}"),
    )
    return EXIT_DONE
