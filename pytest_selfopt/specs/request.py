"""What is sent to a model, as plain data: no key, no callable, nothing provider-specific."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling parameters. Unset values are left to the server.

    `max_tokens` limits the tokens of an answer, thinking included; unset, it is the model's own limit.
    """

    temperature: float = 0.0
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None

    def limited(self, max_tokens: int) -> Sampling:
        """Return the sampling with this limit of tokens, unless it has one."""
        if self.max_tokens is not None:
            return self
        return replace(self, max_tokens=max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request to a chat model.

    `tools` are function schemas (`name`, `description`, `parameters`); `answer_schema` is a JSON Schema for the text
    of the answer, for servers that can constrain decoding.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Json], ...] = ()
    answer_schema: dict[str, Json] | None = None
    sampling: Sampling = Sampling()
    fresh: bool = False
    """Whether to ask on a new connection and without the server's prompt cache."""
