"""The workflows of docs/how-to/ci.md: their commands are run in a repository, with what their caches would hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_selfopt.models.config import PROVIDERS
from tests.acceptance.conftest import BODY, Project, right
from tests.acceptance.test_gate import BARS, NOWHERE
from tests.acceptance.test_gates import TWO_SPECS
from tests.docs.blocks import blocks

Make = Callable[..., Project]
GATE, CYCLE = (yaml.safe_load(text) for text in blocks("docs/how-to/ci.md", "yaml", 2))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


GH = """#!/usr/bin/env python3
import json, pathlib, sys

kept = pathlib.Path(__file__).with_name("comments.json")
comments = json.loads(kept.read_text()) if kept.exists() else []
_, address, *options = sys.argv[1:]
body = [pathlib.Path(one[6:]).read_text() for one in options if one.startswith("body=@")]
if not body:
    ours = [one["url"] for one in comments if one["body"].startswith("<!-- selfopt -->")]
    print("\\n".join(ours))
elif "PATCH" in options:
    (one,) = (one for one in comments if one["url"] == address)
    one["body"] = body[0]
else:
    comments.append({"url": f"https://api.example/{address}/{len(comments)}", "body": body[0]})
kept.write_text(json.dumps(comments))
"""


@dataclass
class Runner:
    """A machine that does the steps of workflows, with a cache, the artifacts that were uploaded, and comments."""

    place: Path

    def __post_init__(self) -> None:
        program = self.place / "bin" / "gh"
        program.parent.mkdir()
        program.write_text(GH)
        program.chmod(0o755)

    @property
    def cache(self) -> Path:
        return self.place / "cache"

    def comments(self) -> list[str]:
        path = self.place / "bin" / "comments.json"
        return [one["body"] for one in json.loads(path.read_text())]

    def checkout(self, name: str) -> Path:
        git(self.place, "clone", "-q", "origin", name)
        return self.place / name

    def play(self, workflow: dict[str, Any], name: str) -> tuple[int, str]:
        """Do the steps in a new checkout; the status of the first that fails, and what all have printed."""
        place = self.checkout(name)
        folders = (self.place / "bin", Path(sys.executable).parent, os.environ["PATH"])
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, folders)),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(place),
            "GITHUB_REPOSITORY": "me/project",
            "NUMBER": "7",
            "GITHUB_STEP_SUMMARY": str(self.place / f"{workflow['name']}.md"),
        }
        status, printed = 0, ""
        for step in steps(workflow):
            if status and step.get("if") != "always()":
                continue
            action = step.get("uses", "").partition("@")[0]
            if action.startswith("actions/"):
                self.act(action, step.get("with", {}), place)
            elif not step["run"].startswith("pip install"):
                done = subprocess.run(
                    ["bash", "-e", "-c", step["run"]], cwd=place, env=environment, capture_output=True, text=True
                )
                status, printed = status or done.returncode, printed + done.stdout + done.stderr
        return status, printed

    def act(self, action: str, settings: dict[str, Any], place: Path) -> None:
        """Do what an action does, where that matters."""
        if action == "actions/cache/restore" and self.cache.exists():
            shutil.copytree(self.cache, place / settings["path"])
        elif action == "actions/cache/save":
            shutil.rmtree(self.cache, ignore_errors=True)
            shutil.copytree(place / settings["path"], self.cache)
        elif action == "actions/upload-artifact":
            for path in settings["path"].split():
                hidden = any(part.startswith(".") for part in Path(path).parts)
                assert settings.get("include-hidden-files", False) or not hidden
                assert (place / path).exists(), f"{path} is not there to be uploaded"


def git(place: Path, *arguments: str) -> str:
    said = subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True, text=True).stdout
    return said.strip()


@pytest.fixture
def made(long_project: Make) -> Project:
    """A project with its benchmarks in a folder, as in the documentation."""
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS + BARS)
    benchmarks = made.path / "benchmarks"
    benchmarks.mkdir()
    (made.path / "test_items.py").unlink()
    (benchmarks / "test_items.py").write_text(BODY)
    (made.path / "items.jsonl").rename(benchmarks / "items.jsonl")
    (made.path / ".gitignore").write_text(".selfopt/\n__pycache__/\n")
    return made


@pytest.fixture
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("runner"))


def publish(made: Project, runner: Runner) -> None:
    """Make the project a repository that is cloned from."""
    git(made.path, "init", "-q", "-b", "main")
    git(made.path, "add", ".")
    git(made.path, "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-qm", "before")
    git(runner.place, "clone", "-q", "--bare", str(made.path), "origin")


def test_a_nightly_promotion_binds_the_pull_request(made: Project, runner: Runner) -> None:
    publish(made, runner)
    assert runner.play(CYCLE, "night")[0] == 0
    origin = runner.place / "origin"
    assert git(origin, "log", "--format=%s") == "selfopt: what the last cycle found\nbefore"
    assert "schema" in git(origin, "show", "main:routing_config.json")

    assert runner.play(GATE, "good")[0] == 0
    summary = (runner.place / "gate.md").read_text()
    assert summary.startswith("## selfopt gate: passed")
    assert "no_regression | beside what was recorded" in summary
    (first,) = runner.comments()
    assert first.startswith("<!-- selfopt -->\n## selfopt gate: passed\n")
    assert "12 cases always right, and not worse than before." in first
    assert not git(runner.place / "good", "status", "--porcelain", "--", "routing_config.json", "benchmarks")

    made.server.play({"rules": right(constrained=True)[:5]})
    status, printed = runner.play(GATE, "bad")
    assert status == 1
    assert "## selfopt gate: failed" in (runner.place / "gate.md").read_text()
    (second,) = runner.comments()
    assert "- ❌ `no_regression`: beside what was recorded: fixed 0 answers, broke 12 of 36" in second
    assert "| `items/item-5` | 3 of 3 | 0 of 3 | expected a call of look" in second
    assert len(second.splitlines()) <= 60
    lines = (runner.place / "bad" / "benchmarks" / "items.jsonl").read_text().splitlines()
    (line,) = (number for number, line in enumerate(lines, 1) if '"item-5"' in line)
    annotation = f"::error file=benchmarks/items.jsonl,line={line},title=selfopt atomic%3A items/item-5::0 of 3 answers"
    assert annotation in printed


def test_a_failing_phase_keeps_no_promotion_back(made: Project, runner: Runner) -> None:
    """In the other phase nothing is ever right."""
    other = BODY.replace("test_items", "test_other").replace('"items.jsonl"', '"things.jsonl", phase="extended"')
    (made.path / "benchmarks" / "test_other.py").write_text(other)
    things = (made.path / "benchmarks" / "items.jsonl").read_text().replace("Find item", "Find thing")
    few = things.splitlines(keepends=True)[:6]
    (made.path / "benchmarks" / "things.jsonl").write_text("".join(few))
    publish(made, runner)
    status, printed = runner.play(CYCLE, "night")
    assert status == 1, printed
    assert "PROMOTE atomic" in printed
    assert "schema" in git(runner.place / "origin", "show", "main:routing_config.json")


def test_an_outage_on_the_first_night_is_survived(made: Project, runner: Runner) -> None:
    made.configure(TWO_SPECS + BARS, base_url=NOWHERE)
    publish(made, runner)
    status, printed = runner.play(CYCLE, "night")
    assert status == 0, printed
    assert "20 of 20 calls refused at" in printed
    assert git(runner.place / "origin", "log", "--format=%s") == "before"


@pytest.mark.parametrize("workflow", [GATE, CYCLE], ids=["gate", "cycle"])
def test_secrets_are_those_of_the_provider(workflow: dict[str, Any]) -> None:
    keys = {provider.api_key_env for provider in PROVIDERS.values()}
    ours = {"GH_TOKEN", "NUMBER"}
    for step in steps(workflow):
        assert set(step.get("env", {})) <= keys | ours
