"""Packages that only a test needs: fetched into `.cache`, and on no other test's path."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def fetched(requirement: str, *, alone: bool = True) -> Path:
    """The folder that holds a package, such as "pytest-randomly==4.0.1"; unless `alone`, with what it depends on."""
    folder = ROOT / ".cache" / (requirement if alone else f"{requirement}-and-more")
    if not folder.is_dir():
        uv = os.environ.get("UV") or shutil.which("uv")
        install = [*([uv, "pip"] if uv else [sys.executable, "-m", "pip"]), "install", "-q"]
        install += ["--no-deps"] if alone else []
        with tempfile.TemporaryDirectory(dir=ROOT) as place:
            subprocess.run([*install, "--target", f"{place}/new", requirement], check=True)
            folder.parent.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # another process was quicker
                Path(place, "new").rename(folder)
    return folder


def run_with(requirement: str, script: Path, question: str, **environment: str) -> str:
    """What a script answers to a question on its standard input, in a process that can import a package."""
    folders = [str(fetched(requirement, alone=False)), os.environ.get("PYTHONPATH", "")]
    known: dict[str, Any] = {**os.environ, "NO_PROXY": "127.0.0.1", **environment}
    known["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    done = subprocess.run(
        [sys.executable, str(script)], input=question, env=known, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
