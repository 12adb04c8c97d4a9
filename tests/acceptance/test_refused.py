"""A candidate whose every call is refused is told once, and not asked again."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import CALLS, RESTRAINT, Project, said

ONLY_SCHEMA = """
overlap = false
[tool.selfopt.search]
variants = ["native_api", "schema"]
retries = [1]
timeouts = [60]
warmup = [false]
isolation = [false]
"""
REFUSED = {"when": {"constrained": True}, "then": {"status": 400, "message": "cannot resolve $ref #/$defs/X"}}
CASES = CALLS + RESTRAINT


def test_a_refused_candidate_is_stopped_for_good(project: Callable[..., Project]) -> None:
    made = project({"rules": [REFUSED]})
    made.configure(ONLY_SCHEMA)
    first = said(made.run("--selfopt-cycle"))
    assert f"errors: the server refused all {CASES} calls (HTTP status 400: " in first
    assert "cannot resolve $ref #/$defs/X" in first
    assert "REJECT schema" in first
    assert f"{4 * CASES} calls in" in first
    dry = said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    assert "not tried again: scripted/model/atomic/schema/t60/r1/i0, because its server refused every call (" in dry
    assert "cannot resolve $ref #/$defs/X)" in dry
    again = said(made.run("--selfopt-cycle"))
    assert "candidate:" not in again
