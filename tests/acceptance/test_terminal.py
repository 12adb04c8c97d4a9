"""What a session looks like on terminals of every width, in logs, and when it is told to be quiet."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import WITHOUT, Project, right

Make = Callable[..., Project]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RESULT = "PROMOTE atomic: schema, 1.000 of answers right instead of 0.250"


def slow(project: Make, delay_s: float = 0.0) -> Project:
    """A project whose model takes its time, so that there is progress to be shown."""
    rules = [{**one, "then": {**one["then"], "latency": delay_s}} for one in right(constrained=True)]
    return project({"rules": rules, "default": {"text": "Hello!", "latency": delay_s}})


def on_terminal(made: Project, columns: int, *arguments: str, **environment: str) -> str:
    """Everything that a session writes to a terminal of that width, byte by byte."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-m", "pytest", *WITHOUT, "--selfopt-cycle", *arguments]
    plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI", "TERM")}
    process = subprocess.Popen(
        command,
        cwd=made.path,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**plain, "TERM": "xterm", **environment},
    )
    os.close(follower)
    written = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not some:
            break
        written += some
    os.close(leader)
    assert process.wait() == 0
    return written.decode("utf-8")


def screen(written: str) -> list[str]:
    """The lines as they stand when it is over: what was written over is gone."""
    lines = []
    for line in ESCAPES.sub("", written).replace("\r\n", "\n").split("\n"):
        shown: list[str] = []
        for part in line.split("\r"):
            shown[: len(part)] = part
        lines.append("".join(shown).rstrip())
    return lines


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal(project: Make, columns: int) -> None:
    written = on_terminal(slow(project, 0.05), columns)
    ours = ESCAPES.sub("", written).replace("\r\n", "\n").split("\n")
    start = next(index for index, line in enumerate(ours) if "selfopt cycle 1, phase atomic" in line)
    end = next(index for index, line in enumerate(ours) if line.startswith("report: "))
    # Names and paths are never broken: who copies them needs them whole.
    long = [
        line for line in ours[start:end] for part in line.split("\r") if len(part) > columns and " " in part.strip()
    ]
    assert long == []
    assert "calls " in written or columns == 40
    done = screen(written)
    assert not [line for line in done if "in flight" in line]
    text = " ".join(" ".join(done).split())
    assert RESULT in text
    assert "in force now: scripted/model/atomic/schema/t60/r1/i0 (the winner)" in text


def test_the_verdict_stands_first_and_the_report_last(project: Make) -> None:
    made = slow(project)
    lines = made.run("--selfopt-cycle").outlines
    title = next(index for index, line in enumerate(lines) if "= selfopt cycle 1 =" in line)
    assert lines[title + 1] == RESULT
    assert lines[-2] == "report: .selfopt/reports/cycle-1.html"


def test_quiet_sessions_say_the_verdict_and_little_else(project: Make) -> None:
    made = slow(project)
    lines = made.run("--selfopt-cycle", "-q").outlines
    assert lines[:-1] == [
        "",
        RESULT,
        "in force now: scripted/model/atomic/schema/t60/r1/i0",
        "report: .selfopt/reports/cycle-1.html",
    ]
    (made.path / "routing_config.json").unlink()
    shown = [line for line in made.run("--selfopt-cycle", "-qq").outlines if line]
    assert [line.split(":")[0] for line in shown] == ["PROMOTE atomic"]


def test_a_quiet_terminal_has_its_line_of_progress(project: Make) -> None:
    written = on_terminal(slow(project, 0.05), 80, "-q")
    assert re.search(r"\r  atomic pass \d  calls \d+/144", written)
    assert not [line for line in screen(written) if "calls " in line]
    assert "calls " not in on_terminal(slow(project, 0.05), 80, "-qq")


def test_a_loud_session_tells_every_gate_of_every_candidate(project: Make) -> None:
    text = " ".join(slow(project).run("--selfopt-cycle", "-v").stdout.str().split())
    assert "FAILED no_regression: fixed 0 answers" in text
    assert "passed restraint: called a tool in 0 of" in text


def test_without_a_summary_nothing_changes_but_that(project: Make) -> None:
    made = slow(project)
    result = made.run("--selfopt-cycle", "--no-summary")
    assert result.ret == 0
    assert RESULT not in result.stdout.str()
    assert made.history()[0]["winner"]


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminals_that_can_little_get_what_they_can(
    project: Make, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    written = on_terminal(slow(project, 0.03), 80, **environment)
    text = " ".join(" ".join(screen(written)).split())
    assert RESULT in text
    if "PYTHONIOENCODING" in environment:
        assert written.isascii()
        assert "native_api -> schema" in text
        assert "\\u" not in text
    if "NO_COLOR" in environment:
        assert "\x1b[3" not in written
    if environment.get("TERM") == "dumb":
        assert not re.search(r"\r  atomic", written)


def test_colours_in_a_log_are_no_terminal(project: Make) -> None:
    text = slow(project, 0.05).run("--selfopt-cycle", "--color=yes").stdout.str()
    assert "\x1b[" in text
    assert "\r" not in text


def test_what_a_server_says_does_not_control_the_terminal(project: Make) -> None:
    made = project({"default": {"status": 500, "message": "\x1b[2J\x1b]0;owned\x07\u202etxt"}})
    text = made.run("--selfopt-cycle", "-v").stdout.str()
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_commands_write_in_ascii_where_nothing_else_can_be(project: Make) -> None:
    made = slow(project)
    made.run("--selfopt-cycle")
    for command in ("history", "report --format md", "why scripted/model atomic", "profile --all"):
        shown = subprocess.run(
            [sys.executable, "-m", "pytest_selfopt.cli", *command.split()],
            cwd=made.path,
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert (shown.returncode, shown.stderr) == (0, b""), command
        assert shown.stdout.isascii()
