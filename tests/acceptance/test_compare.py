"""`selfopt compare`: exactly two ways of asking, outside the history unless asked."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_selfopt.cli import main
from tests.acceptance.conftest import BASELINE, CALLS, MODEL, RESTRAINT, Project, right
from tests.acceptance.test_gate import NOWHERE

Make = Callable[..., Project]
SCHEMA = f"{MODEL}/atomic/schema/t60/r1/i0"
ATOMIC = f"{MODEL}/atomic/atomic/t60/r1/i0"


def compare(made: Project, *arguments: str) -> int:
    return main(["compare", *arguments, "--rootdir", str(made.path), "--suite", str(made.path / "items.jsonl")])


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_better_of_two_is_named_with_its_evidence(
    project: Make, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    made = project({"rules": right(constrained=True), "default": {"text": "Hello."}})
    specs = [BASELINE, SCHEMA]
    if name == "first":
        specs.reverse()
    assert compare(made, *specs) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"the {name} is better (schema): fixed {3 * CALLS} answers, broke 0 in 3 passes" in said
    assert "needed 440:1 (compared by itself, either way)" in said
    calls = 2 * 3 * (CALLS + RESTRAINT)
    assert f"{calls} calls in " in said
    assert said.endswith("recorded nowhere")
    assert not (made.path / ".selfopt").exists()
    assert not (made.path / "routing_config.json").exists()


def test_two_alike_are_not_told_apart(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = project({"rules": right(), "default": {"text": "Hello."}})
    assert compare(made, ATOMIC, SCHEMA, "--runs", "1", "--record", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["better"], value["cycle"]) == (None, 1)
    assert value["sentence"].startswith("neither is shown to be better; of the second one: fixed 0")
    assert [value[side]["accuracy"] for side in ("first", "second")] == [1.0, 1.0]
    assert main(["history", "--rootdir", str(made.path)]) == 0
    assert "survey 1" in capsys.readouterr().out


def test_without_a_server_nothing_is_decided(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = project()
    made.configure(base_url=NOWHERE)
    specs = [BASELINE.replace("/r1/", "/r0/"), SCHEMA.replace("/r1/", "/r0/")]
    assert compare(made, *specs, "--runs", "1") == 1
    said = " ".join(capsys.readouterr().out.split())
    calls = 2 * (CALLS + RESTRAINT)
    refused = f"{calls} of {calls} calls refused at {NOWHERE} (Connection refused); nothing decided; start it"
    assert refused in said
    assert "is shown to be better" not in said


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        ((SCHEMA, SCHEMA), "is named twice"),
        ((SCHEMA, "schema"), "'schema' is not a spec id; the form is MODEL/PHASE/VARIANT"),
        ((SCHEMA, SCHEMA.replace("/atomic/", "/extended/", 1)), "are of different phases"),
        ((SCHEMA, SCHEMA.replace("schema", "shema")), "unknown variant 'shema'"),
        ((SCHEMA, SCHEMA.replace("scripted", "scrpted")), "unknown model 'scrpted/model'; did you mean"),
    ],
)
def test_what_cannot_be_compared_is_said(
    project: Make, capsys: pytest.CaptureFixture[str], specs: tuple[str, str], complaint: str
) -> None:
    assert compare(project(), *specs) == 4
    assert complaint in capsys.readouterr().err
