"""A regular expression holds no session, wherever it stands; a suite check finds it before."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading import expect as expectations
from pytest_selfopt.bench.grading.bounded import TooSlow, bounded
from pytest_selfopt.bench.grading.extract import NO_JSON, json_in
from pytest_selfopt.bench.grading.json_schema import check_schema, first_problem
from pytest_selfopt.bench.grading.judgement import BrokenGrader
from pytest_selfopt.bench.grading.patterns import compiled, found, search
from pytest_selfopt.bench.lint import check_suites
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.bench.slow_patterns import slow_text
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.trial import Reply

HOSTILE = r"^(\w+\s?)*$"
TEXT = "a" * 50 + "!"


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"regex": HOSTILE}, TEXT),
        ({"not": {"regex": HOSTILE}}, TEXT),
        ({"json_schema": {"pattern": HOSTILE}}, f'"{TEXT}"'),
        ({"json_schema": {"$defs": {}, "patternProperties": {HOSTILE: {}}}}, f'{{"{TEXT}": 1}}'),
    ],
)
def test_a_slow_pattern_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect: dict[str, Any], text: str
) -> None:
    monkeypatch.setattr(bounded, "__kwdefaults__", {"seconds": 0.02})
    monkeypatch.setattr(expectations, "LIMIT_S", 0.02)
    file = tmp_path / "suite.jsonl"
    file.write_text(json.dumps({"id": "a", "prompt": "Hi", "expect": expect}))
    suite = load_suite(file)
    with pytest.raises(BrokenGrader) as caught:
        suite.cases[0].judge(Reply(text=text))
    assert "case 'suite/a' (suite.jsonl:1): the" in str(caught.value)
    assert json.dumps(HOSTILE).strip('"') in str(caught.value)
    findings = [finding.sentence for finding in check_suites([suite]) if finding.wrong]
    assert any("takes too long on texts such as 'aaaa" in sentence for sentence in findings)


def test_a_search_leaves_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TooSlow):
        bounded(search, HOSTILE, TEXT, seconds=0.01)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_search_in_another_thread_is_bounded() -> None:
    results: list[object] = []

    def judge() -> None:
        results.append(bounded(search, r"(\w+\s?)*", "\ud800a"))
        try:
            bounded(search, HOSTILE, TEXT, seconds=0.02)
        except TooSlow:
            results.append("too slow")

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join()
    assert results == [True, "too slow"]


@pytest.mark.parametrize(
    "pattern",
    [
        *(HOSTILE, r"(a|aa)+$", r"(?:a|b|ab)*c", r"Answer: ([a-z]+)*x", r"(.*,){11}P", r"(?i)^(foo|Foo)*$"),
        r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*@[a-z]+$",
        r"<(\w+\s*=?\s*)*>",
    ],
)
def test_a_hostile_text_is_found(pattern: str) -> None:
    assert slow_text(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    ["", r"^\d+$", r"\s+$", r"(?i)\bparis\b", r"^(\w+\s)*\w+$", r"(?:[a-z]+,)*[a-z]+", "[[:alpha:]]+", r"(?s)a.*b.*c"],
)
def test_a_plain_pattern_is_not_reported(pattern: str) -> None:
    assert slow_text(pattern) is None


@given(
    st.sampled_from(["a+", "(a|b)*c", r"^\w*$", "[[:alpha:]]", "(?:foo){e<=1}", r"(?i)ß"]),
    st.text(alphabet="abcef1ß[:] "),
)
def test_a_bounded_search_finds_what_re_finds(pattern: str, text: str) -> None:
    assert found(pattern, text) == search(pattern, text)


def test_a_pattern_that_python_cannot_search_is_refused() -> None:
    for pattern in ("((x)|y|z)*+", r"(?P<a>\(a)?+", "(a){2,3}+"):
        with pytest.raises(ValueError, match="possessive repetition"):
            compiled(pattern)
    for pattern in ("(?>((x)|y|z)*)", r"(\)*+)", "(?:xy)++", r"\d++(a)"):
        compiled(pattern)


def test_an_open_fence_costs_little() -> None:
    assert json_in("```" + "a" * 200_000) is NO_JSON


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("^[a-z]+$", ["abc"], ["abc\n", "x\nabc"]),
        (r"^\d\w$", ["1a"], ["١a", "1é"]),
        (r"^(?<year>\d{4})-\k<year>$", ["2024-2024"], ["2024-2025"]),
        (r"^[^]\u{1F600}$", ["\n😀"], ["😀"]),
        ("(?i)^[a-z]+$", ["ABC"], ["ABC\n"]),
        (r"\A(?P<a>x)\Z", ["x"], ["x\n", "xA"]),
        ("(?s)^a.b", ["a\nb"], ["ab"]),
    ],
)
def test_schemas_have_patterns_of_ecma_262(pattern: str, found: list[str], missed: list[str]) -> None:
    members: dict[str, Any] = {"patternProperties": {pattern: {}, "(?i)^other$": {}, "^never$": False}}
    schemas: list[dict[str, Any]] = [{"pattern": pattern}, {**members, "additionalProperties": False}]
    schemas.append({"unevaluatedProperties": False, "allOf": [members]})
    for schema in schemas:
        check_schema(schema)
        texts = [*found, *missed]
        values = texts if "pattern" in schema else [{text: 1} for text in texts]
        problems = [first_problem(schema, value) for value in values]
        assert [bool(problem) for problem in problems] == [False] * len(found) + [True] * len(missed)
    assert first_problem({"pattern": pattern}, missed[0]).endswith(f"does not match {pattern!r}")


@pytest.mark.parametrize("pattern", ["[a", r"\p{L}", r"\e", "a++b++("])
def test_unreadable_patterns_are_refused_with_place(tmp_path: Path, pattern: str) -> None:
    named: dict[str, Any] = {"$schema": "http://json-schema.org/draft-04/schema#", "patternProperties": {pattern: {}}}
    tool = {"name": "t", "parameters": {"type": "object", "properties": {"a": {"pattern": pattern}}}}
    file = tmp_path / "suite.jsonl"
    refused = f"its pattern {pattern!r} is not a regular expression: "
    for line, field in (
        ({"id": "a", "prompt": "?", "expect": {"json_schema": named}}, "expect.json_schema"),
        ({"tool": tool}, "tool t: parameters"),
    ):
        file.write_text(json.dumps(line))
        with pytest.raises(SuiteError, match=re.escape(f"{field}: {refused}")) as caught:
            load_suite(file)
        assert "suite.jsonl:1" in str(caught.value)


def test_two_ways_to_write_a_pattern_both_count() -> None:
    schema: dict[str, Any] = {"patternProperties": {"^a{$": {"type": "integer"}, r"^a\{$": {"minimum": 2}}}
    assert first_problem(schema, {"a{": 2}) == ""
    assert first_problem(schema, {"a{": 1})
    assert first_problem(schema, {"a{": 2.5})
