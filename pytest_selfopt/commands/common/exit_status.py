"""The exit status of `selfopt`."""

from __future__ import annotations

from collections.abc import Mapping

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 2
EXIT_USAGE = 4
STATUSES: Mapping[int, str] = {
    EXIT_DONE: "done",
    EXIT_FAILED: "what was asked for does not hold, or was not done: a model does not answer, the decisions log was "
    "changed, a suite has errors, feedback cannot be applied, calls got no answer, nothing could be imported, or a "
    "cost was not confirmed",
    EXIT_INTERRUPTED: "interrupted, or an unknown option",
    EXIT_USAGE: "something given cannot be used; one sentence says what",
}
"""What the exit status of a command means."""


def exit_status(*, ok: bool) -> int:
    """The status of a command that checks something, by whether that is in order."""
    if ok:
        return EXIT_DONE
    return EXIT_FAILED
