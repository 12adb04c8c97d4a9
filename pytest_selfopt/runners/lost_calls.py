"""Calls that ended without a result that can be read: how often they are sent again, and how that ends."""

from __future__ import annotations

from collections import Counter

from pytest_selfopt.runners.message import EndsDisagreeError, UnusableMessageError
from pytest_selfopt.trial import CallError, ErrorKind

MOST_SENDINGS = 3
"""How often a call is sent that ends without a result."""


class LostCalls:
    """How often each call was lost, and what came in place of its result."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._refused: dict[str, UnusableMessageError] = {}

    def note_refused(self, call_id: str, problem: UnusableMessageError) -> None:
        """Note why a result of a call was refused."""
        self._refused[call_id] = problem

    def discard(self, call_id: str) -> None:
        """Forget a call, which has ended."""
        self._refused.pop(call_id, None)
        self._times.pop(call_id, None)

    def lose(self, call_id: str) -> CallError | None:
        """Note that a call is lost; return its error if it is not to be sent again.

        Raises:
            EndsDisagreeError: if only what cannot be understood comes back.
        """
        self._times[call_id] += 1
        if self._times[call_id] < MOST_SENDINGS:
            return None
        refused = self._refused.get(call_id)
        if isinstance(refused, EndsDisagreeError):
            raise refused
        message = f"worker lost: the call was sent {MOST_SENDINGS} times, and no result came"
        if refused is not None:
            message += f" that can be used ({refused})"
        return CallError(kind=ErrorKind.WORKER_LOST, message=message)
