"""The race: who goes on to the next pass, and why the others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.race import RaceState, most_passes, step


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
    everybody, leader = 3 * (candidates + 1), 2 * (most_passes(candidates) - 3)
    assert everybody + leader == 7 * (candidates + 1)


def test_a_lone_baseline_has_three_passes() -> None:
    assert most_passes(0) == 3


def test_only_the_leader_goes_on() -> None:
    found = step({"a": standing(5, 0), "b": standing(6, 0), "c": standing(6, 5)}, passes=3, most=11)
    assert found.live == ("b",)
    assert set(found.stopped) == {"a", "c"}
    assert found.stopped["a"] == (
        "stopped: another candidate is further ahead (fixed 5, broke 0; that one fixed 6, broke 0)"
    )


def test_the_leader_has_the_highest_odds() -> None:
    found = step({"many": standing(12, 8), "clean": standing(4, 0)}, passes=3, most=11)
    assert found.live == ("clean",)


def test_a_winner_ends_the_race() -> None:
    found = step({"a": standing(12, 0), "b": standing(6, 0)}, passes=3, most=11)
    assert found.live == ()
    assert set(found.stopped) == {"b"}


def test_a_level_leader_ends_the_race() -> None:
    found = step({"a": standing(4, 4), "b": standing(0, 0)}, passes=4, most=11)
    assert found.live == ()
    assert "not ahead (fixed 4, broke 4)" in found.stopped["a"]


def test_repeating_answers_are_foreseen_exactly() -> None:
    """Two fixed and one broken in every pass: ten more passes that repeat this do not reach the bar."""
    varying = RaceState(wins=6, losses=3, passes=3, bar=bar(1))
    repeating = replace(varying, repeats=True)
    assert step({"a": varying}, passes=3, most=13).live == ("a",)
    found = step({"a": repeating}, passes=3, most=13)
    assert found.live == ()
    assert "its answers repeat, and 10 more passes of them will not show it" in found.stopped["a"]


@pytest.mark.parametrize("fixed", [1, 2, 3])
def test_repeating_fixes_reach_the_bar_as_before(fixed: int) -> None:
    standing = RaceState(wins=3 * fixed, losses=0, passes=3, bar=bar(4), repeats=True)
    assert step({"a": standing}, passes=3, most=13).live == ("a",)


def test_what_passes_cannot_help_stops_with_its_reason() -> None:
    standing = RaceState(wins=6, losses=0, passes=3, bar=bar(1), out=True, lasting="prompts are too few")
    assert step({"a": standing}, passes=3, most=13).stopped == {"a": "stopped: prompts are too few (fixed 6, broke 0)"}


def test_a_barred_candidate_neither_wins_nor_leads() -> None:
    barred = standing(30, 0, out=True)
    assert step({"a": barred, "b": standing(5, 1)}, passes=3, most=11).live == ("b",)
    assert step({"a": barred}, passes=3, most=11).live == ()


def test_a_held_candidate_goes_on() -> None:
    found = step({"a": standing(30, 0, waits=True), "b": standing(3, 1)}, passes=3, most=11)
    assert found.live == ("a",)
    assert "holds it" in step({"a": standing(30, 0, waits=True)}, passes=11, most=11).stopped["a"]


def test_the_runner_up_replaces_a_failing_leader() -> None:
    field = {"a": standing(5, 0), "b": standing(5, 1)}
    assert step(field, passes=3, most=11).live == ("a",)
    field["a"] = standing(6, 5, passes=5)
    assert step(field, passes=5, most=11).live == ("b",)


def test_a_hopeless_candidate_is_dropped() -> None:
    found = step({"a": standing(3, 1)}, passes=9, most=11)
    assert found.live == ()
    assert found.stopped["a"] == "stopped: 2 more passes will not show it (fixed 3, broke 1, odds 1.3:1 of 220:1)"


def test_the_last_pass_is_the_last() -> None:
    found = step({"a": standing(8, 0)}, passes=11, most=11)
    assert found.live == ()
    assert "11 passes" in found.stopped["a"]


@given(field=standings, passes=st.integers(3, 12))
def test_every_candidate_continues_wins_or_gets_reasons(field: dict[str, RaceState], passes: int) -> None:
    found = step(field, passes=passes, most=9)
    assert len(found.live) <= (passes < 9)
    for name, runner in field.items():
        assert (name in found.live) + runner.won + (name in found.stopped) == 1
        assert found.stopped.get(name, "said.") != ""
