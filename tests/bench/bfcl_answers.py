"""BFCL's possible answers as calls, and calls that differ from them in one way each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Call = tuple[str, dict[str, Any]]
Answers = Sequence[Mapping[str, Mapping[str, Sequence[Any]]]]
"""The possible answers of a case: for each call the values that each argument may have."""


def possible_answers(answers: Answers) -> Iterator[list[Call]]:
    """Yield calls in which every possible value of every argument, and of every member of an object, comes up.

    One differs from the first in one value; what may be left out is given once as each value, and else left out.
    """
    first = [_first_call(name, arguments) for one in answers for name, arguments in one.items()]
    yield first
    expected = [arguments for one in answers for arguments in one.values()]
    for place, arguments in enumerate(expected):
        name, given = first[place]
        for key, values in arguments.items():
            for value in _written(values):
                if key not in given or given[key] != value or type(given[key]) is not type(value):
                    yield [*first[:place], (name, {**given, key: value}), *first[place + 1 :]]


def _first_call(name: str, arguments: Mapping[str, Sequence[Any]]) -> Call:
    return name, {key: next(_written(values)) for key, values in arguments.items() if values and "" not in values}


def _written(values: Sequence[Any]) -> Iterator[Any]:
    """Yield the values that alternatives stand for, without "", which stands for none."""
    for value in values:
        if value != "":
            yield from _variants(value)


def _variants(value: Any) -> Iterator[Any]:
    """Yield a value, and for an object, or a list of some, what differs from the first in one member."""
    if isinstance(value, list):
        yield from _lists(value)
    elif isinstance(value, dict):
        yield from _objects(value)
    else:
        yield value


def _lists(items: list[Any]) -> Iterator[Any]:
    first = [next(_variants(item)) for item in items]
    yield first
    for place, item in enumerate(items):
        for number, other in enumerate(_variants(item)):
            if number:
                yield [*first[:place], other, *first[place + 1 :]]


def _objects(members: dict[str, Any]) -> Iterator[Any]:
    listed = {key: values if isinstance(values, list) else [values] for key, values in members.items()}
    first = {key: next(_written(values)) for key, values in listed.items() if values and "" not in values}
    yield first
    for key, values in listed.items():
        for number, value in enumerate(_written(values)):
            if number or key not in first:
                yield {**first, key: value}


Change = Callable[[Any], Any]


class _DoesNotApply(Exception):
    """A change is of values of another type."""


def _only(*kinds: type) -> Callable[[Change], Change]:
    def bounded(change: Change) -> Change:
        def changed(value: Any) -> Any:
            if type(value) not in kinds:
                raise _DoesNotApply
            return change(value)

        return changed

    return bounded


def _shortened(value: Any) -> Any:
    if not value:
        raise _DoesNotApply
    if isinstance(value, dict):
        return dict(list(value.items())[1:])
    return value[1:]


def _as_int(value: float) -> int:
    if not value.is_integer():
        raise _DoesNotApply
    return int(value)


def _ints_inside(value: Any) -> Any:
    """Return a list or an object with an int for each float that is one."""
    changed = _each_number(value, lambda number: int(number) if float(number).is_integer() else number)
    if repr(changed) == repr(value):
        raise _DoesNotApply
    return changed


def _floats_inside(value: Any) -> Any:
    changed = _each_number(value, float)
    if repr(changed) == repr(value):
        raise _DoesNotApply
    return changed


def _each_number(value: Any, change: Change) -> Any:
    if isinstance(value, list):
        return [_each_number(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _each_number(item, change) for key, item in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return change(value)
    return value


CHANGES: dict[str, Change] = {
    "int as float": _only(int)(float),
    "float as int": _only(float)(_as_int),
    "ints inside": _only(list, dict)(_ints_inside),
    "floats inside": _only(list, dict)(_floats_inside),
    "number as text": _only(int, float)(str),
    "number as truth": _only(int, float)(bool),
    "truth as number": _only(bool)(int),
    "truth as text": _only(bool)(str),
    "other truth": _only(bool)(lambda value: not value),
    "near number": _only(int, float)(lambda value: value + 1e-9),
    "next number": _only(int, float)(lambda value: value + 1),
    "longer text": _only(str)(lambda value: f"{value}!"),
    "other writing": _only(str)(lambda value: value.upper().replace(" ", "_").replace('"', "'")),
    "text as number": _only(str)(len),
    "null": lambda _: None,
    "nothing": lambda _: "",
    "in a list": lambda value: [value],
    "as text": _only(list, dict)(str),
    "first of it": _only(list)(lambda value: value[0] if value else None),
    "shorter": _only(list, dict)(_shortened),
    "emptied": _only(list, dict)(lambda value: type(value)()),
    "item twice": _only(list)(lambda value: value + value[:1]),
    "turned round": _only(list)(lambda value: value[::-1]),
    "extra member": _only(dict)(lambda value: {**value, "surely_unknown": 1}),
}


def changed_answers(calls: list[Call], rng: random.Random) -> Iterator[tuple[str, list[Call]]]:
    """Yield the calls, changed in one way each, at a drawn place, with the kind of change."""
    yield "no call", []
    yield "extra call", [*calls, rng.choice(calls)]
    yield "call twice", [calls[0]] * len(calls)
    yield "fewer calls", calls[1:]
    yield "swapped order", calls[::-1]
    place = rng.randrange(len(calls))
    name, arguments = calls[place]
    before, after = calls[:place], calls[place + 1 :]
    yield "other name", [*before, (f"{name}_other", arguments), *after]
    yield "unknown argument", [*before, (name, {**arguments, "surely_unknown": 1}), *after]
    if arguments:
        key = rng.choice(sorted(arguments))
        yield "missing argument", [*before, (name, {k: v for k, v in arguments.items() if k != key}), *after]
    for kind, change in CHANGES.items():
        changed = _changed_somewhere(arguments, change, rng)
        if changed is not None:
            depth, given = changed
            yield f"{kind}{', nested' * (depth > 0)}", [*before, (name, given), *after]


def _changed_somewhere(arguments: dict[str, Any], change: Change, rng: random.Random) -> tuple[int, Any] | None:
    """Return how deep, and the arguments with one of the values changed for which the change applies."""
    places = list(_places(arguments))[1:]
    rng.shuffle(places)
    for place in places:
        try:
            return len(place) - 1, _with(arguments, place, change)
        except _DoesNotApply:
            continue
    return None


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    inside: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        inside = iter(value.items())
    elif isinstance(value, list):
        inside = iter(enumerate(value))
    for key, item in inside:
        for rest in _places(item):
            yield (key, *rest)


def _with(value: Any, place: tuple[Any, ...], change: Change) -> Any:
    if not place:
        return change(value)
    copy = value.copy()
    copy[place[0]] = _with(value[place[0]], place[1:], change)
    return copy


def drawn_answer(answers: Answers, rng: random.Random) -> list[Call]:
    """Return calls with a drawn possible value of every argument; some of what may be left out is."""
    return [(name, _drawn_members(arguments, rng)) for one in answers for name, arguments in one.items()]


def _drawn_members(members: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    drawn = {}
    for key, values in members.items():
        value = rng.choice(values if isinstance(values, list) and values else [values or ""])
        if value != "":
            drawn[key] = _drawn_value(value, rng)
    return drawn


def _drawn_value(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        return _drawn_members(value, rng)
    if isinstance(value, list):
        return [_drawn_value(item, rng) for item in value]
    return value


Talk = list[list[Call]]
"""The calls of each turn of a conversation."""


def changed_talks(talk: Talk, rng: random.Random) -> dict[str, Talk]:
    """Return the same conversation, wrong in one way each."""
    found: dict[str, Talk] = {"nothing done": [[] for _ in talk], "turns reversed": talk[::-1]}
    turn = rng.choice([number for number, calls in enumerate(talk) if calls])
    place = rng.randrange(len(talk[turn]))

    def with_turn(calls: list[Call]) -> Talk:
        return [*talk[:turn], calls, *talk[turn + 1 :]]

    def instead(*calls: Call) -> Talk:
        return with_turn([*talk[turn][:place], *calls, *talk[turn][place + 1 :]])

    name, arguments = talk[turn][place]
    found["turn left out"] = with_turn([])
    found["missing call"] = instead()
    found["extra call"] = instead((name, arguments), (name, arguments))
    found["unknown call"] = instead((name, arguments), ("surely_unknown", {}))
    found["swapped order"] = with_turn(talk[turn][::-1])
    found["other name"] = instead((f"{name}_other", arguments))
    found["unknown argument"] = instead((name, {**arguments, "surely_unknown": 1}))
    if turn + 1 < len(talk):
        found["a turn too late"] = [*talk[:turn], [], talk[turn] + talk[turn + 1], *talk[turn + 2 :]]
    for key, value in arguments.items():
        less = {other: given for other, given in arguments.items() if other != key}
        found[f"without {key}"] = instead((name, less))
        # One kind for each argument: over 200 cases, each comes up often.
        wrongs = ("text", f"{value}!"), ("list", [value]), ("nothing", None), ("truth", True), ("number", 7.5)
        kind, wrong = rng.choice(wrongs)
        found[f"{kind} for {key}"] = instead((name, {**arguments, key: wrong}))
    return found
