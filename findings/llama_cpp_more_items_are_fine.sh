#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: `maxItems` of a list in `response_format` is bounded in the middle only. Up to 1,998 it is enforced; with
# 2,000 every call is refused (status 400, "failed to parse grammar"); with 3,000, or 100,000, the call is answered, and
# the grammar takes any number of items. `minItems` of 1 beside it lifts the refusal of 2,000. `maxLength` is never
# refused: above 2,000 it is dropped without a word. `minLength` is the other way about: 2,000 is enforced, and anything
# above it refused.
#
# Guess before: a limit is refused from some size on, so that a smaller `maxItems` is always at least as good, and the
# lengths of texts and lists have the same limit.
#
# Output seen:
#   maxItems 1998: answered
#   maxItems 2000: refused
#   maxItems 3000: answered
#   maxItems 100000: answered
#   minItems 1, maxItems 2000: answered
#   maxLength 100000: answered
#   minLength 2000: answered
#   minLength 2001: refused
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import urllib.error

from asking import ask, user


def is_answered(schema):
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": whole}}
    try:
        ask("/v1/chat/completions", messages=user("Hello."), response_format=form, max_tokens=1)
    except urllib.error.HTTPError as problem:
        if problem.code == 400:
            return False
        raise
    return True


LIST = {"type": "array", "items": {"type": "string"}}
TEXT = {"type": "string"}
for schema, limits in (
    (LIST, {"maxItems": 1998}),
    (LIST, {"maxItems": 2000}),
    (LIST, {"maxItems": 3000}),
    (LIST, {"maxItems": 100000}),
    (LIST, {"minItems": 1, "maxItems": 2000}),
    (TEXT, {"maxLength": 100000}),
    (TEXT, {"minLength": 2000}),
    (TEXT, {"minLength": 2001}),
):
    written = ", ".join(f"{keyword} {value}" for keyword, value in limits.items())
    print(f"{written}: {'answered' if is_answered({**schema, **limits}) else 'refused'}", flush=True)
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
maxItems 1998: answered
maxItems 2000: refused
maxItems 3000: answered
maxItems 100000: answered
minItems 1, maxItems 2000: answered
maxLength 100000: answered
minLength 2000: answered
minLength 2001: refused
EXPECTED
