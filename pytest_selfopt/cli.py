"""The command line: `selfopt resolve` and `selfopt history`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import SelfoptError, StateError
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.records import HISTORY, read_history

EXIT_USAGE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 4 when something cannot be used (said in a sentence)."""
    options = _parser().parse_args(arguments)
    try:
        lines = options.command(options)
    except SelfoptError as problem:
        print(f"selfopt: {problem}", file=sys.stderr)
        return EXIT_USAGE
    print("\n".join(lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="selfopt", description="Answers from what pytest --selfopt-cycle measured and decided."
    )
    parser.add_argument("--version", action="version", version=version("pytest-selfopt"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    resolve = commands.add_parser("resolve", help="which model and settings are in effect for MODEL in PHASE")
    resolve.add_argument("model")
    resolve.add_argument("phase")
    resolve.add_argument("--config", type=Path, default=Path("routing_config.json"))
    resolve.set_defaults(command=_resolve)
    history = commands.add_parser("history", help="what each cycle compared and decided")
    history.add_argument("--state-dir", type=Path, default=Path(".selfopt"))
    history.set_defaults(command=_history)
    return parser


def _resolve(options: argparse.Namespace) -> list[str]:
    route = read_config(options.config).apply_routing(options.model, options.phase)
    settings = {
        "variant": route.variant,
        "timeout": route.timeout_s,
        "retries": route.retries,
        "isolation": route.isolated,
        "warm-up": route.enable_warmup,
        "sampling": route.sampling,
    }
    lines = [f"{route.requested} in {route.phase}: {route.model if route.allowed else 'disabled'}"]
    lines += [f"  {name}: {value}" for name, value in settings.items() if value is not None]
    return lines + [f"  because {reason}" for reason in route.because or ("no rule is about it",)]


def _history(options: argparse.Namespace) -> list[str]:
    path = options.state_dir / HISTORY
    entries = read_history(path)
    if not entries:
        raise StateError(f"there is no history in {options.state_dir}; run pytest with --selfopt-cycle first")
    return [line for entry in entries for line in _cycle_lines(entry)]


def _cycle_lines(entry: dict[str, Any]) -> list[str]:
    lines = [f"cycle {entry['cycle']}  {entry['ended']}  {entry['phase']}  {entry['improvement']:+.3f}"]
    lines += [f"  {one['verdict']:7}  {one['spec']}" for one in entry["verdicts"]]
    return [*lines, f"  in force afterwards: {entry['baseline_after']}"]


if __name__ == "__main__":
    sys.exit(main())
