"""One connection to the scripted server: its requests, answered in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from pytest_selfopt.models.scripted.responses import Request, Response, json_response, packets, response_to
from pytest_selfopt.models.scripted.script import Asked, Script, Then
from pytest_selfopt.models.scripted.wire_formats import Format, format_at, said_by

TRICKLE_S = 0.05


class Host(Protocol):
    """The server that a connection belongs to."""

    script: Script

    def began(self, connection: Connection) -> None:
        """Add a connection."""

    def ended(self, connection: Connection) -> None:
        """Remove a connection."""

    def look_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to a request that concerns no chat."""

    def arrived(self, asked: Asked, body: dict[str, Any], headers: dict[str, str]) -> tuple[Then, float, float]:
        """Record a request; return what to do, after how many seconds, and how many of them loading takes."""

    def unload(self, model: str) -> None:
        """Unload a model."""

    def left(self) -> None:
        """Record the end of a request."""


class Connection(asyncio.Protocol):
    """One keep-alive connection, which answers its requests in order."""

    def __init__(self, server: Host) -> None:
        """Belong to a server."""
        self._server = server
        self._buffer = bytearray()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.began(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._buffer += data
        self._read_on()

    def connection_lost(self, _exc: Exception | None) -> None:
        """End, whatever is under way."""
        self._server.ended(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._over()

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _read_on(self) -> None:
        """Handle the requests that are complete, until one takes time."""
        while not self._busy:
            request = self._take_request()
            if request is None:
                return
            self._handle(*request)

    def _take_request(self) -> tuple[str, str, dict[str, str], bytes] | None:
        """Take method, path, headers and body of a request from the buffer; None if none is complete."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        method, path, headers = _head(bytes(self._buffer[:end]))
        begin = end + 4
        end = begin + int(headers.get("content-length", "0"))
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[begin:end])
        del self._buffer[:end]
        return method, path, headers, body

    def _handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        wire = format_at(path)
        if method != "POST" or wire is None:
            self._send(self._server.look_up(method, path, headers, body))
            return
        value = _object_in(body)
        if value is None:
            refusal = wire.refuse(400, "the request is not a JSON object")
            self._send(json_response(400, refusal))
            return
        asked = wire.read(value)
        if not asked.messages and value.get("keep_alive") in (0, "0s"):
            self._unload(wire, asked)
            return
        self._busy = True
        then, delay_s, load_s = self._server.arrived(asked, value, headers)
        served = replace(asked, model=self._server.script.served_as or asked.model)
        request = Request(wire=wire, asked=served, body=value)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_s, self._act, request, then, load_s, delay_s)

    def _unload(self, wire: Format, asked: Asked) -> None:
        """Unload a model; the answer is not streamed, whatever the request wants."""
        self._server.unload(asked.model)
        output = said_by(Then(text="", finish="unload"), asked, load_s=0.0, took_s=0.0)
        self._send(json_response(200, wire.answer(asked, output)))

    def _send(self, response: Response) -> None:
        """Send a response at once."""
        if self._transport is not None:
            self._transport.write(b"".join(packets(response)))

    def _act(self, request: Request, then: Then, load_s: float, took_s: float) -> None:
        if self._transport is None or then.hang:
            return
        if then.drop:
            self._transport.close()
            return
        response = response_to(request, then, load_s=load_s, took_s=took_s)
        written = packets(response, truncate=then.truncate, trickle=then.trickle)
        if then.trickle:
            self._trickle(then, written)
            return
        self._transport.write(b"".join(written))
        self._finish(then)

    def _trickle(self, then: Then, rest: Iterator[bytes]) -> None:
        packet = next(rest, None)
        if packet is None:
            self._finish(then)
        elif self._transport is not None:
            self._transport.write(packet)
            self._timer = asyncio.get_running_loop().call_later(TRICKLE_S, self._trickle, then, rest)

    def _finish(self, then: Then) -> None:
        """End a request that is answered, and go on with the next unless the answer was truncated."""
        self._over()
        if then.truncate is None:
            self._read_on()
        elif self._transport is not None:
            self._transport.close()

    def _over(self) -> None:
        if self._busy:
            self._busy = False
            self._server.left()


def _object_in(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in the body of a request, or None."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return value


def _head(text: bytes) -> tuple[str, str, dict[str, str]]:
    """Return method, path and headers (names in lower case) of a request."""
    first, *rest = text.decode("latin-1").split("\r\n")
    method, path, *_ = [*first.split(" "), "", ""]
    path = path.partition("?")[0]
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, path, headers
