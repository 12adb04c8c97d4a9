"""What an application sends by `route.request` is what a cycle sends, and errors say what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.routing.resolve import Route, resolve
from pytest_selfopt.specs.variants import VARIANTS
from tests.acceptance.conftest import MODEL, TOOL, Project, call, suite_lines
from tests.packages import ROOT

SUITE_OF_RULE = {"suite items": "0"}
SAMPLING = {"openai": "/temp0.2/max99/topp0.9/seed7", "ollama": "/temp0.2/seed7", "anthropic": "/temp0.2/max99"}
CAUTIOUS = '[tool.selfopt.variants]\ncautious = "nowhere_such:X"'
PROGRAM = """
import sys
allowed = sys.stdlib_module_names
from pytest_selfopt.routing.resolve import resolve
route = resolve("scripted/model", "atomic", path="routing_config.json")
assert route.variant == "few_shot", route
request = route.request("Find item 7.", tools=[TOOL])
assert request.body["messages"][1]["content"] == "Find item 99.", request.body
(call,) = request.read('{"tool": "look_up", "arguments": {"item": "7"}}').calls
assert call.arguments == {"item": "7"}
assert request.read({"choices": [{"finish_reason": "stop", "message": {"content": '{"reply": "no"}'}}]}).text == "no"
others = {name.partition(".")[0] for name in sys.modules} - allowed - {"__main__", "pytest_selfopt"}
assert not others, others
print("asked")
"""


def rule(variant: str, **further: Any) -> dict[str, Any]:
    return {"model": MODEL, "phase": "atomic", "variant": variant, "premises": SUITE_OF_RULE, **further}


@pytest.fixture
def in_project(project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose folder is the working directory, as that of an application."""
    made = project({"default": {"text": "Hello."}})
    monkeypatch.chdir(made.path)
    return made


def route_of(**options: Any) -> Route:
    return resolve(MODEL, "atomic", **options)


def lines(bodies: Any) -> set[str]:
    return {json.dumps(body) for body in bodies}


def cases() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for line in suite_lines():
        if "id" in line:
            yield line["prompt"], [TOOL]
    yield "Say hello.", []


@pytest.mark.parametrize("wire", SAMPLING)
@pytest.mark.parametrize("isolated", [0, 1])
def test_an_application_sends_what_a_cycle_sends(in_project: Project, wire: str, isolated: int) -> None:
    server = in_project.server
    address = server.base_url if wire == "openai" else server.address
    baseline = f"{MODEL}/atomic/native_api/t20/r2/i{isolated}{SAMPLING[wire]}"
    (in_project.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\n'
        f'[tool.selfopt.providers.scripted]\nwire = "{wire}"\nbase_url = "{address}"\n'
        f'[tool.selfopt.models."{MODEL}"]\nmax_tokens = 77\nparameters = {{ extra = {{ top_k = 3 }} }}\n'
        f'[tool.selfopt.phases.atomic]\nbaseline = "{baseline}"\n'
    )
    plain = {"id": "plain", "prompt": "Say hello.", "expect": {"contains": "ello"}}
    in_project.write_suite([*suite_lines(), plain])
    options = ("--selfopt-cycle", "--selfopt-candidates", "3", "--selfopt-no-race")
    ended = in_project.run(*options)
    assert ended.ret == 0, ended.stdout.str()
    wanted = lines(server.seen.requests)
    sent: set[str] = set()
    for variant in VARIANTS:
        in_project.write_routing([rule(variant)])
        for prompt, tools in cases():
            request = route_of().request(prompt, tools=tools)
            assert (request.timeout_s, request.retries, request.client) == (20, 2, wire)
            sent.add(json.dumps(request.body))
    assert sent == wanted


def test_an_application_needs_the_standard_library_only(in_project: Project) -> None:
    in_project.write_routing([rule("few_shot")])
    packages = in_project.path / "packages"
    packages.mkdir()
    (packages / "pytest_selfopt").symlink_to(ROOT / "pytest_selfopt")
    start = f"import sys; sys.path.insert(0, {str(packages)!r})\nTOOL = {TOOL!r}\n"
    # -S leaves out all installed packages.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", start + PROGRAM], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("asked\n", "")


def test_a_rollback_is_told_with_the_configured_baseline(in_project: Project) -> None:
    in_project.server.play({"rules": [_when(index) for index in range(9)], "default": {"text": "Hello."}})
    in_project.configure('[tool.selfopt.search]\nvariants = ["schema"]\ntimeouts = []\nretries = []')
    assert in_project.run("--selfopt-cycle").ret == 0
    assert route_of().request("Find item 1.", tools=[TOOL]).spec.variant == "schema"
    assert in_project.selfopt("rollback").returncode == 0
    request = route_of().request("Find item 1.", tools=[TOOL])
    assert request.spec.variant == "native_api"
    (because,) = request.because
    assert because.startswith(f"no rule is in force for {MODEL} in atomic, so that the configured baseline holds: ")
    assert "rolled back" in because


