"""The project that a command is about: its settings, its ledger, and the modules that its suites import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.printing import write_note
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.settings_lookup import ProjectChoice, choose_project, shown_path
from pytest_selfopt.suggest import did_you_mean_file

if TYPE_CHECKING:
    from pytest_selfopt.project_files import ProjectFiles
    from pytest_selfopt.settings import Settings


def add_project_options(parser: argparse.ArgumentParser) -> None:
    """Add `--rootdir` and `--state-dir`."""
    add_rootdir_option(parser)
    parser.add_argument(
        "--state-dir",
        type=Path,
        help="the folder of the ledger, relative to the current folder (default: as configured)",
    )


def add_rootdir_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rootdir`."""
    parser.add_argument(
        "--rootdir",
        type=Path,
        help="where settings are looked for, upwards (default: from the suites, if any are named, and from the "
        "current folder)",
    )


def load_project(args: argparse.Namespace, suites: Sequence[Path] = (), *, makes_state: bool = False) -> Settings:
    """The settings of the project, whose state is whole from then on; suites that are named may decide which it is.

    Only a command that `makes_state` may name a state directory that does not exist yet.

    Raises:
        SettingsError: when they cannot be read, or the suites are of several projects.
        StateError: when a write was interrupted and cannot be undone.
    """
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    folder = open_project(args, suites)
    if not makes_state:
        _require_state_dir(args)
    overrides = Overrides(state_dir=given_state_dir(args))
    settings = load_settings(folder, Mode.PLAIN, overrides)
    _settle(settings)
    return settings


def load_files(args: argparse.Namespace) -> ProjectFiles:
    """The files of the project, whole from then on, for a command that only shows what is recorded.

    Raises:
        SettingsError: when the settings cannot be read.
        StateError: when a write was interrupted and cannot be undone.
    """
    from pytest_selfopt.project_files import load_project_files

    _require_state_dir(args)
    files = load_project_files(project_folder(args), given_state_dir(args))
    _settle(files)
    return files


def _settle(files: ProjectFiles) -> None:
    """Undo or end an interrupted write before anything is read, and say so."""
    from pytest_selfopt.routing.history import JOURNAL
    from pytest_selfopt.routing.ownership import require_access

    require_access(files.state_dir)
    # Nearly always, there is nothing to import for.
    if not (files.state_dir / JOURNAL).exists():
        return
    from pytest_selfopt.ledger.steps import settle_before_reading

    for note in settle_before_reading(files.state_dir, files.routing_path):
        write_note(f"selfopt: {note}")


def warn_of_changed_log(files: ProjectFiles) -> None:
    """Say so if the decisions log, which a command shows, is not as it was written.

    Raises:
        StateError: when it cannot be read.
    """
    from pytest_selfopt.ledger.decision_log import verify
    from pytest_selfopt.routing.history import DECISIONS, LEDGER

    if not (files.state_dir / LEDGER).exists() and not (files.state_dir / DECISIONS).exists():
        return
    verification = verify(files.state_dir)
    if not verification.trusted:
        write_note(f"selfopt: {verification.sentence}; what is shown of its decisions may be wrong")


def open_project(args: argparse.Namespace, suites: Sequence[Path] = ()) -> Path:
    """The folder of the project; what lies there, or where the command begins, can be imported from then on.

    Raises:
        SettingsError: when the suites are of several projects.
    """
    folder = project_folder(args, suites)
    add_import_folders([args.rootdir or Path(), folder])
    return folder


def project_folder(args: argparse.Namespace, suites: Sequence[Path] = ()) -> Path:
    """The folder of the project: its settings are nearest upwards from `--rootdir`, the suites or the current folder.

    Raises:
        SettingsError: when the suites are of several projects.
    """
    cwd = Path.cwd()
    starts = [[folder, cwd] for folder in _folders_of(suites)] or [[cwd]]
    if args.rootdir is not None:
        _require_folder("--rootdir", args.rootdir)
        starts = [[args.rootdir]]
    choices: dict[Path, ProjectChoice] = {}
    for group in starts:
        choice = choose_project(group, default=group[-1])
        choices[choice.folder.resolve()] = choice
    if len(choices) > 1:
        places = ", ".join(shown_path(choice.found or choice.folder, cwd) for choice in choices.values())
        raise SettingsError(
            f"the suites are of several projects, by {places}; name those of one of them, or the folder whose settings "
            "hold for all by --rootdir"
        )
    _note_unused(choice, cwd)
    return choice.folder.resolve()


def _require_state_dir(args: argparse.Namespace) -> None:
    if args.state_dir is not None:
        _require_folder("--state-dir", args.state_dir)


def _require_folder(option: str, folder: Path) -> None:
    """Refuse a folder that does not exist.

    Raises:
        SettingsError: naming the option, and the nearest folder.
    """
    if not folder.is_dir():
        raise SettingsError(f"{option} {folder}: there is no such folder{did_you_mean_file(folder)}")


def _note_unused(choice: ProjectChoice, cwd: Path) -> None:
    """Say which settings of the current folder are not used, because those of the suites are nearer to them."""
    if choice.unused and choice.found is not None:
        unused = ", ".join(shown_path(path, cwd) for path in choice.unused)
        used = shown_path(choice.found, cwd)
        write_note(f"selfopt: {used} holds, because it is nearest to the suites; not used: {unused}")


def given_state_dir(args: argparse.Namespace) -> str | None:
    """The value of `--state-dir`, which is relative to the current folder; None when it was not given."""
    if args.state_dir is None:
        return None
    return str(Path.cwd() / args.state_dir)


def add_import_folders(folders: Iterable[Path]) -> None:
    """Let modules in folders be imported, such as environments and graders beside tests, as pytest does."""
    wanted = dict.fromkeys(str(folder.resolve()) for folder in folders)
    sys.path[:0] = [folder for folder in wanted if folder not in sys.path]


def add_suite_folders(suites: Iterable[Path]) -> None:
    """Let modules beside suites be imported: in a folder itself, or in the folder of a file."""
    add_import_folders(_folders_of(suites))


def _folders_of(suites: Iterable[Path]) -> list[Path]:
    folders: list[Path] = []
    for path in suites:
        folder = path.parent
        if path.is_dir():
            folder = path
        folders.append(folder)
    return folders
