"""Reports as data: by their schema, and made of whatever other versions have left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.report.curve import curve_of, cycle_lines
from pytest_selfopt.report.document import Report, to_json
from pytest_selfopt.report.headline import headline_of_cycle, headline_of_history
from pytest_selfopt.report.markdown import as_markdown
from pytest_selfopt.report.phases import PhaseStory, phase_report
from pytest_selfopt.trial import Outcome, Trial
from tests.report import samples, schema

BASELINE, CANDIDATE = "m/atomic/native_api/t60/r1/i0", "m/atomic/schema/t60/r1/i0"
GATE = {"name": "restraint", "passed": False, "asks": "REJECT", "value": 0.5, "limit": 0.8, "sentence": "called"}
ODDS = {**GATE, "name": "no_regression", "value": 31.875, "limit": 220.0}
ENTRY: dict[str, Any] = {
    "cycle": 1,
    "phase": "atomic",
    "started": "2026-11-27T06:00:00Z",
    "ended": "2026-11-27T06:01:00Z",
    "baseline_before": BASELINE,
    "baseline_after": CANDIDATE,
    "winner": CANDIDATE,
    "improvement": 0.5,
    "reason": "PROMOTE",
    "verdicts": [
        {
            "spec": CANDIDATE,
            "verdict": "PROMOTE",
            "comparison": 1,
            "fixed": 7,
            "broken": 0,
            "passes": 2,
            "prompts": 12,
            "prompts_up": 2,
            "prompts_down": 0,
            "claim": "2 of 12 prompts up",
            "sentence": "PROMOTE atomic: fixed 7",
            "takes": "",
            "gates": [GATE, ODDS],
        }
    ],
    "metrics": {BASELINE: {"accuracy": 0.6, "trials": 6, "run_accuracies": [0.6], "errors_by_kind": {"timeout": 1}}},
    "gates": [GATE],
    "diagnoses": [{"kind": "flaky", "sentence": "flaky", "chance": 0.5, "trials": 3, "runs": [0], "cases": ["a"]}],
    "next": {"candidates": [{"spec": BASELINE, "why": "untried"}], "left": 2},
    "warmups": [{"spec": BASELINE, "answered": True, "latency_s": 1.0, "error": None}],
}
anything: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([[], {}, 10**400, -(10**30), 1e308, -1e308])
)


def distorted(draw: st.DrawFn, value: Any) -> Any:
    """The value with parts of it left out, or replaced by something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(anything)
    if isinstance(value, dict):
        return {name: distorted(draw, one) for name, one in value.items() if draw(st.integers(0, 9))}
    if isinstance(value, list):
        return [distorted(draw, one) for one in value]
    return value


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    made = distorted(draw, ENTRY)
    return made if isinstance(made, dict) else {}


def trials(spec: str, letters: str, case: str = "s/a") -> tuple[Trial, ...]:
    outcomes = {"P": Outcome.PASS, "M": Outcome.MISS, "E": Outcome.ERROR}
    return tuple(
        Trial(phase="atomic", spec=spec, case=case, run=run, outcome=outcomes[letter], cost_usd=0.001, latency_s=0.5)
        for run, letter in enumerate(letters)
        if letter != "."
    )


def story(entry: dict[str, Any], *of: Trial) -> PhaseStory:
    plan = {"baseline": BASELINE, "candidates": [{"spec": CANDIDATE, "why": "untried"}]}
    return PhaseStory(phase="atomic", cycle=1, status="decided", entry=entry, plan=plan, trials=of)


def test_the_schema_matches_the_dataclasses() -> None:
    assert schema.PATH.read_text() == schema.text(), "write it anew: python -m tests.report.schema"
    jsonschema.Draft7Validator.check_schema(schema.schema())


@pytest.mark.parametrize("make", [samples.cycle, samples.history, samples.hostile, samples.undecided, samples.large])
def test_reports_are_valid_by_the_schema(make: Callable[[], Report]) -> None:
    jsonschema.Draft7Validator(schema.schema()).validate(json.loads(json.dumps(to_json(make()))))


@given(entry=entries())
def test_other_versions_files_become_a_report(entry: dict[str, Any]) -> None:
    made = phase_report(story(entry, *trials(BASELINE, "PM"), *trials(CANDIDATE, "PP")), ((), 0))
    told = headline_of_cycle(1, "decided", [made])
    over = headline_of_history(cycle_lines([entry]), [made])
    curve_of([entry], {}, [entry])
    assert {one.spec for one in made.specs} >= {BASELINE, CANDIDATE}
    assert told.headline
    assert over.headline
    json.dumps([asdict(line) for line in cycle_lines([entry, entry])], allow_nan=False)
    as_markdown(replace(samples.history(), phases=(made,), cycles=cycle_lines([entry])))
    definitions = schema.schema()["definitions"]
    validator = jsonschema.Draft7Validator({**definitions["PhaseReport"], "definitions": definitions})
    validator.validate(json.loads(json.dumps(asdict(made), allow_nan=False)))


