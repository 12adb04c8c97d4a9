"""The command line: `selfopt COMMAND`; the commands themselves are in `commands/`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from pytest_selfopt.commands import answers, exporting, profiles, servers, spending, swarms, tools
from pytest_selfopt.commands.common import EXIT_INTERRUPTED, EXIT_USAGE, output_width, tell
from pytest_selfopt.console.output import Printed, Verbatim, laid_out
from pytest_selfopt.errors import SelfoptError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0; 1 if `models` found a model that does not answer, `verify` a broken hash, or `enforce` an unusable
    recommendation; 4 if an input is unusable (explained in one sentence).
    """
    options = _parser().parse_args(arguments)
    options.status = 0
    try:
        printed: Iterable[Printed] = options.command(options)
        for line in laid_out(printed, output_width(), sys.stdout.encoding or "utf-8"):
            print(line, flush=True)
    except SelfoptError as problem:
        tell(f"selfopt: {problem}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, as in `selfopt history | head`; Python must not flush stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as problem:
        tell(f"selfopt: {problem}")  # Such as a full disk.
        return EXIT_USAGE
    status: int = options.status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="selfopt", description="Answers from what pytest --selfopt-cycle measured and decided."
    )
    parser.add_argument("--version", action="version", version=version("pytest-selfopt"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (answers, profiles, tools, spending, swarms, exporting, servers):
        module.add_commands(commands.add_parser)
    completion = commands.add_parser(
        "completion",
        help="print a script that makes a shell complete these commands",
        epilog='example: eval "$(selfopt completion bash)"',
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="the shell to complete in")
    completion.set_defaults(command=lambda options: _completion(parser, options.shell))
    return parser


def _completion(parser: argparse.ArgumentParser, shell: str) -> list[Printed]:
    import shtab

    script: str = shtab.complete(parser, shell)
    return [Verbatim(script.rstrip("\n"))]


if __name__ == "__main__":
    sys.exit(main())
