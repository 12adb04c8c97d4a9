"""docs/how-to/ship-it.md typed in: an application of each official client asks as the cycle did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.models.scripted import ScriptedServer
from tests import warm
from tests.acceptance.conftest import selfopt
from tests.docs.blocks import blocks

PAGE = "docs/how-to/ship-it.md"
CITIES = ("Paris", "Rome", "Oslo", "Bern", "Riga", "Kyiv", "Lima")
SPEC = "desk/small/atomic/schema/t60/r1/i0"
CALL = "(ToolCall(name='get_weather', arguments={'city': 'Paris'}),)"
LOCAL = "http://127.0.0.1:8000"


def prompt(city: str) -> str:
    return f"What is the weather in {city}?"


def call(city: str) -> dict[str, object]:
    return {"call": {"name": "get_weather", "arguments": {"city": city}}}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    rules = [{"when": {"prompt": f"in {city}?", "constrained": True}, "then": call(city)} for city in CITIES]
    with ScriptedServer({"rules": rules, "default": {"text": "Hello."}}) as serving:
        yield serving


def typed(text: str, server: ScriptedServer) -> str:
    return text.replace(LOCAL, server.address)


@pytest.fixture
def shipped(pytester: pytest.Pytester, server: ScriptedServer) -> Path:
    """The page's files after a cycle that promoted `schema`."""
    (settings,) = blocks(PAGE, "toml", 1)
    tools = blocks(PAGE, "python", 6)[0]
    named: dict[str, list[dict[str, object]]] = {}
    exec(tools, {}, named)  # our own page
    folder = pytester.path
    search = '\n[search]\nvariants = ["schema"]\ntimeouts = []\nretries = []\n'
    (folder / "selfopt.toml").write_text(typed(settings, server) + search)
    (folder / "weather_tools.py").write_text(tools)
    asked = [{"id": city, "prompt": prompt(city), "tools": ["get_weather"], "expect": call(city)} for city in CITIES]
    hello = {"id": "hello", "prompt": "Hello!", "tools": ["get_weather"], "expect": {"no_call": True}}
    lines = [{"tool": named["TOOLS"][0]}, *asked, hello]
    (folder / "items.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    pytester.makepyfile(test_items=blocks("README.md", "python", 2)[0])
    ended = warm.run_pytest(pytester, "-p", "no:hypothesispytest", "--selfopt-cycle")
    assert ended.ret == 0, ended.stdout.str()
    return folder


def test_the_page_ships_what_was_promoted_and_follows_a_rollback(
    shipped: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, *applications, conversation = blocks(PAGE, "python", 6)
    monkeypatch.chdir(shipped)
    monkeypatch.syspath_prepend(str(shipped))

    def run(application: str) -> list[str]:
        capsys.readouterr()
        names: dict[str, Any] = {}
        exec(typed(application, server), names)  # our own page
        if "client" in names:
            names["client"].close()
        return capsys.readouterr().out.splitlines()

    measured = [json.dumps(body, sort_keys=True) for body in server.seen.requests if "response_format" in body]
    for application in applications:
        assert run(application) == [f"{SPEC} {CALL} "]
        if "client=" not in application:
            assert json.dumps(server.seen.requests[-1], sort_keys=True) in measured
    assert run(applications[-1] + conversation)[-1] == "Result of get_weather: 22 degrees, sunny"
    (command,), (expected,) = blocks(PAGE, "sh", 1), blocks(PAGE, "text", 1)
    assert selfopt(shipped, *command.split()[1:]).returncode == 0
    asked, because = run(applications[-1] + "print(*request.because)")
    assert asked.startswith("desk/small/atomic/native_api/t60/r1/i0 ")
    assert re.fullmatch(re.escape(expected.strip()).replace("…", ".*"), because)
