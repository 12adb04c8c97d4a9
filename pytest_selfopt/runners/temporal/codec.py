"""The codec of all data that Temporal stores for us: sealed if there is a key, else unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from pytest_selfopt.runners.cipher import Cipher

_ENCODING = b"binary/selfopt-sealed"


class SealingCodec(PayloadCodec):
    """Seals each payload, including its metadata."""

    def __init__(self, cipher: Cipher) -> None:
        """Use a cipher; without a key, still report sealed payloads."""
        self._cipher = cipher

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal payloads before they are stored."""
        if not self._cipher.seals:
            return list(payloads)
        return list(map(self._seal, payloads))

    def _seal(self, payload: Payload) -> Payload:
        data = self._cipher.seal(payload.SerializeToString())
        return Payload(metadata={"encoding": _ENCODING}, data=data)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open stored payloads.

        Raises:
            RunnerError: if a payload was sealed with another key, or only one side has a key.
        """
        return list(map(self._open, payloads))

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") == _ENCODING:
            return Payload.FromString(self._cipher.open(payload.data))
        self._cipher.open(payload.data)  # This rejects payloads that should have been sealed.
        return payload


def converter(cipher: Cipher) -> DataConverter:
    """Return the converter between values and stored bytes; with a key it seals failure messages, too."""
    usual = replace(DataConverter.default, payload_codec=SealingCodec(cipher))
    if not cipher.seals:
        return usual
    return replace(usual, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)
