"""Sealing what travels through somebody else's server, so that only sessions and workers can read it."""

from __future__ import annotations

import base64
import importlib.util
import os
from collections.abc import Mapping

from pytest_selfopt.errors import RunnerError

KEY_VARIABLE = "PYTEST_SELFOPT_PAYLOAD_KEY"
"""Names the environment variable with the key: 32 bytes in base64, the same for sessions and workers."""

_MARK = b"selfopt-sealed-1:"
_NONCE_BYTES = 12


class Cipher:
    """Seals and opens messages by AES-256-GCM (NIST SP 800-38D), a new nonce for each; without a key it leaves them."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Cipher:
        """The one whose key is in the environment.

        Raises:
            RunnerError: when the key cannot be used, or the package that it takes is missing.
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
                f"{KEY_VARIABLE} is no key: 32 random bytes in base64, as `openssl rand -base64 32` makes"
            )
        if importlib.util.find_spec("cryptography") is None:
            raise RunnerError(
                f"{KEY_VARIABLE} is set, and sealing takes the package cryptography: pip install cryptography"
            )
        return cls(key)

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def seal(self, data: bytes) -> bytes:
        """What travels."""
        if self._key is None:
            return data
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + nonce + AESGCM(self._key).encrypt(nonce, data, _MARK)

    def open(self, data: bytes) -> bytes:
        """What was sealed.

        Raises:
            RunnerError: when it was sealed with another key, or one side has a key and the other has none.
        """
        sealed = data.startswith(_MARK)
        if sealed and self._key is None:
            raise RunnerError(f"a message is sealed, and {KEY_VARIABLE} is not set here")
        if not sealed and self._key is not None:
            raise RunnerError(f"a message is not sealed: set {KEY_VARIABLE} where it comes from, too")
        if self._key is None:
            return data
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = data[len(_MARK) :][:_NONCE_BYTES], data[len(_MARK) + _NONCE_BYTES :]
        try:
            return AESGCM(self._key).decrypt(nonce, rest, _MARK)
        except (InvalidTag, ValueError):
            raise RunnerError(f"a message was sealed with another key than {KEY_VARIABLE} holds here") from None
