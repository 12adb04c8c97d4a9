"""The server that plays a script: one thread with an event loop, for any number of requests."""

from __future__ import annotations

import asyncio
import http
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.scripted.read_script import parse_script
from pytest_selfopt.models.scripted.script import Asked, Play, Script, Then
from pytest_selfopt.models.scripted.wire_formats import Format, format_at, said_by

TRICKLE_S = 0.05
SEEN_PATH = "/seen"
"""Path whose GET returns what the server has seen, as JSON."""
TAGS_PATH = "/api/tags"
"""Path of Ollama's list of models."""

_BACKLOG = 2048


@dataclass(slots=True)
class RequestLog:
    """What a scripted server has seen, for assertions; requests and headers only if it remembers them."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


class ScriptedServer:
    """Serves a script at `base_url` until the block ends; `seen` logs its requests."""

    def __init__(self, script: Script | Mapping[str, Any], *, port: int = 0, remember: bool = True) -> None:
        """Serve `script` on loopback; port 0 takes a free one.

        `remember` keeps every request, for assertions.

        Raises:
            ModelError: if the port cannot be used.
        """
        self.script = _script_of(script)
        self.seen = RequestLog()
        self._remember = remember
        self._play = Play(self.script)
        self._loaded_at: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}
        self._serving = threading.Event()
        self._socket = _listening(port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="selfopt-scripted", daemon=True)
        self._connections: set[_Connection] = set()

    @property
    def address(self) -> str:
        """The base address of the Ollama and Anthropic formats."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The base address of the OpenAI format."""
        return f"{self.address}/v1"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._serving.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), sock=self._socket, backlog=_BACKLOG)
        )
        self._loop.call_soon(self._serving.set)
        try:
            self._loop.run_forever()
        finally:
            listening.close()
            for connection in list(self._connections):
                connection.abort()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    def play(self, script: Mapping[str, Any]) -> None:
        """Switch to another script, as if the model had been replaced."""
        self.script = parse_script(script)
        self._play = Play(self.script)

    # The methods below run on the server's own thread.

    def look_up(self, path: str) -> dict[str, Any] | None:
        """Return the body for a GET request; None if the path is unknown."""
        if path == SEEN_PATH:
            return asdict(self.seen)
        if path == TAGS_PATH:
            return {"models": _ollama_models(self.script.digests)}
        return None

    def began(self, connection: _Connection) -> None:
        """Add a connection."""
        self.seen.connections += 1
        self._connections.add(connection)

    def ended(self, connection: _Connection) -> None:
        """Remove a connection."""
        self._connections.discard(connection)

    def arrived(self, asked: Asked, body: dict[str, Any], headers: dict[str, str]) -> tuple[Then, float, float]:
        """Record a request; return what to do, after how many seconds, and how many of them loading takes."""
        self.seen.asked += 1
        self.seen.in_flight += 1
        self.seen.most_in_flight = max(self.seen.most_in_flight, self.seen.in_flight)
        if self._remember:
            self.seen.requests.append(body)
            self.seen.headers.append(headers)
        then = self._play.choose(asked, self.seen.in_flight)
        load_s = self._loading(asked.model)
        latency = then.latency
        if latency is None:
            latency = self.script.latency
        return then, load_s + latency, load_s

    def unload(self, model: str) -> None:
        """Unload a model, as Ollama does on an empty request with a `keep_alive` of 0."""
        self._loaded_at.pop(model, None)
        self._play.unload(model)

    def left(self) -> None:
        """Record the end of a request."""
        self.seen.in_flight -= 1

    def _loading(self, model: str) -> float:
        """Return the seconds until a model is loaded; concurrent requests wait for the same load."""
        if not self.script.load:
            return 0.0
        now = self._loop.time()
        idle_s = now - self._asked_at.get(model, now)
        forgotten = self.script.unload_after is not None and idle_s > self.script.unload_after
        if forgotten:
            self._play.unload(model)
        if model not in self._loaded_at or forgotten:
            self._loaded_at[model] = now + self.script.load
        self._asked_at[model] = max(now, self._loaded_at[model])
        return max(0.0, self._loaded_at[model] - now)


