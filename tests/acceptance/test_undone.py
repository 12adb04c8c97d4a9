"""After a rollback every page and command says what is in force now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.acceptance.conftest import BASELINE, MODEL, Project, right, short_suite

Make = Callable[..., Project]
WINNER = f"{MODEL}/atomic/schema/t60/r1/i0"
SPACE = (
    '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\n'
    "warmup = []\nisolation = []\nretries = []\ntimeouts = []\n"
)
PAGES = ("cycle-1.html", "index.html", "SELF_OPTIMIZING_REPORT.md")


def everything(made: Project) -> dict[str, str]:
    """What each command and page says, in words on one line."""
    reports = made.path / ".selfopt" / "reports"
    texts = {page: (reports / page).read_text() for page in PAGES}
    texts["history"] = made.selfopt("history").stdout
    texts["report"] = made.selfopt("report", "--format", "md").stdout
    texts["report of the cycle"] = made.selfopt("report", "--cycle", "1", "--format", "md").stdout
    return {name: " ".join(re.sub("<[^>]+>|`", "", text).split()) for name, text in texts.items()}


def test_after_a_rollback_nothing_calls_the_winner_in_force(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    made.write_suite(short_suite())
    made.configure(SPACE)
    assert made.run("--selfopt-cycle").ret == 0
    before = everything(made)
    assert made.selfopt("rollback").returncode == 0
    for name, text in everything(made).items():
        assert re.search(f"[Ii]n force now( in atomic)?(:| is) {BASELINE}", text), name
        assert "Nothing more is needed" not in text, name
        assert "rolled back" in text, name
    over_all = made.selfopt("report", "--format", "md").stdout
    assert "# 1 promotion in 1 cycle, 1 of them rolled back: atomic 3 of 21 answers right" in over_all
    assert "selfopt rollback --redo 1 takes the rollback back." in over_all
    assert "| schema (in force after cycle 1) |" in over_all
    assert "| baseline (in force) |" in over_all
    learned = (made.path / ".selfopt" / "LEARNED.md").read_text()
    assert f"In force when this was written: `{BASELINE}`, 3 of 21 answers right" in learned
    report = json.loads(made.selfopt("report", "--format", "json").stdout)["phases"][0]
    assert (report["in_force"], report["in_force_now"]) == (WINNER, BASELINE)
    assert made.selfopt("rollback", "--redo", "1").returncode == 0
    after = everything(made)
    for name in ("history", "report of the cycle"):
        # The decisions, which follow the rules, now tell of the rollback.
        assert after[name].partition("## Rules")[0] == before[name].partition("## Rules")[0]
    # A rule by hand counts, too, and so does a model that nothing stands in for.
    made.write_routing([{"model": MODEL, "phase": "atomic", "allow": False}])
    shown = made.selfopt("history").stdout
    assert "in force now in atomic: nothing, because the model is disabled and has no fallback" in shown
