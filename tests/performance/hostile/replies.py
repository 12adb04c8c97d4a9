"""Hostile replies on the three wires: each call of a session gets another one, changed in its bytes or structure."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from pytest_selfopt.models.scripted.script import Asked
from pytest_selfopt.models.scripted.wire_formats import FORMATS, Format, Said
from pytest_selfopt.trial import ToolCall
from tests.acceptance.conftest import TOOL, call
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.mutation import KEY, mutate_bytes, mutate_json, to_json
from tests.performance.hostile.project import CYCLE, faults_of, recorded, run, unreadable, write_project
from tests.performance.hostile.server import End, HostileServer, RawReply

KIND = "replies"
WIRES = {"openai": "/chat/completions", "ollama": "/api/chat", "anthropic": "/messages"}
PASSES = 7
_ASKED = Asked(model="model", messages=(), native=True, constrained=False, max_tokens=None, members=frozenset())
_STATUSES = (200, 200, 200, 200, 201, 204, 301, 304, 400, 403, 404, 408, 413, 418, 422, 500, 502, 503, 504, 529, 599)
_TYPES = ("text/html", "application/json; charset=utf-16", "text/event-stream", "\xff", "", "application/x-ndjson")


def answers(wire: Format) -> list[dict[str, Any]]:
    """Return well-formed answers of a wire: a call, a text, a refusal, and a reply that was cut off."""
    calls = (ToolCall(name="look_up", arguments={"item": "1"}),)
    return [
        wire.answer(_ASKED, _said(calls=calls)),
        wire.answer(_ASKED, _said(text="Hello!")),
        wire.answer(_ASKED, _said(refusal=f"not with {KEY}")),
        wire.answer(_ASKED, _said(text='{"tool": "look', finish="length")),
        wire.refuse(500, f"internal error for key {KEY}"),
    ]


def _said(*, text: str = "", calls: tuple[ToolCall, ...] = (), refusal: str = "", finish: str | None = None) -> Said:
    return Said(
        text=text,
        calls=calls,
        refusal=refusal,
        tokens_in=10,
        tokens_out=5,
        load_s=0.0,
        took_s=0.1,
        finish=finish,
        usage={},
    )


def hostile_replies(path: str, seed: str) -> Iterator[RawReply]:
    """Yield replies without end to what is posted to `path`."""
    chance = random.Random(seed)
    wire = FORMATS[path]
    number = 0
    while True:
        number += 1
        answer = chance.choice(answers(wire))
        make = chance.choice(_MANNERS)
        yield make(f"{make.__name__.strip('_')} {number}", wire, answer, chance)


def head(status: str, body: bytes, *lines: str, length: bool = True) -> bytes:
    """Return a status line and headers."""
    counted = [f"content-length: {len(body)}"] if length else []
    return "\r\n".join([f"HTTP/1.1 {status}", *counted, *lines, "", ""]).encode("latin-1", "replace")


def ordinary(name: str, body: bytes, status: str = "200 OK", *lines: str) -> RawReply:
    """Return a reply whose HTTP is in order."""
    return RawReply(name=name, pieces=(head(status, body, "content-type: application/json", *lines) + body,))


def _structure(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    return ordinary(name, to_json(mutate_json(answer, chance)))


def _structure_of_errors(name: str, wire: Format, _: dict[str, Any], chance: random.Random) -> RawReply:
    status = chance.choice(_STATUSES)
    return ordinary(name, to_json(mutate_json(wire.refuse(status, f"no {KEY}"), chance)), f"{status} Whatever")


def _bytes(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = mutate_bytes(json.dumps(answer).encode(), chance)
    return ordinary(name, body, f"{chance.choice(_STATUSES)} Whatever")


def _types(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode(chance.choice(("utf-8", "utf-16", "utf-32", "utf-8-sig")))
    return ordinary(name, body, "200 OK", f"content-type: {chance.choice(_TYPES)}")


def _whole_head(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    """Change the head and the body together, as bytes; lengths are wrong then, and so is much else."""
    body = json.dumps(answer).encode()
    sent = mutate_bytes(head("200 OK", body, "content-type: application/json", f"x-key: {KEY}") + body, chance)
    return RawReply(name=name, pieces=(sent,), end="close")


def _headers(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    lines = chance.choice(
        (
            [f"x-{number}: {KEY}" for number in range(150)],
            ["x-long: " + "a" * 70_000],
            ["no colon here"],
            [" folded: line"],
            ["x-nul: \x00"],
            ["content-length: 7"],
            ["content-length: -1"],
            ["transfer-encoding: chunked, gzip"],
            [f"location: http://127.0.0.1:9/{KEY}"],
            [f"set-cookie: key={KEY}"],
            ["connection: upgrade", "upgrade: h2c"],
            ["date: never", "age: -1", "x-cache: HIT"],
            ["retry-after: NaN", "x-ratelimit-reset: 1e400", "anthropic-ratelimit-tokens-reset: 9999-99-99"],
        )
    )
    status = chance.choice(("200 OK", "302 Found", "307 " + KEY, "200", "200 \xff\x1b[31m", "503 Busy"))
    return RawReply(name=name, pieces=(head(status, body, *lines) + body,), end="close")


def _status_line(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    line = chance.choice(
        (
            b"",
            b"\r\n",
            b"HTTP/0.9 200 OK\r\n",
            b"HTTP/3 200\r\n",
            b"HTTP/1.1 20 OK\r\n",
            b"HTTP/1.1 9999999999 OK\r\n",
            b"HTTP/1.1 -200 OK\r\n",
            b"HTTP/1.1 \xff\xfe OK\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 90 + b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 101 Switching\r\n",
            b"ICY 200 OK\r\n",
            b"220 mail ready\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n",
            b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n",
        )
    )
    return RawReply(name=name, pieces=(line + b"content-length: %d\r\n\r\n" % len(body) + body,), end="close")


def _chunks(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    sent = chance.choice(
        (
            chunk + b"0\r\n\r\n",
            chunk,
            b"ffffffffffffffffff\r\n" + body,
            b"-5\r\n" + body + b"\r\n0\r\n\r\n",
            b"zz\r\n" + body,
            b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
            b"%x%b\r\n" % (len(body), b";a" * 40_000) + body + b"\r\n0\r\n\r\n",
            chunk + b"0\r\nx-trailer: " + KEY.encode() + b"\r\n\r\n",
            mutate_bytes(chunk + b"0\r\n\r\n", chance),
        )
    )
    beginning = head("200 OK", b"", "transfer-encoding: chunked", length=False)
    return RawReply(name=name, pieces=(beginning + sent,), end="close")


def _compressed(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    packed = gzip.compress(body)
    encoding, sent = chance.choice(
        (
            ("gzip", packed),
            ("gzip", packed[:-9]),
            ("gzip", mutate_bytes(packed, chance)),
            ("gzip", body),
            ("gzip", gzip_bomb()),
            ("gzip, gzip", gzip.compress(packed)),
            (", ".join(["gzip"] * 40), packed),
            ("deflate", zlib.compress(body)),
            ("deflate", deflate_bomb()),
            ("br", body),
            ("zstd", body),
            ("identity, nonsense", body),
            ("\xff", body),
        )
    )
    return RawReply(name=name, pieces=(head("200 OK", sent, f"content-encoding: {encoding}") + sent,))


@cache
def gzip_bomb() -> bytes:
    """Return 100 kB that become 100 MB."""
    return gzip.compress(b" " * 100_000_000, 9)


@cache
def deflate_bomb() -> bytes:
    """Return 50 kB that become 50 MB."""
    return zlib.compress(b"[" * 50_000_000, 9)


def _lengths(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    wrong = chance.choice(("0", str(len(body) - 7), str(len(body) + 7), "9" * 30, "0x10", "1, 2", "+3", "", "NaN"))
    beginning = head("200 OK", body, f"content-length: {wrong}", length=False)
    return RawReply(name=name, pieces=(beginning + body,), end="close")


def _ends(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    sent = head("200 OK", body) + body
    ends: tuple[End, ...] = ("close", "close", "reset", "reset", "hang")
    return RawReply(name=name, pieces=(sent[: chance.randint(0, len(sent) - 1)],), end=chance.choice(ends))


def _slow(name: str, _: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    body = json.dumps(answer).encode()
    sent = head("200 OK", body) + body
    size = max(1, len(sent) // chance.choice((4, 40, 400)))
    pieces = tuple(sent[first : first + size] for first in range(0, len(sent), size))
    return RawReply(name=name, pieces=pieces, pause_s=0.05)


def _huge(name: str, wire: Format, _: dict[str, Any], chance: random.Random) -> RawReply:
    text = chance.choice(("a", "\x00", "\U0001f600", '\\"', "{", "[", "<think>", "</tool_call>", "\n", "```json\n"))
    said = _said(text=text * chance.choice((1_000, 200_000)))
    return ordinary(name, json.dumps(wire.answer(_ASKED, said)).encode())


def _stream(name: str, wire: Format, answer: dict[str, Any], chance: random.Random) -> RawReply:
    """Send the answer as a stream, which nobody asked for, with its events in any order, doubled, left out, changed."""
    if "error" in answer:
        answer = answers(wire)[0]
    events = list(wire.stream.events(answer, {"stream": True, "stream_options": {"include_usage": True}}))
    change = chance.randrange(4)
    if change == 0:
        chance.shuffle(events)
    elif change == 1:
        events = [event for event in events for _ in range(chance.choice((0, 1, 1, 3)))]
    elif change == 2:
        events = [mutate_bytes(event, chance, times=1) for event in events]
    body = b"".join(events)
    lines = f"content-type: {wire.stream.content_type}"
    return RawReply(name=name, pieces=(head("200 OK", body, lines, length=False), *events), end="close")


_Manner = Callable[[str, Format, dict[str, Any], random.Random], RawReply]
_MANNERS: Sequence[_Manner] = (
    *(_structure,) * 6,
    *(_structure_of_errors,) * 3,
    *(_bytes,) * 3,
    _types,
    _whole_head,
    _headers,
    _status_line,
    _chunks,
    _compressed,
    _lengths,
    _ends,
    _slow,
    _huge,
    *(_stream,) * 2,
)


def suite_lines(cases: int) -> list[dict[str, Any]]:
    """Return a suite of calls that are easy, and some cases where none is right."""
    lines: list[dict[str, Any]] = [{"tool": TOOL}]
    for number in range(cases):
        expect: dict[str, Any] = {"call": call("1")}
        if number % 4 == 0:
            expect = {"no_call": True}
        line = {"id": f"item-{number}", "prompt": f"Find item {number}.", "tools": ["look_up"], "expect": expect}
        lines.append(line)
    return lines


def play(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Give each call of some sessions another hostile reply, on each wire."""
    cases, rounds = (4, 1) if short else (29, 3)
    for number in range(rounds):
        for wire, path in WIRES.items():
            replies = hostile_replies(path, f"{seed} {wire} {number}")
            chosen: Sequence[RawReply] = [next(replies) for _ in range(cases * PASSES)]
            faults = faults_after(folder, wire, chosen)
            if faults and not short:
                chosen = smallest(folder, wire, chosen, faults[0].figure)
                faults = faults_after(folder, wire, chosen) or faults
            names = ", ".join(reply.name for reply in chosen[:3])
            figures.add(KIND, f"{wire}, seed {seed}, round {number}: {names}", faults, inputs=cases * PASSES)


