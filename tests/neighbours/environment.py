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
    folder = CACHE / f"base-{_digest(f'{ROOT}[nats,temporal]', _PROJECT.read_text())}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(python), "--editable", f"{ROOT}[nats,temporal]")
        (folder / "ready").touch()
    return python


def folder_of(packages: tuple[str, ...], python: Path) -> Path:
    """Return the folder that holds packages with what they depend on, but for what an interpreter has already."""
    present = _installed(python)
    place = CACHE / f"beside-{_digest(*present)}"
    folder = place / "+".join(sorted(packages))
    if not folder.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as passing:
            excluded, target = Path(passing, "present.txt"), Path(passing, "new")
            excluded.write_text("\n".join(present))
            target.mkdir()
            where = ("--python", str(python), "--excludes", str(excluded), "--target", str(target))
            _uv("pip", "install", *where, *packages)
            with contextlib.suppress(OSError):  # another process was quicker
                target.rename(folder)
    return folder


@cache
def _installed(python: Path) -> tuple[str, ...]:
    """Return the names of what the environment of an interpreter has."""
    lines = _uv("pip", "list", "--python", str(python), "--format", "freeze").splitlines()
    return tuple(line.partition("==")[0] for line in lines if "==" in line)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _uv(*arguments: str) -> str:
    program = os.environ.get("UV") or shutil.which("uv") or "uv"
    done = subprocess.run([program, "-q", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"uv {' '.join(arguments)}\n{done.stderr}")
    return done.stdout