def _when(index: int) -> dict[str, Any]:
    return {"when": {"prompt": f"item {index}.", "constrained": True}, "then": {"call": call(str(index))}}


def test_a_disabled_model_is_replaced_as_in_sessions(in_project: Project) -> None:
    in_project.configure('[tool.selfopt.phases.atomic]\nfallback = "ollama/other"')
    in_project.write_routing([rule("schema", allow=False)])
    request = route_of().request("Hello.")
    assert (request.client, request.model, request.url) == ("ollama", "other", "http://127.0.0.1:11434/api/chat")
    in_project.write_routing([rule("schema", allow=False, fallback_model="anthropic/claude")])
    request = route_of().request("Hello.")
    assert (request.client, request.model, request.spec.variant) == ("anthropic", "claude", "native_api")
    in_project.configure()
    in_project.write_routing([rule("schema", allow=False)])
    with pytest.raises(SelfoptError, match=r"is disabled for atomic and has no fallback.*name a fallback_model"):
        route_of().request("Hello.")
    assert route_of(default="ollama/other").request("Hello.").model == "other"


def test_without_a_usable_configuration_the_baseline_is_asked(in_project: Project) -> None:
    request = route_of().request("Hello.")
    assert request.spec.id == f"{MODEL}/atomic/native_api/t60/r1/i0"
    assert request.because[0] == "routing_config.json does not exist"
    Path("routing_config.json").write_text('{"rules": [' + json.dumps(rule("schema")) + ", {")
    request = route_of().request("Hello.")
    assert request.spec.variant == "schema"
    assert "its readable rules hold (1)" in " ".join(request.because)
    Path("routing_config.json").write_text("{")
    assert "no rule in it could be read" in " ".join(route_of().request("Hello.").because)
    because = " ".join(resolve(MODEL, "atomc").request("Hello.").because)
    assert "name no such phase" not in because
    in_project.write_routing([rule("schema")])
    because = " ".join(resolve(MODEL, "atomc").request("Hello.").because)
    assert "name no such phase; did you mean 'atomic'?" in because


@pytest.mark.parametrize(
    ("model", "settings", "variant", "options", "complaint"),
    [
        ("scripted/modle", "", "atomic", {}, "unknown model 'scripted/modle'; did you mean 'scripted/model'?"),
        (MODEL, "", "cautious", {}, "unknown variant 'cautious'; available: native_api"),
        (MODEL, CAUTIOUS, "cautious", {}, "variant cautious: 'nowhere_such"),
        (MODEL, "", "atomic", {"client": "opnai"}, "client 'opnai'; did you mean 'openai'?"),
        (MODEL, "", "atomic", {"server": "vlm"}, ""),
        (MODEL, "", "few_shot", {"examples": "none.jsonl"}, "examples='none.jsonl': the suite cannot be read"),
        (MODEL, "", "atomic", {"tools": [{"name": "7"}]}, "tools: tool name: expected letters"),
        (
            MODEL,
            "",
            "atomic",
            {"tools": [{"name": "f", "parameters": 7}]},
            "tools: tool f: parameters: expected a JSON",
        ),
        (MODEL, "nonsense = 7", "atomic", {}, "nonsense"),
    ],
)
def test_what_cannot_be_asked_is_said(
    in_project: Project, model: str, settings: str, variant: str, options: dict[str, Any], complaint: str
) -> None:
    in_project.configure(settings)
    in_project.write_routing([{**rule(variant), "model": model}])
    route = resolve(model, "atomic")
    if not complaint:
        # Only an isolated request has a use for it.
        assert route.request("Hello.", **options).notes == ()
        return
    with pytest.raises(SelfoptError) as problem:
        route.request("Hello.", **options)
    assert complaint in str(problem.value)


def test_examples_that_were_not_shipped_are_asked_for(in_project: Project) -> None:
    in_project.write_routing([rule("few_shot")])
    Path("items.jsonl").rename("shipped.jsonl")
    with pytest.raises(SelfoptError, match=r"the suite items none is below .* examples=\"benchmarks/items.jsonl\""):
        route_of().request("Hello.", tools=[TOOL])
    request = route_of().request("Hello.", tools=[TOOL], examples="shipped.jsonl")
    assert "Find item 99." in json.dumps(request.messages)