def faults_after(folder: Path, wire: str, replies: Sequence[RawReply]) -> list[Fault]:
    """Return what is wrong after a cycle whose calls get these replies."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    wanted = answers(FORMATS[WIRES[wire]])[0]
    with ExitStack() as held:
        server = held.enter_context(HostileServer(ordinary("well-formed", json.dumps(wanted).encode())))
        server.play(replies)
        write_project(project, server.address, wire=wire)
        cases = -(-len(replies) // PASSES)
        lines = "".join(json.dumps(line) + "\n" for line in suite_lines(max(4, cases)))
        (project / "items.jsonl").write_text(lines)
        end = run(project, (*CYCLE, "--selfopt-no-race"))
        faults = [*faults_of(end, project, (0, 1, 10)), *unreadable(project)]
        kept = recorded(project)
        # Attempts that did not reach the server count, too.
        if kept.attempts < server.asked or kept.unjudged or kept.calls < len(replies):
            detail = f"the server was asked {server.asked} times; {kept}; {end.printed[-1_000:]}"
            faults.append(Fault(figure=Figure.CALLS, detail=detail))
        if server.keyed < server.asked:
            faults.append(Fault(figure=Figure.OTHER, detail="the server did not get the key, so it could repeat none"))
        # Attempts that did not reach the server, because its last reply broke the connection, asked for none.
        if server.left > max(0, kept.attempts - server.asked):
            detail = f"{server.left} of {len(replies)} replies were not asked for: {end.printed[-1_500:]}"
            faults.append(Fault(figure=Figure.OTHER, detail=detail))
    return faults


def smallest(folder: Path, wire: str, replies: Sequence[RawReply], figure: Figure) -> Sequence[RawReply]:
    """Return a small part of some replies after which the same figure is wrong."""
    while len(replies) > 1:
        middle = len(replies) // 2
        for half in (replies[:middle], replies[middle:]):
            if figure in {fault.figure for fault in faults_after(folder, wire, half)}:
                replies = half
                break
        else:
            return replies
    return replies
