"""Encryption of messages through third-party servers, so that only sessions and workers can read or write them.

What a message belongs to (see `message.MessageContext`) is sealed with it, so that a copy opens nowhere else.
"""

from __future__ import annotations

import base64
import importlib.util
import os
from collections.abc import Mapping

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.message import EndsDisagreeError

KEY_VARIABLE = "PYTEST_SELFOPT_PAYLOAD_KEY"
"""The environment variable with the key: 32 bytes in base64, the same for sessions and workers."""

_MARK = b"selfopt-sealed-2:"
_MARKS = b"selfopt-sealed-"
"""The beginning of what any version has sealed."""

_NONCE_BYTES = 12


class Cipher:
    """Seals and opens messages with AES-256-GCM (NIST SP 800-38D) and fresh nonces; without a key, changes nothing."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Cipher:
        """Return the cipher with the key in the environment.

        Raises:
            RunnerError: if the key is invalid, or the package that it needs is missing.
        """
        text = environment.get(KEY_VARIABLE, "")
        if not text:
            return cls(None)
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise RunnerError(
                f"{KEY_VARIABLE} is not a valid key; make 32 random bytes in base64 with `openssl rand -base64 32`"
            )
        if importlib.util.find_spec("cryptography") is None:
            raise RunnerError(
                f"{KEY_VARIABLE} is set, but sealing needs the package cryptography: pip install cryptography"
            )
        return cls(key)

    @property
    def seals(self) -> bool:
        """Whether a key is set."""
        return self._key is not None

    def seal(self, data: bytes, about: bytes) -> bytes:
        """Seal a message for transport; it opens only with the same `about`, which says what it belongs to."""
        if self._key is None:
            return data
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + nonce + AESGCM(self._key).encrypt(nonce, data, _MARK + about)

    def open(self, data: bytes, about: bytes) -> bytes:
        """Open a sealed message that belongs to what `about` says.

        Raises:
            EndsDisagreeError: if it was sealed with another key, by another version or for another place, or only one
                side has a key.
        """
        sealed = data.startswith(_MARKS)
        if sealed and self._key is None:
            raise EndsDisagreeError(f"a message is sealed, but {KEY_VARIABLE} is not set here")
        if not sealed and self._key is not None:
            raise EndsDisagreeError(f"a message is not sealed; set {KEY_VARIABLE} at its sender, too")
        if self._key is None:
            return data
        if not data.startswith(_MARK):
            raise EndsDisagreeError(
                "a message was sealed by another version of pytest-selfopt; "
                "upgrade sessions and workers to the same one"
            )
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = data[len(_MARK) :][:_NONCE_BYTES], data[len(_MARK) + _NONCE_BYTES :]
        try:
            return AESGCM(self._key).decrypt(nonce, rest, _MARK + about)
        except (InvalidTag, ValueError):
            raise EndsDisagreeError(
                f"a message was sealed with a key other than {KEY_VARIABLE} here, or for another call"
            ) from None
