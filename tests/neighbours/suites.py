"""The suites of other plugins, with and without ours installed: `python -m tests.neighbours.suites [NAME …]`, by hand.

Each plugin's source distribution is fetched by pip, and its suite is run in an environment of its own: once with
pytest-selfopt, once with all that it depends on but without it. Counts and warnings have to be the same, and no file of
ours may be there afterwards. A plugin that publishes no tests needs the folder of its repository:
`--source pytest-randomly=FOLDER`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.neighbours.environment import ROOT

_COUNT = re.compile(r"(\d+) (passed|failed|skipped|xfailed|xpassed|error|warning)s?\b")
_OURS = (".selfopt", "routing_config.json")
LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The suite of a plugin: its version, what its tests need besides, and how they are started.

    `path` is the folder that its tests import from; empty if they need none.
    """

    name: str
    version: str
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ("tests",)
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a suite: the line that ends it, and the files of ours that it left."""

    status: int
    counts: Mapping[str, int]
    seconds: float
    files: Sequence[str]

    def describe(self) -> str:
        """Return the counts in words."""
        counted = [f"{number} {what}" for what, number in self.counts.items()]
        return ", ".join(counted) or f"no counts, status {self.status}"


SUITES = (
    Suite(name="pytest-mock", version="3.17.0", needs=("pytest-asyncio==1.5.0", "mock==5.2.0")),
    Suite(name="pytest-asyncio", version="1.5.0", needs=("hypothesis==6.170.17", "coverage==7.17.5")),
    Suite(
        name="syrupy",
        version="7.0.2",
        needs=("pytest-benchmark==5.3.1", "hypothesis==6.170.17", "pydantic==2.14.4", "attrs==26.1.0"),
    ),
    Suite(name="pytest-cov", version="7.1.0", needs=("process-tests==3.0.0", "virtualenv==21.15.11"), path="tests"),
    Suite(
        name="pytest-randomly",
        version="4.1.0",
        needs=("factory-boy==3.3.3", "faker==40.63.0", "model-bakery==1.24.2", "numpy==2.4.6"),
        arguments=("tests", "-p", "pytester"),
    ),
    Suite(name="pytest-rerunfailures", version="16.7"),
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only these suites")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=FOLDER", help="take tests from there")
    parser.add_argument("--output", action="store_true", help="print what the runs have printed")
    options = parser.parse_args()
    sources = dict(source.split("=", 1) for source in options.source)
    print("| suite | without | with | differs | files | seconds |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    wrong = 0
    for suite in SUITES:
        if not options.names or suite.name in options.names:
            wrong += compare(suite, sources.get(suite.name), show=options.output)
    sys.exit(wrong > 0)


def compare(suite: Suite, source: str | None, *, show: bool) -> bool:
    """Run a suite with and without ours, and print a line; return whether anything differs."""
    with tempfile.TemporaryDirectory(prefix="suite-") as place:
        python = environment(suite, Path(place, "environment"))
        project = Path(place, "project")
        if source is None:
            unpack(suite, python, project)
        else:
            shutil.copytree(source, project)
        without = run(suite, python, project, show=show)
        _uv("pip", "install", "--python", str(python), "--no-deps", "--editable", str(ROOT))
        beside = run(suite, python, project, show=show)
    differs = [
        what for what in {**without.counts, **beside.counts} if without.counts.get(what) != beside.counts.get(what)
    ]
    if without.status != beside.status or not without.counts:
        differs.append("status")
    files = ", ".join(beside.files) or "none"
    cells = (
        f"{suite.name} {suite.version}",
        without.describe(),
        beside.describe(),
        ", ".join(differs) or "nothing",
        files,
    )
    print(f"| {' | '.join(cells)} | {without.seconds:.0f}, {beside.seconds:.0f} |", flush=True)
    return bool(differs or beside.files)


def environment(suite: Suite, folder: Path) -> Path:
    """Make an environment with a plugin and all that ours depends on; return its interpreter."""
    _uv("venv", "--seed", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    packages = (f"{suite.name}=={suite.version}", *suite.needs, "--editable", str(ROOT))
    _uv("pip", "install", "--python", str(python), *packages)
    _uv("pip", "uninstall", "--python", str(python), "pytest-selfopt")
    return python


def unpack(suite: Suite, python: Path, project: Path) -> None:
    """Fetch the source distribution of a plugin, and unpack it."""
    with tempfile.TemporaryDirectory() as place:
        command = [str(python), "-m", "pip", "download", "-q", "--no-deps", f"--no-binary={suite.name}", "-d", place]
        subprocess.run([*command, f"{suite.name}=={suite.version}"], check=True, capture_output=True)
        (archive,) = Path(place).glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(place, filter="data")
        (folder,) = (path for path in Path(place).iterdir() if path.is_dir())
        shutil.move(folder, project)
    if not (project / "tests").is_dir():
        raise SystemExit(
            f"{suite.name} {suite.version} publishes no tests; give its repository by --source {suite.name}=FOLDER"
        )


def run(suite: Suite, python: Path, project: Path, *, show: bool) -> Run:
    """Run a suite."""
    base = project.parent / "tmp"
    command = [str(python), "-m", "pytest", "-q", f"--basetemp={base}", *suite.arguments]
    # Its sessions start interpreters by their names.
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    for name in ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "CI"):
        environment.pop(name, None)
    if suite.path:
        environment["PYTHONPATH"] = str(project / suite.path)
    began = time.monotonic()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    seconds = time.monotonic() - began
    if show:
        print(done.stdout[-8000:], done.stderr[-2000:])
    lines = done.stdout.rstrip().splitlines() or [""]
    counts = {what: int(number) for number, what in _COUNT.findall(lines[-1])}
    files = [str(path.relative_to(project.parent)) for name in _OURS for path in project.parent.rglob(name)]
    return Run(status=done.returncode, counts=counts, seconds=seconds, files=files)


def _uv(*arguments: str) -> None:
    subprocess.run([os.environ.get("UV") or shutil.which("uv") or "uv", "-q", *arguments], check=True)


if __name__ == "__main__":
    main()