def test_similar_cases_are_grouped_failures_first() -> None:
    ours = [
        *trials(BASELINE, "PPP", "s/solid"),
        *trials(CANDIDATE, "PPP", "s/solid"),
        *trials(BASELINE, "MMPPP", "s/cold-1"),
        *trials(CANDIDATE, "MMPPP", "s/cold-1"),
        *trials(BASELINE, "MMPPP", "s/cold-2"),
        *trials(CANDIDATE, "MMPPP", "s/cold-2"),
        *trials(BASELINE, "PPP", "s/broken"),
        *trials(CANDIDATE, "M.E", "s/broken"),
    ]
    made = phase_report(story(ENTRY, *ours), ((), 0))
    assert [(one.cases, one.count, one.outcomes) for one in made.strips] == [
        (("s/broken",), 1, ("PPP", "M.E")),
        (("s/cold-1", "s/cold-2"), 2, ("MMPPP", "MMPPP")),
        (("s/solid",), 1, ("PPP", "PPP")),
    ]
    assert [(one.name, one.role, one.in_force, one.fixed) for one in made.specs] == [
        ("baseline", "baseline", False, None),
        ("schema", "candidate", True, 7),
    ]


def test_history_fills_in_for_the_ledger() -> None:
    made = phase_report(story(ENTRY), ((), 0))
    baseline = made.specs[0].measured
    assert baseline is not None
    assert (baseline.accuracy, baseline.trials, baseline.errors, baseline.misses) == (0.6, 6, 1, 2)
    assert made.specs[1].measured is None
    assert (made.specs[1].odds, made.specs[1].needed) == (31.875, 220.0)


def test_the_classic_rule_has_no_odds() -> None:
    median = {**ODDS, "value": 0.9, "limit": 0.8}
    verdict = {**ENTRY["verdicts"][0], "comparison": None, "gates": [median]}
    (_, made) = phase_report(story({**ENTRY, "verdicts": [verdict]}), ((), 0)).specs
    assert (made.odds, made.needed) == (None, None)


def test_no_cost_is_made_up() -> None:
    unknown = trials(BASELINE, "PP")
    free = [Trial(phase="atomic", spec=CANDIDATE, case="s/a", run=0, outcome=Outcome.PASS)]
    one, other = phase_report(story(ENTRY, *unknown, *free), ((), 0)).specs
    assert one.measured is not None
    assert other.measured is not None
    assert one.measured.cost_of_1000_usd == pytest.approx(1.0)
    assert other.measured.cost_of_1000_usd is None
    assert (one.front_by_cost, other.front_by_cost) == (True, False)


def test_headlines_say_what_happened() -> None:
    won = headline_of_cycle(
        1, "decided", [phase_report(story(ENTRY, *trials(BASELINE, "MP"), *trials(CANDIDATE, "PP")), ((), 0))]
    )
    assert won.verdict == "PROMOTE"
    assert won.headline == "atomic: schema, 2 of 2 answers right instead of 1 of 2; 2 of 12 prompts up."
    luck = (
        "If schema were no better, luck would look like this less than once in 31 histories; once in 220 is asked for."
    )
    assert won.why == (luck, "schema: fixed 7")
    assert won.takes[0] == "Nothing more is needed: schema is in force. selfopt rollback 1 takes it back."
    first = phase_report(story(ENTRY, *trials(BASELINE, "MP"), *trials(CANDIDATE, "PP")), ((), 0))
    two = headline_of_cycle(1, "decided", [first, replace(first, phase="extended", winner=None, verdict="REJECT")])
    assert two.verdict == "PROMOTE"
    assert two.headline.startswith("atomic: schema, 2 of 2 answers right")
    assert two.headline.endswith("extended: schema is better, and promoting is switched off.")
    assert two.why[0].startswith("atomic, if schema were no better, luck would look like this less than once in ")
    assert [sentence.partition(":")[0] for sentence in two.why[1::2]] == ["atomic, schema", "extended, schema"]
    assert two.takes[0].startswith("Nothing more is needed for atomic: schema is in force.")
    held = {**ENTRY, "winner": None, "baseline_after": BASELINE}
    verdict = {**ENTRY["verdicts"][0], "verdict": "HOLD", "takes": "about 4 more passes would decide"}
    undecided = headline_of_cycle(1, "decided", [phase_report(story({**held, "verdicts": [verdict]}), ((), 0))])
    assert undecided.headline == "atomic: the evidence on schema is short."
    assert undecided.takes[0] == "About 4 more passes would decide."
    plan: dict[str, Any] = {"baseline": BASELINE, "candidates": []}
    plateau = replace(story({**held, "verdicts": [], "next": {}}), plan=plan)
    nothing = headline_of_cycle(1, "decided", [phase_report(plateau, ((), 0))])
    assert nothing.headline == "atomic: nothing was left to try; what is in force stays."
    assert "[tool.selfopt.search]" in nothing.takes[1]
    stopped = headline_of_cycle(3, "stopped", [phase_report(story({**held, "reason": "its budget is spent"}), ((), 0))])
    assert stopped.headline == "Nothing was decided in cycle 3: its budget is spent."
    assert "With a larger budget or new quota, pytest --selfopt-cycle --selfopt-resume" in stopped.takes[0]


