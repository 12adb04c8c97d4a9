"""What calls write to logs, which test bodies that run meanwhile would find among their own records."""

from __future__ import annotations

import logging
import threading

import pytest

from pytest_selfopt.models.http import HttpReply, Transport
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.trial import Json


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records on connections."""
    return [record for record in caplog.records if record.name.startswith("urllib3")]


def test_calls_leave_no_records_to_bodies(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer({"default": {"reply": "hello"}}) as server:
        transport = Transport(f"{server.base_url}/chat/completions", trust_env=False, connections=1)
        answers: list[object] = []

        def call() -> None:
            body: dict[str, Json] = {"model": "scripted/model", "messages": [{"role": "user", "content": "hi"}]}
            answers.append(transport.post(body, {}, timeout_s=10, fresh=False))

        thread = threading.Thread(target=call, name="selfopt-call-model")
        thread.start()
        thread.join()
        assert isinstance(answers[0], HttpReply)
        assert not told(caplog)
        call()
        assert told(caplog)
