"""What each trick of `session/memory.py` saves, in bytes an item. Run by hand: `python -m tests.performance.memory`.

A cycle of many trials is run in a process of its own with all tricks, and then once without each of them; what Python's
objects take at its end is counted by tracemalloc. That is a little more than what a process gives back.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.performance.overhead import PLUGINS, RUNS, Project, serving

TRICKS = ("nothing", "drop_parameters", "drop_keywords", "drop_from_terminal")
COUNTING = """
import gc, os, pathlib, pytest, tracemalloc
from pytest_selfopt.session import memory

def pytest_configure():
    tracemalloc.start()
    if os.environ["WITHOUT"] != "nothing":
        setattr(memory, os.environ["WITHOUT"], lambda *_: None)

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    gc.collect()
    pathlib.Path("bytes").write_text(str(tracemalloc.get_traced_memory()[0]))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300, help=f"questions, each asked {RUNS} times (default: 300)")
    cases = parser.parse_args().cases
    taken = {}
    for trick in TRICKS:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), 0.0) as server:
            Project(Path(folder), server, cases=cases).configure(concurrency=64)
            taken[trick] = _bytes_without(trick, Path(folder))
    items = cases * RUNS
    print(f"{items:,} items, pytest {pytest.__version__}: {taken['nothing'] / items:,.0f} bytes an item in all")
    for trick in TRICKS[1:]:
        saved = (taken[trick] - taken["nothing"]) / items
        print(f"{trick:20} saves {saved:6,.0f} bytes an item")


def _bytes_without(trick: str, folder: Path) -> int:
    (folder / "conftest.py").write_text(COUNTING)
    command = [sys.executable, "-m", "pytest", "-q", *PLUGINS, "--selfopt-cycle", "--selfopt-no-report"]
    environment = {**os.environ, "WITHOUT": trick, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 10):
        raise SystemExit(done.stdout)
    return int((folder / "bytes").read_text())


if __name__ == "__main__":
    main()
