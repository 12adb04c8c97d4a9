"""Plugins and fixtures that let no connection out of the process, as pytest-socket and pytest-recording do."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import BASELINE, Project, right, said

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

import pytest

def refused(*_):
    raise Exception("127.0.0.1 is not allowed")

def pytest_runtest_setup(item):
    if "run1" in item.nodeid:
        socket.socket.connect = refused
"""
ISOLATED = BASELINE.replace("/i0", "/i1")


def test_blocked_call_names_who_blocks_it(project: Callable[..., Project]) -> None:
    made = project()
    made.pytester.makeconftest(NO_SOCKETS)
    why = "connections of this process are blocked by conftest (Blocked: no test may use the network)"
    plain = made.run("-rf")
    assert plain.parseoutcomes() == {"failed": 12}
    assert f"items.jsonl:3: {why}" in said(plain)
    cycle = made.run("--selfopt-cycle")
    assert cycle.ret == 10
    assert f"HOLD: scripted/model cannot be asked: {why}; allow its host" in said(cycle)
    assert "no calls; pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing" in said(cycle)
    assert made.server.seen.asked == 0


def test_session_stops_at_first_blocked_call(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.pytester.makeconftest(BLOCKED_LATER)
    # Every call of an isolated spec has a connection of its own, and with -x they are made when items need them.
    cycle = ("--selfopt-cycle", "--selfopt-baseline", ISOLATED, "--selfopt-candidates=1")
    result = made.run(*cycle, "-x")
    assert result.ret == 10
    assert "blocked by conftest (Exception: 127.0.0.1 is not allowed)" in said(result)
    resumed = made.run(*cycle, "--selfopt-resume", "--noconftest")
    assert "resumed:" in said(resumed)
    assert resumed.ret == 0
