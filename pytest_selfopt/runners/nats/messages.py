"""What sessions and workers write to each other through the server, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_selfopt import clock
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.message import MessageContext, MessageKind, UnusableMessageError, seal_within
from pytest_selfopt.runners.message_fields import is_amount, is_flag, is_text, wrong_field
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import (
    Answer,
    answer_from_bytes,
    call_from_bytes,
    call_to_bytes,
    dump_message,
    load_message,
    result_to_bytes,
)
from pytest_selfopt.runners.worker_executor import encoded
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallResult


@dataclass(frozen=True, slots=True)
class Order:
    """What workers are told of a cycle: which call they are to abort, or that all are."""

    give_up: str = ""
    cancel: bool = False


class NatsMessages:
    """Writes and reads messages, sealed with what they belong to if there is a key.

    All readers raise UnusableMessageError if a message is not what they read.
    """

    def __init__(self, names: Subjects, cipher: Cipher) -> None:
        """Write for the sessions and workers that use these names and this key."""
        self._name = names.name
        self._cipher = cipher

    def _about(self, kind: MessageKind, cycle: str, call: str = "", mark: str = "") -> MessageContext:
        return MessageContext(kind, self._name, cycle, call, mark)

    def _seal(self, data: bytes, about: MessageContext) -> bytes:
        return self._cipher.seal(data, about.to_bytes())

    def _open(self, data: bytes, about: MessageContext) -> bytes:
        return self._cipher.open(data, about.to_bytes())

    def write_call(self, call: Call, cycle: str, most: int) -> bytes:
        """Write a call, compressed if it is longer than `most` bytes otherwise; it may still be longer."""
        about = self._about(MessageKind.CALL, cycle, call.id)
        return seal_within(call_to_bytes(call, about, clock.now()), lambda data: self._seal(data, about), most)

    def read_call(self, data: bytes, cycle: str, call_id: str, variant: Callable[[str], Variant]) -> Call:
        """Read a call.

        Raises:
            SpecError: if its variant is unknown here.
        """
        about = self._about(MessageKind.CALL, cycle, call_id)
        return call_from_bytes(self._open(data, about), about, variant)

    def write_result(
        self, result: CallResult, cycle: str, call_id: str, question: str, *, most: int, limit: str
    ) -> bytes:
        """Write the answer to a question in at most `most` bytes, which `limit` demands (see `encoded`)."""
        about = self._about(MessageKind.RESULT, cycle, call_id)
        return encoded(
            result,
            lambda result: result_to_bytes(result, about, question),
            most,
            limit,
            lambda data: self._seal(data, about),
        )

    def read_answer(self, data: bytes, cycle: str, call_id: str) -> Answer:
        """Read an answer."""
        about = self._about(MessageKind.RESULT, cycle, call_id)
        return answer_from_bytes(self._open(data, about), about)

    def write_event(self, kind: MessageKind, cycle: str, call_id: str, mark: str, at: float) -> bytes:
        """Write that a call was begun, or dropped, at a time (seconds since the epoch)."""
        about = self._about(kind, cycle, call_id, mark)
        return self._seal(dump_message({"at": at}, about), about)

    def read_event(self, data: bytes, kind: MessageKind, cycle: str, call_id: str, mark: str) -> float:
        """Read when it was."""
        about = self._about(kind, cycle, call_id, mark)
        value = load_message(self._open(data, about), about)
        if wrong_field(value, {"at": is_amount}, {}):
            raise UnusableMessageError(f"a {kind} message does not say when")
        at: float = value["at"]
        return at

    def write_order(self, order: Order, cycle: str) -> bytes:
        """Write an order."""
        about = self._about(MessageKind.ORDER, cycle)
        return self._seal(dump_message({"give_up": order.give_up, "cancel": order.cancel}, about), about)

    def read_order(self, data: bytes, cycle: str) -> Order:
        """Read an order."""
        about = self._about(MessageKind.ORDER, cycle)
        value = load_message(self._open(data, about), about)
        wrong = wrong_field(value, {"give_up": is_text, "cancel": is_flag}, {})
        if wrong:
            raise UnusableMessageError(f"an order has no usable field {wrong!r}")
        return Order(value["give_up"], value["cancel"])
