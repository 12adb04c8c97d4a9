"""The names of streams, consumers and subjects."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.runners.ids import token


@dataclass(frozen=True, slots=True)
class Subjects:
    """The names of streams and subjects. A call's subject is its own, so that it is in the queue once at most."""

    name: str

    @property
    def calls(self) -> str:
        """The stream of calls that are to be made."""
        return f"{self.name}-calls"

    @property
    def results(self) -> str:
        """The stream of what was begun and what came of it."""
        return f"{self.name}-results"

    @property
    def workers(self) -> str:
        """Where workers are asked whether they are there."""
        return f"{self.name}.workers"

    @property
    def control(self) -> str:
        """Where workers are told to abort calls."""
        return f"{self.name}.control"

    @property
    def holders(self) -> str:
        """Where it is asked who is making a call."""
        return f"{self.name}.holders"

    def call(self, provider: str, place: str, cycle: str, call_id: str) -> str:
        """The subject of a call: for any worker of a provider, or for a certain one."""
        return f"{self.name}.calls.{token(provider)}.{place}.{cycle}.{token(call_id)}"

    def calls_of(self, provider: str, place: str) -> str:
        """The subjects of all calls in one place."""
        return f"{self.name}.calls.{token(provider)}.{place}.>"

    def calls_in(self, cycle: str) -> str:
        """The subjects of all calls of one cycle."""
        return f"{self.name}.calls.*.*.{cycle}.*"

    def consumer(self, provider: str, place: str) -> str:
        """The consumer of the calls in one place."""
        return f"{token(provider)}-{place}"

    def result(self, cycle: str, call_id: str) -> str:
        """The subject of a result; the first message there is the last."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.result"

    def begun(self, cycle: str, call_id: str, mark: str) -> str:
        """The subject of one beginning of a call."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.begun.{mark}"

    def left(self, cycle: str, call_id: str, mark: str) -> str:
        """The subject that tells that what had begun there was left before it was sent."""
        return f"{self.name}.results.{cycle}.{token(call_id)}.left.{mark}"

    def results_of(self, cycle: str) -> str:
        """The subjects of everything that is told of one cycle."""
        return f"{self.name}.results.{cycle}.>"
