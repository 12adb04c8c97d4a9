"""What all wire formats share: their protocol, and reading answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.caches.response_cache import hit
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.failures import ServerError, failure, find_error, unparsed_call
from pytest_selfopt.models.parameters import Parameters, SentSampling, apply_parameters, wrapped_schema
from pytest_selfopt.models.reading import no_constant, quoted
from pytest_selfopt.redaction.redactor import Redactor
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.strict_json import int_or_infinity
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply

STOP = "stop"
LENGTH = "length"
"""The finish reason of a reply that reached its limit of tokens, whatever the provider calls it."""


class Unsupported(ValueError):
    """A request asks for something that a wire format cannot carry."""


class Wire(Protocol):
    """One wire format. All its parts are pure."""

    path: str
    """The path after the base address."""

    counts_within_limit: bool
    """Whether tokens out, as this format counts them, cannot exceed the limit of tokens."""

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers of a request; `key` is empty if there is none."""

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return the body of a request.

        Raises:
            Unsupported: when the format cannot carry it.
        """

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the reply from a decoded answer; one without text and calls is taken for what it is by the caller.

        Raises:
            ValueError: if the shape is wrong; the message says how, as in "without choices".
        """


class ServerAnswer(Protocol):
    """An answer over HTTP, whoever received it."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    @property
    def body(self) -> bytes:
        """The content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBody:
    """The body of a request as it is sent, and the sampling parameters in it.

    `wrapped` says that the schema of the answer was put into an object, out of which the answer is to be taken.
    """

    value: dict[str, Json]
    sampling: SentSampling
    wrapped: bool


