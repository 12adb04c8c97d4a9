"""The rootdir, which pytest chooses by its configuration files, and where settings and state are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_selfopt.project_files import has_settings, overlooked_files


def rootdir_note(config: pytest.Config) -> str:
    """Say that settings or state above the rootdir are not used; empty if there are none, or it was asked for."""
    root = config.rootpath
    if config.getoption("rootdir", default=None) or has_settings(root):
        return ""
    overlooked = overlooked_files(root)
    if not overlooked:
        return ""
    names = ", ".join(_shown(config, path) for path in overlooked)
    why = "pytest found no configuration file"
    if config.inipath is not None:
        why = f"{_shown(config, config.inipath)} decides so"
    return (
        f"settings and state are looked for in the rootdir {root} ({why}); not used: {names}; "
        f"to use them, give --rootdir={_shown(config, overlooked[0].parent)}"
    )


def _shown(config: pytest.Config, path: Path) -> str:
    return os.path.relpath(path, config.invocation_params.dir)
