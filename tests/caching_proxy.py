"""A small gateway that replays answers, in front of a scripted server, in the ways of real ones."""

from __future__ import annotations

import json
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Answer = tuple[Body, dict[str, str]]
"""The decoded body of an answer, and further headers."""


class Style:
    """A gateway that shows a hit by nothing but an id that comes twice."""

    def wants_new(self, asked: Body, headers: Mapping[str, str]) -> bool:
        """Whether a request asks past the cache; takes the gateway's own members off it."""
        del asked, headers
        return False

    def new(self, body: Body) -> Answer:
        return {**body, "id": f"chatcmpl-{uuid.uuid4().hex}"}, {}

    def replayed(self, body: Body) -> Answer:
        return body, {}


class LiteLLM(Style):
    """Heeds a member of the body; names itself, and with a hit the key of its entry."""

    def wants_new(self, asked: Body, headers: Mapping[str, str]) -> bool:
        return bool(asked.pop("cache", {}).get("no-cache"))

    def new(self, body: Body) -> Answer:
        return super().new(body)[0], {"x-litellm-call-id": "call"}

    def replayed(self, body: Body) -> Answer:
        return body, {"x-litellm-call-id": "call", "x-litellm-cache-key": "5d41402a"}


class OpenRouter(Style):
    """Gives a hit a new id, counts no tokens for it, and says so in a header."""

    def replayed(self, body: Body) -> Answer:
        usage = dict.fromkeys(body["usage"], 0)
        return {**super().new(body)[0], "usage": usage}, {"X-OpenRouter-Cache-Status": "HIT"}


class Cloudflare(Style):
    """Heeds a header, and says in one what came from its cache."""

    def wants_new(self, asked: Body, headers: Mapping[str, str]) -> bool:
        return headers.get("cf-aig-skip-cache") == "true"

    def replayed(self, body: Body) -> Answer:
        return body, {"cf-aig-cache-status": "HIT"}


class CachingProxy:
    """The gateway; `asked` counts the requests, `passed_on` those that reached the model."""

    def __init__(self, upstream: str, style: Style) -> None:
        self._upstream = upstream
        self._style = style
        self._entries: dict[str, Body] = {}
        self._turn = threading.Lock()
        self.base_url = ""
        self.asked = 0
        self.passed_on = 0

    def answer(self, path: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a request, from the cache if it may."""
        asked = json.loads(content)
        wants_new = self._style.wants_new(asked, headers)
        key = json.dumps([path, asked], sort_keys=True)
        # One at a time: real gateways let the same requests through that are under way at once.
        with self._turn:
            self.asked += 1
            if key in self._entries and not wants_new:
                return self._style.replayed(self._entries[key])
            self.passed_on += 1
            body, further = self._style.new(self._ask(path, asked))
            if not wants_new:
                self._entries[key] = body
            return body, further

    def _ask(self, path: str, asked: Body) -> Body:
        request = urllib.request.Request(
            self._upstream + path, json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            found: Body = json.load(answer)
            return found


@contextmanager
def caching_proxy(upstream: str, style: Style) -> Iterator[CachingProxy]:
    """Serve a gateway in front of `upstream`, the address of an OpenAI-compatible server."""
    proxy = CachingProxy(upstream, style)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy.answer))
    proxy.base_url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _handler(answer: Callable[[str, bytes, Mapping[str, str]], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            body, further = answer(self.path, content, dict(self.headers.items()))
            data = json.dumps(body).encode()
            self.send_response(200)
            for name, text in {"Content-Length": str(len(data)), **further}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    return Handler
