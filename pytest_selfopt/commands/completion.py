"""`selfopt completion`: what makes a shell complete the commands."""

from __future__ import annotations

import argparse

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.console.output import Verbatim


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt completion`."""
    parser = subparsers.add_parser(
        "completion",
        help="print the script that makes a shell complete these commands",
        epilog='example: eval "$(selfopt completion bash)"',
    )
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish", "tcsh"),
        help="the shell",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script; `args.parser` is the parser of all commands."""
    import shtab

    script: str = shtab.complete(args.parser, args.shell)
    write_line(Verbatim(script.rstrip("\n")))
    return EXIT_DONE
