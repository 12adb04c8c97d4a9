"""What an application sends to ask as the benchmark does, and how it reads the reply. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.client import checked_answer
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.wire_format import BuiltBody, Sent, Wire, read_answer
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import Variant, read_reply
from pytest_selfopt.trial import CallError, Json, Reply, ToolCall

_NAMED = {
    "openai": (
        *("model", "messages", "tools", "response_format"),
        *("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens"),
    ),
    # Its newer versions have no parameter for a temperature, which the API takes all the same.
    "anthropic": ("model", "messages", "tools", "max_tokens", "system"),
}
"""The members of a body that the method of an official client has parameters for; others go into `extra_body`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered: its text, which is empty if calls were read out of it, and the calls that it asks for.

    `undecodable` says why a text that sets out to be a call is none (empty: it does not, or it decodes): neither an
    answer nor a call. `message` is the answer as a message of the conversation, for the next request.
    """

    text: str
    calls: tuple[ToolCall, ...]
    undecodable: str
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A request in the way that is in force, as the benchmark sends it.

    `client` is the style of client that it is for: "openai", "ollama" or "anthropic". `spec` is the way in full,
    `because` why it is this one, `notes` what the request cannot say. `timeout_s` (seconds) bounds each attempt,
    `retries` counts attempts after the first.
    """

    client: str
    spec: Spec
    because: tuple[str, ...]
    timeout_s: float
    retries: int
    notes: tuple[str, ...] = ()
    built: BuiltBody = field(repr=False)
    config: ModelConfig = field(repr=False)
    wire: Wire = field(repr=False)
    variant: Variant = field(repr=False)
    offers_tools: bool = field(repr=False)

    @property
    def body(self) -> dict[str, Json]:
        """The whole body, for a client that posts JSON to `url`."""
        return self.built.value

    @property
    def model(self) -> str:
        """The model's name on the wire."""
        return self.config.name

    @property
    def messages(self) -> Json:
        """The messages in the form of the client. Anthropic's instructions are among the parameters, as `system`."""
        return self.body["messages"]

    @property
    def tools(self) -> Json:
        """The tools in the form of the client; none where the way describes them in the messages."""
        return self.body.get("tools", [])

    @property
    def parameters(self) -> dict[str, Json]:
        """Everything else in the body, such as the temperature and the form that the answer must have."""
        return {name: value for name, value in self.body.items() if name not in ("model", "messages", "tools")}

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the official client's method.

        These are `chat.completions.create` (openai), `messages.create` (anthropic) and `chat` (ollama), whose client is
        made with the time-out instead.
        """
        named = _NAMED.get(self.client)
        if named is None:
            return dict(self.body)
        arguments: dict[str, Any] = {name: value for name, value in self.body.items() if name in named}
        further = {name: value for name, value in self.body.items() if name not in named}
        if further:
            arguments["extra_body"] = further
        return {**arguments, "timeout": self.timeout_s}

    @property
    def url(self) -> str:
        """The address that the body is posted to.

        Raises:
            ModelError: if the model has none, because this package starts its server itself.
        """
        address = urlsplit(self.config.provider.base_url)
        if not address.netloc:
            raise ModelError(f"{self.config.id} has no address: start a server for it, and give your client that one's")
        return address._replace(path=address.path.rstrip("/") + self.wire.path).geturl()

    @property
    def headers(self) -> dict[str, str]:
        """The headers to post the body with; the key is that of the environment at this moment."""
        key = os.environ.get(self.config.provider.api_key_env or "", "")
        return {"Content-Type": "application/json", **self.wire.headers(key)}

    def read(self, answer: object) -> Answer:
        """Read the text and the calls of an answer, as the benchmark does.

        `answer` is the official client's whole answer, the decoded JSON of one, or only its text, such as that of a
        stream; a text alone is without the calls that an API has fields of their own for.

        Raises:
            ModelError: if it is no answer, such as an error, a refusal, or one cut off before it said anything.
        """
        reply = self._reply(answer)
        read = read_reply(reply, self.variant, has_tools=self.offers_tools)
        message = Message(role="assistant", content=read.text, calls=read.tool_calls, echo=reply.echo)
        # A call in words is no text for anybody, but goes back as it came.
        text = "" if read.tool_calls and not reply.tool_calls else read.text
        return Answer(text=text, calls=read.tool_calls, undecodable=read.undecodable, message=message)

    def _reply(self, answer: object) -> Reply:
        if isinstance(answer, str):
            reply: Reply | CallError = Reply(text=answer)
        else:
            sampling = self.built.sampling
            sent = Sent(
                redactor=KNOWN.redactor,
                latency_s=0.0,
                at=0.0,
                sampling=sampling.sent,
                adjustments=sampling.adjustments,
                max_tokens=sampling.max_tokens,
            )
            reply = read_answer(self.wire, _Decoded(body=_encoded(answer)), sent)
        if isinstance(reply, CallError):
            raise ModelError(f"{self.config.id} gave no answer: {reply.message}")
        if "response_format" in self.body or "format" in self.body or "output_config" in self.body:
            reply = checked_answer(reply, wrapped=self.built.wrapped)
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded:
    """An answer that a client has received already."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def _encoded(answer: object) -> bytes:
    """Return the JSON of an answer.

    Raises:
        ModelError: if it is neither a text, nor decoded JSON, nor the answer of an official client.
    """
    dump = getattr(answer, "model_dump", None)
    if callable(dump):
        answer = dump(mode="json", exclude_none=True)
    if not isinstance(answer, dict):
        raise ModelError(
            f"an answer is a text, decoded JSON or the whole answer of an official client, not {type(answer).__name__}"
        )
    return json.dumps(answer).encode()
