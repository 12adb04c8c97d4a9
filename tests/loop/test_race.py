"""The race: who goes on to the next pass, and why the others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.race import FULL_PASSES, RaceState, Stage, most_asked, most_passes, passes_left, step


def standing(
    wins: int, losses: int, *, number: int = 1, passes: int = 3, out: bool = False, waits: bool = False
) -> RaceState:
    return RaceState(wins=wins, losses=losses, passes=passes, bar=bar(number), out=out, waits=waits)


standings = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(standing, st.integers(0, 20), st.integers(0, 20), out=st.booleans(), waits=st.booleans()),
)


@given(candidates=st.integers(1, 50))
def test_a_race_costs_at_most_seven_passes(candidates: int) -> None:
    everybody, leader = candidates + 1, 2 * (most_passes(candidates) - 1)
    assert everybody + leader == most_asked(candidates) == FULL_PASSES * (candidates + 1)


@given(candidates=st.integers(1, 20), least=st.integers(1, 9), extra=st.integers(0, 90))
def test_all_that_is_left_is_never_too_much(candidates: int, least: int, extra: int) -> None:
    asked = candidates + 1 + extra
    left = passes_left(asked, candidates, least)
    assert left == 0 or asked + 2 * left <= most_asked(candidates, least)


def test_a_lone_baseline_has_three_passes() -> None:
    assert most_passes(0) == 3


def test_only_the_leader_goes_on() -> None:
    found = step({"a": standing(5, 0), "b": standing(6, 0), "c": standing(6, 5)}, Stage(passes=3, left=8))
    assert found.live == ("b",)
    assert set(found.stopped) == {"a", "c"}
    assert found.stopped["a"] == (
        "stopped: another candidate is further ahead (fixed 5, broke 0; that one fixed 6, broke 0)"
    )


def test_the_leader_has_the_highest_odds() -> None:
    found = step({"many": standing(12, 8), "clean": standing(4, 0)}, Stage(passes=3, left=8))
    assert found.live == ("clean",)


def test_a_winner_ends_the_race() -> None:
    found = step({"a": standing(12, 0), "b": standing(6, 0)}, Stage(passes=3, left=8))
    assert found.live == ()
    assert set(found.stopped) == {"b"}


def test_a_level_leader_ends_the_race() -> None:
    found = step({"a": standing(4, 4), "b": standing(0, 0)}, Stage(passes=4, left=7))
    assert found.live == ()
    assert "not ahead (fixed 4, broke 4)" in found.stopped["a"]


def test_repeating_answers_are_foreseen_exactly() -> None:
    """Two fixed and one broken in every pass: ten more passes that repeat this do not reach the bar."""
    varying = RaceState(wins=6, losses=3, passes=3, bar=bar(1))
    repeating = replace(varying, repeats=True)
    assert step({"a": varying}, Stage(passes=3, left=10)).live == ("a",)
    found = step({"a": repeating}, Stage(passes=3, left=10))
    assert found.live == ()
    assert "its answers repeat, and 10 more passes of them will not show it" in found.stopped["a"]


@pytest.mark.parametrize("fixed", [1, 2, 3])
def test_repeating_fixes_reach_the_bar_as_before(fixed: int) -> None:
    standing = RaceState(wins=3 * fixed, losses=0, passes=3, bar=bar(4), repeats=True)
    assert step({"a": standing}, Stage(passes=3, left=10)).live == ("a",)


def test_what_passes_cannot_help_stops_with_its_reason() -> None:
    standing = RaceState(wins=6, losses=0, passes=3, bar=bar(1), out=True, lasting="prompts are too few")
    assert step({"a": standing}, Stage(passes=3, left=10)).stopped == {
        "a": "stopped: prompts are too few (fixed 6, broke 0)"
    }


def test_a_barred_candidate_neither_wins_nor_leads() -> None:
    barred = standing(30, 0, out=True)
    assert step({"a": barred, "b": standing(5, 1)}, Stage(passes=3, left=8)).live == ("b",)
    assert step({"a": barred}, Stage(passes=3, left=8)).live == ()


def test_a_held_candidate_goes_on() -> None:
    found = step({"a": standing(30, 0, waits=True), "b": standing(3, 1)}, Stage(passes=3, left=8))
    assert found.live == ("a",)
    assert "holds it" in step({"a": standing(30, 0, waits=True)}, Stage(passes=11, left=0)).stopped["a"]


def test_the_runner_up_replaces_a_failing_leader() -> None:
    field = {"a": standing(5, 0), "b": standing(5, 1)}
    assert step(field, Stage(passes=3, left=8)).live == ("a",)
    field["a"] = standing(6, 5, passes=5)
    assert step(field, Stage(passes=5, left=6)).live == ("b",)


def test_a_hopeless_candidate_is_dropped() -> None:
    found = step({"a": standing(3, 1, passes=25)}, Stage(passes=9, left=2))
    assert found.live == ()
    assert found.stopped["a"] == "stopped: 5 more passes will not show it (fixed 3, broke 1, odds 1.3:1 of 220:1)"


def test_later_cycles_count_towards_what_is_within_reach() -> None:
    """Ten passes like the first ones reach it, one does not."""
    field = {"a": standing(3, 1)}
    assert step(field, Stage(passes=9, left=1)).live == ("a",)
    assert step(field, Stage(passes=9, left=1, horizon=0)).live == ()


def test_all_ahead_go_on_before_the_third_pass() -> None:
    """Neither the odds of one nor its lead end the race of the others before."""
    field = {
        "first": standing(12, 0, passes=1),
        "second": standing(1, 0, passes=1),
        "level": standing(2, 2, passes=1),
        "behind": standing(0, 1, passes=1),
        "out": standing(3, 0, passes=1, out=True),
        "unheard": standing(0, 0, passes=0),
    }
    found = step(field, Stage(passes=1, left=12))
    assert found.live == ("first", "second", "unheard")
    assert found.stopped["level"] == "stopped: not ahead (fixed 2, broke 2)"
    assert step(field, Stage(passes=3, left=8)).live == ()


def test_the_last_pass_is_the_last() -> None:
    found = step({"a": standing(8, 0)}, Stage(passes=11, left=0))
    assert found.live == ()
    assert "11 passes" in found.stopped["a"]


@given(field=standings, passes=st.integers(3, 12))
def test_every_candidate_continues_wins_or_gets_reasons(field: dict[str, RaceState], passes: int) -> None:
    found = step(field, Stage(passes=passes, left=max(0, 9 - passes)))
    assert len(found.live) <= (passes < 9)
    for name, runner in field.items():
        assert (name in found.live) + runner.won + (name in found.stopped) == 1
        assert found.stopped.get(name, "said.") != ""


@pytest.mark.parametrize(("wins", "losses", "live"), [(0, 0, ("a",)), (1, 1, ("a",)), (0, 1, ()), (1, 0, ("a",))])
def test_a_cure_of_rare_trouble_has_patience(wins: int, losses: int, live: tuple[str, ...]) -> None:
    """Its trouble has perhaps not come up in the first two passes; in the third it is as any other."""
    patient = replace(standing(wins, losses, passes=1), patient=True)
    assert step({"a": patient}, Stage(passes=1, left=6)).live == live
    assert step({"a": patient}, Stage(passes=3, left=4)).live == (("a",) if wins > losses else ())
    assert step({"a": replace(patient, out=True)}, Stage(passes=1, left=6)).live == ()
