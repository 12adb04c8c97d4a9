"""A server that repeats its key in every way: nothing that is written has it, and others may not read what is."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MODEL, TOOL, Project, call, selfopt
from tests.redaction.finding import files_with, is_in
from tests.redaction.test_redactor import ENCODINGS

Make = Callable[..., Project]
KEY = "sk-Planted/9f8e7d6c+5b4a"
SUITE: list[dict[str, Any]] = [
    {"tool": TOOL},
    {"id": "call", "prompt": "Find 1.", "tools": ["look_up"], "expect": {"call": call("1")}},
    {"id": "none", "prompt": "Hello!", "tools": ["look_up"], "expect": {"no_call": True}},
    {"id": "number", "prompt": "How many?", "expect": {"number": 3}},
    {"id": "schema", "prompt": "As JSON.", "expect": {"json_schema": {"properties": {"n": {"type": "integer"}}}}},
    {"id": "contains", "prompt": "Say yes.", "expect": {"contains": "yes"}},
]


class Echo(BaseHTTPRequestHandler):
    """Answers with the key it was sent, each time in another encoding and another place."""

    protocol_version = "HTTP/1.1"
    numbers: Iterator[int]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        number = next(self.numbers)
        inner, outer = ENCODINGS[number % len(ENCODINGS)], ENCODINGS[number // 5 % len(ENCODINGS)]
        said = inner(key) if number % 2 else outer(inner(key))
        status, body = 200, json.dumps(_answer(said, number))
        if number % 11 == 7:
            status, body = 400, f"<html>{said}"
        elif number % 11 == 8:
            body = json.dumps({"error": {"message": "x" * 110 + said, "code": said, "param": said, "type": key}})
        elif number % 11 == 9:
            body = f"{said}: no JSON"
        content = body.encode("utf-16" if number % 13 == 12 else "utf-8")
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Your-Key", key)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        key = self.headers["Authorization"].removeprefix("Bearer ")
        content = json.dumps({"data": [{"id": "one", "owned_by": key}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _answer(said: str, number: int) -> dict[str, Any]:
    arguments = json.dumps({"item": said, said: [said, {"deep": said}]}).replace("/", "\\/")
    made = {"id": said, "type": "function", "function": {"name": "look_up", "arguments": arguments}}
    messages = (
        {"content": None, "tool_calls": [made]},
        {"content": said},
        {"content": json.dumps({"n": said, "tool": "look_up", "arguments": {"item": said}})},
        {"content": [{"type": "text", "text": said[:9]}, {"type": "text", "text": said[9:]}]},
        {"content": None, "refusal": said},
        {"content": f"<tool_call>{arguments}</tool_call> {said} = 4"},
    )
    choice = {"message": {"role": "assistant", **messages[number % len(messages)]}, "finish_reason": said}
    usage = {"prompt_tokens": 5, "completion_tokens": 5}
    return {"id": f"{number}-{said}", "model": said, "choices": [choice], "usage": usage}


@pytest.fixture
def address() -> Iterator[str]:
    handler = type("Handler", (Echo,), {"numbers": count()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_no_file_and_no_stream_has_a_key(project: Make, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    made = project()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(made.path / "summary.md"))
    made.configure('api_key_env = "PLANTED_KEY"', base_url=address)
    made.write_suite(SUITE)
    outputs = ("--selfopt-json=out.json", "--selfopt-ctrf=ctrf.json", "--junitxml=junit.xml")
    session = made.run("--selfopt-cycle", "-rA", "-vv", "--showlocals", *outputs)
    assert "[key]" in session.stdout.str()
    commands = (
        ("models", MODEL),
        ("report", "--format", "md"),
        ("export", "csv", "-o", "trials.csv"),
        ("export", "json"),
        ("export", "inspect", "-o", "logs"),
        ("history",),
        ("decide",),
    )
    texts = [session.stdout.str(), session.stderr.str()]
    for command in commands:
        result = made.selfopt(*command)
        texts += [result.stdout, result.stderr]
    lines = "\n".join(texts).splitlines()
    assert [line for line in lines if is_in(KEY, line)] == []
    assert files_with(KEY, made.path) == []
    names = {path.name for path in made.path.rglob("*")}
    written = {"ledger.sqlite", "cycle-1.html", "summary.md", "out.json", "ctrf.json", "junit.xml", "trials.csv"}
    assert names >= written
    _require_modes(made.path)


def _require_modes(folder: Path) -> None:
    """Only their owner can read the files of the state; those that the user asked for are as the umask says."""
    state = folder / ".selfopt"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    umask = os.umask(0)
    os.umask(umask)
    for name in ("out.json", "ctrf.json", "trials.csv"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('base_url = "http://me:{key}@127.0.0.1:9/v1"', "base_url: must not contain a password (user:password@host)"),
        ('base_url = "http://127.0.0.1:9/v1?key={key}"', "base_url: must not contain a secret (?key=…)"),
        ('base_url = "http://127.0.0.1:9/v1?v=1&X-Api-Key={key}"', "must not contain a secret (?X-Api-Key=…)"),
        ('base_url = "http://me:pa/{key}@127.0.0.1:9/v1"', "must not contain a password"),
        ('base_url = "http://me:{key}\uff20127.0.0.1:9/v1"', "must not contain a password"),
        ('base_url = "http://127.0.0.1:9/v1"\napi_key_env = "{key}"', "is not the name of an environment variable"),
    ],
    ids=["password", "query", "second", "slash", "full-width", "variable"],
)
def test_a_secret_in_the_settings_is_refused_unshown(tmp_path: Path, entry: str, why: str) -> None:
    (tmp_path / "selfopt.toml").write_text(f'[models."desk/one"]\n{entry.format(key=KEY)}\n')
    result = selfopt(tmp_path, "models", "--no-ask")
    assert result.returncode == 4
    assert why in result.stderr
    assert "api_key_env" in result.stderr
    assert KEY not in result.stdout + result.stderr


def test_no_part_of_a_misplaced_key_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = KEY * 9
    monkeypatch.setenv("OPENAI_API_KEY", key)
    (tmp_path / "selfopt.toml").write_text(f'[models."openai/one"]\nmax_concurrency = "{key}"\n')
    result = selfopt(tmp_path, "models", "--no-ask")
    assert result.returncode == 4
    assert "max_concurrency" in result.stderr
    assert KEY[:8] not in result.stdout + result.stderr


def test_what_is_not_blacked_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT_KEY", "a")
    (tmp_path / "selfopt.toml").write_text(
        '[models."desk/one"]\nbase_url = "http://127.0.0.1:9/v1?api-version=2&team=7"\napi_key_env = "SHORT_KEY"\n'
    )
    result = selfopt(tmp_path, "models", "--no-ask", "desk/one")
    assert "http://127.0.0.1:9/v1?api-version=2&team=…" in result.stdout
    assert "the key in SHORT_KEY is not blacked out where a server repeats it: it has fewer than 8" in result.stdout
