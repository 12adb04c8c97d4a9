"""Cases in groups: each group counts once a pass, in a session and when its evidence is judged again."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import Project, long_suite, right, said


def test_groups_count_once_a_pass(long_project: Callable[..., Project]) -> None:
    """Nine prompts in three groups are fixed: without groups three passes are enough."""
    made = long_project({"rules": right(constrained=True)})
    lines = long_suite()
    items = [line for line in lines if str(line.get("id")).startswith("item-")]
    for number, line in enumerate(items):
        line["group"] = f"document {number // 3}"
    made.write_suite(lines)
    result = made.run("--selfopt-cycle")
    text = said(result)
    assert "in 4 passes over the same 12 prompts in 6 groups: each group counts once a pass" in text
    assert "PROMOTE atomic" in text
    again = made.selfopt("decide")
    assert "in 6 groups: each group counts once a pass" in " ".join(again.stdout.split())
    assert again.returncode == 0
