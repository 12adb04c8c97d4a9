"""What `selfopt` answers after cycles: why, history, decide; and the way back by rollback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.decisions import read_decisions
from tests import warm
from tests.acceptance.conftest import MODEL, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS

Make = Callable[..., Project]
RULE = f"{MODEL}::atomic"


def promoted(project: Make) -> Project:
    """A project whose first cycle has promoted `schema`."""
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    assert made.run("--selfopt-cycle").ret == 0
    return made


@pytest.mark.parametrize("name", [[RULE], [MODEL, "atomic"]])
def test_why_explains_decision_gates_and_trials(long_project: Make, name: list[str]) -> None:
    shown = promoted(long_project).selfopt("why", *name)
    assert shown.returncode == 0
    text = " ".join(shown.stdout.split())
    for part in (
        f"{MODEL} in atomic: {MODEL}",
        "the rule is confirmed, from selfopt-cycle, cycle 1",
        "promote: promoted scripted/model/atomic/schema/t60/r1/i0 (variant native_api → schema)",
        "passed no_regression: fixed 27 answers, broke 0: odds",
        "rests on served model model rests on provider openai at 127.0.0.1/v1 rests on variant schema",
        "trials of cycle 1 in ledger.sqlite",
        "scripted/model/atomic/native_api/t60/r1/i0: 9 of 36 right",
        "scripted/model/atomic/schema/t60/r1/i0: 36 of 36 right",
    ):
        assert part in text, part


def test_why_says_when_nothing_is_known(project: Make) -> None:
    made = project()
    assert "no rule applies to it" in made.selfopt("why", MODEL, "atomic").stdout
    wrong = made.selfopt("why", "nobody")
    assert (wrong.returncode, 'name a rule as "model::phase"' in wrong.stderr) == (4, True)


def test_a_reader_may_close_the_pipe_early(project: Make) -> None:
    made = promoted(project)
    command = f"{warm.python()} -m pytest_selfopt.cli why {MODEL} atomic | head -1"
    shown = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=made.path, capture_output=True, text=True)
    assert shown.stdout.startswith(f"{MODEL} in atomic")
    assert (shown.returncode, shown.stderr) == (0, "")


def test_history_shows_the_accuracy_rising(long_project: Make) -> None:
    made = promoted(long_project)
    made.run("--selfopt-cycle")
    shown = made.selfopt("history").stdout
    assert "accuracy of what is in force in atomic, by cycle" in shown
    curve = [
        f"     0  0.250  {'#' * 10}  first baseline",
        f"     1  1.000  {'#' * 40}  promoted",
        f"     2  1.000  {'#' * 40}",
    ]
    assert "\n".join(curve) in shown
    missing = made.selfopt("history", "--state-dir", "elsewhere")
    assert (missing.returncode, "--state-dir elsewhere: there is no such folder" in missing.stderr) == (4, True)


def test_a_rolled_back_promotion_is_not_repeated(project: Make) -> None:
    made = promoted(project)
    before = made.routing()["rules"]
    dry = made.selfopt("rollback", "--dry-run")
    assert dry.stdout.startswith(
        f"would be done: the rule for {MODEL} in atomic is removed, there was none before the "
    )
    assert made.routing()["rules"] == before
    done = made.selfopt("rollback")
    assert (done.returncode, made.routing()["rules"]) == (0, [])
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    assert [entry["kind"] for entry in read_decisions(log)] == ["promote", "rollback"]
    assert verify(log.parent).ok
    again = made.run("--selfopt-cycle")
    assert "variant schema was taken back by hand (" in said(again)
    assert f"selfopt rollback --redo {RULE} allows it again" in said(again)
    assert "atomic: nothing was left to try; what is in force stays" in said(again)
    assert "REJECT" not in said(again)
    assert made.routing()["rules"][0]["variant"] == "native_api"


def test_a_rollback_can_be_taken_back(project: Make) -> None:
    made = promoted(project)
    before = made.routing()["rules"]
    assert made.selfopt("rollback").returncode == 0
    for what in ((), ("1",), (RULE,), ("--dry-run",)):
        twice = made.selfopt("rollback", *what)
        assert (twice.returncode, "and nothing was decided since. selfopt rollback --redo" in twice.stderr) == (4, True)
    none = made.selfopt("rollback", "--further")
    assert (none.returncode, "no decision that changed a rule stands" in none.stderr) == (4, True)
    assert made.selfopt("rollback", "--redo", RULE).returncode == 0
    assert made.routing()["rules"] == before
    again = made.selfopt("rollback", "--redo")
    assert (again.returncode, "no rollback stands" in again.stderr) == (4, True)


def test_what_is_allowed_again_may_be_promoted(project: Make) -> None:
    made = promoted(project)
    assert made.selfopt("rollback", "1").returncode == 0
    made.run("--selfopt-cycle")
    allowed = made.selfopt("rollback", "--redo").stdout
    assert "cycles may decide again about variant schema" in allowed
    assert "the rule was changed since, and stays as it is" in allowed
    assert "PROMOTE" in said(made.run("--selfopt-cycle"))
    assert made.routing()["rules"][0]["variant"] == "schema"


@pytest.mark.parametrize("what", ["1", RULE])
def test_cycles_and_rules_roll_back_by_name(project: Make, what: str) -> None:
    made = promoted(project)
    other = {"model": "mine", "phase": "atomic", "note": "by hand"}
    document = made.routing()
    document["rules"].append(other)
    (made.path / "routing_config.json").write_text(json.dumps(document))
    assert made.selfopt("rollback", what).returncode == 0
    (kept,) = made.routing()["rules"]
    assert (kept["model"], kept["note"]) == ("mine", "by hand")


@pytest.mark.parametrize(
    ("what", "complaint"),
    [("7", "no decision of cycle 7 or a later one that changed a rule stands"), ("x::y", "no decision about 'x::y'")],
)
def test_an_unknown_change_cannot_be_undone(project: Make, what: str, complaint: str) -> None:
    done = promoted(project).selfopt("rollback", what)
    assert (done.returncode, complaint in done.stderr) == (4, True)


def test_without_decisions_nothing_is_undone(project: Make) -> None:
    made = project()
    done = made.selfopt("rollback")
    assert (done.returncode, "there is nothing to undo" in done.stderr) == (4, True)
    assert not (made.path / ".selfopt").exists()


def test_a_manual_change_is_not_overwritten(project: Make) -> None:
    made = promoted(project)
    document = made.routing()
    document["rules"][0]["timeout"] = 5
    (made.path / "routing_config.json").write_text(json.dumps(document))
    done = made.selfopt("rollback")
    assert (done.returncode, "changed by hand or by a later cycle" in done.stderr) == (4, True)
    assert made.routing() == document


def test_the_same_gates_redecide_identically(project: Make) -> None:
    made = project({"rules": [*right(constrained=True)[:4], *right(native=True)[:2]], "seed": 3})
    assert made.run("--selfopt-cycle").ret in (0, 10)
    made.run("--selfopt-cycle")
    asked = made.server.seen.asked
    for cycle in (1, 2):
        again = made.selfopt("decide", str(cycle), "--json")
        assert again.returncode == 0
        (found,) = json.loads(again.stdout)
        recorded = made.history()[cycle - 1]["verdicts"]
        assert json.dumps(found["verdicts"]) == json.dumps(recorded)
        assert "as it was decided" in made.selfopt("decide", str(cycle)).stdout
    assert made.server.seen.asked == asked


def test_other_gates_redecide_differently(project: Make) -> None:
    made = promoted(project)
    made.configure(TWO_SPECS + "[tool.selfopt.gates]\nlatency = 0.000001\n")
    again = made.selfopt("decide").stdout
    assert "cycle 1, atomic: NOT as it was decided" in again
    assert "REJECT (then PROMOTE) scripted/model/atomic/schema/t60/r1/i0" in again
    assert made.routing()["rules"][0]["variant"] == "schema", "deciding again writes nothing"


def test_only_decided_cycles_can_be_redecided(project: Make) -> None:
    made = project({"rules": right()})
    assert "there is no ledger" in made.selfopt("decide").stderr
    made.run("--selfopt-cycle", "--selfopt-max-calls", "5")
    undecided = made.selfopt("decide", "1")
    assert (undecided.returncode, "cycle 1 was not decided; decided cycles: none" in undecided.stderr) == (4, True)
