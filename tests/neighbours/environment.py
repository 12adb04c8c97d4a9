"""Where neighbours are installed: an interpreter that has our package alone, and a folder for each set of packages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "neighbours"
_PROJECT = ROOT / "pyproject.toml"


@cache
def base_python() -> Path:
    """Return the interpreter of an environment with our package and what it depends on, without any neighbour."""
    content = hashlib.sha256(_PROJECT.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"base-{content}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(python), "--editable", str(ROOT))
        (folder / "ready").touch()
    return python


def folder_of(packages: tuple[str, ...], python: Path) -> Path:
    """Return the folder that holds packages with what they depend on, but for what an interpreter has already."""
    name = "+".join(sorted(packages)).replace("[", "-").replace("]", "")
    folder = CACHE / name
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as place:
            present = Path(place, "present.txt")
            present.write_text("\n".join(_installed(python)))
            target = Path(place, "new")
            _uv(
                "pip",
                "install",
                "--python",
                str(python),
                "--excludes",
                str(present),
                "--target",
                str(target),
                *packages,
            )
            with contextlib.suppress(OSError):  # another process was quicker
                target.rename(folder)
    return folder


@cache
def _installed(python: Path) -> tuple[str, ...]:
    """Return the names of what the environment of an interpreter has."""
    lines = _uv("pip", "list", "--python", str(python), "--format", "freeze").splitlines()
    return tuple(line.partition("==")[0] for line in lines if "==" in line)


def _uv(*arguments: str) -> str:
    program = os.environ.get("UV") or shutil.which("uv") or "uv"
    done = subprocess.run([program, "-q", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"uv {' '.join(arguments)}\n{done.stderr}")
    return done.stdout
