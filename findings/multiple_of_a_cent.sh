#!/usr/bin/env bash
# Packages: jsonschema 4.26.0, fastjsonschema 2.22.3, jsonschema-rs 0.61.2, pydantic 2.14.4 (PyPI).
#
# Behaviour: a price with two decimals is `{"type": "number", "multipleOf": 0.01}`. By jsonschema, which divides binary
# fractions, 19.99, 0.29 and 4.35 are no multiples of 0.01, and 1.1 is one; the three others take them all. So the same
# right tool call is valid or not, and the arguments that Pydantic takes for a field with `multiple_of=0.01` do not
# satisfy the schema that Pydantic makes of that field.
#
# Guess before: a value that is written with two decimals is a multiple of 0.01 for all of them.
#
# Output seen:
#   {'multipleOf': 0.01, 'type': 'number'}
#   1.1: pydantic True, jsonschema True, fastjsonschema True, jsonschema-rs True
#   19.99: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
#   0.29: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
#   4.35: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
#   19.995: pydantic False, jsonschema False, fastjsonschema False, jsonschema-rs False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python \
  jsonschema==4.26.0 fastjsonschema==2.22.3 jsonschema-rs==0.61.2 pydantic==2.14.4
cat >check.py <<'SCRIPT'
from typing import Annotated

import fastjsonschema
import jsonschema
import jsonschema_rs
from pydantic import Field, TypeAdapter, ValidationError

price = TypeAdapter(Annotated[float, Field(multiple_of=0.01)])
schema = price.json_schema()
print(schema)
fast = fastjsonschema.compile(schema)


def takes(function, value):
    try:
        function(value)
    except (ValidationError, fastjsonschema.JsonSchemaException):
        return False
    return True


for value in (1.1, 19.99, 0.29, 4.35, 19.995):
    print(
        f"{value}: pydantic {takes(price.validate_python, value)},",
        f"jsonschema {jsonschema.Draft202012Validator(schema).is_valid(value)},",
        f"fastjsonschema {takes(fast, value)},",
        f"jsonschema-rs {jsonschema_rs.is_valid(schema, value)}",
    )
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
{'multipleOf': 0.01, 'type': 'number'}
1.1: pydantic True, jsonschema True, fastjsonschema True, jsonschema-rs True
19.99: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
0.29: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
4.35: pydantic True, jsonschema False, fastjsonschema True, jsonschema-rs True
19.995: pydantic False, jsonschema False, fastjsonschema False, jsonschema-rs False
EXPECTED
