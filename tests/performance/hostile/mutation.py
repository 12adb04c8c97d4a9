"""Mutations of bytes and of JSON, drawn from a generator, so that a seed gives the same ones."""

from __future__ import annotations

import base64
import copy
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

KEY = "sk-hostile-Zk3vW8qLr5TnY2mB7dXc"
"""The key of the provider, which no file and no output may hold; the server and other files repeat it."""


def _base64_at(offset: int) -> str:
    """Return what base64 makes of the key behind some characters, without what depends on others beside it."""
    encoded = base64.b64encode(b"." * offset + KEY.encode()).decode()
    return encoded[(0, 2, 3)[offset] : -4]


ECHOES = {
    "as it is": KEY,
    "percent-encoded": "".join(f"%{ord(sign):02x}" for sign in KEY),
    "as escapes": "".join(f"\\u{ord(sign):04x}" for sign in KEY),
    "as entities": "".join(f"&#x{ord(sign):x};" for sign in KEY),
    "hexadecimal": KEY.encode().hex(),
    **{f"base64 at {offset}": _base64_at(offset) for offset in range(3)},
}
"""The key as it may be written: what servers repeat of it, and what is looked for."""
_RAW = (
    "[" * 30_000 + "]" * 30_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    "9" * 5_000,
    "1e999",
    "-1e999",
    "1E-999",
    "-0",
    "0." + "3" * 400,
    "NaN",
    "-Infinity",
    '{"a":1,"a":2}',
    '"\\ud800"',
    '"\\u0000"',
    "1_000",
    "01",
    "",
)
"""JSON, or nearly, that no value would be written as."""
_MARK = "@@raw-{}@@"
_VALUES: Sequence[Any] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    2**64 + 1,
    10**300,
    -0.5,
    1e308,
    math.nan,
    math.inf,
    "",
    " ",
    "null",
    "\x00",
    "\x1b[31m\x1b]0;title\x07",
    "\ud800 alone",
    "\u202eright to left",
    "\ufeff",
    "é\u0301" * 200,
    "a" * 100_000,
    "../../../etc/hostname",
    "{}",
    "[]",
    "{{7*7}} ${HOME} %s %(x)s",
    "<script>alert(1)</script>",
    "::error::not a command of ours",
    "\r\n::set-output name=a::b",
    *(f"the key is {echo}" for name, echo in ECHOES.items() if not name.startswith("base64")),
    *(base64.b64encode(b"." * offset + KEY.encode()).decode() for offset in range(3)),
    f"Bearer {KEY}",
    base64.b64encode(f"user:{KEY}".encode()).decode(),
    [],
    [[]],
    [None],
    {},
    {"": None},
    {"$ref": "#"},
    [1] * 1_000,
    {str(number): number for number in range(1_000)},
    *(_MARK.format(number) for number in range(len(_RAW))),
)
_PIECES = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\r\n\r\n",
    b"\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b"\\u",
    b",",
    b":",
    b"NaN",
    b"1e999",
    b"\x1b[2J",
    b"data: ",
    b"<html>",
    b"\x80\x81\x82",
)


def mutate_bytes(data: bytes, chance: random.Random, *, times: int = 0) -> bytes:
    """Return bytes with one to four changes, or `times`: cut, flipped, filled in, doubled, or left out."""
    for _ in range(times or chance.randint(1, 4)):
        data = chance.choice(_BYTE_CHANGES)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\x00"
    where = chance.randrange(len(data))
    return data[:where] + bytes([data[where] ^ (1 << chance.randrange(8))]) + data[where + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _fill_in(data: bytes, chance: random.Random) -> bytes:
    where = chance.randint(0, len(data))
    return data[:where] + chance.choice(_PIECES) * chance.choice((1, 1, 2, 50)) + data[where:]


def _leave_out(data: bytes, chance: random.Random) -> bytes:
    first, last = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:first] + data[min(last, first + chance.choice((1, 8, 64))) :]


def _double(data: bytes, chance: random.Random) -> bytes:
    first, last = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:last] + data[first:last] + data[last:]


_BYTE_CHANGES: Sequence[Callable[[bytes, random.Random], bytes]] = (_flip, _flip, _cut, _fill_in, _leave_out, _double)


def mutate_json(value: Any, chance: random.Random, *, times: int = 0) -> Any:
    """Return a JSON value with one to three members replaced, left out, renamed, wrapped or doubled, or `times`."""
    value = copy.deepcopy(value)
    for _ in range(times or chance.randint(1, 3)):
        places = list(_places(value))
        if not places:
            return _value(chance)
        _change(*chance.choice(places), chance)
    return value


def _value(chance: random.Random) -> Any:
    # A copy, because further changes may be made to it, or put it into itself.
    return copy.deepcopy(chance.choice(_VALUES))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a value with each of its names or indices."""
    members: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        members = iter(value.items())
    elif isinstance(value, list):
        members = iter(enumerate(value))
    for name, member in members:
        yield value, name
        yield from _places(member)


def _change(container: Any, name: Any, chance: random.Random) -> None:
    how = chance.randrange(8)
    if how == 0:
        del container[name]
    elif how == 1:
        container[name] = [container[name]]
    elif how == 2:
        container[name] = {"value": container[name]}
    elif how == 3 and isinstance(container, dict):
        container[f"{name}\u200b"] = container.pop(name)
    elif how == 4 and isinstance(container, list):
        container.extend([container[name]] * chance.choice((1, 300)))
    else:
        container[name] = _value(chance)


def to_json(value: Any) -> bytes:
    """Encode a mutated value, with what no value would be written as."""
    text = json.dumps(value)
    for number, raw in enumerate(_RAW):
        text = text.replace(f'"{_MARK.format(number)}"', raw)
    return text.encode("ascii", "backslashreplace")
