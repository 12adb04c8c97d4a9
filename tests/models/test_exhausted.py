"""A machine that can make no more connections for a while: calls wait for it, and are not lost."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from pytest_selfopt.models import http
from pytest_selfopt.models.http import HttpReply, Transport
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.trial import CallError, ErrorKind

EXHAUSTED = (errno.EADDRNOTAVAIL, errno.EMFILE)
BODY: dict[str, Any] = {"model": "scripted/model", "messages": [{"role": "user", "content": "hi"}]}


def post(base_url: str) -> HttpReply | CallError:
    transport = Transport(f"{base_url}/chat/completions", trust_env=False, connections=1)
    return transport.post(BODY, {}, timeout_s=10, fresh=False)


# With ports that are really used up: `python -m tests.performance.shared_machine`, which needs a network of its own.
@pytest.mark.parametrize("number", EXHAUSTED, ids=errno.errorcode.get)
def test_a_call_waits_for_a_free_port(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    connect, refused = socket.socket.connect, [0]

    def scarce(self: socket.socket, address: Any) -> None:
        refused[0] += 1
        if refused[0] <= 4:
            raise OSError(number, os.strerror(number))
        connect(self, address)

    with ScriptedServer({"default": {"reply": "hello"}}) as server:
        monkeypatch.setattr("urllib3.util.connection.socket.socket.connect", scarce)
        answer = post(server.base_url)
    assert isinstance(answer, HttpReply)
    assert refused[0] == 5
    assert answer.waited_s > 0


@pytest.mark.parametrize(("number", "advice"), [*zip(EXHAUSTED, ("ip_local_port_range", "ulimit -n"), strict=True)])
def test_a_call_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, number: int, advice: str) -> None:
    def refuse(_self: socket.socket, _address: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("urllib3.util.connection.socket.socket.connect", refuse)
    monkeypatch.setattr(http, "EXHAUSTED_WAIT_S", 0.1)
    error = post("http://127.0.0.1:9/v1")
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.CONNECTION
    assert os.strerror(number) in error.message
    assert advice in error.message
    assert "lower max_concurrency" in error.message
