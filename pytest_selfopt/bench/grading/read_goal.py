"""Reading the expectation of a conversation, and computing the state that its reference calls lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_selfopt.bench.call_format import mistaken, show, show_call
from pytest_selfopt.bench.environment import (
    Environment,
    ToolError,
    World,
    carry_out,
    result_of,
    state_of,
)
from pytest_selfopt.bench.grading.goal import Goal, TurnGoal
from pytest_selfopt.bench.grading.read_expect import (
    COMBINATIONS,
    COMPARISONS,
    comparison_from_json,
    expected_calls,
    read_each,
    unknown_names,
)
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json, ToolCall

_FIELDS = ("state", "reference", "by_turn", "calls", "in_order", "forbidden", "no_call_in", *COMPARISONS)


def goal_from_json(value: Any, world: World, tools: Sequence[Tool], turns: int) -> Goal:
    """Read the goal of a conversation of `turns` turns in a world.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if not isinstance(value, dict):
        raise mistaken("expect", 'an object such as {"state": …}', value)
    for name in unknown_names(value, _FIELDS):
        if name in COMBINATIONS:
            raise ValueError(f"expect: {name!r} combines expectations of single answers; a conversation has one goal")
        hint = did_you_mean(str(name), _FIELDS)
        raise ValueError(f"expect: unknown field {show(name)}{hint}")
    if not value:
        raise ValueError(f"expect: needs at least one of {', '.join(_FIELDS)}")
    if "state" in value and "reference" in value:
        raise ValueError("expect: needs either 'state', or 'reference' calls that lead to it, not both")
    calls = expected_calls(_listed(value, "calls"))
    for name in COMPARISONS:
        if name in value and not calls:
            raise ValueError(f"expect.{name}: says how 'calls' are compared, but there are none")
    in_order = value.get("in_order", False)
    if not isinstance(in_order, bool):
        raise mistaken("expect.in_order", "true or false", in_order)
    goal = Goal(
        state=_state(value, world),
        by_turn=_by_turn(value, world, turns),
        calls=calls,
        in_order=in_order,
        forbidden=tuple(_listed(value, "forbidden")),
        quiet=tuple(_listed(value, "no_call_in")),
        comparison=comparison_from_json(value),
    )
    _check(goal, tools, turns)
    return goal


def _listed(value: Mapping[str, Any], name: str) -> list[Any]:
    entries = value.get(name, [])
    if not isinstance(entries, list):
        raise mistaken(f"expect.{name}", "a list", entries)
    return entries


def _state(value: Mapping[str, Any], world: World) -> dict[str, Json] | None:
    """Return the end state: as given, or as the reference calls lead to it."""
    if "reference" in value:
        entries = _listed(value, "reference")
        return replayed(world, _references(entries, "reference"))
    state: dict[str, Json] | None = value.get("state")
    if state is None:
        return None
    if not isinstance(state, dict):
        raise mistaken("expect.state", "an object", state)
    known = tuple(state_of(world.build()))
    for name in unknown_names(state, known):
        reason = f"{world.name} has no attribute {show(name)}"
        hint = did_you_mean(str(name), known)
        raise ValueError(f"expect.state: {reason}{hint}; it has {', '.join(known)}")
    return {**state_of(world.build()), **state}


def _by_turn(value: Mapping[str, Any], world: World, turns: int) -> tuple[TurnGoal, ...]:
    """Return results and state of each turn's reference calls; a reference call may fail."""
    entries = _listed(value, "by_turn")
    if not entries:
        return ()
    if len(entries) != turns:
        raise ValueError(f"expect.by_turn: expected the calls of each of the {turns} turns, got {len(entries)} lists")
    built = world.build()
    goals = []
    for number, made in enumerate(entries):
        place = f"by_turn[{number}]"
        if not isinstance(made, list):
            raise mistaken(f"expect.{place}", "a list of calls", made)
        calls = _references(made, place)
        goals.append(_turn_goal(built, calls))
    return tuple(goals)


def _turn_goal(built: Environment, calls: tuple[ToolCall, ...]) -> TurnGoal:
    """Carry out the reference calls of a turn; the world keeps its state for the next turn."""
    results = tuple(result_of(built, call) for call in calls)
    return TurnGoal(calls=calls, results=results, state=state_of(built))


def _references(entries: Sequence[Any], place: str) -> tuple[ToolCall, ...]:
    return read_each(_reference, entries, f"expect.{place}")


def _reference(entry: Any, place: str) -> ToolCall:
    wanted = "a call with name and arguments"
    if not isinstance(entry, dict):
        raise mistaken(place, wanted, entry)
    name, arguments = entry.get("name"), entry.get("arguments", {})
    if not isinstance(arguments, dict) or not isinstance(name, str):
        raise mistaken(place, wanted, entry)
    return ToolCall(name=name, arguments=arguments)


def replayed(world: World, calls: Sequence[ToolCall]) -> dict[str, Json]:
    """Return the state that calls lead to.

    Raises:
        ValueError: if the world rejects a call.
        BrokenWorld: if the world cannot start, or breaks.
    """
    built = world.build()
    for call in calls:
        try:
            carry_out(built, call)
        except ToolError as problem:
            reason = f"{show_call(call)} cannot be carried out: {problem}"
            raise ValueError(f"expect.reference: {reason}") from None
    return state_of(built)


def _check(goal: Goal, tools: Sequence[Tool], turns: int) -> None:
    """Reject a goal that no conversation could reach."""
    known = tuple(tool.name for tool in tools)
    called = [call.name for call in goal.calls]
    for name in (*called, *goal.forbidden):
        if name not in known:
            hint = did_you_mean(str(name), known)
            raise ValueError(f"expect: {show(name)} is not one of the case's tools{hint}")
    for name in called:
        if name in goal.forbidden:
            raise ValueError(f"expect: {name!r} is both expected and forbidden")
    for turn in goal.quiet:
        if turn not in range(1, turns + 1):
            raise ValueError(f"expect.no_call_in: {show(turn)} is not one of the turns 1 to {turns}")
