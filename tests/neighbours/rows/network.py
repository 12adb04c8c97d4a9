"""Plugins that block, record and replace the network of a session, which the calls go through."""

from __future__ import annotations

from tests.neighbours.row import Mode, Row, Way, stopped, true
from tests.neighbours.rows.judging import body
from tests.neighbours.rows.repeating import marked

SOCKET, RECORDING, RESPONSES = ("pytest-socket==0.8.1",), ("pytest-recording==0.14.1",), ("responses==0.26.3",)
CHECKED = "case.check(reply)"
ELSEWHERE = {
    (Mode.CYCLE, Way.DISTRIBUTED): true(),
    (Mode.GATE, Way.DISTRIBUTED): true(),
    (Mode.PLAIN, Way.DISTRIBUTED): true(status=1),
}
"""With xdist the controller makes the calls, and what is blocked is blocked in its workers."""


def blocked(title: str, packages: tuple[str, ...], name: str, *options: str) -> Row:
    """Return a row of something that lets no call through; calls that were made before it begins have answers."""
    no, plain = stopped("connection", sentence=name), stopped("connection", status=1)
    return Row(title=title, packages=packages, options=options, cycle=no, gate=no, plain=plain, differs=ELSEWHERE)


ROWS = (
    blocked("pytest-socket --disable-socket", SOCKET, "blocked by pytest-socket", "--disable-socket"),
    Row(title="pytest-socket --allow-hosts", packages=SOCKET, options=("--allow-hosts=127.0.0.1",)),
    blocked("pytest-recording --block-network", RECORDING, "blocked by pytest-recording", "--block-network"),
    Row(title="pytest-recording --disable-recording", packages=RECORDING, options=("--disable-recording",)),
    Row(title="responses unused", packages=RESPONSES, body=body("import responses", CHECKED)),
    Row(
        title="responses around a body",
        packages=RESPONSES,
        body=marked("responses.activate", imported="import responses\n"),
    ),
)
