"""What the plugin costs a project that does not use it: `python -m tests.performance.start_up`.

Each figure is the fastest of many whole `pytest` processes on an empty project, with and without the plugin, taken in
turns so that a busy moment hits both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 20
TESTS = 1_000


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "test_one.py").write_text("def test_one(): ...\n")
        one = _compare(project)
        (project / "test_one.py").write_text(
            f"import pytest\n@pytest.mark.parametrize('n', range({TESTS}))\ndef test_many(n): ...\n"
        )
        many = _compare(project)
    print(f"{'':24}{'without':>10}{'with':>10}{'more':>10}")
    for name, (without, with_plugin) in (("1 test", one), (f"{TESTS:,} tests", many)):
        more = (with_plugin - without) * 1000
        print(f"{name:24}{without * 1000:>7.0f} ms{with_plugin * 1000:>7.0f} ms{more:>7.1f} ms")


def _compare(project: Path) -> tuple[float, float]:
    """Seconds of the fastest session without and with the plugin."""
    best = {"no:selfopt": float("inf"), "selfopt": float("inf")}
    for _ in range(ROUNDS):
        for option, fastest in best.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", option],
                cwd=project,
                check=True,
                capture_output=True,
            )
            best[option] = min(fastest, time.perf_counter() - began)
    return best["no:selfopt"], best["selfopt"]


if __name__ == "__main__":
    main()
