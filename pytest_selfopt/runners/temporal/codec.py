"""The codec of all data that Temporal stores for us: sealed if there is a key, else unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.message import UnusableMessageError

_ENCODING = b"binary/selfopt-sealed"

REFUSED = "selfopt refuses this: "
"""How the text begins that a lenient codec puts in the place of what cannot be opened."""


class SealingCodec(PayloadCodec, WithSerializationContext):
    """Seals each payload, including its metadata, for its workflow: a copy opens in no other one.

    The library does not say which of a workflow's payloads it is. That stands in calls and results themselves.
    """

    def __init__(self, cipher: Cipher, workflow: tuple[str, str] = ("", ""), *, lenient: bool = False) -> None:
        """Use a cipher for a workflow, given by namespace and id; without a key, still report sealed payloads.

        If it is `lenient`, what cannot be opened is the text why (see `REFUSED`): the library would otherwise try all
        that came with it again and again, so that one forged result would stop the other calls of its workflow.
        """
        self._cipher = cipher
        self._lenient = lenient
        self._about = json.dumps(["temporal", *workflow]).encode("ascii")

    def with_context(self, context: SerializationContext) -> SealingCodec:
        """Return the codec of the workflow that payloads belong to."""
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            workflow = (context.namespace, context.workflow_id or "")
            return SealingCodec(self._cipher, workflow, lenient=self._lenient)
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal payloads before they are stored."""
        if not self._cipher.seals:
            return list(payloads)
        return list(map(self._seal, payloads))

    def _seal(self, payload: Payload) -> Payload:
        data = self._cipher.seal(payload.SerializeToString(), self._about)
        return Payload(metadata={"encoding": _ENCODING}, data=data)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open stored payloads.

        Raises:
            EndsDisagreeError: if a payload was sealed with another key or for another workflow, or only one side has a
                key; not if it is lenient.
        """
        if self._lenient:
            return list(map(self._open_or_say_why, payloads))
        return list(map(self._open, payloads))

    def _open_or_say_why(self, payload: Payload) -> Payload:
        try:
            return self._open(payload)
        except UnusableMessageError as problem:
            return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(f"{REFUSED}{problem}").encode())

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") == _ENCODING:
            return Payload.FromString(self._cipher.open(payload.data, self._about))
        if self._cipher.seals:
            self._cipher.open(payload.data, self._about)  # This rejects payloads that should have been sealed.
            raise UnusableMessageError("a sealed message is not marked as one")
        return payload


def converter(cipher: Cipher, *, lenient: bool = False) -> DataConverter:
    """Return the converter between values and stored bytes; with a key it seals failure messages, too."""
    usual = replace(DataConverter.default, payload_codec=SealingCodec(cipher, lenient=lenient))
    if not cipher.seals:
        return usual
    return replace(usual, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)


def converter_of(client: Client, workflow: str) -> DataConverter:
    """Return the converter of what is stored in a workflow."""
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow)
    return client.data_converter.with_context(context)


async def read_payloads(converter: DataConverter, payloads: Sequence[Payload], types: Sequence[type]) -> list[Any]:
    """Decode as many values as there are types.

    Raises:
        UnusableMessageError: if they cannot be read.
    """
    try:
        values = await converter.decode(payloads, list(types))
    except UnusableMessageError:
        raise
    # Anybody may have stored them, and the converters raise what they like.
    except Exception as problem:  # noqa: BLE001
        raise UnusableMessageError(f"a payload cannot be read: {type(problem).__name__}: {problem}") from None
    if len(values) != len(types):
        raise UnusableMessageError(f"there are {len(values)} payloads in the place of {len(types)}")
    return values
