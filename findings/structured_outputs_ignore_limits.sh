#!/usr/bin/env bash
# Packages: outlines-core 0.2.14, lm-format-enforcer 0.11.3, llguidance 1.9.1 (PyPI).
#
# Behaviour: these three hold a model to a JSON Schema while it writes. Two of them drop limits without a word: with
# outlines-core and lm-format-enforcer 99 is let through for a maximum of 10, 19.999 as a multiple of 0.01, the same
# item twice where items are unique, and one key where two are the least. llguidance keeps the limits that it knows and
# refuses a schema with others. The other way round, all but lm-format-enforcer allow only the order of keys that the
# schema has, and a pattern that matches anywhere in JSON Schema has to match the whole text in outlines-core and
# lm-format-enforcer. So a reply that was held to a schema may still break it, and one that keeps it may be out of
# reach.
#
# Guess before: what a decoder cannot keep, it refuses when it reads the schema.
#
# Output seen:
#   above maximum 10: outlines True, lm-format-enforcer True, llguidance False
#   no multiple of 0.01: outlines True, lm-format-enforcer True, llguidance False
#   unique items: outlines True, lm-format-enforcer True, llguidance refused
#   fewer keys than 2: outlines True, lm-format-enforcer True, llguidance False
#   fewer items than 2: outlines False, lm-format-enforcer False, llguidance False
#   shorter than 2: outlines False, lm-format-enforcer False, llguidance False
#   valid: pattern inside: outlines False, lm-format-enforcer False, llguidance True
#   valid: other order: outlines False, lm-format-enforcer True, llguidance False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python \
  outlines-core==0.2.14 lm-format-enforcer==0.11.3 llguidance==1.9.1
cat >check.py <<'SCRIPT'
import json
import re

from llguidance import LLMatcher, LLTokenizer
from lmformatenforcer import JsonSchemaParser
from outlines_core.json_schema import build_regex_from_schema

BYTES = LLTokenizer("byte")


def llguidance(schema, text):
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    if matcher.is_error():
        return "refused"
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


def outlines(schema, text):
    return re.fullmatch(build_regex_from_schema(json.dumps(schema)), text) is not None


def enforcer(schema, text):
    parser = JsonSchemaParser(schema)
    for letter in text:
        if letter not in parser.get_allowed_characters():
            return False
        parser = parser.add_character(letter)
    return parser.can_end()


def object_of(required=("a",), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
CASES = (
    ("above maximum 10", object_of(a={**INTEGER, "maximum": 10}), '{"a": 99}'),
    ("no multiple of 0.01", object_of(a={"type": "number", "multipleOf": 0.01}), '{"a": 19.999}'),
    ("unique items", object_of(a={"type": "array", "items": INTEGER, "uniqueItems": True}), '{"a": [1, 1]}'),
    ("fewer keys than 2", {**object_of(a=INTEGER), "minProperties": 2}, '{"a": 1}'),
    ("fewer items than 2", object_of(a={"type": "array", "items": INTEGER, "minItems": 2}), '{"a": [1]}'),
    ("shorter than 2", object_of(a={**TEXT, "minLength": 2}), '{"a": "x"}'),
    ("valid: pattern inside", object_of(a={**TEXT, "pattern": "[0-9]{2}"}), '{"a": "in 12 days"}'),
    ("valid: other order", object_of("ab", a=INTEGER, b=TEXT), '{"b": "x", "a": 1}'),
)
for label, schema, text in CASES:
    print(f"{label}: outlines {outlines(schema, text)}, lm-format-enforcer {enforcer(schema, text)},", end=" ")
    print(f"llguidance {llguidance(schema, text)}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
above maximum 10: outlines True, lm-format-enforcer True, llguidance False
no multiple of 0.01: outlines True, lm-format-enforcer True, llguidance False
unique items: outlines True, lm-format-enforcer True, llguidance refused
fewer keys than 2: outlines True, lm-format-enforcer True, llguidance False
fewer items than 2: outlines False, lm-format-enforcer False, llguidance False
shorter than 2: outlines False, lm-format-enforcer False, llguidance False
valid: pattern inside: outlines False, lm-format-enforcer False, llguidance True
valid: other order: outlines False, lm-format-enforcer True, llguidance False
EXPECTED
