"""Candidates that cure nothing that was measured are not opened, unless somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import MODEL, Project, right, said, short_suite

Make = Callable[..., Project]
PATIENCE = '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\n'


def opened(made: Project) -> list[list[str]]:
    """The specs that each cycle compared, without what they share."""
    cycles = [[verdict["spec"] for verdict in entry["verdicts"]] for entry in made.history()]
    return [[spec.removeprefix(f"{MODEL}/atomic/") for spec in specs] for specs in cycles]


def test_without_trouble_patience_is_not_tried(project: Make) -> None:
    """Wrong answers ask for other variants; no error asks for retries or longer time-outs."""
    made = project({"rules": right()[:-4]})
    made.write_suite(short_suite())
    made.configure(PATIENCE)
    made.run("--selfopt-cycle")
    second = made.run("--selfopt-cycle")
    assert opened(made) == [["schema/t60/r1/i0"], []]
    tries = "cures anything that was measured; --selfopt-exhaustive tries the rest (5)"
    assert f"plateau: nothing untried around the configuration in force {tries}; monitored in 1 pass, in 3 if" in said(
        second
    )
    assert tries in made.selfopt("report", "--format", "md").stdout
    assert "error budget: 1 comparison opened" in made.selfopt("history").stdout
    made.run("--selfopt-cycle", "--selfopt-exhaustive", "--selfopt-candidates", "5")
    patient = ["native_api/t60/r2/i0", "native_api/t60/r0/i0", "native_api/t120/r1/i0", "native_api/t30/r1/i0"]
    assert opened(made)[2] == [*patient, "native_api/t60/r1/i1"]


def test_what_is_always_right_gets_no_rival(project: Make) -> None:
    made = project({"rules": right()})
    made.write_suite(short_suite())
    made.configure('[tool.selfopt.search]\nvariants = ["native_api", "schema", "atomic"]\n')
    made.run("--selfopt-cycle", "--selfopt-candidates", "1")
    made.run("--selfopt-cycle")
    assert opened(made) == [["schema/t60/r1/i0"], []]
    # Of other prompts nothing was measured.
    made.write_suite(short_suite()[:-1])
    made.run("--selfopt-cycle")
    assert len(opened(made)[2]) == 2


def test_variants_that_ask_alike_are_not_compared(project: Make) -> None:
    """Without tools the built-in variants differ in nothing but the worked examples."""
    made = project({"default": {"text": "Bern"}})
    asked = {"id": "paris", "prompt": "What is the capital of France?", "expect": {"contains": "Paris"}}
    made.write_suite([{"example": {"prompt": "What is the capital of Italy?", "answer": "Rome"}}, asked])
    result = said(made.run("--selfopt-cycle"))
    assert "not tried: atomic, schema, because without tools they ask these prompts as native_api does" in result
    assert opened(made) == [["few_shot/t60/r1/i0"]]


@pytest.mark.parametrize(
    ("failure", "baseline", "remedy"),
    [
        ({"status": 500}, "native_api/t60/r0/i0", "native_api/t60/r1/i0"),
        ({"latency": 3}, "native_api/t1/r0/i0", "native_api/t60/r0/i0"),
    ],
    ids=["errors", "time-outs"],
)
def test_measured_errors_ask_for_patience(
    project: Make, failure: dict[str, object], baseline: str, remedy: str
) -> None:
    """One call in 21 is too few for a diagnosis, but not for a candidate."""
    made = project({"rules": [{"when": {"prompt": "item 3.", "first": 1}, "then": failure}, *right()[:-4]]})
    made.write_suite(short_suite())
    made.configure(
        "[tool.selfopt.search]\nvariants = []\nisolation = []\nwarmup = []\ntimeouts = [1, 60]\nretries = [0, 1]\n"
        f'[tool.selfopt.phases.atomic]\nbaseline = "scripted/model/atomic/{baseline}"\n'
    )
    made.run("--selfopt-cycle")
    made.run("--selfopt-cycle")
    assert any(remedy in specs for specs in opened(made))
