"""Plugins and fixtures that let no connection out of the process, as pytest-socket and pytest-recording do."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import Project, right, said

NO_SOCKETS = """
import socket

class Blocked(RuntimeError):
    pass

def no_socket(*_, **__):
    raise Blocked("no test may use the network")

def pytest_collection_finish():
    socket.socket = no_socket
"""
BLOCKED_LATER = """
import socket

def refused(*_):
    raise Exception("127.0.0.1 is not allowed")

def pytest_runtest_setup(item):
    if "run1" in item.nodeid:
        socket.socket.connect = refused
"""


def test_blocked_call_names_who_blocks_it(long_project: Callable[..., Project]) -> None:
    made = long_project()
    made.pytester.makeconftest(NO_SOCKETS)
    why = "connections of this process are blocked by conftest (Blocked: no test may use the network)"
    plain = made.run("-rf")
    assert plain.parseoutcomes() == {"errors": 12}
    assert f"items.jsonl:3: {why}" in said(plain)
    cycle = made.run("--selfopt-cycle")
    assert cycle.ret == 10
    assert f"HOLD: scripted/model cannot be asked: {why}; allow its host" in said(cycle)
    assert "no calls; pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing" in said(cycle)
    assert made.server.seen.asked == 0


def test_session_stops_when_connections_are_blocked(long_project: Callable[..., Project]) -> None:
    made = long_project({"rules": right()})
    made.pytester.makeconftest(BLOCKED_LATER)
    # All answers may have come by then, over connections that stay open.
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "blocked by conftest (Exception: 127.0.0.1 is not allowed)" in said(result)
    assert "allow its host, or keep what blocks connections from benchmarks; nothing was promoted" in said(result)
    assert made.run().parseoutcomes() == {"passed": 12}, "its only run is not blocked"
    resumed = made.run("--selfopt-cycle", "--selfopt-resume", "--noconftest")
    assert "resumed:" in said(resumed)
    assert resumed.ret == 0


def test_workers_may_block_their_own_connections(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.pytester.makeconftest(BLOCKED_LATER)
    assert made.run("--selfopt-cycle", "-n2").ret == 0, "the controller makes the calls"
