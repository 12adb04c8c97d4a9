"""The parts of a session that decide nothing but must not be wrong: replay, evidence, progress."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.width import cells
from pytest_selfopt.execution.replies import CallFailed
from pytest_selfopt.models.config import EMBEDDED_MODELS, ModelConfig, ProviderConfig
from pytest_selfopt.models.cost import cost_of
from pytest_selfopt.session.report_evidence import classify_outcome, from_evidence, to_evidence
from pytest_selfopt.session.subsessions import CHILD, which_of
from pytest_selfopt.session.terminal.messages import undecided
from pytest_selfopt.session.terminal.progress import Progress, Status, describe, describe_activity
from pytest_selfopt.trial import CallError, ErrorKind, Outcome, Reply, Trial


def ended_with(problem: BaseException | None) -> pytest.CallInfo[None]:
    def body() -> None:
        if problem is not None:
            raise problem

    return pytest.CallInfo.from_call(body, "call")


@pytest.mark.parametrize(
    ("problem", "outcome", "kind"),
    [
        (None, Outcome.PASS, None),
        (AssertionError("no"), Outcome.MISS, None),
        (pytest.fail.Exception("no"), Outcome.MISS, None),
        (pytest.fail.Exception("Timeout (>1.0s) from pytest-timeout."), Outcome.ERROR, ErrorKind.TIMEOUT),
        (CallFailed(CallError(kind=ErrorKind.AUTH, message="who?")), Outcome.ERROR, ErrorKind.AUTH),
        (ZeroDivisionError("x"), Outcome.ERROR, ErrorKind.TEST),
        (pytest.fail.Exception("async def functions are not natively supported."), Outcome.ERROR, ErrorKind.TEST),
        (pytest.fail.Exception("Expected None, but the test returned True."), Outcome.ERROR, ErrorKind.TEST),
        (ExceptionGroup("tasks", [AssertionError("no"), AssertionError("nor")]), Outcome.MISS, None),
        (ExceptionGroup("tasks", [AssertionError("no"), ValueError("x")]), Outcome.ERROR, ErrorKind.TEST),
        (BaseExceptionGroup("tasks", [pytest.skip.Exception("x")]), Outcome.ERROR, ErrorKind.TEST),
    ],
)
def test_a_test_bodys_end_is_an_outcome(
    problem: BaseException | None, outcome: Outcome, kind: ErrorKind | None
) -> None:
    found = classify_outcome(ended_with(problem))
    assert found is not None
    assert found[:2] == (outcome, kind)
    assert bool(found[2]) == (problem is not None)


def test_a_skip_decides_nothing() -> None:
    assert classify_outcome(ended_with(pytest.skip.Exception("later"))) is None


@given(
    st.builds(
        Trial,
        phase=st.text(),
        spec=st.text(),
        case=st.text(),
        run=st.integers(),
        outcome=st.sampled_from(Outcome),
        error_kind=st.none() | st.sampled_from(ErrorKind),
        reason=st.text(st.characters()),
        latency_s=st.none() | st.floats(allow_nan=False),
        restraint=st.booleans(),
    )
)
def test_evidence_survives_the_way_between_processes(trial: Trial) -> None:
    text = to_evidence(trial)
    assert text.isascii()
    assert from_evidence(text) == trial


SOUND = to_evidence(Trial(phase="atomic", spec="spec", case="case", run=0, outcome=Outcome.PASS, reason="why"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "[]",
        "{}",
        '{"version": 99}',
        SOUND[:40],
        SOUND.replace('"version": 1, ', ""),
        SOUND.replace('"outcome"', '"came_out"'),
        SOUND.replace('"pass"', '"splendid"'),
        SOUND.replace("why", "x" * 100_000),
    ],
)
def test_foreign_evidence_is_refused(text: str) -> None:
    assert text != SOUND
    with pytest.raises(ValueError, match=r".+"):
        from_evidence(text)


def test_unknown_prices_or_counts_are_never_zero() -> None:
    provider = ProviderConfig(name="p", wire="openai")
    priced = ModelConfig(id="m", provider=provider, price_in=1.0, price_out=2.0)
    half = ModelConfig(id="m", provider=provider, price_in=1.0)
    reply = Reply(tokens_in=1_000_000, tokens_out=500_000)
    assert cost_of(reply, priced) == 2.0
    assert cost_of(reply, half) is None
    assert cost_of(Reply(tokens_in=5), priced) is None
    assert cost_of(reply, EMBEDDED_MODELS["embedded/smollm2-135m"]) == 0.0


def test_an_undecided_session_says_why() -> None:
    assert undecided("interrupted", {"pass": 3, "unjudged": 1}) == [
        "no decision: the session was interrupted; nothing was promoted or rewritten",
        (
            "kept in the ledger: 3 pass, 1 unjudged; "
            "pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing"
        ),
    ]
    assert undecided("stopped", {}, "the budget of 5 calls (--selfopt-max-calls) is used up") == [
        "HOLD: the budget of 5 calls (--selfopt-max-calls) is used up; nothing was promoted or rewritten",
        (
            "kept in the ledger: no calls; "
            "with a larger budget or new quota, pytest --selfopt-cycle --selfopt-resume "
            "makes the calls that are missing"
        ),
    ]
    assert undecided("partial", {"pass": 1})[0].startswith("no decision: only some of the planned trials were selected")


def test_progress_shows_share_and_time_left() -> None:
    status = Status(label="atomic pass 2", done=120, total=480, activity="4 in flight", left_s=195.0)
    text = "  atomic pass 2  calls 120/480, 4 in flight, 1:05 elapsed"
    assert describe(status, elapsed_s=65) == f"{text}, about 3:15 left"
    assert describe(replace(status, may_grow=True), elapsed_s=65) == f"{text}, at least 3:15 left"
    assert describe(replace(status, left_s=None), elapsed_s=65) == text


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"in_flight": 4}, "4 in flight"),
        ({"in_flight": 4, "hold": ("m", 60.0)}, "4 in flight"),
        ({"hold": ("m", 60.0)}, "rate limit of m until 12:01:00"),
        ({"hold": ("m", 0.0)}, "0 in flight"),
        ({"warming": ["m", "n"], "in_flight": 2}, "warming up m, n"),
        ({"unfinished": 3}, "3 tests unfinished"),
        ({"unfinished": 1}, "1 test unfinished"),
    ],
)
def test_progress_says_what_is_waited_for(facts: dict[str, Any], said: str) -> None:
    nothing: dict[str, Any] = {"warming": (), "in_flight": 0, "hold": None, "unfinished": 0}
    noon = time.mktime((2026, 1, 1, 12, 0, 0, 0, 1, 0))
    assert describe_activity(clock=noon, **nothing | facts) == said


@given(
    most=st.integers(0, 100),
    done=st.integers(0, 500),
    elapsed=st.floats(0, 1e6),
    which=st.sampled_from(["", "proof", "cycle 2/3"]),
    label=st.sampled_from(["atomic pass 2", "漢字 pass 2"]),
)
def test_progress_fits_any_width_uncut(most: int, done: int, elapsed: float, which: str, label: str) -> None:
    status = Status(label=label, done=done, total=500, activity="4 in flight", left_s=elapsed)
    text = describe(status, elapsed_s=elapsed, which=which, most=most)
    assert cells(text) <= most
    whole = describe(status, elapsed_s=elapsed, which=which)
    assert set(text.replace(",", "").split()) <= set(whole.replace(",", "").split())
    assert (f"{done}/500" in text) == (most >= len(f"{done}/500"))


def test_progress_drops_the_least_important_first() -> None:
    status = Status(label="x", done=3, total=9, activity="4 in flight", left_s=120.0)
    widths = {most: describe(status, elapsed_s=60, which="proof", most=most) for most in (80, 64, 50, 36, 30, 14, 6, 2)}
    assert list(widths.values()) == [
        "  proof, x  calls 3/9, 4 in flight, 1:00 elapsed, about 2:00 left",
        "  proof, x  calls 3/9, 1:00 elapsed, about 2:00 left",
        "  proof, x  calls 3/9, about 2:00 left",
        "  x  calls 3/9, about 2:00 left",
        "  x  calls 3/9",
        "  x  calls 3/9",
        "x 3/9",
        "",
    ]


def test_why_nothing_goes_on_is_dropped_late() -> None:
    status = Status(label="x", done=3, total=9, activity="3 tests unfinished", waits=True, left_s=120.0)
    widths = {most: describe(status, elapsed_s=60, most=most) for most in (80, 60, 40, 32)}
    assert list(widths.values()) == [
        "  x  calls 3/9, 3 tests unfinished, 1:00 elapsed, about 2:00 left",
        "  x  calls 3/9, 3 tests unfinished, 1:00 elapsed",
        "  x  calls 3/9, 3 tests unfinished",
        "  x  calls 3/9, about 2:00 left",
    ]


class Place:
    """Where progress is shown, as a text: a rewritten line ends with a carriage return."""

    def __init__(self, columns: int = 39) -> None:
        self.columns = columns
        self.text = ""

    def line(self, text: str) -> None:
        self.text += f"{text}\n"

    def rewrite(self, text: str) -> None:
        self.text += f"{text}\r"

    def erase(self) -> None:
        self.text += "erased\r"


def shown(*, live: bool, quiet: bool = False, silent: bool = False, step: int = 5) -> str:
    place, seconds = Place(), iter(range(0, 1000, step))
    progress = Progress(place, live=live, quiet=quiet, silent=silent, clock=lambda: float(next(seconds)))
    for done in range(8):
        progress.tick(Status(label="pass 1", done=done, total=8, activity="1 in flight"))
    progress.write_line("done")
    return place.text


def test_a_log_gets_occasional_lines() -> None:
    lines = shown(live=False).splitlines()
    assert [line.split()[3] for line in lines[:-1]] == ["2/8,", "5/8,"]
    assert lines[-1] == "done"


def test_a_terminal_line_is_rewritten_and_cleared() -> None:
    *rewritten, erased, rest = shown(live=True).split("\r")
    assert len(rewritten) == 8
    assert all(one.startswith("  pass 1  calls ") for one in rewritten)
    assert (erased, rest) == ("erased", "done\n")


def test_a_quiet_session_still_shows_progress() -> None:
    assert shown(live=True, quiet=True).startswith("  pass 1  calls ")
    assert shown(live=False, quiet=True) == ""
    lines = shown(live=False, quiet=True, step=20).splitlines()
    assert [line.split()[3] for line in lines] == ["2/8,", "5/8,"]
    assert "done" not in lines


def test_a_silent_session_gets_nothing() -> None:
    assert shown(live=True, silent=True) == shown(live=False, silent=True, step=100) == ""


def test_a_tiny_terminal_gets_nothing() -> None:
    place, seconds = Place(columns=2), iter(range(100))
    progress = Progress(place, live=True, clock=lambda: float(next(seconds)))
    progress.tick(Status(label="pass 1", done=1, total=8, activity="1 in flight"))
    progress.clear()
    assert place.text == ""


@pytest.mark.parametrize(("value", "which"), [("", ""), ("2/3", "cycle 2/3"), ("proof", "proof")])
def test_progress_names_its_session_among_several(value: str, which: str) -> None:
    assert which_of({CHILD: value} if value else {}) == which
