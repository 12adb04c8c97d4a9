"""A decisions log that was changed: cycles refuse it, plain sessions go on, and a person may accept it."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import MODEL, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS
from tests.ledger.changed_logs import CHANGES, entries_of

Make = Callable[..., Project]


def test_cycles_refuse_a_changed_log_until_it_is_accepted(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    assert made.run("--selfopt-cycle", "--selfopt-no-prove").ret == 0
    before, state = made.routing(), made.path / ".selfopt"
    CHANGES["last line edited"](state)
    changed = (state / "routing_decisions.jsonl").read_bytes()
    for arguments in (("--selfopt-cycle",), ("--selfopt-cycle", "--selfopt-dry-run")):
        refused = made.run(*arguments)
        assert refused.ret == 4
        assert 'selfopt verify --accept "why"' in refused.stderr.str()
    rule = {"model": MODEL, "phase": "atomic", "allow": False, "fallback_model": "scripted/other", "reason": "by hand"}
    made.configure(f'{TWO_SPECS}[tool.selfopt.models."scripted/other"]\nbase_url = "{made.server.base_url}"\n')
    made.write_routing([*before["rules"], rule])
    plain = made.run()
    assert plain.ret in (0, 1)
    assert "is not the one that was written there" in said(plain)
    assert (state / "routing_decisions.jsonl").read_bytes() == changed
    made.write_routing(before["rules"])
    assert made.selfopt("verify", "--accept", "a test changed it").returncode == 0
    assert made.run("--selfopt-cycle", "--selfopt-no-prove").ret in (0, 10)
    assert "accepted" in [entry["kind"] for entry in entries_of(state)]
    assert made.selfopt("verify").returncode == 0
