"""The names of streams, consumers and subjects."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.message import MessageKind

_CALL_PARTS = 6
_LEAST_REPORT_PARTS = 5


@dataclass(frozen=True, slots=True)
class Subjects:
    """The names of streams and subjects. Each call has its own subject, so that it is queued at most once."""

    name: str

    @property
    def calls(self) -> str:
        """The stream of calls to make."""
        return f"{self.name}-calls"

    @property
    def results(self) -> str:
        """The stream of beginnings and results."""
        return f"{self.name}-results"

    @property
    def workers(self) -> str:
        """The subject on which workers answer that they are present."""
        return f"{self.name}.workers"

    def control(self, cycle: str) -> str:
        """Return the subject on which workers are told to abort calls of a cycle."""
        return f"{self.name}.control.{cycle}"

    @property
    def holders(self) -> str:
        """The subject on which workers answer whether they are making a call."""
        return f"{self.name}.holders"

    def call(self, provider: str, place: str, cycle: str, call_id: str) -> str:
        """Return the subject of a call, for any worker of a provider or for a certain one."""
        return f"{self.name}.calls.{token(provider)}.{place}.{cycle}.{token(call_id)}"

    def calls_of(self, provider: str, place: str) -> str:
        """Return the subjects of all calls in one place."""
        return f"{self.name}.calls.{token(provider)}.{place}.>"

    def calls_in(self, cycle: str) -> str:
        """Return the subjects of all calls of one cycle."""
        return f"{self.name}.calls.*.*.{cycle}.*"

    def consumer(self, provider: str, place: str) -> str:
        """Return the consumer of the calls in one place."""
        return f"{token(provider)}-{place}"

    def report(self, kind: MessageKind, cycle: str, call_id: str, mark: str) -> str:
        """Return the subject of one result of a call, of a beginning, or of a worker's notice that it dropped it.

        Each has a mark of its own, so that no message can take the place of another one.
        """
        return f"{self.name}.results.{cycle}.{token(call_id)}.{mark}.{kind}"

    def results_to(self, cycle: str, call_id: str) -> str:
        """Return the subjects of all results of a call."""
        return self.report(MessageKind.RESULT, cycle, call_id, "*")

    def results_of(self, cycle: str) -> str:
        """Return the subjects of all beginnings and results of one cycle."""
        return f"{self.name}.results.{cycle}.>"

    def read_call(self, subject: str) -> tuple[str, str] | None:
        """Return the cycle and the call's token in the subject of a call; None if it is none."""
        parts = subject.split(".")
        if len(parts) != _CALL_PARTS:
            return None
        return parts[4], parts[5]

    def read_report(self, subject: str) -> tuple[str, str, str]:
        """Return the call's token, the mark and the kind in the subject of a report; empty if it is none.

        Results of older versions have no mark.
        """
        parts = subject.split(".")
        if len(parts) < _LEAST_REPORT_PARTS:
            return "", "", ""
        return parts[3], parts[-2], parts[-1]
