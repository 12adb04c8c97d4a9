"""Environments: tools from methods, calls that are checked, states that compare; and the worlds that come along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.environment import (
    BrokenWorld,
    Environment,
    ToolError,
    World,
    carry_out,
    environment_named,
    state_of,
    tool,
)
from pytest_selfopt.bench.worlds import Calendar, Files, Notes, Shop
from pytest_selfopt.trial import Json, ToolCall

WORLDS: dict[type[Environment], dict[str, Any]] = {
    Files: {"files": {"/home/a.txt": "hello", "/home/docs/b.txt": "world"}},
    Notes: {"notes": {"list": "milk", "plan": {"text": "rest", "labels": ["home"]}}},
    Calendar: {"events": [{"title": "lunch", "day": "2026-01-05", "start": "12:00", "end": "13:00"}]},
    Shop: {"articles": {"pen": {"price": 150, "stock": 3}, "ink": {"price": 500, "stock": 1}}, "address": "Here 1"},
}


class Lamp(Environment):
    """A lamp."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self.colours: list[str] = list(start.get("colours", []))
        self._secret = 7

    @tool
    def shine(self, colour: Literal["red", "green"], levels: list[int], *, brightly: bool = False) -> str:
        """Shine in a colour."""
        self.colours.append(colour)
        return f"{colour} {sum(levels)} {brightly}"

    @tool
    def dim(self, to: float | None = None) -> float:
        """Dim it."""
        return 0.0 if to is None else to

    def not_a_tool(self) -> None:
        """Not offered."""


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


def done(world: Environment, *calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    for name, arguments in calls:
        world.call(call(name, **arguments))
    return world.state()


def test_tools_follow_from_signatures_and_docstrings() -> None:
    shine, dim = Lamp({}).tools()
    assert (shine.name, shine.description) == ("shine", "Shine in a colour.")
    assert shine.parameters == {
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["red", "green"]},
            "levels": {"type": "array", "items": {"type": "integer"}},
            "brightly": {"type": "boolean"},
        },
        "required": ["colour", "levels"],
        "additionalProperties": False,
    }
    assert dim.parameters["properties"] == {"to": {"type": "number"}}
    assert dim.parameters["required"] == []


def test_a_call_is_checked_before_running() -> None:
    lamp = Lamp({})
    assert lamp.call(call("shine", colour="red", levels=[1, 2])) == "red 3 False"
    for wrong, complaint in (
        (call("shin", colour="red"), "there is no tool 'shin'; did you mean 'shine'?"),
        (call("shine", colour="blue", levels=[]), "'blue' is not one of"),
        (call("shine", colour="red"), "'levels' is a required property"),
        (call("shine", colour="red", levels=["1"]), "'1' is not of type 'integer'"),
        (call("dim", by=1), "'by' was unexpected"),
        (call("not_a_tool"), "there is no tool 'not_a_tool'; known are "),
    ):
        with pytest.raises(ToolError) as problem:
            lamp.call(wrong)
        assert complaint in str(problem.value)
    assert lamp.state() == {"colours": ["red"]}


@pytest.mark.parametrize("kind", WORLDS, ids=lambda kind: kind.__name__)
def test_an_environment_rebuilds_from_name_and_start(kind: type[Environment]) -> None:
    world = World(name=f"{kind.__module__}:{kind.__qualname__}", start=WORLDS[kind])
    before = json.dumps(world.start)
    first, second = world.build(), World(**json.loads(json.dumps(world.to_json()))).build()
    assert first.state() == second.state()
    for one in first.tools():
        with pytest.raises(ToolError):
            first.call(call(one.name, nonsense=1))
    assert first.state() == second.state()
    assert json.dumps(world.start) == before


@given(data=st.data())
@pytest.mark.parametrize("kind", WORLDS, ids=lambda kind: kind.__name__)
def test_an_environment_answers_any_call_deterministically(kind: type[Environment], data: st.DataObject) -> None:
    words = st.sampled_from(["list", "plan", "/home/a.txt", "/home", "..", "", "pen", "lunch", "2026-01-05", "12:30"])
    values = {"string": words, "integer": st.integers(-2, 5)}
    calls = []
    for one in data.draw(st.lists(st.sampled_from(kind(WORLDS[kind]).tools()), max_size=8)):
        properties: Any = one.parameters["properties"]
        calls.append(call(one.name, **{name: data.draw(values[part["type"]]) for name, part in properties.items()}))
    worlds = [kind(WORLDS[kind]), kind(WORLDS[kind])]
    answers: list[list[str]] = [[], []]
    for number, world in enumerate(worlds):
        for made in calls:
            before = world.state()
            try:
                answers[number].append(json.dumps(world.call(made)))
            except ToolError as problem:
                answers[number].append(str(problem))
                assert world.state() == before
    assert answers[0] == answers[1]
    assert worlds[0].state() == worlds[1].state()


