"""The secrets that this process knows: the values of the environment variables that hold keys."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable

from pytest_selfopt.redaction.redactor import MIN_LENGTH, Redactor

_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "ANTHROPIC_API_KEY",
    "TEMPORAL_API_KEY",
    "NATS_PASSWORD",
    "NATS_TOKEN",
    "PYTEST_SELFOPT_PAYLOAD_KEY",
)
"""The variables that hold secrets without any setting."""
_NAMES = ("openai", "openrouter", "anthropic", "ollama", "embedded/smollm2-135m", "extended")
"""The names that are there without any setting."""
_WORD = r"[a-z_-]{1,15}"
"""What stands in for a key where a server wants none, and is a word of ordinary texts: "not-needed", "password"."""


class KnownSecrets:
    """The secrets of a process. They are only ever added, from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._values: set[str] = set()
        self._names: set[str] = set(_NAMES)
        self._redactor = Redactor(())

    @property
    def redactor(self) -> Redactor:
        """The redactor of all secrets that are known by now."""
        return self._redactor

    def watch(self, variables: Iterable[str], names: Iterable[str] = ()) -> None:
        """Add the values of environment variables; `names` are the project's, such as those of its models."""
        with self._turn:
            self._names.update(names)
            # A variable may be set late, as by a file of settings that a conftest.py reads.
            self._values.update(filter(None, map(os.environ.get, (*_VARIABLES, *variables))))
            self._make_redactor()

    def add(self, value: str) -> None:
        """Add a secret, such as a key that is about to be sent; nothing for an empty or a known one."""
        if not value or value in self._values:
            return
        with self._turn:
            self._values.add(value)
            self._make_redactor()

    def why_shown(self, value: str) -> str:
        """Say why a secret is not blacked out; empty if it is."""
        if len(value) < MIN_LENGTH:
            return f"it has fewer than {MIN_LENGTH} characters, which other words have, too"
        if re.fullmatch(_WORD, value):
            return "it reads as an ordinary word"
        for name in sorted(self._names):
            if value in name:
                return f"the name {name!r} has it, too"
        return ""

    def _make_redactor(self) -> None:
        self._redactor = Redactor(value for value in self._values if not self.why_shown(value))


KNOWN = KnownSecrets()
KNOWN.watch(())


def redact_written(text: str) -> str:
    """Return a text that is about to be written, without the secrets of this process."""
    return KNOWN.redactor.redact_written(text)
