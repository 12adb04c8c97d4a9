"""An interpreter that starts warm: with pytest, the plugin and its libraries already imported.

To start an interpreter, pytest and the plugin takes three times as long as a small session. `python()` is the path of a
program that is called as any Python and has the process forked from one that has imported them. What is forked has
memory, descriptors and an exit status of its own, and gets the signals that are sent to the program. Where the start
itself, kill -9 from outside or the tree of processes is what a test is about, it takes `sys.executable`.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

from tests.warm.relay import COLD, SOCKET

PROGRAM = Path(__file__).with_name("python")


@cache
def python() -> str:
    """The path of the program; the process that others are forked from is started once, and ends with this one."""
    path = f"{tempfile.mkdtemp(prefix='warm-')}/socket"
    command = [sys.executable, "-c", "from tests.warm.server import main; main()", path]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROGRAM.parents[2])
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    # Its input stays open for as long as this process lives; that tells it when to end.
    atexit.register(server.communicate)
    os.environ.update({SOCKET: path, COLD: sys.executable})
    return str(PROGRAM)


def run_pytest(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A session in the folder of a test; as `runpytest_subprocess`, but warm."""
    base = pytester.path / f"base-{time.monotonic_ns()}"
    return pytester.run(python(), "-m", "pytest", *arguments, f"--basetemp={base}", timeout=170)
