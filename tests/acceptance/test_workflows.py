"""The workflows of docs/how-to/ci.md: their commands are run in a repository, with what their caches would hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_selfopt.models.config import PROVIDERS
from tests.acceptance.conftest import BODY, Project, right
from tests.acceptance.test_gate import BARS
from tests.acceptance.test_gates import TWO_SPECS
from tests.docs.blocks import blocks

GATE, CYCLE = (yaml.safe_load(text) for text in blocks("docs/how-to/ci.md", "yaml", 2))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


def play(workflow: dict[str, Any], place: Path, cache: Path) -> int:
    """Do the steps of a workflow as its runner would; the status of the first that fails."""
    summary = place.parent / f"{workflow['name']}.md"
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    status = 0
    for step in steps(workflow):
        action = step.get("uses", "").partition("@")[0]
        if action == "actions/cache/restore" and cache.exists():
            shutil.copytree(cache, place / step["with"]["path"])
        if action == "actions/cache/save" and (not status or step.get("if") == "always()"):
            shutil.rmtree(cache, ignore_errors=True)
            shutil.copytree(place / step["with"]["path"], cache)
        if "run" in step and not status and not step["run"].startswith("pip install"):
            status = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=place, env=environment).returncode
    return status


def git(place: Path, *arguments: str) -> str:
    said = subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True, text=True).stdout
    return said.strip()


def test_a_nightly_promotion_binds_the_pull_request(
    project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS + BARS)
    benchmarks = made.path / "benchmarks"
    benchmarks.mkdir()
    (made.path / "test_items.py").unlink()
    (benchmarks / "test_items.py").write_text(BODY)
    (made.path / "items.jsonl").rename(benchmarks / "items.jsonl")
    (made.path / ".gitignore").write_text(".selfopt/\n__pycache__/\n")
    place = tmp_path_factory.mktemp("runner")
    git(made.path, "init", "-q", "-b", "main")
    git(made.path, "add", ".")
    git(made.path, "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-qm", "before")
    git(place, "clone", "-q", "--bare", str(made.path), "origin")

    def checkout(name: str) -> Path:
        git(place, "clone", "-q", "origin", name)
        return place / name

    cache = place / "cache"
    assert play(CYCLE, checkout("night"), cache) == 0
    assert git(place / "origin", "log", "--format=%s") == "selfopt: what the last cycle found\nbefore"
    assert "schema" in git(place / "origin", "show", "main:routing_config.json")

    assert play(GATE, checkout("good"), cache) == 0
    summary = (place / "gate.md").read_text()
    assert summary.startswith("## selfopt gate: passed")
    assert "no_regression | beside what was recorded" in summary
    assert not git(place / "good", "status", "--porcelain", "--", "routing_config.json", "benchmarks")

    made.server.play({"rules": right(constrained=True)[:5]})
    assert play(GATE, checkout("bad"), cache) == 1
    assert "## selfopt gate: failed" in (place / "gate.md").read_text()


@pytest.mark.parametrize("workflow", [GATE, CYCLE], ids=["gate", "cycle"])
def test_secrets_are_those_of_the_provider(workflow: dict[str, Any]) -> None:
    keys = {provider.api_key_env for provider in PROVIDERS.values()}
    for step in steps(workflow):
        assert set(step.get("env", {})) <= keys
