"""Threads where a process may have no more of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pytest_selfopt.errors import RunnerError


@contextlib.contextmanager
def no_thread_reported() -> Iterator[None]:
    """Report that no thread can be started in the block.

    Raises:
        RunnerError: if so.
    """
    try:
        yield
    except RuntimeError as problem:
        raise RunnerError(
            f"this process can start no thread ({problem}), so no call was made; raise its limits (ulimit -u, -v)"
        ) from None


class WillingExecutor(ThreadPoolExecutor):
    """A pool that goes on with the threads that it has if no more can be started."""

    def _adjust_thread_count(self) -> None:
        """Start another thread for the work that was submitted, unless there are enough."""
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise
