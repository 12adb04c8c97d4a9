"""The embedded model: a real one, in a process that cannot be left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import EMBEDDED_MODELS
from pytest_selfopt.models.embedded import EmbeddedServer, find_model_file
from pytest_selfopt.specs.answer_schema import answer_schema
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import Json, Reply
from tests.specs.schemas import BOOKING

MODEL = EMBEDDED_MODELS["embedded/smollm2-135m"]
TOOL = Tool(
    name="f",
    description="",
    parameters={
        "properties": {"at": {"$ref": "#/$defs/Place"}},
        "required": ["at"],
        "$defs": {
            "Place": {
                "properties": {"city": {"enum": ["Paris"]}, "near": {"$ref": "#/$defs/Place"}},
                "required": ["city"],
                "additionalProperties": False,
            }
        },
    },
)
BOOKED = Tool(name="book", description="", parameters=BOOKING)
PLACED = answer_schema([TOOL, BOOKED])
# With this form alone there is but one way to begin.
PLACED["anyOf"] = PLACED["anyOf"][1:2]  # type: ignore[index]


def test_it_follows_schemas_and_requires_its_key(tmp_path: Path) -> None:
    with EmbeddedServer(MODEL, log_path=tmp_path / "log") as server:
        client = HttpClient(MODEL, base_url=server.base_url, api_key=server.api_key)
        schema: dict[str, Json] = {
            "type": "object",
            "properties": {"city": {"enum": ["Paris"]}},
            "required": ["city"],
            "additionalProperties": False,
        }
        request = ChatRequest(
            messages=(Message(role="user", content="What is the capital of France?"),),
            sampling=Sampling(max_tokens=48),
            answer_schema=schema,
        )
        reply = client.ask(request, timeout_s=60)
        assert isinstance(reply, Reply)
        assert "".join(reply.text.split()) == '{"city":"Paris"}'
        assert reply.tokens_in
        assert reply.served_model == "SmolLM2-135M-Instruct.Q4_1.gguf"
        called = client.ask(dataclasses.replace(request, answer_schema=PLACED), timeout_s=60)
        assert isinstance(called, Reply)
        assert "".join(called.text.split()).startswith('{"tool":"f","arguments":{"at":{"city":"Paris"')
        refused = HttpClient(MODEL, base_url=server.base_url, api_key="wrong").ask(request, timeout_s=60)
        assert not isinstance(refused, Reply)
        assert refused.kind == "auth"
        pid = server.pid
        assert server.api_key not in (tmp_path / "log").read_text(errors="replace")
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_it_ends_with_its_parent() -> None:
    script = """
        import time
        from pytest_selfopt.models.config import EMBEDDED_MODELS
        from pytest_selfopt.models.embedded import EmbeddedServer
        server = EmbeddedServer(EMBEDDED_MODELS["embedded/smollm2-135m"])
        server.start()
        print(server.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    server.wait(timeout=120)


def test_the_first_bytes_expose_a_wrong_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"<html>")
    with pytest.raises(ModelError, match=r"is not a GGUF file; it begins with b'<htm'"):
        find_model_file(dataclasses.replace(MODEL, path=str(path)))


def test_a_damaged_model_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(ModelError, match="ended while loading the model"):
        EmbeddedServer(dataclasses.replace(MODEL, path=str(path))).start()
    assert {child.pid for child in psutil.Process().children()} <= before


def test_missing_weights_say_what_is_available() -> None:
    with pytest.raises(ModelError, match="built-in models: embedded/smollm2-135m"):
        find_model_file(dataclasses.replace(MODEL, id="embedded/other"))
