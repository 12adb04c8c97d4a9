"""A benchmark whose calls a real worker makes through a real engine, and what was asked and recorded."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_selfopt.models.scripted import ScriptedServer
from tests import warm
from tests.acceptance.conftest import BODY, MODEL, WITHOUT, right, suite_lines
from tests.acceptance.engines import Engine
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_interruption import wait_until
from tests.ledger_file import open_ledger

MOST = 8
"""Calls under way at a time."""
SECONDS = 300.0
SILENCE_S = 30.0
"""A busy machine silences a worker for seconds, and what it is given again counts as an attempt."""
CYCLE = ("-m", "pytest", "-q", *WITHOUT, "--selfopt-cycle")


def noise(length: int, seed: int) -> str:
    """A text that cannot be compressed below half of its length."""
    return random.Random(seed).randbytes(length // 2 + 1).hex()[:length]


class Bench:
    """A project in a folder, and the model that its workers ask."""

    def __init__(self, folder: Path, engine: Engine, server: ScriptedServer) -> None:
        folder.mkdir(parents=True)
        self.folder, self.engine, self.server = folder, engine, server
        self.write_suite(suite_lines())
        (folder / "test_items.py").write_text(BODY)
        (folder / "pyproject.toml").write_text(
            f'[tool.pytest.ini_options]\n[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.models."{MODEL}"]\n'
            f'base_url = "{server.base_url}"\nmax_concurrency = {MOST}\n{TWO_SPECS}\n{engine.settings(SILENCE_S)}'
        )

    def write_suite(self, lines: list[dict[str, Any]]) -> None:
        (self.folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def play(self, replies: dict[str, str] | None = None, latency_s: float = 0.0) -> None:
        """Let the model answer these texts to prompts, and find each item if the prompt is constrained."""
        rules = [{"when": {"prompt": prompt}, "then": {"text": text}} for prompt, text in (replies or {}).items()]
        self.server.play({"rules": [*rules, *right(constrained=True)], "latency": latency_s})

    def begin(self, *arguments: str, cold: bool = False) -> subprocess.Popen[str]:
        """Start a session; a `cold` one may be killed."""
        return subprocess.Popen(
            [sys.executable if cold else warm.python(), *CYCLE, *self.engine.use, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def cycle(self, *arguments: str) -> str:
        """Run a session to its end, which has to be a decided one; return what it said, in one line."""
        return self.end(self.begin(*arguments))

    def end(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=SECONDS)
        assert "Traceback" not in output, output
        assert process.returncode in (0, 10), output
        with open_ledger(self.folder / ".selfopt" / "ledger.sqlite") as ledger:
            (status,) = ledger.execute("SELECT status FROM cycle ORDER BY id DESC").fetchone()
        assert status == "decided", output
        return " ".join(output.split())

    def kill_after(self, process: subprocess.Popen[str], asked: int) -> None:
        """Kill a session once so many calls were asked, and wait until the workers have nothing more to do."""
        wait_until(lambda: self.server.seen.asked >= asked)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = -1
        while self.server.seen.in_flight or before != self.server.seen.asked:
            before = self.server.seen.asked
            time.sleep(1.0)

    def recorded(self) -> dict[str, tuple[int, str]]:
        """The attempts and the error of each recorded call, by its id."""
        with open_ledger(self.folder / ".selfopt" / "ledger.sqlite") as ledger:
            rows = ledger.execute("SELECT id, attempts, coalesce(error, '') FROM call").fetchall()
        return {call_id: (attempts, error) for call_id, attempts, error in rows}

    def errors(self) -> list[str]:
        return [error for _, error in self.recorded().values() if error]

    def require_paid_once(self, never_asked: int = 0) -> int:
        """Make sure that each recorded call was asked once, except some that were never asked; return their number."""
        recorded = self.recorded()
        asked, attempts = self.server.seen.asked, sum(attempts for attempts, _ in recorded.values())
        assert asked == len(recorded) - never_asked, f"{asked} were asked, {len(recorded)} are recorded"
        assert attempts == len(recorded), f"{len(recorded)} calls took {attempts} attempts"
        return asked


@contextmanager
def supervised(bench: Bench) -> Iterator[list[tuple[int, str]]]:
    """Keep a worker alive; yield how each one ended, with its status and what it said."""
    ends: list[tuple[int, str]] = []
    stopping = threading.Event()

    def keep() -> None:
        while not stopping.is_set():
            worker = bench.engine.work_in(bench.folder)
            output, _ = worker.communicate()
            ends.append((worker.returncode, output))

    keeper = threading.Thread(target=keep)
    keeper.start()
    wait_until(lambda: bool(bench.engine.workers))
    try:
        yield ends
    finally:
        stopping.set()
        bench.engine.workers[-1].kill()
        keeper.join(SECONDS)
        bench.engine.workers.clear()
