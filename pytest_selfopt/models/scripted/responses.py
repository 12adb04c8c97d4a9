"""HTTP responses of the scripted server: their bytes, in the packets in which they are written."""

from __future__ import annotations

import http
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_selfopt.models.scripted.script import Asked, Then
from pytest_selfopt.models.scripted.wire_formats import Format, said_by

_JSON = "application/json"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request in a wire format, with its decoded body."""

    wire: Format
    asked: Asked
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response; the parts of a streamed body are sent as chunks, other bodies with their length."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = _JSON
    parts: tuple[bytes, ...]
    streamed: bool = False


def json_response(status: int, value: Mapping[str, Any]) -> Response:
    """Return a response with a JSON body."""
    return Response(status=status, parts=(json.dumps(value).encode(),))


def response_to(request: Request, then: Then, *, load_s: float, took_s: float) -> Response:
    """Return what a rule answers to a request: a stream if the request wants one and the answer is well-formed.

    `took_s` seconds went by, `load_s` of them for loading the model.
    """
    wire, asked = request.wire, request.asked
    headers = _headers_of(then)
    if then.body is not None:
        raw = then.body.encode("utf-8", "surrogatepass")
        return Response(status=then.status, headers=headers, parts=(raw,))
    if then.status != 200:
        message = then.message or f"scripted status {then.status}"
        refusal = wire.refuse(then.status, message)
        return replace(json_response(then.status, refusal), headers=headers)
    output = said_by(then, asked, load_s=load_s, took_s=took_s)
    answer = wire.answer(asked, output)
    if not wire.stream.is_wanted(request.body):
        return replace(json_response(200, answer), headers=headers)
    events = tuple(wire.stream.events(answer, request.body))
    return Response(headers=headers, content_type=wire.stream.content_type, parts=events, streamed=True)


def packets(response: Response, *, truncate: int | None = None, trickle: bool = False) -> Iterator[bytes]:
    """Yield the bytes of a response as they are written, only `truncate` bytes of its body.

    A trickling body is written byte by byte, a streamed one part by part. The head of a truncated body states the full
    length, and a truncated stream lacks its end.
    """
    length = sum(map(len, response.parts))
    kept = length
    if truncate is not None:
        kept = min(truncate, length)
    head = _head(response, length)
    if response.streamed:
        yield head
        yield from _chunks(response.parts, kept)
        if kept == length:
            yield _LAST_CHUNK
        return
    rest = head + b"".join(response.parts)[:kept]
    if not trickle:
        yield rest
        return
    for position in range(len(rest)):
        yield rest[position : position + 1]


def _chunks(parts: tuple[bytes, ...], kept: int) -> Iterator[bytes]:
    """Yield the first `kept` bytes of parts as chunks of HTTP/1.1."""
    for part in parts:
        data = part[:kept]
        kept -= len(data)
        # An empty chunk would end the body.
        if data:
            yield b"%x\r\n%b\r\n" % (len(data), data)


def _head(response: Response, length: int) -> bytes:
    lines = {"content-type": f"Content-Type: {response.content_type}"}
    if response.streamed:
        lines["transfer-encoding"] = "Transfer-Encoding: chunked"
    else:
        lines["content-length"] = f"Content-Length: {length}"
    for name, value in response.headers.items():
        lines[name.lower()] = f"{name}: {value}"
    head = [f"HTTP/1.1 {response.status} {_reason(response.status)}", *lines.values()]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


def _headers_of(then: Then) -> dict[str, str]:
    """Return the headers that a rule adds."""
    headers: dict[str, str] = {}
    if then.retry_after is not None:
        headers["Retry-After"] = f"{then.retry_after:g}"
    headers.update(then.headers)
    return headers


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Scripted"
