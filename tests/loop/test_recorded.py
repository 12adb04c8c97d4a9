"""What a build is compared with: the last answers of each case, whatever else the cycles hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.recorded import recorded_answers
from pytest_selfopt.trial import Outcome, Trial


def asked(case: str, outcomes: str, words: str = "") -> list[Trial]:
    """The trials of a case, by letters (p, m, e, and c for a copy)."""
    kinds = {"p": Outcome.PASS, "m": Outcome.MISS, "e": Outcome.ERROR, "c": Outcome.PASS}
    return [
        Trial(
            phase="atomic",
            spec="s",
            case=case,
            run=run,
            outcome=kinds[letter],
            case_hash=case + words,
            copied="x" * (letter == "c"),
        )
        for run, letter in enumerate(outcomes)
    ]


def hashes(*cases: str) -> dict[str, str]:
    return {case: case for case in cases}


def test_each_case_has_its_own_last_answers() -> None:
    """One was reworded for a while, one is new, one is gone, and the last night had an outage."""
    cycles = [
        (4, [*asked("a", "eee"), *asked("b", "eee")]),
        (3, [*asked("a", "pee"), *asked("b", "mmm", "other words"), *asked("c", "ppp", "other words")]),
        (2, [*asked("a", "ccc"), *asked("gone", "p")]),
        (1, [*asked("a", "mmm"), *asked("b", "ppp")]),
    ]
    found = recorded_answers(cycles, hashes("a", "b", "c", "d"), passes=3)
    assert found.cycles == (1, 3)
    assert [trial.outcome for trial in found.trials if trial.case == "a"] == [Outcome.PASS, Outcome.MISS, Outcome.MISS]
    assert [trial.outcome for trial in found.trials if trial.case == "b"] == [Outcome.PASS] * 3
    changes = found.changes
    assert (changes.compared, changes.new, changes.changed, changes.gone) == (("a", "b"), ("d",), ("c",), ())


def test_gone_cases_are_those_of_the_last_answers() -> None:
    cycles = [(3, asked("x", "eee")), (2, [*asked("a", "ppp"), *asked("x", "ppp")]), (1, asked("old", "ppp"))]
    assert recorded_answers(cycles, hashes("a", "new"), passes=3).changes.gone == ("x",)
    assert recorded_answers([], hashes("a"), passes=3).changes.new == ("a",)


_NIGHTS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.text("pmec", max_size=5), max_size=4), max_size=5)


@given(_NIGHTS, st.integers(1, 4))
def test_runs_are_whole_and_no_answer_is_lost(nights: list[dict[str, str]], passes: int) -> None:
    cycles = [
        (9 - place, [one for case in night.items() for one in asked(*case)]) for place, night in enumerate(nights)
    ]
    found = recorded_answers(cycles, hashes("a", "b", "e"), passes=passes)
    answers = [trial for trial in found.trials if trial.outcome is not Outcome.ERROR]
    for case in "ab":
        given_at_all = sum(letter in "pm" for night in nights for letter in night.get(case, ""))
        assert sum(trial.case == case for trial in answers) == min(passes, given_at_all)
    cells = [(trial.case, trial.run) for trial in found.trials]
    runs = {run for _, run in cells}
    assert sorted(cells) == sorted((case, run) for case in found.changes.compared for run in runs)
