"""Packages that only a test needs: fetched into `.cache`, and on no other test's path."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def answering(requirement: str, script: Path, **environment: str) -> Iterator[Callable[[Any], Any]]:
    """Ask a script in a process that can import a package; each question, and each answer, is a line of JSON."""
    folders = [str(fetched(requirement, alone=False)), os.environ.get("PYTHONPATH", "")]
    known: dict[str, str] = {**os.environ, "NO_PROXY": "127.0.0.1", **environment}
    known["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    command = [sys.executable, str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=known, stdin=pipe, stdout=pipe, text=True) as process:

        def ask(question: Any) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps(question), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        try:
            yield ask
        finally:
            # Libraries take seconds to end by themselves.
            process.kill()