def test_an_unjudged_history_has_no_verdict() -> None:
    held = {**ENTRY, "winner": None, "baseline_after": BASELINE, "verdicts": []}
    over = headline_of_history(cycle_lines([held]), [phase_report(story(held), ((), 0))])
    assert (over.verdict, over.why) == ("", ())
    judged = {**held, "verdicts": [{**ENTRY["verdicts"][0], "verdict": "REJECT"}]}
    over = headline_of_history(cycle_lines([held, judged]), [phase_report(story(judged), ((), 0))])
    assert over.verdict == "REJECT"
    assert over.why == ("No candidate was shown to be better than what is in force.",)


def test_without_comparison_the_diagnosis_is_the_reason() -> None:
    plan: dict[str, Any] = {"baseline": BASELINE, "candidates": []}
    held = {**ENTRY, "winner": None, "baseline_after": BASELINE, "verdicts": []}
    told = headline_of_cycle(1, "decided", [phase_report(replace(story(held), plan=plan), ((), 0))])
    assert told.why == ("flaky: flaky",)


def test_a_past_promotion_counts_its_answers() -> None:
    metrics = {**ENTRY["metrics"], CANDIDATE: {"accuracy": 1.0, "trials": 9}}
    entry = {**ENTRY, "metrics": metrics}
    over = headline_of_history(cycle_lines([entry]), [phase_report(story(entry), ((), 0))])
    assert over.headline == "1 promotion in 1 cycle: atomic 9 of 9 answers right (1.000), 0.600 at the beginning."
    assert over.why == (
        "Cycle 1 promoted schema for atomic: 9 of 9 answers right instead of 3 of 5; 2 of 12 prompts up.",
    )


pieces = st.lists(st.sampled_from(["http://", "https://", "www.", "ftp://", "mailto:", "@", "a", " ", "_", "(", "`"]))
texts = (
    st.text(max_size=60)
    | st.text("`|<>[]()*_#~\n!&\\ ax", max_size=40)
    | pieces.map("".join)
    | st.just(samples.HOSTILE)
)


@given(text=texts)
def test_foreign_texts_stay_texts_in_markdown(text: str) -> None:
    report = samples.cycle()
    ours = report.phases[0]
    failure = replace(ours.failures[0], case=text, prompt=text, got=text, reason=text)
    told = replace(report, headline=text, phases=(replace(ours, failures=(failure,), sentence=text),))
    made = as_markdown(told)
    fenced = made.split("\n")
    outside, fence = [], ""
    for line in fenced:
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        else:
            outside.append(line)
    assert not fence
    words = "\n".join(outside).replace("@<!-- -->", "@ ")
    assert "<" not in words
    assert not re.search(r"(?i)(?<![a-z])((https?|ftp|mailto|xmpp):|www\.)|(?<!\w)@\w", words)
    assert "\u202e" not in made
    assert "](" not in words.replace("\\](", "")
    headings = [line for line in outside if line.startswith("#")]
    assert len(headings) == len([line for line in as_markdown(samples.cycle()).split("\n") if line.startswith("#")])


WORST = "\U000e0001``\n" * 600


def worst() -> Report:
    """The largest report, in three phases, with nothing in its texts but what takes most room."""
    report = samples.large()
    ours = report.phases[0]
    failures = tuple(replace(one, prompt=WORST, expected=WORST, got=WORST, reason=WORST) for one in ours.failures)
    strips = tuple(replace(one, cases=(WORST,)) for one in ours.strips)
    return replace(report, phases=(replace(ours, failures=failures, strips=strips),) * 3)


@pytest.mark.parametrize("make", [samples.large, worst])
def test_the_largest_markdown_fits_a_job_summary(make: Callable[[], Report]) -> None:
    made = as_markdown(make())
    assert len(made.encode()) <= 512 * 1024
    assert len([line for line in made.split("\n") if line.startswith("```")]) % 2 == 0
    assert ("left out here" in made) == (make is worst)


def test_a_long_history_shows_its_last_cycles() -> None:
    report = samples.history()
    cycles = tuple(samples.line(number) for number in range(1, 5001))
    made = as_markdown(replace(report, cycles=cycles, curve=samples.curve(8) * 500, events=report.events * 900))
    assert len(made.encode()) < 64 * 1024
    assert "4,900 earlier ones are not listed here" in made
    assert "| 5000 | atomic | PROMOTE |" in made
