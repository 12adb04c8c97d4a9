"""What commands have in common: where things are, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from pytest_selfopt.console.layout import width_for
from pytest_selfopt.console.output import columns_of, laid_out

if TYPE_CHECKING:
    from pytest_selfopt.settings import Settings

AddCommand: TypeAlias = Callable[..., argparse.ArgumentParser]
"""Adds a command of a name to the parser; see `argparse`."""

EXIT_FAILED = 1
EXIT_INTERRUPTED = 2
EXIT_USAGE = 4
STATUSES: Mapping[int, str] = {
    0: "done",
    EXIT_FAILED: "something that was asked for does not hold: a model that does not answer, a broken seal, a suite "
    "with mistakes, questions without an answer",
    EXIT_INTERRUPTED: "interrupted; or options that there are not",
    EXIT_USAGE: "something cannot be used, said in a sentence",
}
"""What the exit status of a command means."""


def output_width() -> int | None:
    """How wide lines are: as the terminal, up to a hundred columns; in a pipe nothing is folded (None)."""
    return _width_of(sys.stdout)


def _width_of(stream: TextIO) -> int | None:
    """The columns of a terminal that lines are folded to; None when the stream is a file or a pipe."""
    if not stream.isatty():
        return None
    return width_for(columns_of(stream))


def tell(text: str) -> None:
    """Say a sentence on the other stream, which is no part of the answer."""
    width = _width_of(sys.stderr)
    encoding = sys.stderr.encoding or "utf-8"
    for line in laid_out([text], width, encoding):
        print(line, file=sys.stderr)


def add_places(command: argparse.ArgumentParser) -> None:
    """Let a command be told where the project and its ledger are."""
    command.add_argument(
        "--rootdir",
        type=Path,
        default=Path(),
        help="where selfopt.toml or pyproject.toml is",
    )
    command.add_argument(
        "--state-dir",
        type=Path,
        help="where the ledger is (default: as configured)",
    )


def settings_of(options: argparse.Namespace, *, spends: bool = False) -> Settings:
    """The settings of the project that a command is about; one that spends has a runner and a budget of its own.

    Raises:
        SettingsError: when they cannot be read.
    """
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    let_import_from([options.rootdir])
    overrides = Overrides()
    if options.state_dir:
        overrides = Overrides(state_dir=str(options.state_dir))
    rootdir = options.rootdir.resolve()
    if not spends:
        return load_settings(rootdir, Mode.PLAIN, overrides)
    overrides = replace(
        overrides,
        runner=options.runner,
        max_calls=options.max_calls,
        max_cost_usd=options.max_cost,
    )
    return load_settings(rootdir, Mode.CYCLE, overrides)


def let_import_from(folders: Iterable[Path]) -> None:
    """Let what lies beside tests, such as environments and graders, be found as pytest finds it."""
    wanted = dict.fromkeys(str(folder.resolve()) for folder in folders)
    sys.path[:0] = [folder for folder in wanted if folder not in sys.path]


def let_import_beside(paths: Iterable[Path]) -> None:
    """Let what lies beside suites be found: in a folder itself, or in the folder of a file."""
    folders: list[Path] = []
    for path in paths:
        folder = path.parent
        if path.is_dir():
            folder = path
        folders.append(folder)
    let_import_from(folders)
