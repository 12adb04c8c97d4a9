"""`selfopt enforce`: feedback, ours or written by hand, becomes rules that a fresh reader finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.resolve import resolve
from tests.acceptance.conftest import selfopt

WARM = {
    "type": "routing",
    "target": "lfm2.5-thinking:1.2b::atomic",
    "action": "allow_for_bounded_tasks",
    "reason": "the first two runs failed",
}
DISABLE = {
    "type": "routing",
    "target": "lfm2.5-thinking:1.2b::extended",
    "action": "disable_for_stateful",
    "reason": "0 of 7",
    "fallback": "ollama/llama3.2:3b",
}


def write(path: Path, *recommendations: Any, name: str = "harness_feedback.json") -> None:
    (path / name).write_text(json.dumps({"recommendations": list(recommendations)}))


def rules(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((path / "routing_config.json").read_text())["rules"]
    return found


def test_handwritten_feedback_becomes_rules(tmp_path: Path) -> None:
    write(tmp_path, WARM, DISABLE)
    done = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 applied, 0 skipped, 0 errors")
    config = tmp_path / "routing_config.json"
    warm = resolve("lfm2.5-thinking:1.2b", "atomic", path=config)
    assert (warm.model, warm.enable_warmup) == ("lfm2.5-thinking:1.2b", True)
    assert resolve("lfm2.5-thinking:1.2b", "extended", path=config).model == "ollama/llama3.2:3b"
    assert {rule["status"] for rule in rules(tmp_path)} == {"trial"}
    log = tmp_path / ".selfopt" / "routing_decisions.jsonl"
    assert [entry["reason"] for entry in read_decisions(log)] == [
        "on trial: allow_for_bounded_tasks for lfm2.5-thinking:1.2b in atomic: the first two runs failed",
        "on trial: disable_for_stateful for lfm2.5-thinking:1.2b in extended: 0 of 7",
    ]
    verified = selfopt(tmp_path, "verify")
    assert (verified.returncode, verified.stdout) == (
        0,
        "routing_decisions.jsonl: the hashes of all 2 lines match, and the ledger knows all of it\n",
    )


def test_repeated_feedback_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, WARM, DISABLE)
    selfopt(tmp_path, "enforce", "harness_feedback.json")
    rules_before = (tmp_path / "routing_config.json").read_bytes()
    selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert (tmp_path / "routing_config.json").read_bytes() == rules_before
    log = tmp_path / ".selfopt" / "routing_decisions.jsonl"
    assert [(entry["kind"], entry["reason"]) for entry in read_decisions(log)][2:] == [
        ("skip", "skipped allow_for_bounded_tasks: lfm2.5-thinking:1.2b is already warmed up for atomic"),
        ("skip", "skipped disable_for_stateful: lfm2.5-thinking:1.2b is already disabled for extended"),
    ]
    before = {
        name: (tmp_path / name).read_bytes() for name in ("routing_config.json", ".selfopt/routing_decisions.jsonl")
    }
    again = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert again.stdout.splitlines()[-1] == "0 applied, 2 skipped, 0 errors"
    assert "already warmed up" in again.stdout
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_dry_run_reports_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, WARM)
    dry = selfopt(tmp_path, "enforce", "harness_feedback.json", "--dry-run")
    assert dry.stdout.splitlines()[-1] == "dry run, nothing was written: 1 applied, 0 skipped, 0 errors"
    assert [one.name for one in tmp_path.iterdir()] == ["harness_feedback.json"]


def test_unusable_feedback_is_named_and_skipped(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"target": "m::atomic", "action": "dance", "reason": "why not"},
        {"target": "m", "action": "allow_for_bounded_tasks"},
        {"action": "allow_for_bounded_tasks"},
        "warm it up",
        {**DISABLE, "fallback": "claude-haiku"},
        {**DISABLE, "fallback": "lfm2.5-thinking:1.2b"},
        {key: value for key, value in DISABLE.items() if key != "fallback"},
        {"target": "m::atomic", "action": "longer_timeout", "reason": "12 timeouts"},
        WARM,
    )
    done = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "2 applied, 2 skipped, 5 errors")
    for sentence in (
        "skipped dance: unknown action; available: allow_for_bounded_tasks, disable_for_stateful, retry",
        "recommendations[1]: 'target' must read \"model::phase\", not 'm'",
        "recommendations[2]: 'target' is missing",
        "recommendations[3]: it must be an object, not 'warm it up'",
        "error: disable_for_stateful for lfm2.5-thinking:1.2b::extended: unknown model 'claude-haiku'",
        "are circular: lfm2.5-thinking:1.2b → lfm2.5-thinking:1.2b",
        "skipped disable_for_stateful: no fallback is named for lfm2.5-thinking:1.2b in extended, and none is invented",
        "on trial: longer_timeout for m in atomic: 12 timeouts",
    ):
        assert sentence in done.stdout
    logged = read_decisions(tmp_path / ".selfopt" / "routing_decisions.jsonl")
    assert [entry["kind"] for entry in logged] == ["trial"] * 2 + ["skip"] * 2 + ["refused"] * 5
    assert (logged[-1]["phase"], logged[-1]["original_model"]) == ("extended", "lfm2.5-thinking:1.2b")
    assert "are circular" in logged[-1]["reason"]
    assert "recommendations[2]: 'target' is missing" in logged[5]["reason"]
    assert [(rule["model"], rule.get("timeout")) for rule in rules(tmp_path)] == [
        ("lfm2.5-thinking:1.2b", None),
        ("m", 120.0),
    ]


def test_retries_and_timeouts_build_on_current_values(tmp_path: Path) -> None:
    retry = {"target": "m::atomic", "action": "retry", "reason": "dropped"}
    longer = {"target": "m::atomic", "action": "longer_timeout", "reason": "late", "timeout": 90}
    write(tmp_path, retry, longer)
    assert selfopt(tmp_path, "enforce", "harness_feedback.json").stdout.splitlines()[-1].startswith("2 applied")
    assert [(rule["retries"], rule["timeout"], rule["status"]) for rule in rules(tmp_path)] == [(2, 90, "trial")]
    again = selfopt(tmp_path, "enforce", "harness_feedback.json").stdout
    assert "skipped retry: m already has retries 2 in atomic" in again
    assert "skipped longer_timeout: m already has timeout 90 in atomic" in again
    write(tmp_path, {**retry, "retries": 99}, {**longer, "timeout": "long"})
    wrong = selfopt(tmp_path, "enforce", "harness_feedback.json").stdout
    assert "'retries' must be a number above 0 and at most 10, not 99" in wrong
    assert "'timeout' must be a number above 0 and at most 86400, not 'long'" in wrong


def test_short_forms_of_feedback_are_read(tmp_path: Path) -> None:
    off = {"model": "lfm", "action": "disable", "fallback": "ollama/llama3.2:3b"}
    allow = {"model": "small", "phase": "atomic", "action": "allow", "requirements": ["warm-up"], "reason": "cold"}
    wrong = [{"model": "lfm", "action": "retry"}, {"model": 3, "action": "disable"}]
    write(tmp_path, off, allow, *wrong, {"target": "lfm::atomic", "action": "dance"})
    done = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "3 applied, 1 skipped, 2 errors")
    logged = read_decisions(tmp_path / ".selfopt" / "routing_decisions.jsonl")
    assert [entry["kind"] for entry in logged] == ["trial"] * 3 + ["skip"] + ["refused"] * 2
    assert "recommendations[2]: 'phase' is missing" in done.stdout
    assert "recommendations[3]: 'model' must be a string, not 3" in done.stdout
    config = tmp_path / "routing_config.json"
    assert {resolve("lfm", phase, path=config).model for phase in ("atomic", "extended")} == {"ollama/llama3.2:3b"}
    assert resolve("small", "atomic", path=config).enable_warmup is True
    (tmp_path / "alone.json").write_text(json.dumps({**off, "model": "other", "phase": "extended"}))
    assert selfopt(tmp_path, "enforce", "alone.json").stdout.splitlines()[-1] == "1 applied, 0 skipped, 0 errors"


@pytest.mark.parametrize("content", ["", "{", "[1, 2", '{"recommendations": 7}', "\x00", "null"])
def test_a_foreign_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "harness_feedback.json").write_text(content)
    done = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert done.returncode == 4
    assert "harness_feedback.json cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert "does not exist; pytest --selfopt-cycle writes it" in selfopt(tmp_path, "enforce").stderr


def test_the_configured_fallback_stands_in(tmp_path: Path) -> None:
    (tmp_path / "selfopt.toml").write_text('[phases.extended]\nfallback = "ollama/llama3.2:3b"\n')
    write(tmp_path, {key: value for key, value in DISABLE.items() if key != "fallback"})
    assert selfopt(tmp_path, "enforce", "harness_feedback.json").returncode == 0
    assert rules(tmp_path)[0]["fallback_model"] == "ollama/llama3.2:3b"


@pytest.mark.parametrize(("key", "skipped"), [("warm_up", "allow_for"), ("fall_back", "disable_for")])
def test_each_action_can_be_disabled(tmp_path: Path, key: str, skipped: str) -> None:
    (tmp_path / "selfopt.toml").write_text(f"[actions]\n{key} = false\n")
    write(tmp_path, WARM, DISABLE)
    done = selfopt(tmp_path, "enforce", "harness_feedback.json")
    assert done.stdout.splitlines()[-1] == "1 applied, 1 skipped, 0 errors"
    assert f"skipped {skipped}" in done.stdout
    assert "this action is switched off" in done.stdout


def test_a_changed_log_is_detected(tmp_path: Path) -> None:
    write(tmp_path, WARM, DISABLE)
    selfopt(tmp_path, "enforce", "harness_feedback.json")
    log = tmp_path / ".selfopt" / "routing_decisions.jsonl"
    log.write_text(log.read_text().replace("failed", "passed"))
    found = selfopt(tmp_path, "verify")
    assert found.returncode == 1
    assert "line 1 of 2 is not the one that was written there" in found.stdout


MOMENTS = int(os.environ.get("SELFOPT_CRASH_MOMENTS", "6"))


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_kill_9_leaves_enforcement_whole_and_repeatable(tmp_path: Path, moment: int) -> None:
    write(tmp_path, WARM, DISABLE)
    command = [sys.executable, "-m", "pytest_selfopt.cli", "enforce", "harness_feedback.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    time.sleep(0.05 + 0.45 * moment / MOMENTS)
    process.send_signal(signal.SIGKILL)
    process.wait()
    config = tmp_path / "routing_config.json"
    assert not config.exists() or len(rules(tmp_path)) == 2
    assert selfopt(tmp_path, "enforce", "harness_feedback.json").returncode == 0
    assert len(rules(tmp_path)) == 2
    log = tmp_path / ".selfopt" / "routing_decisions.jsonl"
    assert verify(log.parent).ok
    trials = [entry["reason"] for entry in read_decisions(log) if entry["kind"] == "trial"]
    assert len(set(trials)) == len(trials) == 2
