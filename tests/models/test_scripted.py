"""The scripted server does what its script says, in the same way every time."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_selfopt.errors import ModelError, SettingsError
from pytest_selfopt.models.scripted import ScriptedServer, load_script, parse_script

PARAMETERS = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
SUITE: list[dict[str, Any]] = [
    {"tool": {"name": "look_up", "description": "d", "parameters": PARAMETERS}},
    {
        "id": "item",
        "prompt": "Find item 7.",
        "tools": ["look_up"],
        "expect": {"call": {"name": "look_up", "arguments": {"item": ["7", "seven"]}}},
    },
    {"id": "hello", "prompt": "Hello!", "tools": ["look_up"], "expect": {"no_call": True}},
    {"id": "sum", "prompt": "What is 17 + 25?", "expect": {"number": 42}},
]


def say(server: ScriptedServer, prompt: str, **more: Any) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], **more}
    answer = requests.post(f"{server.base_url}/chat/completions", json=body, timeout=10)
    if answer.status_code != 200:
        return str(answer.status_code)
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_a_suite_names_cases_and_expectations(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in SUITE))
    (tmp_path / "script.yaml").write_text(
        "suite: items.jsonl\nrules:\n- when: {case: sum}\n  then: {text: Perhaps 41.}\ndefault: {expected: true}\n"
    )
    with ScriptedServer(load_script(tmp_path / "script.yaml")) as server:
        assert json.loads(say(server, "Find item 7.")) == {"tool": "look_up", "arguments": {"item": "7"}}
        assert "reply" in json.loads(say(server, "Hello!"))
        assert say(server, "What is 17 + 25?") == "Perhaps 41."


def test_an_expected_answer_keeps_its_rules_other_settings(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in SUITE))
    then = {"expected": True, "latency": 0.2, "headers": {"x-request-id": "r-1"}, "finish": "length"}
    script = parse_script(
        {"suite": "items.jsonl", "rules": [{"when": {}, "then": then}], "default": {"text": "What?", "status": 503}},
        folder=tmp_path,
    )
    with ScriptedServer(script) as server:
        began = time.monotonic()
        body = {"model": "m", "messages": [{"role": "user", "content": "What is 17 + 25?"}]}
        answer = requests.post(f"{server.base_url}/chat/completions", json=body, timeout=10)
        assert time.monotonic() - began >= 0.2
        (choice,) = answer.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("42.0", "length")
        assert answer.headers["x-request-id"] == "r-1"
        assert say(server, "unknown") == "503"


def test_chance_depends_on_prompt_and_count_only() -> None:
    script = {"seed": 3, "rules": [{"when": {"chance": 0.5}, "then": {"text": "yes"}}], "default": {"text": "no"}}
    prompts = [f"Question {index}" for index in range(40)]
    with ScriptedServer(script) as one, ScriptedServer(script) as other, ScriptedServer({**script, "seed": 4}) as third:
        first = {(prompt, run): say(one, prompt) for run in range(2) for prompt in prompts}
        second = {(prompt, run): say(other, prompt) for run in range(2) for prompt in reversed(prompts)}
        different = {(prompt, run): say(third, prompt) for run in range(2) for prompt in prompts}
    assert first == second != different
    assert 20 <= Counter(first.values())["yes"] <= 60


def test_first_counts_the_requests_that_match() -> None:
    script = {"rules": [{"when": {"prompt": "cold", "first": 2}, "then": {"status": 500}}], "default": {"text": "warm"}}
    with ScriptedServer(script) as server:
        said = [say(server, prompt) for prompt in ("other", "cold", "cold", "cold")]
    assert said == ["warm", "500", "500", "warm"]


def test_after_counts_them_too() -> None:
    script = {"rules": [{"when": {"after": 1, "first": 2}, "then": {"status": 429}}], "default": {"text": "well"}}
    with ScriptedServer(script) as server:
        said = [say(server, "Hello") for _ in range(3)]
    assert said == ["well", "429", "well"]


WARMER: dict[str, dict[str, Any]] = {
    "v1/chat/completions": {"temperature": 1},
    "v1/messages": {"temperature": 1},
    "api/chat": {"options": {"temperature": 1}},
}


@pytest.mark.parametrize("path", WARMER)
def test_has_looks_for_members_of_the_body(path: str) -> None:
    body = {"model": "m", "messages": [], "stream": False}
    warmer = {**body, **WARMER[path]}
    with ScriptedServer({"rules": [{"when": {"has": "temperature"}, "then": {"status": 400}}]}) as server:
        url = f"{server.address}/{path}"
        statuses = [requests.post(url, json=sent, timeout=10).status_code for sent in (warmer, body)]
    assert statuses == [400, 200]


FINISHED = {
    "v1/chat/completions": ("choices", 0, "finish_reason"),
    "v1/messages": ("stop_reason",),
    "api/chat": ("done_reason",),
}
COUNTED = {
    "v1/chat/completions": ("usage", "completion_tokens"),
    "v1/messages": ("usage", "output_tokens"),
    "api/chat": ("eval_count",),
}


def member(value: Any, *path: str | int) -> Any:
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("path", FINISHED)
def test_a_rule_sets_headers_finish_and_usage(path: str) -> None:
    counts = {COUNTED[path][-1]: 777}
    headers = {"Retry-After": 3, "content-type": "application/problem+json", "X-Request": "r-1"}
    then = {"text": "Well", "finish": "length", "usage": counts, "headers": headers}
    with ScriptedServer({"rules": [{"when": {"first": 1}, "then": then}]}) as server:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": False}
        answer, usual = (requests.post(f"{server.address}/{path}", json=body, timeout=10) for _ in range(2))
    assert member(answer.json(), *FINISHED[path]) == "length"
    assert member(answer.json(), *COUNTED[path]) == 777
    assert {name: answer.headers[name] for name in headers} == {name: str(value) for name, value in headers.items()}
    assert member(usual.json(), *FINISHED[path]) in ("stop", "end_turn")
    assert member(usual.json(), *COUNTED[path]) < 777
    assert usual.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "limited"),
    [
        ("v1/chat/completions", {"max_tokens": 63}),
        ("v1/chat/completions", {"max_completion_tokens": 63}),
        ("v1/messages", {"max_tokens": 63}),
        ("api/chat", {"options": {"num_predict": 63}}),
    ],
)
def test_a_low_limit_cuts_answers_off(path: str, limited: dict[str, Any]) -> None:
    cut = {"when": {"max_tokens_below": 64}, "then": {"finish": "length"}}
    raised = json.loads(json.dumps(limited).replace("63", "64"))
    answers = []
    with ScriptedServer({"rules": [cut]}) as server:
        for limit in (limited, raised, {"options": None}):
            body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": False, **limit}
            answers.append(requests.post(f"{server.address}/{path}", json=body, timeout=10).json())
    assert [member(answer, *FINISHED[path]) == "length" for answer in answers] == [True, False, False]
    assert member(answers[0], *COUNTED[path]) == 63


def test_an_error_carries_headers_too() -> None:
    then = {"status": 429, "retry_after": 2, "headers": {"x-ratelimit-reset-requests": "6m0s"}}
    with ScriptedServer({"default": then}) as server:
        refused = requests.post(f"{server.address}/api/chat", json={"model": "m"}, timeout=10)
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-reset-requests"]) == ("2", "6m0s")


def test_an_idle_model_loads_again() -> None:
    script = {"load": 0.3, "unload_after": 0.2, "default": {"text": "ok"}}
    with ScriptedServer(script) as server:

        def load_s() -> float:
            body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": False}
            answer = requests.post(f"{server.address}/api/chat", json=body, timeout=10).json()
            return float(answer["load_duration"]) / 1e9

        assert 0.25 < load_s() <= 0.3
        assert load_s() == 0
        time.sleep(0.4)
        assert 0.25 < load_s() <= 0.3


def test_requests_seen_can_be_queried() -> None:
    with ScriptedServer({}) as server:
        say(server, "Hello")
        seen = requests.get(f"{server.address}/seen", timeout=5).json()
        assert (seen["asked"], seen["in_flight"], seen["most_in_flight"]) == (1, 0, 1)
        assert requests.get(f"{server.address}/nothing", timeout=5).status_code == 404
        assert requests.post(f"{server.base_url}/chat/completions", data="{", timeout=5).status_code == 400


def test_pipelined_requests_are_answered_in_order() -> None:
    look_up = b"GET /seen HTTP/1.1\r\n\r\n"
    wrong = b"POST /api/chat HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]"
    body = json.dumps({"model": "m", "messages": [], "keep_alive": 0}).encode()
    unload = b"POST /api/chat HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": False}).encode()
    ask = b"POST /api/chat HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with ScriptedServer({}) as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(look_up + wrong + unload + ask + look_up + look_up[:-1])
        received = b""
        while b'"asked": 1' not in received:
            data = connection.recv(65536)
            assert data
            received += data
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"400", b"200", b"200", b"200"]
    assert re.findall(rb'"asked": (\d)', received) == [b"0", b"1"]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ({"rules": [{"when": {"promt": "x"}, "then": {}}]}, "script: rules[0] when: unknown key 'promt'; did you mean"),
        ({"rules": [{"when": {"case": "x"}, "then": {}}]}, "case: 'x' is not a case of the script's suite"),
        ({"default": {"expected": True}}, "script default: expected: needs a `suite`"),
        ({"default": {"call": "f"}}, "call: expected a name and arguments"),
        ({"default": {"calls": {"name": "f"}}}, "calls: expected a list of calls"),
        ({"default": {"headers": {"x": True}}}, "headers: expected a string or a number as the value of 'x'"),
        ({"default": {"headers": {"x": "a\r\nb: c"}}}, "headers: expected printable ASCII, got 'x: a\\r\\nb: c'"),
        ({"default": {"usage": [1]}}, "usage: expected a mapping with strings as keys"),
        ({"default": {"status": 42}}, "status: 42 is outside 100 to 599"),
        ({"latency": "soon"}, "script: latency: expected a number, got 'soon' (str)"),
        ({"rules": {}}, None),
        ({"rules": "all"}, "rules: expected a list"),
        ([], "script: expected a table"),
    ],
)
def test_a_wrong_script_names_the_position(script: object, sentence: str | None) -> None:
    if sentence is None:
        assert parse_script(script).rules == ()
        return
    with pytest.raises(SettingsError) as refused:
        parse_script(script)
    assert sentence in str(refused.value)


def test_a_format_only_case_expects_no_answer(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"id": "a", "prompt": "p", "expect": {"regex": "x+"}}\n')
    with pytest.raises(SettingsError, match="the expectation of case 'a' gives no definite right answer"):
        parse_script({"suite": "items.jsonl", "default": {"expected": True}}, folder=tmp_path)


def test_one_such_case_leaves_the_others_theirs(tmp_path: Path) -> None:
    """It gets the answer of its own rule, or else the default."""
    (tmp_path / "items.jsonl").write_text(
        '{"id": "a", "prompt": "p", "expect": {"json_schema": {"type": "object"}}}\n'
        '{"id": "b", "prompt": "q", "expect": {"exact": "yes"}}\n'
    )
    content = {"suite": "items.jsonl", "default": {"expected": True}}
    script = parse_script(content, folder=tmp_path)
    assert script.left_to_default == ("a",)
    own = {**content, "rules": [{"when": {"case": "a"}, "then": {"text": "{}"}}]}
    told = parse_script(own, folder=tmp_path)
    assert told.left_to_default == ()
    for played, expected in ((script, {"p": "I do not know.", "q": "yes"}), (told, {"p": "{}", "q": "yes"})):
        with ScriptedServer(played) as server:
            assert {prompt: say(server, prompt) for prompt in expected} == expected
    refused = [{"when": {"case": "a"}, "then": {"expected": True}}]
    with pytest.raises(SettingsError, match="the expectation of case 'a' gives no definite right answer"):
        parse_script({"suite": "items.jsonl", "rules": refused}, folder=tmp_path)


def test_an_occupied_port_is_one_sentence() -> None:
    with ScriptedServer({}) as server, pytest.raises(ModelError, match=f"cannot use port {server.port}: Address"):
        ScriptedServer({}, port=server.port)


def test_the_command_serves_until_interrupted(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("default: {text: from a file}\n")
    command = [sys.executable, "-m", "pytest_selfopt.cli", "scripted", str(tmp_path / "script.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        answer = requests.post(f"{address}/chat/completions", json=body, timeout=10).json()
        assert answer["choices"][0]["message"]["content"] == "from a file"
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=120)
        assert (process.returncode, complaints) == (2, "")


def test_the_command_refuses_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("rules: [")
    for file in ("script.yaml", "missing.yaml"):
        command = [sys.executable, "-m", "pytest_selfopt.cli", "scripted", str(tmp_path / file)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert refused.returncode == 4
        assert refused.stderr.startswith("selfopt: cannot read the script")
        assert "Traceback" not in refused.stderr
