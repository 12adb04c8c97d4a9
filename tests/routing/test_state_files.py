"""The decisions log, the lock, and the records beside the ledger."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.decision_log import append_decision
from pytest_selfopt.routing import decisions
from pytest_selfopt.routing.atomic_files import write_atomically
from pytest_selfopt.routing.decision_chain import verify_log
from pytest_selfopt.routing.decisions import Decision
from pytest_selfopt.routing.feedback import feedback_text, read_feedback
from pytest_selfopt.routing.history import (
    load_history,
    prepare_state_dir,
    read_history,
    with_cycles,
)
from pytest_selfopt.routing.rule import Recommendation


def decision(number: int, reason: str = "because") -> Decision:
    return Decision(
        timestamp="2026-11-21T00:00:00Z",
        cycle=number,
        kind="promote",
        phase="atomic",
        model="m",
        effective="m",
        reason=reason,
        evidence={"fixed": number},
    )


def log_of(folder: Path, count: int) -> Path:
    path = folder / "routing_decisions.jsonl"
    for number in range(count):
        assert append_decision(path.parent, None, decision(number)) == ""
    return path


@given(st.lists(st.text(), max_size=6))
def test_an_untouched_log_is_whole(tmp_path_factory: pytest.TempPathFactory, reasons: list[str]) -> None:
    path = tmp_path_factory.mktemp("log") / "routing_decisions.jsonl"
    for number, reason in enumerate(reasons):
        append_decision(path.parent, None, decision(number, reason))
    verification = verify_log(path)
    assert verification.ok
    assert verification.lines == len(reasons)


@pytest.mark.parametrize("line", [0, 1, 3])
def test_a_changed_line_is_found(tmp_path: Path, line: int) -> None:
    path = log_of(tmp_path, 5)
    lines = path.read_text().splitlines(keepends=True)
    lines[line] = lines[line].replace('"fixed"', '"fexed"')
    path.write_text("".join(lines))
    assert verify_log(path).broken_line == line + 2


def test_a_removed_line_is_found(tmp_path: Path) -> None:
    path = log_of(tmp_path, 5)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    assert verify_log(path).broken_line == 3


def test_the_log_survives_a_truncated_line(tmp_path: Path) -> None:
    path = log_of(tmp_path, 3)
    torn = path.read_bytes()[:-20]
    path.write_bytes(torn)
    assert verify_log(path).broken_line == 3
    note = append_decision(path.parent, None, decision(9))
    assert "was unfinished" in note
    assert verify_log(path).ok
    (aside,) = tmp_path.glob("*.corrupt-*")
    assert aside.read_bytes() == torn
    assert [json.loads(line)["cycle"] for line in path.read_text().splitlines()] == [0, 1, 9]


def test_concurrent_appends_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "routing_decisions.jsonl"
    with ThreadPoolExecutor(max_workers=20) as everybody:
        list(everybody.map(lambda number: append_decision(path.parent, None, decision(number)), range(200)))
    found = verify_log(path)
    assert (found.ok, found.lines) == (True, 200)


def test_a_log_locked_for_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "ATTEMPTS", 3)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StateError, match="is locked by another process that writes decisions"):
            append_decision(tmp_path, None, decision(1))
    finally:
        os.close(held)
    assert append_decision(tmp_path, None, decision(1)) == ""


def append_cycles(path: Path, entries: list[dict[str, Any]]) -> str:
    text, note = with_cycles(path, entries)
    if text is not None:
        write_atomically(path, text)
    return note


def test_a_cycle_enters_the_history_once(tmp_path: Path) -> None:
    path = tmp_path / "meta_loop_history.json"
    entry: dict[str, Any] = {"cycle": 1, "phase": "atomic", "winner": None}
    for _ in range(2):
        assert append_cycles(path, [entry]) == ""
    append_cycles(path, [{**entry, "cycle": 2}])
    assert [one["cycle"] for one in read_history(path)] == [1, 2]


@pytest.mark.parametrize("text", ["{", '{"cycles": 3}', "[]", '{"version": "x", "cycles": []}'])
def test_an_unusable_history_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "meta_loop_history.json"
    path.write_text(text)
    history, note = load_history(path)
    assert history["cycles"] == []
    assert "set aside" in note
    assert len(list(tmp_path.glob("*.corrupt-*"))) == 1


def test_feedback_has_the_documented_format() -> None:
    recommendation = Recommendation(
        type="routing",
        target="m::atomic",
        action="allow_for_bounded_tasks",
        reason="cold",
        allow=True,
        requirements=("warm-up",),
    )
    text = feedback_text(
        generated_at="now", recent_runs=[], accuracy={}, hot_failures=[], recommendations=[recommendation]
    )
    assert json.loads(text)["recommendations"] == [
        {
            "type": "routing",
            "target": "m::atomic",
            "action": "allow_for_bounded_tasks",
            "reason": "cold",
            "allow": True,
            "requirements": ["warm-up"],
        }
    ]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(StateError, match="cannot write"):
        write_atomically(tmp_path / "target", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_git_ignores_the_state_directory(tmp_path: Path) -> None:
    prepare_state_dir(tmp_path / "a" / ".selfopt")
    assert (tmp_path / "a" / ".selfopt" / ".gitignore").read_text().splitlines()[-1] == "*"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("type", "target", "action", "reason", "fallback", "requirements", "allow"), values),
)


@given(recommendations=st.lists(entries | values, max_size=4))
def test_any_feedback_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, recommendations: list[Any]) -> None:
    path = tmp_path_factory.mktemp("feedback") / "harness_feedback.json"
    path.write_text(json.dumps({"recommendations": recommendations}))
    found = read_feedback(path)
    assert len(found.recommendations) + len(found.problems) == len(recommendations)
    assert all("recommendations[" in problem for problem in found.problems)


def test_feedback_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "harness_feedback.json"
    given_ = (
        Recommendation(
            type="routing", target="a::b::c", action="x", reason="y", fallback="z", requirements=("warm-up",)
        ),
        Recommendation(type="settings", target="m::p", action="retry", reason="flaky", requirements=()),
    )
    text = feedback_text(
        generated_at="now", recent_runs=[{"cycle": 3}], accuracy={}, hot_failures=[], recommendations=given_
    )
    path.write_text(text)
    assert read_feedback(path).recommendations == given_
    assert read_feedback(path).cycle == 3


def test_a_long_history_can_grow(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    long = {"cycle": 1, "phase": "atomic", "reason": "so it is " * 4_000_000}
    assert append_cycles(path, [long]) == ""
    assert append_cycles(path, [{"cycle": 2, "phase": "atomic"}]) == ""
    assert path.stat().st_size > 32 * 1024 * 1024
    assert [entry["cycle"] for entry in read_history(path)] == [1, 2]
