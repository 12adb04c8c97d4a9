"""The exit status of `selfopt`."""

from __future__ import annotations

from collections.abc import Mapping

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 2
EXIT_USAGE = 4
STATUSES: Mapping[int, str] = {
    EXIT_DONE: "done",
    EXIT_FAILED: "something that was asked for does not hold: a model that does not answer, a broken seal, a suite "
    "with mistakes, questions without an answer",
    EXIT_INTERRUPTED: "interrupted; or options that there are not",
    EXIT_USAGE: "something cannot be used, said in a sentence",
}
"""What the exit status of a command means."""


def exit_status(*, ok: bool) -> int:
    """The status of a command that checks something, by whether that is in order."""
    if ok:
        return EXIT_DONE
    return EXIT_FAILED
