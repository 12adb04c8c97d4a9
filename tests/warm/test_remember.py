"""What warm sessions know beforehand is what cold ones find."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import warm


def test_warm_sessions_find_the_same_plugins_and_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").touch()
    asked = ["-m", "pytest", "-p", "no:hypothesispytest", "--fixtures", "-v", "--trace-config"]
    cold = subprocess.run([sys.executable, *asked], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "doctest_namespace [session scope]" in cold
    assert "pytest-xdist" in cold
    assert without_addresses(warm.run(tmp_path, *asked).stdout) == without_addresses(cold)


def without_addresses(text: str) -> str:
    """A text without what each process has of its own."""
    return re.sub(r"0x\w+|\b\d{9,}\b|-- \S+|in \d+\.\d+s|=+", "", text)
