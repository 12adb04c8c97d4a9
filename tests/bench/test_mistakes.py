"""What people write by mistake is read as it was meant, or refused with place, field and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.errors import SuiteError

LINE = '{"id": "a", "prompt": "p", "expect": {"exact": "x"}}'
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def case(**fields: Any) -> str:
    return json.dumps({"id": "a", "prompt": "p", "expect": {"exact": "x"}, **fields})


def tool(**fields: Any) -> str:
    return json.dumps({"tool": {"name": "f", "parameters": SCHEMA, **fields}})


def parameters(**schema: Any) -> str:
    return tool(parameters=schema)


YAML = [
    ("cases:\n- id: a\n  prompt: p\n  expect:\n  exact: x", ":2: unknown field 'exact' of a case"),
    ("cases:\n\t- id: a", ":2: invalid YAML: while scanning for the next token, found character that cannot start any"),
    ("cases:\n\t- id: a", "; indent with spaces, not with tabs"),
    ("cases:\n  id: a\n  prompt: p", ":1: cases: expected a list, each entry of which begins with a hyphen, got {"),
    (
        "id: a\nprompt: p\nexpect: {exact: x}",
        ":1: expected a list of cases, got the fields of one; begin each case with",
    ),
    ("case:\n- id: a", ":1: unknown section 'case'; did you mean 'cases'?"),
    ("- id: 1\n  prompt: p\n  expect: {exact: x}", ":1: id: expected a text of 1 to 80 letters"),
    (
        "- id: a\n  prompt: a: b",
        ":2: invalid YAML: mapping values are not allowed in this context; a text with a colon",
    ),
    ("- id: a\n  prompt: |\n  b\n  c\n  expect: {}", "; the lines of a text are indented further than its name"),
    ("- id: a\n  prompt: {{x}}", ":2: a key must be a text, no list or object; a text that begins with { needs quotes"),
    ("- id: a\n  prompt: @me", "; a text that begins with @ needs quotes"),
    ("- id: a\n  prompt: *x* y", "; a text that begins with * or & needs quotes"),
    ("- id: a\n  prompt: 'it's'", "; check the indentation, and the quotes"),
    (
        '- id: a\n  expect: {regex: "\\d"}',
        ":2: invalid YAML: while parsing a quoted scalar, found unknown escape character; in",
    ),
    ("- id: a\n---\n- id: b", "; write all cases in one, without ---"),
    ("- id: a\n  prompt: p\n  expect: [{exact: x}]", ":1: expect: expected an object such as"),
    ("- cases: []", ":1: cases: no section here"),
    ("- {tool: {}, case: {}}", ":1: unknown field 'tool' beside 'case'"),
]
JSONL = [
    (LINE[:-1] + ",}", ":1: invalid JSON at column 5"),
    (LINE + ",", ":1: invalid JSON at column 53: Extra data; each entry has a line of its own"),
    (LINE.replace('"', "'"), "; names and texts stand in double quotes, and no comma before }"),
    ("// comment", "; JSON has no comments and no single quotes, and writes true, false and null"),
    (
        LINE.replace("a", "a\n", 1),
        ":1: invalid JSON at column 8: Unterminated string starting at; a line break in a text",
    ),
    (f"[\n{LINE},\n{LINE}\n]", "s.jsonl: is one JSON value over several lines; write each entry on one line, or name"),
    (json.dumps(json.loads(LINE), indent=1), "s.jsonl: is one JSON value over several lines"),
    (f'{{"tools": [], "cases": [{LINE}]}}', ":1: cases: no section here; each entry stands alone"),
    (case(prompt="\ud83d"), ":1: half a character"),
    (case(tags=["\ude00"]), ":1: half a character"),
    ('{"ID": "a", "Prompt": "p"}', ":1: unknown field 'ID' of a case; did you mean 'id'?"),
    ('{"prompt": "p"}', ":1: field 'id' is missing"),
    ('{"prompt": "p"}', ":1: case null: field 'expect' is missing"),
    ('{"id": "a", "expect": {"exact": "x"}}', ":1: needs either 'prompt' (a string) or 'messages'"),
    (case(messages="p"), ":1: needs either 'prompt'"),
    (case(expect={"name": "f", "arguments": {}}), ":1: expect: unknown field 'name'; a call is written {\"call\": {"),
    (case(expect={"tool_calls": []}), ":1: expect: unknown field 'tool_calls'; did you mean 'calls'?"),
    (case(expect={"calls": {"name": "f"}}), ':1: expect.calls: expected a non-empty list of calls, got {"name": "f"}'),
    (
        case(expect={"call": {"name": "f", "args": {}}}),
        ":1: expect.call: unknown field 'args'; did you mean 'arguments'?",
    ),
    (case(tools=['{"name": "f"}']), ":1: tools: expected names, or tools as objects without quotes around them"),
    (tool(parameters=json.dumps(SCHEMA)), ":1: tool f: parameters: expected a JSON Schema of an object, not a text"),
    (parameters(type="string"), ":1: tool f: parameters.type: expected 'object', because every argument has a name"),
    (parameters(x={"type": "integer"}), ":1: tool f: parameters: arguments such as 'x' belong inside of 'properties'"),
    (
        parameters(type="dict"),
        ": parameters: is not a valid JSON Schema: at $.type: 'dict' is no type; available: array",
    ),
    (
        parameters(properties={"x": {"type": "int"}}),
        ": is not a valid JSON Schema: at $.properties.x.type: 'int' is no type",
    ),
    (
        parameters(properties={"type": "int"}),
        ": is not a valid JSON Schema: at $.properties.type: 'int' is not of",
    ),
    (
        parameters(properties={"x": {"required": True}}),
        ": is not a valid JSON Schema: at $.properties.x.required: True",
    ),
    (tool(strict=True), ":1: unknown field 'strict' of a tool; available: name, description, parameters"),
]
CSV = [
    ("ID,Prompt,Exact", ":1: unknown column 'Prompt'; did you mean 'prompt'?"),
    ("id,prompt,expect", ":1: unknown column 'expect'; its fields are columns: call, calls, no_call"),
    ("prompt,exact\np,x", ":2: field 'id' is missing"),
    ('id,prompt,call\na,p,"{"name": "f"}"', ":2: invalid CSV: ',' expected after '\"'; in a cell between quotes"),
    ('id,prompt,tools,no_call\na,p,"f,g",TRUE', ":2: tools: unknown tool 'f'"),
    (
        "id,prompt,exact\na,p, q,x",
        ":2: this row and the header have different numbers of cells: 4 cells in",
    ),
    ('id,prompt,call\na,p,"{""name"": ""\\ud83d""}"', ":2: call: half a character"),
]


@pytest.mark.parametrize(
    ("suffix", "text", "sentence"),
    [(suffix, *row) for suffix, rows in (("yaml", YAML), ("jsonl", JSONL), ("csv", CSV)) for row in rows],
)
def test_a_mistake_is_told_with_advice(tmp_path: Path, suffix: str, text: str, sentence: str) -> None:
    path = tmp_path / f"s.{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError) as refused:
        load_suite(path)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.yaml", f"- case: {LINE}"),
        ("s.yaml", f"- tool: {json.dumps({'name': 'f'})}\n- {case(tools=['f'])}"),
        ("s.yaml", f"\ufeff- {LINE}\r\n"),
        ("s.yaml", json.dumps([json.loads(LINE)], indent="\t")),
        ("s.jsonl", f"\ufeff{LINE}\r\n\r\n"),
        ("s.csv", "id , prompt, exact\r\na,p,x\r\n"),
    ],
)
def test_what_was_meant_is_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    (read,) = load_suite(path).cases
    assert (read.id, read.prompt, read.expect.to_json()) == ("a", "p", {"exact": "x"})


def test_json_files_are_named_yaml(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text("[]")
    with pytest.raises(SuiteError, match=r"; JSON is read from a file that ends in \.yaml"):
        load_suite(path)
