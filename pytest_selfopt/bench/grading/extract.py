"""Extraction of JSON from a model's text."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

# A minus after a digit, a letter or a bracket is a dash or an operator: 2024-05-17, Covid-19, (a)-5.
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]])[-+−][$€£¥]?)?"
    r"(?P<digits>\d{1,3}(?P<between>[,\u2009\u202f\u00a0 '])\d{3}(?:(?P=between)\d{3})*(?!\d)(?:\.\d+)?"
    r"|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"(?P<exponent>[eE][-+]?\d+)?"
)
# Possessive: a fence without its end would be searched anew for each character of its first line.
_FENCE = re.compile(r"```[^\n`{\[]*+(.*?)```", re.DOTALL)

NO_JSON = object()
"""Result of `json_in` for a text without JSON; None would stand for the JSON text `null`."""


def json_in(text: str) -> Any:
    """Parse the whole text as JSON, or else the first code fence that is; `NO_JSON` if neither is."""
    for candidate in (text, *_FENCE.findall(text)):
        try:
            return json.loads(candidate, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            continue
    return NO_JSON


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
