"""What the plugin costs a project that does not use it: `python -m tests.performance.start_up`.

Whole `pytest` processes on a small project, with and without the plugin in turns, no other plugin loaded. Each figure
is the median; `more` is the median of the differences of neighbouring pairs, with the range of its middle half, in
CPU time, which a busy machine disturbs less than the clock.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 40
TESTS = 1_000


def main() -> None:
    """Measure and print."""
    one = "def test_one(): ...\n"
    many = f"import pytest\n@pytest.mark.parametrize('n', range({TESTS}))\ndef test_many(n): ...\n"
    print(f"{'CPU time':16}{'without':>10}{'with':>10}{'more':>10}  (middle half)")
    with tempfile.TemporaryDirectory() as folder:
        for name, body in (("1 test", one), (f"{TESTS:,} tests", many)):
            (Path(folder) / "test_it.py").write_text(body)
            pairs = [(_cpu_ms(folder), _cpu_ms(folder, "-p", "selfopt")) for _ in range(ROUNDS)]
            without, with_plugin = (statistics.median(column) for column in zip(*pairs, strict=True))
            low, more, high = statistics.quantiles([after - before for before, after in pairs], n=4)
            print(f"{name:16}{without:>7.0f} ms{with_plugin:>7.0f} ms{more:>7.1f} ms  ({low:.1f} to {high:.1f})")


def _cpu_ms(folder: str, *options: str) -> float:
    """CPU milliseconds of one session."""
    before = _children()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=True,
        capture_output=True,
    )
    return (_children() - before) * 1000


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
