"""The files of a project: its settings, its state directory and its routing configuration."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.config_table import Table
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.routing.history import LEDGER

CONFIG_FILE = "selfopt.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFiles:
    """The paths of what a project has recorded, whether the files exist or not."""

    rootdir: Path
    state_dir: Path
    routing_path: Path

    @property
    def ledger_path(self) -> Path:
        """The file of the ledger."""
        return self.state_dir / LEDGER


def load_project_files(rootdir: Path, state_dir: str | None) -> ProjectFiles:
    """Locate the files of a project without reading its other settings, for commands that only show what is recorded.

    Raises:
        SettingsError: when the settings cannot be read.
    """
    return locate_project_files(read_settings_table(rootdir), rootdir, state_dir)


def locate_project_files(table: Table, rootdir: Path, state_dir: str | None) -> ProjectFiles:
    """Return the paths by the settings; `state_dir` is the one of the command line."""
    configured = table.text("state_dir", ".selfopt") or ".selfopt"
    routing = table.text("routing", "routing_config.json") or "routing_config.json"
    return ProjectFiles(
        rootdir=rootdir,
        state_dir=rootdir / (state_dir or configured),
        routing_path=rootdir / routing,
    )


def read_settings_table(rootdir: Path) -> Table:
    """Read `selfopt.toml`, or pyproject.toml `[tool.selfopt]`; empty without both.

    Raises:
        SettingsError: when a file cannot be read, or settings are in both.
    """
    values, place = _settings_of(rootdir)
    # From here on nothing is written that has the value of one of these variables.
    KNOWN.watch(*_secrets_in(values))
    return Table(values, place)


def _settings_of(rootdir: Path) -> tuple[object, str]:
    """Return the settings of a project and their place."""
    own, project = rootdir / CONFIG_FILE, rootdir / "pyproject.toml"
    tool = _document(project).get("tool", {})
    in_project = tool.get("selfopt") if isinstance(tool, dict) else None
    if not own.exists():
        return {} if in_project is None else in_project, "pyproject.toml [tool.selfopt]"
    if in_project is not None:
        raise SettingsError(f"settings are in both {CONFIG_FILE} and pyproject.toml [tool.selfopt]; keep one of them")
    return _document(own), CONFIG_FILE


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


def has_settings(folder: Path) -> bool:
    """Whether a folder has settings, readable or not."""
    if (folder / CONFIG_FILE).exists():
        return True
    try:
        tool = _document(folder / "pyproject.toml").get("tool")
    except SettingsError:
        return False
    return isinstance(tool, dict) and "selfopt" in tool


def overlooked_files(rootdir: Path) -> list[Path]:
    """Return the settings and the state of the first folder above the rootdir that has any, within its repository."""
    for inner, folder in zip((rootdir, *rootdir.parents), rootdir.parents, strict=False):
        if (inner / ".git").exists():
            break
        names = [CONFIG_FILE, ".selfopt", "routing_config.json"]
        if has_settings(folder) and not (folder / CONFIG_FILE).exists():
            names[0] = "pyproject.toml"
        found = [folder / name for name in names if (folder / name).exists()]
        if found:
            return found
    return []


def _document(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise SettingsError(f"cannot read {path.name}: {problem}") from None
    except RecursionError:
        raise SettingsError(f"cannot read {path.name}: its arrays or tables are nested too deeply") from None
