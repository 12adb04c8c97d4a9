"""The server that plays a script: one thread with an event loop, for any number of requests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from pytest_selfopt import clock
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.scripted.connection import Connection
from pytest_selfopt.models.scripted.model_lists import ModelLists
from pytest_selfopt.models.scripted.read_script import parse_script
from pytest_selfopt.models.scripted.responses import Response, json_response
from pytest_selfopt.models.scripted.script import Asked, Play, Script, Then

SEEN_PATH = "/seen"
"""Path whose GET returns what the server has seen, as JSON."""

_BACKLOG = 2048
_TICK_S = 1.0
_STOPPING_S = 10.0


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
        self._connections: set[Connection] = set()

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
        clock.drive(self._loop)
        self._thread.start()
        while not self._serving.wait(_TICK_S):
            if not self._thread.is_alive():
                raise ModelError(f"the scripted server on port {self.port} ended before it served")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOPPING_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self), sock=self._socket, backlog=_BACKLOG)
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

    def play(self, script: Script | Mapping[str, Any]) -> None:
        """Switch to another script, as if the model had been replaced."""
        self.script = _script_of(script)
        self._play = Play(self.script)

    # The methods below run on the server's own thread.

    def look_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to a request that concerns no chat."""
        if (method, path) == ("GET", SEEN_PATH):
            return json_response(200, asdict(self.seen))
        lists = ModelLists(self.script, self._play.models)
        response = lists.look_up(method, path, headers, body)
        return response or json_response(404, {"error": f"nothing is served at {path}"})

    def began(self, connection: Connection) -> None:
        """Add a connection."""
        self.seen.connections += 1
        self._connections.add(connection)

    def ended(self, connection: Connection) -> None:
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


def _script_of(script: Script | Mapping[str, Any]) -> Script:
    if isinstance(script, Script):
        return script
    return parse_script(script)


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
