"""The files of a project: its settings, its state directory and its routing configuration."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.config_table import Table
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.routing.history import LEDGER
from pytest_selfopt.settings_lookup import (
    CONFIG_FILE,
    PYPROJECT,
    ROUTING_FILE,
    STATE_DIR,
    pyproject_settings,
    settings_file,
    shown_path,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFiles:
    """The paths of what a project has recorded, whether the files exist or not.

    `folder` is that of its settings, `settings_path` their file (None: the project has none).
    """

    folder: Path
    settings_path: Path | None
    state_dir: Path
    routing_path: Path

    @property
    def ledger_path(self) -> Path:
        """The file of the ledger."""
        return self.state_dir / LEDGER


def load_project_files(folder: Path, state_dir: str | None) -> ProjectFiles:
    """Locate the files of a project without reading its other settings, for commands that only show what is recorded.

    Raises:
        SettingsError: when the settings cannot be read.
    """
    return locate_project_files(read_settings_table(folder), folder, state_dir)


def locate_project_files(table: Table, folder: Path, state_dir: str | None) -> ProjectFiles:
    """Return the paths by the settings; `state_dir` is the one of the command line."""
    configured = table.text("state_dir", STATE_DIR) or STATE_DIR
    routing = table.text("routing", ROUTING_FILE) or ROUTING_FILE
    return ProjectFiles(
        folder=folder,
        settings_path=settings_file(folder),
        state_dir=folder / (state_dir or configured),
        routing_path=folder / routing,
    )


def read_settings_table(folder: Path) -> Table:
    """Read `selfopt.toml`, or pyproject.toml `[tool.selfopt]`; empty without both.

    Raises:
        SettingsError: when a file cannot be read, or settings are in both.
    """
    values, place = _settings_of(folder)
    # From here on nothing is written that has the value of one of these variables.
    KNOWN.watch(*_secrets_in(values))
    return Table(values, place)


def _settings_of(folder: Path) -> tuple[object, str]:
    """Return the settings of a project and their place."""
    own, project = folder / CONFIG_FILE, folder / PYPROJECT
    in_project = pyproject_settings(_document(project))
    place = f"{_shown(project)} [tool.selfopt]"
    if not own.exists():
        return {} if in_project is None else in_project, place
    if in_project is not None:
        raise SettingsError(f"settings are in both {_shown(own)} and {place}; keep one of them")
    document = _document(own)
    if pyproject_settings(document) is not None:
        raise SettingsError(
            f"{_shown(own)}: [tool.selfopt]: leave the prefix tool.selfopt out, which only pyproject.toml has: its own "
            "keys stand first, without a table, and its tables are [models], [phases.NAME] and so on"
        )
    return document, _shown(own)


def _shown(path: Path) -> str:
    return shown_path(path, Path.cwd())


def _secrets_in(settings: object) -> tuple[list[str], list[str]]:
    """Return the variables that hold keys, and the names of providers, models and phases, in unchecked settings."""
    variables: list[str] = []
    names: list[str] = []
    if not isinstance(settings, dict):
        return variables, names
    names.append(str(settings.get("model", "")))
    for kind in ("providers", "models", "phases"):
        entries = settings.get(kind)
        if not isinstance(entries, dict):
            continue
        names += map(str, entries)
        for entry in entries.values():
            if isinstance(entry, dict):
                variables.append(str(entry.get("api_key_env", "")))
                names.append(str(entry.get("name", "")))
    return variables, names


def _document(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise SettingsError(f"cannot read {_shown(path)}: {problem}") from None
    except RecursionError:
        raise SettingsError(f"cannot read {_shown(path)}: its arrays or tables are nested too deeply") from None
