"""The scripted model server: real HTTP on loopback in the OpenAI format, told by a script how to behave.

It stands where the network ends. A script is a mapping (or YAML) such as

    latency: 0.01
    seed: 7
    rules:
      - when: {prompt: weather, constrained: true}
        then: {call: {name: get_weather, arguments: {city: Paris}}}
      - when: {first: 3}
        then: {status: 429, retry_after: 1}
    default: {text: I do not know.}

The first rule that applies answers. `when`: `prompt` and `anywhere` are texts found in the user's last message and
in any message, `native` says whether tools are offered, `constrained` whether an answer schema is given, `first`
applies to so many of the requests that match, `chance` with that probability. `then`: `text`, `call` (in the tool
fields, or as JSON text where no tools are offered), `reply` (as JSON text), `status` with `retry_after` and
`message`, `body` (these bytes instead of JSON), `drop`, `hang` or `trickle`; `latency` in seconds comes before any.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.tables import Table

_HANG_S = 3600.0
_TRICKLE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """To which requests a rule applies; what is None is not asked about."""

    prompt: str | None = None
    anywhere: str | None = None
    native: bool | None = None
    constrained: bool | None = None
    first: int | None = None
    chance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """What the server does; `latency` in seconds (None: that of the script)."""

    text: str | None = None
    call: dict[str, Any] | None = None
    reply: str | None = None
    status: int = 200
    retry_after: float | None = None
    message: str = ""
    body: str | None = None
    drop: bool = False
    hang: bool = False
    trickle: bool = False
    latency: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a scripted model behaves."""

    rules: tuple[tuple[When, Then], ...] = ()
    default: Then = Then(text="I do not know.")
    latency: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Seen:
    """What a scripted server has seen, for assertions."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


def parse_script(value: object, place: str = "script") -> Script:
    """Read a script.

    Raises:
        SettingsError: naming the key that is wrong.
    """
    table = Table(value, place)
    entries = table.raw("rules") or []
    if not isinstance(entries, list):
        raise SettingsError(f"{place}: rules: expected a list")
    usual = Script()
    script = Script(
        rules=tuple(_rule(entry, f"{place}: rules[{index}]") for index, entry in enumerate(entries)),
        default=_then(table.table("default")) if table.has("default") else usual.default,
        latency=table.number("latency", 0.0, least=0, most=_HANG_S) or 0.0,
        seed=table.integer("seed", 0, least=0, most=2**32),
    )
    table.finish()
    return script


class ScriptedServer:
    """Serves a script until the block ends; `base_url` is where, `seen` is what it was asked."""

    def __init__(self, script: Script | Mapping[str, Any], *, port: int = 0) -> None:
        """Serve `script` on loopback; port 0 takes a free one."""
        self.script = script if isinstance(script, Script) else parse_script(script)
        self.seen = Seen()
        self._turn = threading.Lock()
        self._rng = random.Random(self.script.seed)
        self._applied = [0] * len(self.script.rules)
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """The address to configure."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def choose(self, request: dict[str, Any]) -> Then:
        """What to do with a request, counted and recorded."""
        with self._turn:
            self.seen.requests.append(request)
            for index, (when, then) in enumerate(self.script.rules):
                if not _applies(when, request):
                    continue
                self._applied[index] += 1
                late = when.first is not None and self._applied[index] > when.first
                if not late and (when.chance >= 1 or self._rng.random() < when.chance):
                    return then
            return self.script.default

    @contextlib.contextmanager
    def counted(self) -> Any:
        """Count a request as being in flight."""
        with self._turn:
            self.seen.in_flight += 1
            self.seen.most_in_flight = max(self.seen.most_in_flight, self.seen.in_flight)
        try:
            yield
        finally:
            with self._turn:
                self.seen.in_flight -= 1

    def wait(self, seconds: float) -> None:
        """Let time pass, unless the server ends."""
        self._stopped.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that go away are part of the play."""


def _handler_for(scripted: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            scripted.seen.connections += 1
            super().setup()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = json.loads(self.rfile.read(length))
            scripted.seen.headers.append(dict(self.headers))
            with scripted.counted():
                self._act(scripted.choose(request), request)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
            """Print nothing."""

        def _act(self, then: Then, request: dict[str, Any]) -> None:
            scripted.wait(scripted.script.latency if then.latency is None else then.latency)
            if then.hang:
                scripted.wait(_HANG_S)
            if then.hang or then.drop:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = _body(then, request)
            self.send_response(then.status)
            if then.retry_after is not None:
                self.send_header("Retry-After", f"{then.retry_after:g}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            step = 1 if then.trickle else len(body)
            for start in range(0, len(body), max(1, step)):
                self.wfile.write(body[start : start + step])
                if then.trickle:
                    self.wfile.flush()
                    scripted.wait(_TRICKLE_S)

    return Handler


def _body(then: Then, request: dict[str, Any]) -> bytes:
    if then.body is not None:
        return then.body.encode("utf-8", "surrogatepass")
    if then.status != 200:
        return json.dumps({"error": {"message": then.message or f"scripted status {then.status}"}}).encode()
    text, calls = _message(then, native=bool(request.get("tools")))
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    prompt = sum(len(str(one.get("content", ""))) for one in request.get("messages", []))
    return json.dumps(
        {
            "id": "scripted",
            "model": request.get("model", ""),
            "created": int(time.time()),
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {"prompt_tokens": prompt // 4, "completion_tokens": max(1, len(text or "") // 4)},
        }
    ).encode()


def _message(then: Then, *, native: bool) -> tuple[str | None, list[dict[str, Any]]]:
    if then.call is not None and native:
        function = {"name": then.call["name"], "arguments": json.dumps(then.call.get("arguments", {}))}
        return None, [{"id": "call-1", "type": "function", "function": function}]
    if then.call is not None:
        return json.dumps({"tool": then.call["name"], "arguments": then.call.get("arguments", {})}), []
    if then.reply is not None:
        return json.dumps({"reply": then.reply}), []
    return then.text or "", []


def _applies(when: When, request: dict[str, Any]) -> bool:
    messages = request.get("messages", [])
    said = [str(one.get("content", "")) for one in messages]
    last = next((str(one.get("content", "")) for one in reversed(messages) if one.get("role") == "user"), "")
    return (
        (when.prompt is None or when.prompt in last)
        and (when.anywhere is None or any(when.anywhere in text for text in said))
        and (when.native is None or when.native == bool(request.get("tools")))
        and (when.constrained is None or when.constrained == bool(request.get("response_format")))
    )


def _rule(value: object, place: str) -> tuple[When, Then]:
    table = Table(value, place)
    when, then = table.table("when"), table.table("then")
    table.finish()
    condition = When(
        prompt=when.text("prompt"),
        anywhere=when.text("anywhere"),
        native=when.flag("native"),
        constrained=when.flag("constrained"),
        first=when.integer("first", 0, least=1, most=10**9) if when.has("first") else None,
        chance=1.0 if (chance := when.number("chance", None, least=0, most=1)) is None else chance,
    )
    when.finish()
    return condition, _then(then)


def _then(table: Table) -> Then:
    call = table.raw("call")
    if call is not None and (not isinstance(call, dict) or not isinstance(call.get("name"), str)):
        table.refuse("call", "expected a name and arguments")
    then = Then(
        text=table.text("text"),
        call=call,
        reply=table.text("reply"),
        status=table.integer("status", 200, least=100, most=599),
        retry_after=table.number("retry_after", None, least=0, most=_HANG_S),
        message=table.text("message") or "",
        body=table.raw("body"),
        drop=table.flag("drop") or False,
        hang=table.flag("hang") or False,
        trickle=table.flag("trickle") or False,
        latency=table.number("latency", None, least=0, most=_HANG_S),
    )
    table.finish()
    return then


def main() -> None:
    """Serve a script file until interrupted: `python -m pytest_selfopt.models.scripted FILE [--port N]`."""
    import yaml

    parser = argparse.ArgumentParser(description="Serve a scripted model in the OpenAI format.")
    parser.add_argument("script", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    script = parse_script(yaml.safe_load(options.script.read_text(encoding="utf-8")), options.script.name)
    with ScriptedServer(script, port=options.port) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
