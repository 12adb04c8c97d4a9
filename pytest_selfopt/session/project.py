"""The project of a session: the settings that are nearest to its benchmarks, wherever pytest's rootdir is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.settings_lookup import ProjectChoice, choose_project, shown_path


class SessionProject:
    """The project of the first benchmark that is collected; a session has one ledger, so others must have the same."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._choices: dict[Path, ProjectChoice] = {}
        """The project by the folder of a test."""
        self._first: tuple[str, ProjectChoice] | None = None

    @property
    def choice(self) -> ProjectChoice:
        """The project; that of the working directory as long as no benchmark was collected."""
        if self._first is None:
            return self._project_of(self._config.invocation_params.dir)
        return self._first[1]

    def claim(self, test: str, folder: Path) -> None:
        """Take the project of a test in a folder.

        Raises:
            SettingsError: if another test has made the session one of another project.
        """
        choice = self._project_of(folder)
        if self._first is None:
            self._first = (test, choice)
        first, chosen = self._first
        for_both = chosen.folder
        if choice.unused:
            for_both = choice.unused[0].parent
        if choice.folder.resolve() == chosen.folder.resolve():
            return
        raise SettingsError(
            f"{test} and {first} are of two projects, by {self._shown(choice)} and {self._shown(chosen)}: "
            "a session has one ledger and one routing configuration; give pytest the benchmarks of one of them by "
            "their paths (-k, -m and --deselect choose among what is collected, which is too late), "
            f"or name the folder whose settings hold for both, such as --rootdir={self._path(for_both)}"
        )

    def adopt(self, test: str, choice: ProjectChoice) -> None:
        """Take the project that another process of the session has found for a test."""
        if self._first is None:
            self._first = (test, choice)

    @property
    def unused_note(self) -> str:
        """Say which settings are not used, although the working directory or pytest's rootdir has them."""
        choice = self.choice
        if not choice.unused:
            return ""
        unused = ", ".join(self._path(path) for path in choice.unused)
        instead = self._path(choice.unused[0].parent)
        return (
            f"{self._shown(choice)} holds, because it is nearest to the benchmarks; not used: {unused} "
            f"(--rootdir={instead} uses that instead)"
        )

    def _project_of(self, folder: Path) -> ProjectChoice:
        if folder not in self._choices:
            self._choices[folder] = self._choose(folder)
        return self._choices[folder]

    def _choose(self, folder: Path) -> ProjectChoice:
        root, cwd = self._config.rootpath, self._config.invocation_params.dir
        given = None
        if self._config.getoption("rootdir", default=None):
            given = root
        # A rootdir elsewhere is that of a configuration file given by -c.
        default = cwd
        if folder.is_relative_to(root):
            default = root
        return choose_project((folder, cwd, root), given=given, default=default)

    def _shown(self, choice: ProjectChoice) -> str:
        return self._path(choice.found or choice.folder)

    def _path(self, path: Path) -> str:
        return shown_path(path, self._config.invocation_params.dir)
