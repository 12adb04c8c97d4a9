"""Configuration files that move pytest's rootdir away from a project's settings and state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_selfopt.project_files import overlooked_files
from tests.acceptance.conftest import Project, said


def test_settings_above_the_rootdir_are_named(project: Callable[..., Project]) -> None:
    made = project()
    folder = made.path / "benchmarks"
    folder.mkdir()
    for name in ("items.jsonl", "test_items.py"):
        (made.path / name).rename(folder / name)
    (folder / "tox.ini").write_text("[pytest]\n")
    note = f"in the rootdir {folder} (benchmarks/tox.ini decides so); not used: pyproject.toml; to use them, give "
    for workers in ("-n0", "-n2"):
        gate = made.run("--selfopt-gate", "benchmarks", workers)
        assert gate.ret == pytest.ExitCode.USAGE_ERROR
        assert f"settings and state are looked for {note}--rootdir=." in gate.stderr.str()
    plain = made.run("benchmarks", "--selfopt-force-model=ollama/none", "-k", "item-1", "--tb=no")
    assert "(benchmarks/tox.ini decides so); not used: pyproject.toml; to use them" in said(plain)
    assert made.run("--selfopt-cycle", "benchmarks", "--rootdir=.").ret == 0
    assert "not used:" not in said(made.run("benchmarks", "--rootdir=benchmarks", "-k", "nothing"))


def test_only_the_same_repository_is_searched(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "benchmarks"
    inner.mkdir(parents=True)
    (tmp_path / ".selfopt").mkdir()
    (tmp_path / "selfopt.toml").touch()
    (tmp_path / "pyproject.toml").write_text("[tool.selfopt")
    assert overlooked_files(inner) == [tmp_path / "selfopt.toml", tmp_path / ".selfopt"]
    (tmp_path / "project" / ".git").mkdir()
    assert overlooked_files(inner) == []