class _Connection(asyncio.Protocol):
    """One keep-alive connection, which answers its requests in order."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.began(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.ended(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._over()

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        """Handle the next request once it is complete and the previous one is answered."""
        end = self._buffer.find(b"\r\n\r\n")
        if self._busy or end < 0:
            return
        method, path, headers = _head(bytes(self._buffer[:end]))
        length = int(headers.get("content-length", "0"))
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        self._handle(method, path, headers, body)

    def _handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        wire = format_at(path)
        if method != "POST" or wire is None:
            self._look_up(method, path)
            return
        try:
            value = json.loads(body)
        except ValueError:
            self._send_json(400, wire.refuse(400, "the request is not JSON"))
            return
        asked = wire.read(value)
        served = replace(asked, model=self._server.script.served_as or asked.model)
        if not asked.messages and value.get("keep_alive") in (0, "0s"):
            self._unload(wire, asked)
            return
        self._busy = True
        then, delay_s, load_s = self._server.arrived(asked, value, headers)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_s, self._act, wire, served, then, load_s, delay_s)

    def _look_up(self, method: str, path: str) -> None:
        body = None
        if method == "GET":
            body = self._server.look_up(path)
        if body is None:
            self._send_json(404, {"error": f"nothing is served at {path}"})
        else:
            self._send_json(200, body)

    def _unload(self, wire: Format, asked: Asked) -> None:
        self._server.unload(asked.model)
        output = said_by(Then(text=""), asked, load_s=0.0, took_s=0.0)
        self._send_json(200, wire.answer(asked, output))

    def _act(self, wire: Format, asked: Asked, then: Then, load_s: float, took_s: float) -> None:
        if self._transport is None or then.hang:
            return
        if then.drop:
            self._transport.close()
            return
        body = _body(wire, asked, then, load_s, took_s)
        head = _head_of_answer(then.status, len(body), _headers_of(then))
        if then.trickle:
            self._trickle(head + body)
            return
        # The head of a truncated body states the full length.
        self._transport.write(head + body[: then.truncate])
        if then.truncate is not None:
            self._transport.close()
        self._over()
        self._next()

    def _trickle(self, rest: bytes) -> None:
        if self._transport is None:
            return
        self._transport.write(rest[:1])
        if len(rest) > 1:
            self._timer = asyncio.get_running_loop().call_later(TRICKLE_S, self._trickle, rest[1:])
        else:
            self._over()

    def _over(self) -> None:
        if self._busy:
            self._busy = False
            self._server.left()

    def _send_json(self, status: int, value: dict[str, Any]) -> None:
        if self._transport is not None:
            body = json.dumps(value).encode()
            head = _head_of_answer(status, len(body))
            self._transport.write(head + body)


def _script_of(script: Script | Mapping[str, Any]) -> Script:
    if isinstance(script, Script):
        return script
    return parse_script(script)


def _ollama_models(digests: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the entries of Ollama's list of models."""
    models: list[dict[str, str]] = []
    for name, digest in digests.items():
        entry = {"name": name, "model": name, "digest": digest}
        models.append(entry)
    return models


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


def _head_of_answer(status: int, length: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the head of an answer with `length` bytes of JSON; `headers` are added, or replace those of a name."""
    lines = {
        "content-type": "Content-Type: application/json",
        "content-length": f"Content-Length: {length}",
    }
    for name, value in (headers or {}).items():
        lines[name.lower()] = f"{name}: {value}"
    head = [f"HTTP/1.1 {status} {_reason(status)}", *lines.values()]
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


def _body(wire: Format, asked: Asked, then: Then, load_s: float, took_s: float) -> bytes:
    if then.body is not None:
        return then.body.encode("utf-8", "surrogatepass")
    if then.status != 200:
        message = then.message or f"scripted status {then.status}"
        refusal = wire.refuse(then.status, message)
        return json.dumps(refusal).encode()
    output = said_by(then, asked, load_s=load_s, took_s=took_s)
    answer = wire.answer(asked, output)
    return json.dumps(answer).encode()


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as problem:
        listening.close()
        raise ModelError(f"the scripted server cannot use port {port}: {problem.strerror}") from None
    # Listen before the loop runs, so that an immediate request waits instead of being refused.
    listening.listen(_BACKLOG)
    return listening
