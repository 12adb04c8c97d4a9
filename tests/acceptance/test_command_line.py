"""What all commands of `selfopt` have in common."""

from __future__ import annotations

import subprocess
import sys

from pytest_selfopt.cli import build_parser

HEAVY = {"asyncio", "jsonschema", "pytest", "requests", "shtab", "sqlite3", "yaml", "pytest_selfopt.settings"}


def test_the_parser_imports_nothing_heavy() -> None:
    script = "import sys; from pytest_selfopt.cli import build_parser; build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_command_options_become_arguments() -> None:
    args = build_parser().parse_args(["export", "csv", "--cycle", "3"])
    assert (args.run.__module__, args.form, args.cycle) == ("pytest_selfopt.commands.export.trials", "csv", 3)
