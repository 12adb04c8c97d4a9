"""What every client of a model offers, whatever its wire format."""

from __future__ import annotations

from typing import Protocol

from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, Reply


class Client(Protocol):
    """Asks one model. Trouble of the model, the server or the network comes back as a `CallError`, never raised."""

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt that ends after `timeout_s` seconds of wall-clock time at the latest."""

    def abort(self) -> None:
        """End all attempts under way and refuse further ones; may be called from any thread."""
