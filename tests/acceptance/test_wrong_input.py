"""Wrong input ends in one clear sentence and pytest's usage-error status, with nothing half-written."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.acceptance.conftest import MODEL, Project, right, said, suite_lines

Make = Callable[..., Project]


def refused(made: Project, *arguments: str) -> str:
    """The text of the usage error that a cycle ends in; nothing was asked or written."""
    result = made.run("--selfopt-cycle", *arguments)
    errors = result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    assert "Traceback" not in errors + result.stdout.str()
    assert made.server.seen.requests == []
    assert not (made.path / "routing_config.json").exists()
    assert not list((made.path / ".selfopt").glob("*.json*")) if (made.path / ".selfopt").is_dir() else True
    return " ".join(errors.split())


def with_case(**change: Any) -> list[dict[str, Any]]:
    lines = suite_lines()
    lines[2] = {name: value for name, value in {**lines[2], **change}.items() if value is not None}
    return lines


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (with_case(promt="x"), "items.jsonl:3: unknown field 'promt' of a case; did you mean 'prompt'?"),
        (with_case(id="item-1"), "items.jsonl:4: id: 'item-1' is already used on line 3"),
        (with_case(expect=None), "items.jsonl:3: case 'item-0': field 'expect' is missing"),
        (with_case(tools=["look_upp"]), "items.jsonl:3: tools: unknown tool 'look_upp'; did you mean 'look_up'?"),
        (with_case(prompt=7), "items.jsonl:3: prompt: expected a non-empty string, got 7"),
        ([], "items.jsonl: contains no case"),
        (suite_lines()[:2], "items.jsonl: contains no case"),
    ],
)
def test_a_wrong_suite(project: Make, lines: list[dict[str, Any]], sentence: str) -> None:
    made = project()
    made.write_suite(lines)
    assert sentence in refused(made)
    assert not (made.path / ".selfopt").exists()


def test_invalid_json_and_several_problems(project: Make) -> None:
    made = project()
    (made.path / "items.jsonl").write_text('{"id": "a",\n' + json.dumps({"id": "b", "prompt": "p"}) + "\n")
    text = refused(made)
    assert "items.jsonl:1: invalid JSON at column 12" in text
    assert "items.jsonl:2: case 'b': field 'expect' is missing" in text


def test_a_missing_suite_file(project: Make) -> None:
    made = project()
    (made.path / "items.jsonl").unlink()
    assert "suite file not found" in refused(made)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("max_concurency = 3", "unknown key 'max_concurency'; did you mean 'max_concurrency'?"),
        ("max_concurrency = 0", "max_concurrency: 0 is outside 1 to 4096"),
        ('max_concurrency = "many"', "max_concurrency: expected a whole number, got 'many' (str)"),
        ('[tool.selfopt.phases.atomic]\nbaseline = "what"', "baseline: 'what' is not a spec id; the form is"),
        ("[tool.selfopt.gates]\nrestraint = 2", "gates: restraint: 2 is outside 0 to 1"),
        (f'max_concurrency = "{"m" * 100_000}"', "max_concurrency: expected a whole number, got 'mmm"),
        ('[tool.selfopt.search]\nvariants = ["telepathy"]', "variants: 'telepathy' is not one of native_api"),
    ],
)
def test_wrong_settings(project: Make, extra: str, sentence: str) -> None:
    made = project()
    made.configure(extra)
    text = refused(made)
    assert sentence in text
    assert len(text) < 4_000
    assert not (made.path / ".selfopt").exists()


@pytest.mark.parametrize("value", ["[" * 30_000 + "]" * 30_000, "9" * 5_000, '"a'])
def test_settings_that_are_no_toml(project: Make, value: str) -> None:
    made = project()
    (made.path / "pyproject.toml").unlink()
    (made.path / "selfopt.toml").write_text(f"candidates = {value}")
    assert "cannot read selfopt.toml: " in refused(made)


def test_an_unknown_model(project: Make) -> None:
    made = project()
    text = refused(made, "--selfopt-baseline", "nobody/knows/atomic/schema/t60/r1/i0")
    assert "unknown model 'nobody/knows'; available: embedded/smollm2-135m, scripted/model" in text
    assert not (made.path / ".selfopt").exists()


def test_a_wrong_baseline(project: Make) -> None:
    made = project()
    assert "--selfopt-baseline: 'x' is not a spec id" in refused(made, "--selfopt-baseline", "x")
    text = refused(made, "--selfopt-baseline", f"{MODEL}/atomic/telepathy/t60/r1/i0")
    assert "unknown variant 'telepathy'" in text


def test_a_missing_model_file(project: Make) -> None:
    made = project()
    made.configure('[tool.selfopt.models."embedded/mine"]\nprovider = "embedded"\npath = "no/such.gguf"')
    text = refused(made, "--selfopt-baseline", "embedded/mine/atomic/schema/t60/r1/i0")
    assert "cannot read the model file no/such.gguf: No such file or directory" in text
    assert not (made.path / ".selfopt").exists()


def test_an_invalid_model_file(project: Make) -> None:
    made = project()
    made.configure('[tool.selfopt.models."embedded/mine"]\nprovider = "embedded"\npath = "items.jsonl"')
    text = refused(made, "--selfopt-baseline", "embedded/mine/atomic/schema/t60/r1/i0")
    assert "items.jsonl is not a GGUF file" in text


def test_a_port_in_use(project: Make) -> None:
    made = project()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made.configure(f'[tool.selfopt.models."embedded/smollm2-135m"]\nprovider = "embedded"\nport = {port}')
        text = refused(made, "--selfopt-baseline", "embedded/smollm2-135m/atomic/schema/t60/r1/i0")
    assert f"port {port} cannot be used (Address already in use)" in text


def test_an_unusable_state_directory(project: Make) -> None:
    made = project()
    (made.path / ".selfopt").write_text("a file where the folder should be")
    assert "cannot use" in refused(made)
    assert (made.path / ".selfopt").read_text() == "a file where the folder should be"


def test_a_state_directory_on_read_only_disk(project: Make) -> None:
    made = project()
    assert "/proc/nowhere as the state directory" in refused(made, "--selfopt-state-dir", "/proc/nowhere")


HOSTILE = {
    "truncated": '{"version": 1, "rules": [{"model": "m", "phase": "p"}, {"mod',
    "foreign": '{"version": 1, "rules": {"m": {"route": "elsewhere"}}}',
    "not a number": '{"version": 1, "rules": [{"model": "m", "phase": "p", "timeout": NaN}]}',
    "nested": "[" * 200_000,
    "50 MB": '{"version": 1, "rules": []' + " " * 50_000_000 + "}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_an_unusable_configuration_is_set_aside(project: Make, content: str) -> None:
    made = project({"rules": right(), "default": {"text": "Hello!"}})
    (made.path / "routing_config.json").write_text(content)
    result = made.run("--selfopt-cycle", "-q")
    assert result.ret == 0
    assert "routing_config.json could not be used" in said(result)
    assert "Traceback" not in said(result)
    (aside,) = made.path.glob("routing_config.json.corrupt-*")
    assert aside.read_text() == content
    readable = ["m"] * ('"model": "m"' in content)
    assert [rule["model"] for rule in made.routing()["rules"]] == [*readable, MODEL]


def test_feedback_that_is_no_feedback_is_kept(project: Make) -> None:
    made = project({"rules": right(), "default": {"text": "Hello!"}})
    (made.path / ".selfopt").mkdir()
    (made.path / ".selfopt" / "harness_feedback.json").write_text('{"recommendations": [{"target')
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "harness_feedback.json could not be used (invalid JSON" in said(result)
    (aside,) = made.path.glob(".selfopt/harness_feedback.json.corrupt-*")
    assert aside.read_text() == '{"recommendations": [{"target'


def test_ten_thousand_odd_rules_survive_a_cycle(project: Make) -> None:
    made = project({"rules": right(), "default": {"text": "Hello!"}})
    others = [{"model": f"m{number}", "phase": "p", "reason": "\ud800", "mine": number} for number in range(10_000)]
    made.write_routing(others)
    assert made.run("--selfopt-cycle", "-q").ret == 0
    rules = made.routing()["rules"]
    assert len(rules) == 10_001
    assert {rule.get("mine") for rule in rules} == {None, *range(10_000)}
    assert {rule["reason"] for rule in rules if "mine" in rule} == {"\ud800"}


def test_a_folder_as_routing_configuration(project: Make) -> None:
    made = project({"rules": right()})
    (made.path / "routing_config.json").mkdir()
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "routing_config.json: Is a directory" in result.stderr.str()
    assert made.server.seen.requests == []


def test_a_disabled_model_without_fallback(project: Make) -> None:
    made = project()
    rule = {"model": MODEL, "phase": "atomic", "allow": False, "reason": "never again"}
    (made.path / "routing_config.json").write_text(json.dumps({"version": 1, "rules": [rule]}))
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is disabled for phase 'atomic' and has no usable fallback" in result.stderr.str()


def test_a_cycle_without_benchmarks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): ...")
    result = warm.run_pytest(pytester, "--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no benchmark was collected" in result.stderr.str()


def test_unsupported_ways_to_distribute(project: Make) -> None:
    made = project()
    assert "cannot be measured under --dist each" in refused(made, "-n", "2", "--dist", "each")
    assert "--tx ssh=nowhere is not local" in refused(made, "--dist", "load", "--tx", "ssh=nowhere")


@pytest.mark.parametrize("marker", ["selfopt()", 'selfopt("items.jsonl", fase="atomic")', "selfopt(1)"])
def test_a_wrong_marker(project: Make, marker: str) -> None:
    made = project()
    made.pytester.makepyfile(
        test_items=f"import pytest\n@pytest.mark.{marker}\ndef test_items(case, reply): case.check(reply)\n"
    )
    assert "write the marker as @pytest.mark.selfopt" in refused(made)


def test_a_suite_twice_in_a_phase(project: Make) -> None:
    made = project()
    test_file: Path = made.path / "test_items.py"
    test_file.write_text(
        test_file.read_text() + "\n\n" + test_file.read_text().replace("def test_items", "def test_again")
    )
    assert "the suite 'items' of phase 'atomic' is already asked by" in refused(made)