def test_files_are_moved_read_and_written() -> None:
    world = Files(WORLDS[Files])
    state = done(
        world,
        ("change_folder", {"folder": "/home"}),
        ("make_folder", {"folder": "old"}),
        ("move_file", {"file": "a.txt", "to": "old"}),
        ("write_file", {"file": "docs/../c.txt", "text": "new"}),
        ("delete_file", {"file": "docs/b.txt"}),
    )
    assert state["files"] == {"/home/old/a.txt": "hello", "/home/c.txt": "new"}
    assert world.call(call("list_files")) == ["c.txt", "docs/", "old/"]
    assert world.call(call("find_text", text="ell")) == ["/home/old/a.txt"]


def test_a_calendar_refuses_conflicts_and_keeps_events() -> None:
    world = Calendar(WORLDS[Calendar])
    done(world, ("add_event", {"title": "call", "day": "2026-01-05", "start": "9:00", "end": "10:00"}))
    for wrong in (
        {"title": "lunch", "day": "2026-01-05", "start": "9:30", "end": "11:00"},
        {"title": "lunch", "day": "2026-01-05", "start": "15:00", "end": "14:00"},
        {"title": "lunch", "day": "5 January", "start": "15:00", "end": "16:00"},
        {"title": "dinner", "day": "2026-01-05", "start": "15:00", "end": "16:00"},
    ):
        with pytest.raises(ToolError):
            world.call(call("move_event", **wrong))
    assert [event["start"] for event in done(world)["events"]] == ["09:00", "12:00"]


def test_a_shop_tracks_its_stock() -> None:
    world = Shop(WORLDS[Shop])
    state = done(world, ("add_to_cart", {"article": "pen", "quantity": 2}), ("place_order", {}))
    assert state["orders"] == [
        {"number": 1, "articles": {"pen": 2}, "total": 300, "address": "Here 1", "status": "placed"}
    ]
    assert state["articles"]["pen"]["stock"] == 1
    with pytest.raises(ToolError, match="only 1 of 'pen' are in stock"):
        world.call(call("add_to_cart", article="pen", quantity=2))
    assert done(world, ("cancel_order", {"number": 1}))["articles"]["pen"]["stock"] == 3


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Files", 'expected "module:NAME"'),
        ("nowhere_at_all:Files", "cannot be imported"),
        ("json:JSONDecoder", "is not a subclass of"),
        ("json:Nothing", "the module json has no attribute 'Nothing'"),
    ],
)
def test_an_unknown_environment_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(BrokenWorld, match=complaint):
        environment_named(name)


def test_an_unacceptable_start_is_named() -> None:
    with pytest.raises(BrokenWorld, match="cannot start in"):
        World(name="pytest_selfopt.bench.worlds:Notes", start={"notes": [1]}).build()


class Breaking(Environment):
    """Whatever is done to it."""

    def call(self, call: ToolCall) -> Json:
        raise KeyError(call.name)

    def state(self) -> dict[str, Json]:
        return {"a": 1 / 0}


def test_an_environments_exception_is_named() -> None:
    with pytest.raises(BrokenWorld, match="shine of Breaking: KeyError: 'shine'"):
        carry_out(Breaking({}), call("shine"))
    with pytest.raises(BrokenWorld, match="the state of Breaking: ZeroDivisionError"):
        state_of(Breaking({}))


class Shelf(Environment):
    @tool
    def put(self, things: list[str]) -> None:
        """Put things on it."""
        things.append("dust")
        self.things = things


def test_arguments_too_deep_are_the_models_error() -> None:
    deep: Json = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(ToolError, match="the arguments of shine are nested too deeply"):
        carry_out(Lamp({}), call("shine", colour="red", levels=deep))


def test_an_environment_cannot_change_the_call() -> None:
    made = call("put", things=["book"])
    shelf = Shelf({})
    carry_out(shelf, made)
    assert (shelf.state(), made) == ({"things": ["book", "dust"]}, call("put", things=["book"]))


def test_an_impossible_argument_is_refused() -> None:
    class Odd(Environment):
        @tool
        def take(self, what: set[int]) -> None:
            """Take it."""

    with pytest.raises(BrokenWorld, match="a tool's argument must be str, int, float"):
        Odd({}).tools()
