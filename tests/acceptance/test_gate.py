"""`--selfopt-gate`: what is in force against its bars and what was recorded of it; 0, 1 or 10; nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import LONG_CALLS, LONG_CASES, MODEL, Project, right, said, suite_lines
from tests.acceptance.test_gates import TWO_SPECS

Make = Callable[..., Project]
BARS = "[tool.selfopt.gate]\nmin_accuracy = 0.9\nmin_restraint = 0.5\nmax_p95_latency = 5\n"
WAYS = ["", "-n2"]
WINNER = f"{MODEL}/atomic/schema/t60/r1/i0"
NOWHERE = "http://127.0.0.1:9/v1"
"""No server is there: port 9 discards, where anything listens at all."""


@pytest.fixture
def routed(long_project: Make) -> Project:
    """A project in which a cycle has promoted the spec that gets everything right."""
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS + BARS)
    assert made.run("--selfopt-cycle").ret == 0
    return made


def files(made: Project) -> dict[str, bytes]:
    """Everything that a cycle wrote, but for what SQLite keeps beside a database that somebody reads."""
    state = [path for path in (made.path / ".selfopt").rglob("*") if not path.name.endswith(("-wal", "-shm"))]
    found = [path for path in (*state, made.path / "routing_config.json") if path.is_file()]
    return {path.name: path.read_bytes() for path in found}


def gate(made: Project, *arguments: str) -> pytest.RunResult:
    return made.run("--selfopt-gate", *filter(None, arguments))


@pytest.mark.parametrize("way", WAYS)
def test_an_unchanged_model_passes_and_writes_nothing(routed: Project, way: str) -> None:
    before, asked = files(routed), routed.server.seen.asked
    result = gate(routed, way)
    assert result.ret == 0, said(result)
    assert routed.server.seen.asked == asked + 3 * LONG_CASES
    assert "pass min_accuracy: accuracy 1.000 (36 of 36; 0.904 to 1.000), at least 0.900 is asked for" in said(result)
    assert f"compared with what cycle 1 stored of {MODEL}/atomic/schema/t60/r1/i0" in said(result)
    assert "the gate is passed; nothing was written" in said(result)
    assert files(routed) == before


@pytest.mark.parametrize("way", WAYS)
def test_what_is_worse_fails(routed: Project, way: str) -> None:
    before = files(routed)
    routed.server.play({"rules": right(constrained=True)[:5]})
    result = gate(routed, way)
    assert result.ret == 1, said(result)
    for sentence in (
        "FAIL min_accuracy: accuracy 0.667 (24 of 36; ",
        "FAIL no_regression: beside what was recorded: fixed 0 answers, broke 12 of 36",
        "UNSETTLED veto: breaks 4 that the baseline always solves: item-5, item-6, item-7 …",
    ):
        assert sentence in said(result)
    assert files(routed) == before


@pytest.mark.parametrize("way", WAYS)
def test_one_newly_failing_case_is_not_green(routed: Project, way: str) -> None:
    routed.server.play({"rules": right(constrained=True)[:-1]})
    assert gate(routed, way).ret == 10
    routed.configure(TWO_SPECS + BARS.replace("0.9", "0.5") + "passes = 3\n")
    result = gate(routed, way)
    assert result.ret == 10
    assert "breaks 1 that the baseline always solves: item-8" in said(result)


def test_the_terminal_is_readable_at_80_columns(routed: Project) -> None:
    result = gate(routed)
    lines = result.stdout.str().partition("= selfopt gate")[2].splitlines()
    assert max(map(len, lines[1:-1])) <= 80
    assert "\x1b" not in result.stdout.str()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", [("-k", "run0"), ("--selfopt-max-calls=5",)])
def test_a_part_settles_nothing(routed: Project, arguments: tuple[str, ...], way: str) -> None:
    result = gate(routed, way, *arguments)
    assert result.ret == 10, said(result)
    assert "no decision" in said(result)


@pytest.mark.parametrize("way", WAYS)
def test_an_unusable_configuration_fails_before_calls(routed: Project, way: str) -> None:
    asked = routed.server.seen.asked
    path = routed.path / "routing_config.json"
    path.write_text("{")
    corrupt = gate(routed, way)
    assert corrupt.ret == pytest.ExitCode.USAGE_ERROR
    assert "routing_config.json cannot be used" in corrupt.stderr.str()
    assert path.read_text() == "{"
    path.unlink()
    missing = gate(routed, way)
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    assert "--selfopt-gate: routing_config.json is missing" in missing.stderr.str()
    assert routed.server.seen.asked == asked


def test_without_a_ledger_the_thresholds_decide(routed: Project) -> None:
    shutil.rmtree(routed.path / ".selfopt")
    (routed.path / ".selfopt").mkdir()
    result = gate(routed)
    assert result.ret == 0
    assert "compared with nothing: no decided cycle is in the ledger" in said(result)
    assert not list((routed.path / ".selfopt").iterdir())


def test_recorded_and_routed_specs_are_both_measured(routed: Project) -> None:
    routed.configure(TWO_SPECS + BARS.replace("0.9", "0.2") + 'compare = "beside"\n')
    same = gate(routed)
    assert same.ret == 0
    assert f"compared with what cycle 1 stored of {WINNER} (what is in force is what the last cycle left" in said(same)
    rules: list[dict[str, Any]] = routed.routing()["rules"]
    routed.write_routing([{**rule, "variant": "native_api"} for rule in rules])
    result = gate(routed)
    assert result.ret == 1
    assert f"compared with {WINNER}, asked beside it" in said(result)
    assert "fixed 0 answers, broke 27 of 36" in said(result)


def test_a_recorded_spec_that_is_gone_is_compared_as_stored(routed: Project) -> None:
    routed.configure(TWO_SPECS + BARS.replace("0.9", "0.2") + 'compare = "beside"\n')
    rules: list[dict[str, Any]] = routed.routing()["rules"]
    routed.write_routing([{**rule, "variant": "native_api"} for rule in rules])
    routed.server.play({"rules": [{"when": {"constrained": True}, "then": {"status": 400}}]})
    result = gate(routed)
    assert result.ret == 1, said(result)
    why = "none of the calls that asked it beside gave an answer"
    assert f"compared with what cycle 1 stored of {WINNER} ({why})" in said(result)
    assert "fixed 0 answers, broke 27 of 36" in said(result)


def change_suite(made: Project) -> None:
    """Reword a case, take one out and add one."""
    lines = [json.loads(line) for line in (made.path / "items.jsonl").read_text().splitlines()]
    new = {"id": "new", "prompt": "Find item 3.", "tools": ["look_up"], "expect": lines[5]["expect"]}
    lines[-1]["prompt"] = "Good morning!"
    made.write_suite([*lines[:-2], lines[-1], new])


@pytest.mark.parametrize("compare", ["stored", "beside"])
def test_unchanged_cases_are_compared(routed: Project, compare: str) -> None:
    change_suite(routed)
    routed.configure(TWO_SPECS + BARS.replace("0.9", "0.2") + f'compare = "{compare}"\n')
    routed.server.play({"rules": right(constrained=True)[:-3]})
    result = gate(routed)
    assert result.ret == 1, said(result)
    assert "breaks 3 that the baseline always solves: item-6, item-7, item-8" in said(result)
    assert "fixed 0 answers, broke 9 of 30" in said(result)
    assert f"compared with what cycle 1 stored of {WINNER} to 10 of 12 prompts" in said(result)
    assert "new: new changed: hello-2 gone, or expected to fail now: hello-1" in said(result)


def test_only_new_words_are_compared_with_nothing_aloud(routed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in (routed.path / "items.jsonl").read_text().splitlines()]
    routed.write_suite([*lines[:2], *({**line, "prompt": line["prompt"] + " Now."} for line in lines[2:])])
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = gate(routed, "-q")
    assert f"compared with nothing: no cycle has an answer of {WINNER} to these prompts" in said(result)
    result.stdout.fnmatch_lines(["::warning title=selfopt atomic%3A not compared::compared with nothing*"])


@pytest.mark.parametrize("compare", ["stored", "beside"])
def test_an_outage_leaves_the_gate_armed(routed: Project, compare: str) -> None:
    """Neither a night without any answer nor one with some answers takes the comparison away."""
    routed.configure(TWO_SPECS + BARS, base_url=NOWHERE)
    assert routed.run("--selfopt-cycle").ret == 10
    routed.configure(TWO_SPECS + BARS.replace("0.9", "0.2") + f'compare = "{compare}"\n')
    down = [{"when": {"prompt": f"item {index}."}, "then": {"status": 500}} for index in range(5, LONG_CALLS)]
    routed.server.play({"rules": [*down, *right(constrained=True)]})
    routed.run("--selfopt-cycle", "--selfopt-no-promote")
    routed.server.play({"rules": right(constrained=True)[:-3]})
    result = gate(routed)
    assert result.ret == 1, said(result)
    assert f"compared with what cycles 1 and 3 stored of {WINNER}" in said(result)
    assert "breaks 3 that the baseline always solves: item-6, item-7, item-8" in said(result)


@pytest.mark.parametrize("compare", ["stored", "beside"])
def test_a_rollback_is_no_regression(routed: Project, compare: str) -> None:
    """What a person rolled back is not what a build is compared with."""
    routed.configure(TWO_SPECS + BARS + f'compare = "{compare}"\n')
    assert routed.selfopt("rollback").returncode == 0
    told = said(gate(routed))
    assert "pass no_regression: beside what was recorded: fixed 0 answers, broke 0 of 36" in told
    assert f"compared with what cycle 1 stored of {MODEL}/atomic/native_api/t60/r1/i0" in told


def test_one_case_is_one_prompt(project: Make) -> None:
    made = project()
    made.configure(TWO_SPECS + BARS)
    made.write_suite(suite_lines()[:3])
    told = said(made.run("--selfopt-cycle"))
    assert "4 to 14 calls; so few prompts show no gain at all" in told
    assert "broke 0 in 1 pass over the same prompt;" in told
    result = gate(made, "--selfopt-comment=comment.md")
    assert "  1 prompt, 3 passes, 3 calls" in result.outlines
    comment = (made.path / "comment.md").read_text()
    assert "| `items/item-0` | 0 of 3 | 0 of 3 |" in comment
    assert "always right" not in comment


def test_a_raising_body_is_never_masked(routed: Project) -> None:
    body = (routed.path / "test_items.py").read_text()
    raising = body.replace("reply)", "reply, run)", 1).replace("case.check", "assert run != 1 or 1 / 0\n    case.check")
    (routed.path / "test_items.py").write_text(raising)
    result = gate(routed)
    assert result.ret == 1
    assert "ZeroDivisionError" in said(result)


def test_gate_and_cycle_are_separate(routed: Project) -> None:
    result = gate(routed, "--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "give one of them" in result.stderr.str()
