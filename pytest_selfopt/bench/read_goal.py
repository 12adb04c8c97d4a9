"""Reads the expectation of a conversation, and works out the state that reference calls lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_selfopt.bench.call_format import show, show_call
from pytest_selfopt.bench.environment import ToolError, World, carry_out, result_of, state_of
from pytest_selfopt.bench.goal import Goal, TurnGoal
from pytest_selfopt.bench.read_expect import expected_call
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json, ToolCall

_FIELDS = ("state", "reference", "by_turn", "calls", "in_order", "forbidden", "no_call_in")


def goal_from_json(value: Any, world: World, tools: Sequence[Tool], turns: int) -> Goal:
    """Read what has to be so when a conversation of so many turns in a world is over.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if not isinstance(value, dict):
        raise ValueError(f'expect: expected an object such as {{"state": …}}, got {show(value)}')
    strange = next((name for name in value if name not in _FIELDS), None)
    if strange is not None:
        raise ValueError(f"expect: unknown field {show(strange)}{did_you_mean(str(strange), _FIELDS)}")
    if not value:
        raise ValueError(f"expect: needs at least one of {', '.join(_FIELDS)}")
    if "state" in value and "reference" in value:
        raise ValueError("expect: needs either 'state' or 'reference', which leads to one")
    calls = tuple(expected_call(entry, f"expect.calls[{index}]") for index, entry in _listed(value, "calls"))
    in_order = value.get("in_order", False)
    if not isinstance(in_order, bool):
        raise ValueError(f"expect.in_order: expected true or false, got {show(in_order)}")
    goal = Goal(
        state=_state(value, world),
        by_turn=_by_turn(value, world, turns),
        calls=calls,
        in_order=in_order,
        forbidden=tuple(name for _, name in _listed(value, "forbidden")),
        quiet=tuple(turn for _, turn in _listed(value, "no_call_in")),
    )
    _check(goal, tools, turns)
    return goal


def _listed(value: Mapping[str, Any], name: str) -> list[tuple[int, Any]]:
    entries = value.get(name, [])
    if not isinstance(entries, list):
        raise ValueError(f"expect.{name}: expected a list, got {show(entries)}")
    return list(enumerate(entries))


def _state(value: Mapping[str, Any], world: World) -> dict[str, Json] | None:
    """The end state: as it is given, or as the reference calls make it."""
    if "reference" in value:
        calls = [_reference(entry, f"reference[{index}]") for index, entry in _listed(value, "reference")]
        return replayed(world, calls)
    state: dict[str, Json] | None = value.get("state")
    if state is None:
        return None
    if not isinstance(state, dict):
        raise ValueError(f"expect.state: expected an object, got {show(state)}")
    known = tuple(state_of(world.build()))
    strange = next((name for name in state if name not in known), None)
    if strange is not None:
        raise ValueError(
            f"expect.state: {world.name} has nothing called {show(strange)}{did_you_mean(strange, known)}; it has "
            + ", ".join(known)
        )
    return {**state_of(world.build()), **state}


def _by_turn(value: Mapping[str, Any], world: World, turns: int) -> tuple[TurnGoal, ...]:
    """What the reference calls of each turn give, and the state after it; a call that fails is no mistake here."""
    entries = _listed(value, "by_turn")
    if not entries:
        return ()
    if len(entries) != turns:
        raise ValueError(f"expect.by_turn: expected the calls of each of the {turns} turns, got {len(entries)} lists")
    built = world.build()
    found = []
    for number, made in entries:
        if not isinstance(made, list):
            raise ValueError(f"expect.by_turn[{number}]: expected a list of calls, got {show(made)}")
        calls = tuple(_reference(entry, f"by_turn[{number}][{index}]") for index, entry in enumerate(made))
        results = tuple(result_of(built, call) for call in calls)
        found.append(TurnGoal(calls=calls, results=results, state=state_of(built)))
    return tuple(found)


def _reference(entry: Any, place: str) -> ToolCall:
    arguments = entry.get("arguments", {}) if isinstance(entry, dict) else None
    if not isinstance(arguments, dict) or not isinstance(entry.get("name"), str):
        raise ValueError(f"expect.{place}: expected a call with name and arguments, got {show(entry)}")
    return ToolCall(name=entry["name"], arguments=arguments)


def replayed(world: World, calls: Sequence[ToolCall]) -> dict[str, Json]:
    """The state that calls lead to.

    Raises:
        ValueError: when the world cannot carry one of them out.
        BrokenWorld: when it cannot start, or breaks.
    """
    built = world.build()
    for call in calls:
        try:
            carry_out(built, call)
        except ToolError as problem:
            raise ValueError(f"expect.reference: {show_call(call)} cannot be carried out: {problem}") from None
    return state_of(built)


def _check(goal: Goal, tools: Sequence[Tool], turns: int) -> None:
    """Refuse what no conversation could fulfil."""
    known = tuple(tool.name for tool in tools)
    for name in (*(call.name for call in goal.calls), *goal.forbidden):
        if name not in known:
            raise ValueError(f"expect: {show(name)} is none of the case's tools{did_you_mean(str(name), known)}")
    both = next((call.name for call in goal.calls if call.name in goal.forbidden), None)
    if both is not None:
        raise ValueError(f"expect: {both!r} is to be called and forbidden")
    for turn in goal.quiet:
        if turn not in range(1, turns + 1):
            raise ValueError(f"expect.no_call_in: {show(turn)} is none of the turns 1 to {turns}")
