"""A process that does bounded work for threads that no signal reaches: it is started once, and replaced if it hangs."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.import_string import imported

_SPARE_S, _SPARE = 60.0, 20.0
"""Seconds in which a process starts on a machine that is busy, and how many it may need for one of processor time."""


class HelperProcess:
    """Carries out functions of modules in another process, one after the other; any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def carry_out(self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> dict[str, Any]:
        """Return `{"result": …}`, `{"problem": sentence}` of a `SelfoptError`, or nothing if it was not done in time.

        Arguments and result are JSON values; `seconds` are of processor time.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        order = json.dumps({"path": sys.path, "function": name, "args": args, "seconds": seconds})
        with self._lock:
            answer = self._asked(order, seconds)
        if not answer:
            return {}
        read: dict[str, Any] = json.loads(answer)
        return read

    def forget(self) -> None:
        """Leave the process to the one that this one was forked from, perhaps while another thread held the lock."""
        self._lock = threading.Lock()
        self._process = None

    def _asked(self, order: str, seconds: float) -> str:
        """Return the line that the process answers, an empty one if it ended or had to be ended."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        # No signal interrupts what Python's own C code does there: then only its end helps.
        timer = threading.Timer(_SPARE_S + _SPARE * seconds, process.kill)
        timer.daemon = True
        timer.start()
        answer = ""
        try:
            with suppress(OSError):
                process.stdin.write(f"{order}\n")
                process.stdin.flush()
                answer = process.stdout.readline()
        finally:
            timer.cancel()
            if not answer:
                self._end()
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="ascii",
                # Ctrl-C is for this process; the other one ends with it.
                start_new_session=True,
            )
            atexit.register(self._end)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        atexit.unregister(self._end)
        if process is not None:
            process.kill()
            with suppress(OSError):
                process.communicate()


HELPER = HelperProcess()


os.register_at_fork(after_in_child=HELPER.forget)


def main() -> None:
    """Carry out what is ordered, a line each, until the other side is gone."""
    orders, answers = sys.stdin, os.fdopen(os.dup(1), "w", encoding="ascii")
    # What a function prints is no answer.
    os.dup2(2, 1)
    for line in orders:
        json.dump(_answer(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    from pytest_selfopt.bench.grading.bounded import TooSlow, bounded

    sys.path[:] = order["path"]
    function: Any = imported(order["function"])
    try:
        result: Any = bounded(function, *order["args"], seconds=order["seconds"])
    except (TooSlow, MemoryError):
        return {}
    except SelfoptError as problem:
        return {"problem": str(problem)}
    return {"result": result}


if __name__ == "__main__":
    main()
