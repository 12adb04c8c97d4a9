"""The blocks of code in README, CONTRIBUTING and docs/, and running those that are commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import warm
from tests.packages import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
_TOCTREE = re.compile(r"^```\{toctree\}\n.*?^```$", flags=re.DOTALL | re.MULTILINE)
_OTHER_FORM = re.compile(
    r"""^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(?:`{3}|~{3}|:{3}).*$  # a fence, wherever it stands
    |(?<=\n\n)(?:[ ]{4,}|\t).*$                                # set in
    |<pre.*$""",
    flags=re.MULTILINE | re.VERBOSE,
)
_SHIM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$SHIMS/called"
"""
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")))


def all_blocks(file: str) -> list[tuple[str, str]]:
    """The blocks of a page with their languages, in order."""
    return _BLOCK.findall((ROOT / file).read_text("utf-8"))


def strays(text: str) -> list[str]:
    """The lines by which code begins in a page that `all_blocks` does not see, so that nobody would miss its test."""
    return _OTHER_FORM.findall(_TOCTREE.sub("", _BLOCK.sub("", text)))


def blocks(file: str, language: str, count: int) -> list[str]:
    """The blocks of one language in a page, in order; `count` of them, so that a new one is noticed."""
    found = [text for of, text in all_blocks(file) if of == language]
    assert len(found) == count, f"{file} has {len(found)} blocks of {language}, {count} are run"
    return found


class Shell:
    """Runs commands in a folder as a reader types them; programs of other people are stand-ins that note the call."""

    def __init__(self, folder: Path, *, stands_in: tuple[str, ...] = (), environment: Mapping[str, str] | None = None):
        self.folder = folder
        self._shims = folder / "shims"
        self._shims.mkdir()
        for name in stands_in:
            shim = self._shims / name
            shim.write_text(_SHIM)
            shim.chmod(0o755)
        for name, module in (("pytest", "pytest"), ("selfopt", "pytest_selfopt.cli")):
            if name not in stands_in:
                program = self._shims / name
                program.write_text(f'#!/bin/sh\nexec "{warm.python()}" -m {module} "$@"\n')
                program.chmod(0o755)
        path = f"{self._shims}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        self.environment = {**kept, "PATH": path, "SHIMS": str(self._shims), "COLUMNS": "80"}
        # A reader has no Hypothesis, whose plugin takes a second of each session.
        self.environment |= {"PYTEST_ADDOPTS": "-p no:hypothesispytest", **(environment or {})}

    @property
    def called(self) -> str:
        """The calls of stand-ins, a line each."""
        notes = self._shims / "called"
        return notes.read_text() if notes.exists() else ""

    def run(self, commands: str, *, status: int = 0) -> str:
        """Run commands to their end; what they print."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=170,
        )
        assert done.returncode == status, f"{commands}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str, *, until: str) -> Iterator[None]:
        """Run a command that stays, from when it has printed `until`, and interrupt it in the end."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            seen = ""
            for line in process.stdout:
                seen += line
                if until in line:
                    break
            else:
                raise AssertionError(f"{command} ended with {process.wait()}:\n{seen}")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            process.stdout.close()


def shows(printed: str, expected: str) -> list[str]:
    """The lines of an expected output that were not printed, whatever stands for their "…"."""
    lines = printed.splitlines()
    patterns = [re.escape(line.rstrip()).replace("…", ".*") for line in expected.splitlines()]
    return [
        one for one in patterns if not any(re.fullmatch(one, line.rstrip()) or re.match(one, line) for line in lines)
    ]