def test_the_cache_of_a_named_server_is_switched_off(in_project: Project) -> None:
    in_project.write_routing([rule("atomic", isolation=True)])
    request = route_of().request("Hello.", server="llamacpp")
    assert request.parameters["cache_prompt"] is False
    assert "cache_prompt" not in route_of().request("Hello.").parameters
    with pytest.raises(SelfoptError, match="did you mean 'vllm'"):
        route_of().request("Hello.", server="vlm")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_conversation_goes_on(in_project: Project, variant: str) -> None:
    in_project.write_routing([rule(variant)])
    request = route_of().request("Find item 1.", tools=[TOOL])
    if variant == "native_api":
        made = {"id": "c1", "function": {"name": "look_up", "arguments": '{"item": "1"}'}}
        message: dict[str, Any] = {"content": None, "tool_calls": [made]}
    else:
        message = {"content": '{"tool": "look_up", "arguments": {"item": "1"}}'}
    answer = request.read({"choices": [{"finish_reason": "stop", "message": message}]})
    assert [(one.name, one.arguments) for one in answer.calls] == [("look_up", {"item": "1"})]
    result = {"role": "tool", "tool": "look_up", "content": "a chair"}
    asked: list[Any] = [{"role": "user", "content": "Find item 1."}, answer.message, result]
    last = route_of().request(asked, tools=[TOOL]).body["messages"]
    assert isinstance(last, list)
    wanted = {"role": "user", "content": "Result of look_up: a chair"}
    if variant == "native_api":
        wanted = {"role": "tool", "content": "a chair", "tool_call_id": "c1"}
    assert last[-1] == wanted


def test_what_is_no_answer_is_said(in_project: Project) -> None:
    request = route_of().request("Find item 1.", tools=[TOOL])
    for answer, complaint in [
        (7, "not int"),
        ({"error": {"message": "no such model"}}, "no such model"),
        ({"choices": [{"finish_reason": "length", "message": {"content": ""}}]}, "no answer within the limit of"),
    ]:
        with pytest.raises(SelfoptError, match=complaint):
            request.read(answer)
    assert request.read('<tool_call>{"name": "look_up", "arguments": {}}</tool_call>').undecodable


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"sampling": {"temperatur": 1}}, "unknown parameter 'temperatur' of sampling; did you mean 'temperature'?"),
        ({"sampling": {"temperature": "warm"}}, "sampling: temperature must be int or float, not 'warm'"),
        ({"sampling": {"max_tokens": 1.5}}, "sampling: max_tokens must be int, not 1.5"),
        ({"sampling": {"temperature": 7}}, "temperature 7: must be 0 to 5"),
        ({"timeout": 0}, "timeout 0 s: must be 0.001 to 86400"),
        ({"variant": "No Name"}, "variant 'No Name': lower-case letters"),
    ],
)
def test_an_impossible_value_is_said_with_its_rule(in_project: Project, values: dict[str, Any], complaint: str) -> None:
    in_project.write_routing([{**rule("atomic"), **values}])
    with pytest.raises(SelfoptError) as problem:
        route_of().request("Hello.")
    assert f"the rule for {MODEL} in atomic: {complaint}" in str(problem.value)


def test_a_session_says_it_too(in_project: Project) -> None:
    in_project.write_routing([rule("atomic", sampling={"temperatur": 1})])
    for options in ([], ["--selfopt-cycle"]):
        ended = in_project.run(*options)
        printed = ended.stdout.str() + ended.stderr.str()
        assert "unknown parameter 'temperatur' of sampling" in " ".join(printed.split())
        assert "Traceback" not in printed
        assert "TypeError" not in printed


def test_a_variant_of_python_is_imported_when_in_force(in_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    in_project.configure('[tool.selfopt.variants]\ncautious = "own_manners:CAUTIOUS"')
    (in_project.path / "own_manners.py").write_text(
        "from dataclasses import replace\n"
        "from pytest_selfopt import VARIANTS, Message, Variant\n"
        "def build(case, examples, spec):\n"
        "    request = VARIANTS['atomic'].build(case, examples, spec)\n"
        "    rule = Message(role='system', content='Never guess.')\n"
        "    return replace(request, messages=(rule, *request.messages))\n"
        "CAUTIOUS = Variant(name='cautious', build=build, read=VARIANTS['atomic'].read)\n"
    )
    monkeypatch.syspath_prepend(str(in_project.path))
    in_project.write_routing([rule("atomic")])
    route_of().request("Hello.")
    assert "own_manners" not in sys.modules
    in_project.write_routing([rule("cautious")])
    request = route_of().request("Hello.")
    del sys.modules["own_manners"]
    assert request.body["messages"] == [
        {"role": "system", "content": "Never guess."},
        {"role": "user", "content": "Hello."},
    ]


def test_an_answer_that_had_to_be_wrapped_is_unwrapped(in_project: Project) -> None:
    in_project.write_routing([{**rule("schema"), "model": "openai/gpt-5-mini"}])
    request = resolve("openai/gpt-5-mini", "atomic").request("Find item 7.", tools=[TOOL])
    assert (request.arguments["max_completion_tokens"], request.notes) == (4096, ("temperature not sent",))
    assert request.arguments["response_format"]["json_schema"]["schema"]["required"] == ["answer"]
    (made,) = request.read('{"answer": {"tool": "look_up", "arguments": {"item": "7"}}}').calls
    assert made.arguments == {"item": "7"}
