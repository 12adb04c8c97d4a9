"""The command line: `selfopt COMMAND`; the commands themselves are in `commands/`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from pytest_selfopt.commands import (
    batch,
    compare,
    completion,
    cost_estimate,
    decide,
    enforce,
    export,
    history,
    import_suite,
    init,
    models,
    power,
    profile,
    report,
    resolve,
    rollback,
    suite,
    swarm,
    verify,
    why,
)
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE
from pytest_selfopt.commands.common.printing import write_note
from pytest_selfopt.commands.servers import engine, scripted, worker
from pytest_selfopt.console.encoding import shown
from pytest_selfopt.errors import SelfoptError


class Command(Protocol):
    """A module of a command; its parser has its function `run` as a default."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Add the parser of the command."""


COMMANDS: tuple[Command, ...] = (
    init,
    resolve,
    history,
    report,
    why,
    rollback,
    decide,
    profile,
    models,
    enforce,
    verify,
    power,
    suite,
    import_suite,
    cost_estimate,
    swarm,
    batch,
    compare,
    export,
    worker,
    engine,
    scripted,
    completion,
)
"""In the order in which `selfopt --help` lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `STATUSES` has what each means."""
    args = build_parser().parse_args(arguments)
    try:
        status: int = args.run(args)
    except SelfoptError as problem:
        # A suite file has a line for each of its mistakes.
        for sentence in str(problem).splitlines():
            write_note(f"selfopt: {sentence}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, as in `selfopt history | head`; Python must not flush stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as problem:
        write_note(f"selfopt: {problem}")  # Such as a full disk.
        return EXIT_USAGE
    return status


class _Parser(argparse.ArgumentParser):
    """A parser whose messages show arguments on one line and harmless: a script may have them from anywhere."""

    def error(self, message: str) -> NoReturn:
        super().error(shown(message, sys.stderr.encoding or "utf-8"))


class _ShowVersion(argparse.Action):
    """Prints the version; only then is it looked up, which takes as long as a command's other imports."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        print(version("pytest-selfopt"))
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="selfopt",
        description="Shows, explains and changes what pytest --selfopt-cycle measured and decided.",
    )
    parser.add_argument(
        "--version",
        action=_ShowVersion,
        nargs=0,
        help="show program's version number and exit",
    )
    parser.set_defaults(parser=parser)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
