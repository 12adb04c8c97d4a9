"""Answers that end at their limit of tokens: diagnosed, and the limit raised, on trial or as a candidate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.routing.resolve import resolve
from tests.acceptance.conftest import BASELINE, CALLS, MODEL, Project, right, said

Make = Callable[..., Project]
THINKS = 5
"""The items that take long thoughts."""
NOTHING_ELSE = """
[tool.selfopt.search]
variants = []
warmup = []
isolation = []
retries = []
timeouts = []
"""
NEEDED = "/max256"


def cut_off(tokens: int = 256, **when: Any) -> list[dict[str, Any]]:
    """Rules by which answers of the first items need this many tokens, and are thoughts alone below it."""
    return [
        {"when": {"prompt": f"item {index}.", "max_tokens_below": tokens, **when}, "then": {"finish": "length"}}
        for index in range(THINKS)
    ]


def thinking(project: Make, extra: str = NOTHING_ELSE, tokens: int = 256) -> Project:
    """A project whose model may use 64 tokens, which is too few."""
    made = project({"rules": [*cut_off(tokens), *right()], "default": {"text": "Hello!"}})
    made.configure(f"max_tokens = 64\n{extra}")
    return made


def test_one_command_confirms_more_tokens(long_project: Make) -> None:
    made = thinking(long_project)
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert (
        "diagnosis: cut off: 15 of 36 answers ended at the limit of 64 tokens, "
        "all of them before a word was said; raise max"
    ) in said(result)
    assert f"on trial: more_tokens for {MODEL} in atomic" in said(result)
    assert f"confirmed more_tokens for {MODEL} in atomic: PROMOTE atomic: fixed" in said(result)
    assert "of them had not come at all" in said(result)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["sampling"]["max_tokens"]) == ("confirmed", 256)
    assert made.history()[-1]["baseline_after"] == BASELINE + NEEDED


def test_a_held_trial_goes_on_once(project: Make) -> None:
    """One prompt in seven passes is short of the odds; the next cycle goes on with it, beside other candidates."""
    made = thinking(project, "")
    made.server.play({"rules": [*cut_off()[:1], *right()], "default": {"text": "Hello!"}})
    first = made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-candidates", "2")
    assert "HOLD max_tokens default→256: fixed 7 answers (7 of them had not come at all)" in said(first)
    assert made.routing()["rules"][0]["status"] == "trial"
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").sampling == {"max_tokens": 256}
    second = made.run("--selfopt-cycle", "--selfopt-candidates", "2")
    assert said(second).count("candidate: max_tokens default → 256") == 1
    assert f"confirmed more_tokens for {MODEL} in atomic: PROMOTE atomic: fixed" in said(second)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["sampling"]["max_tokens"]) == ("confirmed", 256)


def test_a_refused_limit_is_taken_back(project: Make) -> None:
    """The provider allows no more than the model has: asking for more is no error, and changes nothing."""
    made = thinking(project)
    hello = {"when": {"max_tokens_below": 65}, "then": {"text": "Hello!"}}
    refusal = {"status": 400, "message": "max_tokens is too large: 256. This model supports at most 64 tokens."}
    made.server.play({"rules": [*cut_off(65), *right(max_tokens_below=65), hello], "default": refusal})
    result = made.run("--selfopt-cycle")
    assert f"rolled back more_tokens for {MODEL} in atomic: REJECT atomic: fixed 0 answers, broke 0" in said(result)
    assert f"{MODEL}: at most 64 tokens instead of 256" in said(result)
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").sampling is None


def test_a_step_in_vain_is_followed_by_the_next(long_project: Make) -> None:
    """Thoughts may need far more than one step adds; a proof is not the end of a series of cycles."""
    made = thinking(long_project, tokens=1024)
    series = said(made.run("--selfopt-cycles", "2"))
    assert f"rolled back more_tokens for {MODEL} in atomic: REJECT" in series
    assert "next cycle, atomic: tries max_tokens default→1024" in series
    assert "candidate: max_tokens default → 1024 (the last diagnosis asks for it (more_tokens))" in series
    assert "PROMOTE atomic: max_tokens default→1024, 36 of 36 answers right instead of 21 of 21 (15 missing)" in series
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").sampling == {
        "temperature": 0.0,
        "max_tokens": 1024,
    }


def test_switched_off_more_tokens_is_a_candidate(long_project: Make) -> None:
    made = thinking(long_project, f"{NOTHING_ELSE}[tool.selfopt.actions]\nmore_tokens = false\n")
    first = made.run("--selfopt-cycle")
    assert "skipped more_tokens: this action is switched off" in said(first)
    second = made.run("--selfopt-cycle")
    assert "PROMOTE atomic: max_tokens default→256, 36 of 36 answers right" in said(second)
    assert second.ret == 0


def test_the_search_has_no_higher_limit(project: Make) -> None:
    made = thinking(project, f"{NOTHING_ELSE}max_tokens = [16, 64]\n")
    assert "skipped more_tokens: the search space has no higher max_tokens to offer" in said(
        made.run("--selfopt-cycle")
    )
    made.configure(f"{NOTHING_ELSE}max_tokens = [0]\n")
    refused = made.run("--selfopt-cycle")
    assert "search: max_tokens: 0 must be 1 to 1,000,000" in refused.stderr.str()


@pytest.mark.parametrize("thinks", [2, CALLS])
def test_one_candidates_cut_offs_decide_nothing(project: Make, thinks: int) -> None:
    """Neither promoted for what it answers, nor rejected for what it cannot: the evidence on it is short."""
    cut = [
        {"when": {"prompt": f"item {index}.", "constrained": True}, "then": {"finish": "length"}}
        for index in range(thinks)
    ]
    some = [rule for rule in right() if rule["when"]["prompt"] != "item 8."]
    made = project({"rules": [*cut, *right(constrained=True), *some], "default": {"text": "Hello!"}})
    made.configure(NOTHING_ELSE.replace("variants = []", 'variants = ["native_api", "schema"]'))
    result = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert "HOLD schema: " in said(result)
    assert "in force now: " + BASELINE in said(result)
    assert "cut off" not in said(result).partition("diagnosis: ")[2]
    assert made.history()[0]["verdicts"][0]["verdict"] == "HOLD"


def test_the_configured_sampling_stays(project: Make) -> None:
    """A rule that sets the limit alone leaves the temperature and the seed as they are configured."""
    made = thinking(
        project,
        f'{NOTHING_ELSE}[tool.selfopt.phases.atomic]\nbaseline = "{BASELINE}/temp0.5/seed3"\n',
    )
    made.write_routing([{"model": MODEL, "phase": "atomic", "sampling": {"max_tokens": 300}}])
    made.run("--selfopt-cycle", "--selfopt-candidates", "1")
    asked = made.server.seen.requests[-1]
    assert (asked["max_tokens"], asked["temperature"], asked["seed"]) == (300, 0.5, 3)


def test_feedback_by_hand_raises_the_limit(project: Make) -> None:
    made = thinking(project)
    more: dict[str, Any] = {"target": f"{MODEL}::atomic", "action": "more_tokens", "reason": "cut off"}

    def enforced(**value: Any) -> str:
        (made.path / "more.json").write_text(json.dumps({"recommendations": [{**more, **value}]}))
        return made.selfopt("enforce", "more.json").stdout

    assert f"on trial: more_tokens for {MODEL} in atomic: cut off" in enforced()
    assert made.routing()["rules"][0]["sampling"] == {"max_tokens": 256}
    assert f"skipped more_tokens: {MODEL} already has max_tokens 256 in atomic" in enforced(max_tokens=256)
    assert "'max_tokens' must be a number above 0 and at most 1000000, not 0" in enforced(max_tokens=0)
    assert "1 applied" in enforced(max_tokens=2000, reason="cut off still")
    assert "more_tokens for nobody::atomic: unknown model 'nobody'" in enforced(target="nobody::atomic")
    undone = made.selfopt("rollback", f"{MODEL}::atomic").stdout
    assert "as it was before" in undone
    assert made.routing()["rules"][0]["sampling"] == {"max_tokens": 256}


def test_reports_count_how_answers_ended(long_project: Make) -> None:
    made = thinking(long_project)
    filtered = {"when": {"prompt": "item 8."}, "then": {"text": "<b>no</b>", "finish": "strange_<i>"}}
    made.server.play({"rules": [*cut_off(), filtered, *right()], "default": {"text": "Hello!"}})
    made.run("--selfopt-cycle", "--selfopt-no-prove")
    assert (
        "15 (15 cut off); 15 ended at the limit of tokens; 3 ended with strange"
        in made.selfopt("report", "--format", "md").stdout
    )
    document = json.loads(made.selfopt("report", "--format", "json").stdout)
    assert document["phases"][0]["specs"][0]["measured"]["unusual_ends"] == {"length": 15, "strange_<i>": 3}
    page = (made.path / ".selfopt" / "reports" / "cycle-1.html").read_text()
    assert "<small>15 ended at the limit of tokens</small><small>3 ended with strange &lt;i&gt;</small>" in page
    (metrics,) = made.history()[0]["metrics"].values()
    assert metrics["unusual_ends"] == {"length": 15, "strange_<i>": 3}
    profile = " ".join(made.selfopt("profile", MODEL).stdout.split())
    assert "answers 15 (41.7%) ended at the limit of tokens, 3 (8.3%) ended with strange <i>" in profile
