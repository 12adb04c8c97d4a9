"""The present workers, and the choice of workers for pinned calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.redaction.addresses import shown_address
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.message import EndsDisagreeError, MessageContext, MessageKind, UnusableMessageError
from pytest_selfopt.runners.message_fields import each, is_text, wrong_field
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import errors
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.remote import ProviderLimits
from pytest_selfopt.runners.wire import dump_message, load_message

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection

ANY = "any"
"""The place of calls that any worker for their provider may make."""

_ROUND_S = 0.5
"""Seconds between questions who is present."""

_NOTICE = {"name": lambda value: is_text(value) and token(value) == value, "providers": each(is_text)}


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """A worker's announcement of itself."""

    name: str
    providers: frozenset[str]


def notice_to_bytes(name: str, providers: Sequence[str], about: MessageContext) -> bytes:
    """Encode a worker's announcement."""
    return dump_message({"name": name, "providers": list(providers)}, about)


def notice_from_bytes(data: bytes, about: MessageContext) -> WorkerNotice:
    """The inverse of `notice_to_bytes`.

    Raises:
        UnusableMessageError: if it is no such announcement.
    """
    value = load_message(data, about)
    wrong = wrong_field(value, _NOTICE, {})
    if wrong:
        raise UnusableMessageError(f"a worker's notice has no usable field {wrong!r}")
    return WorkerNotice(value["name"], frozenset(value["providers"]))


def notice_context(names: Subjects, inbox: str) -> MessageContext:
    """Return what an announcement belongs to: the address that it was asked to go to, which nobody else knew."""
    return MessageContext(MessageKind.NOTICE, names.name, mark=inbox)


class WorkerDirectory:
    """Which workers answered last, and which of them makes the calls to each pinned model."""

    def __init__(self, config: NatsConfig, cipher: Cipher, demand: ProviderLimits) -> None:
        """Look for workers that serve a demand."""
        self._config = config
        self._cipher = cipher
        self._demand = demand
        self._names = Subjects(config.name)
        self._present: list[WorkerNotice] = []
        self._disagree: EndsDisagreeError | None = None
        self._places: dict[str, str] = {}
        """The worker for each pinned model's calls."""

    async def missing(self, connection: Connection, seconds: float) -> list[str]:
        """Return the providers that no worker answers for within `seconds`."""
        wanted = set(self._demand.limits)

        def are_enough(workers: Sequence[WorkerNotice]) -> bool:
            return wanted <= _served_by(workers)

        self._present = await self._ask(connection, seconds, are_enough)
        return sorted(wanted - _served_by(self._present))

    def without(self, providers: Sequence[str]) -> str:
        """Say that providers have no worker, and why, if some that answered cannot be understood."""
        if self._disagree is not None:
            return f"a worker at {self._config.where} cannot be used: {self._disagree}"
        names = ", ".join(providers)
        return (
            f"no worker at {self._config.where} makes calls to {names}; start one on a machine with the keys: "
            f"selfopt worker nats --target {shown_address(self._config.servers[0])} --models {','.join(providers)}"
        )

    async def place(self, connection: Connection, model: str, patience_s: float) -> str:
        """Return the place of a model's calls: one present worker if the model is pinned, else any.

        Raises:
            RunnerError: if none is present for `patience_s` seconds.
        """
        if not self._demand.pinned(model):
            return ANY
        provider = self._demand.provider_of(model)
        deadline = clock.monotonic() + patience_s
        while model not in self._places:
            able = sorted(worker.name for worker in self._present if provider in worker.providers)
            if able:
                self._places[model] = able[0]
            elif clock.monotonic() > deadline:
                raise RunnerError(self.without([provider]))
            else:
                await self.missing(connection, _ROUND_S)
        return self._places[model]

    def forget_lost(self) -> list[tuple[str, str]]:
        """Forget the places of workers that did not answer; return them, each with its model."""
        present = {worker.name for worker in self._present}
        lost = [(model, place) for model, place in self._places.items() if place not in present]
        for model, _ in lost:
            del self._places[model]
        return lost

    async def _ask(
        self, connection: Connection, seconds: float, enough: Callable[[Sequence[WorkerNotice]], bool]
    ) -> list[WorkerNotice]:
        """Return the workers that answer within `seconds`, or as soon as there are enough."""
        notices: dict[str, WorkerNotice] = {}
        self._disagree = None
        inbox = connection.new_inbox()
        answers = await connection.subscribe(inbox)
        deadline = clock.monotonic() + seconds
        try:
            while not enough(list(notices.values())) and (left := deadline - clock.monotonic()) > 0:
                await connection.publish(self._names.workers, b"", reply=inbox)
                await self._collect(answers, notices, min(left, _ROUND_S))
        finally:
            await answers.unsubscribe()
        return list(notices.values())

    async def _collect(self, answers: Any, notices: dict[str, WorkerNotice], seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        try:
            while (left := deadline - clock.monotonic()) > 0:
                answer = await answers.next_msg(timeout=left)
                # An empty one is the server's notice that there are no responders.
                if answer.data:
                    self._note(answer.data, answers.subject, notices)
        except errors():
            return

    def _note(self, data: bytes, inbox: str, notices: dict[str, WorkerNotice]) -> None:
        about = notice_context(self._names, inbox)
        if _is_old(data):
            self._disagree = EndsDisagreeError("run the same version of pytest-selfopt in sessions and workers")
            return
        try:
            notice = notice_from_bytes(self._cipher.open(data, about.to_bytes()), about)
            notices[notice.name] = notice
        except EndsDisagreeError as problem:
            self._disagree = problem
        except UnusableMessageError:
            return  # Whoever that was, it is no worker.


def _is_old(data: bytes) -> bool:
    """Whether it is an announcement as it was before messages had a format."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "providers" in value and "format" not in value


def _served_by(workers: Iterable[WorkerNotice]) -> set[str]:
    """Return the providers that workers serve."""
    served: set[str] = set()
    for worker in workers:
        served |= worker.providers
    return served
