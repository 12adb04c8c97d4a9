"""Edits of the routing configuration while a cycle runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_selfopt.routing.config import RoutingConfig, read_config, save_config
from pytest_selfopt.routing.edits import keep_edits
from pytest_selfopt.routing.rule import Rule

NOW = "2026-11-30T00:00:00Z"


def rule(model: str, **fields: Any) -> Rule:
    return Rule(model=model, phase="atomic", **fields)


def config(*rules: Rule) -> RoutingConfig:
    return RoutingConfig().with_rules(rules)


def test_an_unchanged_file_gets_what_was_decided(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    began, decided = config(rule("a")), config(rule("a", retries=2))
    save_config(path, began, now=NOW)
    assert keep_edits(path, read_config(path), decided) == (decided, [])
    assert keep_edits(tmp_path / "missing.json", RoutingConfig(), decided) == (decided, [])


def test_edits_and_decisions_about_other_rules_both_hold(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    began = config(rule("a"), rule("b"), rule("gone"))
    save_config(path, config(rule("a"), rule("b", reason="mine"), rule("new")), now=NOW)
    decided = config(rule("a", retries=2), rule("b"), rule("gone"))
    merged, notes = keep_edits(path, began, decided)
    assert merged == config(rule("a", retries=2), rule("b", reason="mine"), rule("new"))
    assert [note.split(" in atomic ")[0] for note in notes] == [
        "the rule for b",
        "the rule for new",
        "the rule for gone",
    ]
    assert not any("instead" in note for note in notes)


def test_an_edit_wins_over_a_decision(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    save_config(path, config(rule("a", retries=1)), now=NOW)
    merged, notes = keep_edits(path, config(rule("a")), config(rule("a", retries=2)))
    assert merged.rules == (rule("a", retries=1),)
    (note,) = notes
    assert note.endswith(
        "was changed in routing_config.json while the cycle ran, and is kept instead of the cycle's own change"
    )


def test_of_an_unusable_file_a_copy_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    path.write_text('{"rules": [')
    merged, (note,) = keep_edits(path, config(), config(rule("a")))
    assert merged == config(rule("a"))
    (copy,) = tmp_path.glob("routing_config.json.corrupt-*")
    assert copy.read_text() == '{"rules": ['
    assert note.endswith(f"when it was written; a copy is kept as {copy.name}")
