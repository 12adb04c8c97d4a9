"""The headline of a phase names the gate that asked for its verdict."""

from __future__ import annotations

from pytest_selfopt.session.terminal.headlines import headline
from tests.loop.test_cycle import concluded


def test_a_rejection_is_no_hold() -> None:
    """The baseline's runs differ, which would hold; the candidate is rejected because it is behind."""
    conclusion = concluded(["PPP"] * 12, ["PFF"] * 12)
    lines = [line.text for line in headline(conclusion, 1)]
    assert lines[0].startswith("REJECT")
    (gate,) = [gate for gate in conclusion.judgements[0].gates if gate.name == "variance"]
    assert not gate.passed
    assert not any("gate variance" in line for line in lines)
