"""Everything that Temporal stores of ours passes here: sealed when there is a key, else left as it is."""

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
    """Seals each payload whole, with what says how it is to be read."""

    def __init__(self, cipher: Cipher) -> None:
        """Seal by a cipher; without a key it still tells what it cannot open."""
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
        """Open payloads that were stored.

        Raises:
            RunnerError: when it was sealed with another key, or one side has a key and the other has none.
        """
        return list(map(self._open, payloads))

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") == _ENCODING:
            return Payload.FromString(self._cipher.open(payload.data))
        self._cipher.open(payload.data)  # refuses what should have been sealed
        return payload


def converter(cipher: Cipher) -> DataConverter:
    """What turns values into stored bytes and back; with a key the texts of failures are sealed, too."""
    usual = replace(DataConverter.default, payload_codec=SealingCodec(cipher))
    if not cipher.seals:
        return usual
    return replace(usual, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)
