"""A project with a benchmark, asked of a scripted model over real HTTP, and whole pytest sessions on it."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.models.scripted import ScriptedServer
from tests import warm
from tests.packages import fetched

if TYPE_CHECKING:
    from tests.acceptance.engines import Engine

MODEL = "scripted/model"
BASELINE = f"{MODEL}/atomic/native_api/t60/r1/i0"
CALLS, RESTRAINT = 7, 1
LONG_CALLS, LONG_RESTRAINT = 9, 3
LONG_CASES = LONG_CALLS + LONG_RESTRAINT
SHORT = 7
# Sessions that tests start need neither; Hypothesis costs each of them a second.
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
TOOL = {
    "name": "look_up",
    "description": "Look an item up.",
    "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
}
BODY = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""


def long_suite() -> list[dict[str, Any]]:
    """The lines of a suite for what fewer cases do not show, such as a candidate that is right more often."""
    return suite_lines(LONG_CALLS, LONG_RESTRAINT)


def suite_lines(calls: int = CALLS, restraint: int = RESTRAINT) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [{"tool": TOOL}]
    lines.append({"example": {"prompt": "Find item 99.", "tools": ["look_up"], "answer": {"call": call("99")}}})
    lines += [
        {
            "id": f"item-{index}",
            "prompt": f"Find item {index}.",
            "tools": ["look_up"],
            "expect": {"call": call(str(index))},
        }
        for index in range(calls)
    ]
    lines += [
        {"id": f"hello-{index}", "prompt": f"Hello {index}!", "tools": ["look_up"], "expect": {"no_call": True}}
        for index in range(restraint)
    ]
    return lines


def short_suite() -> list[dict[str, Any]]:
    """The lines of a suite of `SHORT` cases: the fewest by which a candidate is promoted after three passes.

    It is so even if two of its calls are never right.
    """
    lines = suite_lines()
    return [*lines[: 1 + SHORT], lines[-1]]


def call(item: str) -> dict[str, Any]:
    return {"name": "look_up", "arguments": {"item": item}}


def right(**when: Any) -> list[dict[str, Any]]:
    """Rules by which every item is found under a condition, such as `constrained=True`."""
    return [
        {"when": {"prompt": f"item {index}.", **when}, "then": {"call": call(str(index))}}
        for index in range(LONG_CALLS)
    ]


def said(result: pytest.RunResult) -> str:
    """Everything a session printed, with line breaks and indents folded into single spaces."""
    return " ".join(result.stdout.str().split())


def selfopt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command answers in a folder; nobody can answer it."""
    return warm.run(folder, "-m", "pytest_selfopt.cli", *arguments)


@dataclass
class Project:
    """A project in a temporary folder; `run` is a pytest session in a process of its own, which starts warm."""

    pytester: pytest.Pytester
    server: ScriptedServer

    @property
    def path(self) -> Path:
        return self.pytester.path

    def run(self, *arguments: str) -> pytest.RunResult:
        return warm.run_pytest(self.pytester, *WITHOUT, *arguments)

    def selfopt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a command answers in this project."""
        return selfopt(self.path, *arguments)

    def routing(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.path / "routing_config.json").read_text())
        return value

    def write_routing(self, rules: list[dict[str, Any]]) -> None:
        (self.path / "routing_config.json").write_text(json.dumps({"version": 1, "rules": rules}))

    def history(self) -> list[dict[str, Any]]:
        value: list[dict[str, Any]] = json.loads((self.path / ".selfopt" / "meta_loop_history.json").read_text())[
            "cycles"
        ]
        return value

    def write_suite(self, lines: list[dict[str, Any]]) -> None:
        (self.path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def configure(self, extra: str = "", *, base_url: str = "") -> None:
        (self.path / "pyproject.toml").write_text(
            f"""
[tool.pytest.ini_options]
addopts = ["--strict-markers"]
[tool.selfopt]
model = "{MODEL}"
[tool.selfopt.models."{MODEL}"]
base_url = "{base_url or self.server.base_url}"
{extra}
"""
        )


@pytest.fixture
def project(pytester: pytest.Pytester) -> Iterator[Callable[..., Project]]:
    """Make a project whose model plays a script."""
    with ExitStack() as held:

        def make(script: dict[str, Any] | None = None) -> Project:
            server = held.enter_context(ScriptedServer(script or {}))
            made = Project(pytester, server)
            made.configure()
            made.write_suite(suite_lines())
            pytester.makepyfile(test_items=BODY)
            return made

        yield make


@pytest.fixture
def long_project(project: Callable[..., Project]) -> Callable[..., Project]:
    """The same with the cases of `long_suite`."""

    def make(script: dict[str, Any] | None = None) -> Project:
        made = project(script)
        made.write_suite(long_suite())
        return made

    return make


@pytest.fixture
def with_package(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let sessions find a plugin as if it were installed."""
    warm.python()  # What other tests' sessions are forked from must not find it.

    def add(requirement: str) -> None:
        paths = [str(fetched(requirement)), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    return add


@pytest.fixture(scope="session")
def engine_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Engine]]:
    """Servers of engines by the name of their kind, each started once in this process."""
    from tests.acceptance.engines import KINDS, Engine

    started: dict[str, Engine] = {}

    def server(kind: str) -> Engine:
        if kind not in started:
            started[kind] = Engine(KINDS[kind], tmp_path_factory.mktemp("engine"))
        return started[kind]

    yield server
    for engine in started.values():
        engine.close()


@pytest.fixture(params=["nats", "temporal"])
def engine(request: pytest.FixtureRequest, engine_servers: Callable[[str], Engine]) -> Iterator[Engine]:
    """A server that other tests use, too, under a name of this test's own."""
    engine = engine_servers(request.param)
    engine.name = f"test-{uuid.uuid4().hex[:12]}"
    yield engine
    engine.end_workers()
