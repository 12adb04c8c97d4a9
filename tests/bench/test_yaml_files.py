"""YAML is read as 1.2 with JSON's types, with the line of every problem."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_selfopt.bench.loading.yaml_changes import describe_changes
from pytest_selfopt.bench.loading.yaml_files import DEEPEST, YamlProblem, read_yaml

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:-#0 no", max_size=4), inner, max_size=3),
    max_leaves=8,
)
LAUGHS = "\n".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[yes, No, on, OFF, y]", ["yes", "No", "on", "OFF", "y"]),
        ("[true, False, TRUE, null, ~, Null]", [True, False, True, None, None, None]),
        ("[0777, 0o777, 0x1F, +1, -0]", [777, 511, 31, 1, 0]),
        ("[12:30, 190:20:30, 2024-01-01, 1_000, 0b11]", ["12:30", "190:20:30", "2024-01-01", "1_000", "0b11"]),
        ("[1.0, 1e3, .5, -.5, 5.]", [1.0, 1000.0, 0.5, -0.5, 5.0]),
        ("on: 1\noff: 2", {"on": 1, "off": 2}),
        ("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3", {"base": {"x": 1, "y": 2}, "own": {"x": 1, "y": 3}}),
        ('"<<": 1', {"<<": 1}),
        ("!!str 12", "12"),
        (r"""{"\ud83d\ude00": ["\uD83D\uDE00 \\ud83d", '\ud83d']}""", {"😀": ["😀 \\ud83d", r"\ud83d"]}),
        ("=", "="),
        ("- 'a\u2028   b'\n- \"c\x85 \\ue000\"\n- \u2029", ["a\u2028   b", "c\x85 \ue000", "\u2029"]),
        ("", None),
    ],
)
def test_the_core_schema_is_read(text: str, value: Any) -> None:
    assert read_yaml(text).value == value


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", 3, "duplicate key 'a'"),
        ("a: 1\n1: x", 2, "the key 1 is not a text; write '1' in quotes"),
        ("~: x", 1, "the key ~ is not a text"),
        ("? [a]\n: x", 1, "a key must be a text"),
        ("a: .nan", 1, ".nan is not a JSON number"),
        ("a:\n  - -.inf", 2, "-.inf is not a JSON number"),
        ("a: 1e999", 1, "the number 1e999 is too large"),
        ("a: !!set {b}", 1, "the tag !!set is none of JSON's types"),
        ("a: !!binary aGk=", 1, "the tag !!binary is none"),
        ("\n- !!python/name:os.system", 2, "the tag !!python/name:os.system is none"),
        ("a: !!int x", 1, "'x' is not a value of the type !!int"),
        ("<<: 1", 1, "<<: expected an object"),
        ('a: 1\nb: "x \\ud83d"', 2, "half a character"),
        (r'"\ude00\ud83d"', 1, "half a character"),
        ("a: 1\nb: \ud83d", 2, "half a character"),
        (r'"\ud83d\ude00 \UFFFFFFFF"', 0, "invalid YAML: found invalid Unicode character"),
        (r'"\UFFFFFFFF"', 1, "found invalid Unicode character"),
        ("--- 1\n--- 2", 2, "expected a single document"),
        ("&a [*a]", 1, "an alias stands for something that contains it"),
        (f"a0: &a0 [lol]\n{LAUGHS}", 7, "aliases repeat too much"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), 1, "nested too deeply"),
        ("[" * 100_000, 1, "invalid YAML"),
        ("\0", 0, "invalid YAML"),
    ],
)
def test_what_json_cannot_say_is_refused(text: str, line: int, sentence: str) -> None:
    with pytest.raises(YamlProblem) as refused:
        read_yaml(text)
    assert sentence in str(refused.value)
    assert refused.value.line == line


def test_values_that_changed_are_told() -> None:
    document = read_yaml("- no\n- 0777\n- 2024-02-30\n- 'no'\n- !!str no\n- 12 men\n- 1.5\n- 12:30\n- on: 1_0\n")
    sentence = describe_changes(document.changes)
    for part in (
        "line 1: no is a text, was false",
        "line 2: 0777 is 777, was 511",
        "line 3: 2024-02-30 is a text, was an error",
        "line 8: 12:30 is a text, was 750",
        "line 9: on is a text, was true; and 1 more",
    ):
        assert part in sentence
    assert len(document.changes) == 6


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    # PyYAML does not quote texts that are numbers in YAML 1.2 only, such as 0E0 and 0o0.
    try:
        document = read_yaml(yaml.safe_dump(value))
    except YamlProblem as problem:
        assume("is not a text" not in str(problem))
        raise
    assume(not document.changes)
    assert document.value == value


@given(st.dictionaries(st.text("abc", min_size=1), st.integers() | st.booleans() | st.text('abc"\\\n😀')))
def test_yaml_holds_json(value: dict[str, Any]) -> None:
    assert read_yaml(json.dumps(value)).value == value


@given(st.text("ab01.:-+_ox&*<!~#'\"[]{},? \n", max_size=60))
def test_any_text_is_json_or_a_problem(text: str) -> None:
    with contextlib.suppress(YamlProblem):
        value = read_yaml(text).value
        assert json.loads(json.dumps(value, allow_nan=False)) == value
