"""Packages that only a test needs: fetched into `.cache` without what they depend on, and on no other test's path."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def fetched(requirement: str) -> Path:
    """The folder that holds a package, such as "pytest-randomly==4.0.1"."""
    folder = ROOT / ".cache" / requirement
    if not folder.is_dir():
        uv = os.environ.get("UV") or shutil.which("uv")
        install = [*([uv, "pip"] if uv else [sys.executable, "-m", "pip"]), "install", "-q", "--no-deps"]
        with tempfile.TemporaryDirectory(dir=ROOT) as place:
            subprocess.run([*install, "--target", f"{place}/new", requirement], check=True)
            folder.parent.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # another process was quicker
                Path(place, "new").rename(folder)
    return folder
