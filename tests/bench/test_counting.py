"""How a case counts: its weight, and that it is expected to fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.lint import check_suites
from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError


def suite(path: Path, *cases: dict[str, Any]) -> Suite:
    file = path / "items.jsonl"
    lines = [{"prompt": f"Item {index}", "expect": {"contains": "x"}} | case for index, case in enumerate(cases)]
    file.write_text("\n".join(map(json.dumps, lines)))
    return load_suite(file)


def test_both_are_read_and_kept(tmp_path: Path) -> None:
    heavy, hopeless = suite(tmp_path, {"id": "a", "weight": 3}, {"id": "b", "expected_failure": " no\nLatin "}).cases
    assert (heavy.weight, heavy.expected_failure) == (3.0, "")
    assert (hopeless.weight, hopeless.expected_failure) == (1.0, "no Latin")
    assert Case.from_json(heavy.to_json()) == heavy
    assert Case.from_json(hopeless.to_json()) == hopeless


def test_both_are_columns(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("id,prompt,contains,weight,expected_failure\na,Hi,x,0.5,\nb,Ho,x,,no Latin\n")
    cases = load_suite(file).cases
    assert [(case.weight, case.expected_failure) for case in cases] == [(0.5, ""), (1.0, "no Latin")]


def test_hashes_stay(tmp_path: Path) -> None:
    plain = suite(tmp_path, {"id": "a"}, {"id": "b"})
    counted = suite(tmp_path, {"id": "a", "weight": 3}, {"id": "b", "weight": 1})
    assert counted.content_hash == plain.content_hash
    assert "weight" not in plain.cases[0].to_json()
    expecting = suite(tmp_path, {"id": "a"}, {"id": "b", "expected_failure": "no Latin"})
    # Its answers stay what they are, but the suite is another one: as if the case were removed.
    assert expecting.cases[1].content_hash == plain.cases[1].content_hash
    assert expecting.content_hash == suite(tmp_path, {"id": "a"}).content_hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", 0),
        ("weight", -1),
        ("weight", 1e9),
        ("weight", True),
        ("weight", "2"),
        ("expected_failure", ""),
        ("expected_failure", "FALSE"),
        ("expected_failure", " no "),
        ("expected_failure", True),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(SuiteError, match=f"^items.jsonl:1: {field}: "):
        suite(tmp_path, {"id": "a", field: value})


def test_check_counts_expected_failures(tmp_path: Path) -> None:
    mixed = suite(tmp_path, {"id": "a"}, {"id": "b", "expected_failure": "no Latin"})
    sentences = [finding.sentence for finding in check_suites([mixed])]
    assert any("1 cases, " in text and "besides, 1 expected failures" in text for text in sentences)
    hopeless = suite(tmp_path, {"id": "b", "expected_failure": "no Latin"})
    assert any("nothing is measured" in finding.sentence for finding in check_suites([hopeless]))
