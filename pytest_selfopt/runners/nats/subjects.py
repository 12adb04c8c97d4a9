"""The names of streams, consumers and subjects."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.runners.ids import token


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

    @property
    def control(self) -> str:
        """The subject on which workers are told to abort calls."""
        return f"{self.name}.control"

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

    def result(self, cycle: str, call_id: str) -> str:
        """Return the subject of a result, which accepts only one message."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.result"

    def begun(self, cycle: str, call_id: str, mark: str) -> str:
        """Return the subject of one beginning of a call."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.begun.{mark}"

    def left(self, cycle: str, call_id: str, mark: str) -> str:
        """Return the subject of a worker's notice that it dropped a begun call before sending it."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.left.{mark}"

    def results_of(self, cycle: str) -> str:
        """Return the subjects of all beginnings and results of one cycle."""
        return f"{self.name}.results.{cycle}.>"