def build_body(wire: Wire, model: ModelConfig, request: ChatRequest, parameters: Parameters) -> BuiltBody:
    """Build what is sent to a model; benchmarks and applications send the same because both build it here.

    Raises:
        Unsupported: when the format cannot carry the request.
    """
    request = replace(request, sampling=request.sampling.limited(model.max_tokens))
    wrapped = request.answer_schema is not None and parameters.object_root
    if request.answer_schema is not None and wrapped:
        request = replace(request, answer_schema=wrapped_schema(request.answer_schema))
    body = wire.body(model, request)
    sampling = apply_parameters(body, parameters)
    return BuiltBody(value=body, sampling=sampling, wrapped=wrapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of a request when its answer is read.

    `at` is the time of the answer in seconds since the epoch, `latency_s` how many seconds it took; `sampling` are the
    parameters as they were sent, `adjustments` what of them was left out or lowered, `max_tokens` the limit of tokens
    if one was sent. `redactor` blacks out the key wherever the server repeats it.
    """

    redactor: Redactor
    latency_s: float
    at: float
    sampling: dict[str, Json]
    adjustments: tuple[str, ...] = ()
    max_tokens: int | None = None


def read_answer(wire: Wire, answer: ServerAnswer, sent: Sent) -> Reply | CallError:
    """Read the reply from a server's answer, or return what is wrong. No shape is assumed.

    A server may repeat its key, in any encoding: the result never contains it.
    """
    try:
        # What is put together of parts can have what no part has.
        return sent.redactor.redact_value(_read(wire, answer, sent))
    except RecursionError:
        return CallError(kind=ErrorKind.MALFORMED, message="the reply is nested too deeply", status=answer.status)


def _read(wire: Wire, answer: ServerAnswer, sent: Sent) -> Reply | CallError:
    """Read a reply or an error; no part of the answer has the key."""
    body = answer.body
    redacts = sent.redactor.may_hide(body.decode("latin-1"))
    try:
        value: Any = json.loads(body, parse_constant=no_constant, parse_int=int_or_infinity)
        if redacts:
            value = sent.redactor.redact_value(value)
        error = find_error(value)
        if error is None and answer.status == 200:
            came = _marked(wire.reply(value, sent.latency_s), hit(answer.headers, value))
            return _settled(came, wire, sent)
        if error is not None and answer.status == 200:
            return _with_billed(_failed(error, answer, sent), wire, value, sent.latency_s)
    except (ValueError, RecursionError) as problem:
        if answer.status == 200:
            message = f"the reply is {_fault(problem)}: {quoted(_text_of(body, sent.redactor))}"
            return CallError(kind=ErrorKind.MALFORMED, message=message, status=answer.status)
        error = None
    if error is None:
        error = ServerError(message=_text_of(body, sent.redactor))
    return _failed(error, answer, sent)


def _text_of(body: bytes, redactor: Redactor) -> str:
    """Return a body that is no JSON as a text, redacted whole: a part of a key would not be found."""
    return redactor.redact(body.decode("utf-8", "backslashreplace"))


def _marked(came: Reply | CallError, copied: str) -> Reply | CallError:
    """Return what came with the sign that it is a copy, if it has one: caches store empty and cut-off answers, too."""
    if not copied:
        return came
    if isinstance(came, Reply):
        return replace(came, copied=copied)
    if came.reply is not None:
        return replace(came, reply=replace(came.reply, copied=copied))
    return came


def _failed(error: ServerError, answer: ServerAnswer, sent: Sent) -> Reply | CallError:
    """Return what an error means: the model's unreadable call is its reply."""
    unparsed = unparsed_call(error)
    if unparsed is not None:
        return replace(unparsed, latency_s=sent.latency_s, sent=sent.sampling, adjustments=sent.adjustments)
    return failure(error, status=answer.status, headers=answer.headers, now=sent.at)


def _with_billed(failed: Reply | CallError, wire: Wire, value: Any, latency_s: float) -> Reply | CallError:
    """Return a failure with what is billed for it: OpenRouter may name an error beside a reply and its usage."""
    if isinstance(failed, Reply) or not isinstance(value, dict) or not value.get("usage"):
        return failed
    rest = {name: part for name, part in value.items() if name != "error"}
    try:
        came = wire.reply(rest, latency_s)
    except ValueError:
        return failed
    if isinstance(came, CallError):
        return replace(failed, reply=came.reply)
    return replace(failed, reply=billed(came))


def _settled(reply: Reply | CallError, wire: Wire, sent: Sent) -> Reply | CallError:
    """Return a reply that answers, or the error that the lack of an answer is: no answer is no restraint."""
    if isinstance(reply, CallError):
        return reply
    finish = reply.finish_reason
    if wire.counts_within_limit and _is_full(reply, sent):
        # LiteLLM's proxy calls a reply that was cut off complete.
        finish = LENGTH
    reply = replace(reply, finish_reason=finish, sent=sent.sampling, adjustments=sent.adjustments)
    if finish == LENGTH and reply.tool_calls:
        # llama.cpp passes half a call on as a whole one without arguments.
        undecodable = f"its call was cut off at the limit of {sent.max_tokens or reply.tokens_out} tokens"
        reply = replace(reply, tool_calls=(), undecodable=undecodable)
    if reply.refusal:
        said = quoted(reply.refusal)
        return CallError(kind=ErrorKind.REFUSED, message=f"the model refused to answer: {said}", reply=reply)
    if reply.text.strip() or reply.tool_calls or reply.undecodable:
        return reply
    thought = ""
    if reply.tokens_reasoning:
        thought = f", {reply.tokens_reasoning:,} of them for thinking"
    if reply.finish_reason == LENGTH:
        limit = sent.max_tokens or reply.tokens_out
        message = f"no answer within the limit of {limit} tokens{thought}; raise max in the spec"
        return CallError(kind=ErrorKind.CUT_OFF, message=message, reply=reply)
    finish = reply.finish_reason or "unknown"
    tokens = f"{reply.tokens_out or 0:,} tokens{thought}"
    message = f"the reply has neither text nor a call (finish reason {finish}, {tokens})"
    return CallError(kind=ErrorKind.EMPTY, message=message, reply=reply)


def _is_full(reply: Reply, sent: Sent) -> bool:
    """Whether a reply has as many tokens as it may have."""
    if sent.max_tokens is None or reply.tokens_out is None:
        return False
    return reply.tokens_out >= sent.max_tokens


def _fault(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError):
        return "not JSON"
    if isinstance(problem, RecursionError):
        return "nested too deeply"
    return str(problem)


def failed_generation(finish: str, reply: Reply) -> CallError:
    """Return the error of a reply that its server says it could not finish."""
    message = f"the server could not finish the reply (finish reason {finish}) after {reply.latency_s:.1f} s"
    return CallError(kind=ErrorKind.SERVER, message=message, status=200, reply=billed(reply))


def billed(reply: Reply) -> Reply | None:
    """Return a reply that failed if its server says what it used or costs: that is billed all the same."""
    if reply.tokens_in is None and reply.cost_usd is None:
        return None
    return reply


def filtered(finish: str, reply: Reply) -> CallError:
    """Return the error of a reply that the provider's filter withheld."""
    message = f"the provider's content filter refused to answer (finish reason {finish})"
    return CallError(kind=ErrorKind.REFUSED, message=message, reply=reply)


def function_tool(tool: dict[str, Json]) -> Json:
    """Wrap a tool as OpenAI's and Ollama's formats do."""
    return {"type": "function", "function": tool}


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key as a bearer token; none without a key."""
    if not key:
        return {}
    return {"Authorization": f"Bearer {key}"}


def set_sampling(values: dict[str, Json], sampling: Sampling) -> None:
    """Set `top_p` and `seed` where the request has them."""
    if sampling.top_p is not None:
        values["top_p"] = sampling.top_p
    if sampling.seed is not None:
        values["seed"] = sampling.seed


def with_ids(messages: Sequence[Message]) -> list[tuple[Message, tuple[str, ...]]]:
    """Pair each message with the ids of its calls, or with the id of the call whose result it is."""
    pairs: list[tuple[Message, tuple[str, ...]]] = []
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if message.role != "tool":
            ids = _ids_of(message, place)
            # A message without calls leaves outstanding results pending.
            waiting = list(ids) or waiting
        elif waiting:
            ids = (waiting.pop(0),)
        else:
            ids = (_new_id(place, 0),)
        pairs.append((message, ids))
    return pairs


def _ids_of(message: Message, place: int) -> tuple[str, ...]:
    """Return the ids of a message's calls: those of its provider, if it came from one."""
    if message.echo is not None and len(message.echo.ids) == len(message.calls):
        return message.echo.ids
    numbers = range(len(message.calls))
    return tuple(_new_id(place, number) for number in numbers)


def _new_id(place: int, number: int) -> str:
    """Return an id of nine letters and digits: Mistral takes no other, and all take these."""
    return f"call{place % 1000:03}{number % 100:02}"
