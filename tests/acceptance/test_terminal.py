"""What a session looks like on terminals of every width, in logs, and when it is told to be quiet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests import warm
from tests.acceptance.conftest import WITHOUT, Project, right
from tests.acceptance.terminals import Screen, Seen, on_terminal, width_of
from tests.acceptance.test_gates import TWO_SPECS

Make = Callable[..., Project]
RESULT = [
    "PROMOTE atomic: schema, 36 of 36 answers right instead of 9 of 36; 9 of 12",
    "  prompts fixed, 0 broken: shown for these prompts, not for others",
]
PROGRESS = re.compile(r"\d+/\d+")
DOTS = """
import pytest

@pytest.mark.parametrize("number", range({number}))
def test_plain(number):
    assert number != 1
"""


def slow(project: Make, delay_s: float = 0.0) -> Project:
    """A project whose model takes its time, so that there is progress to be shown."""
    rules = [{**one, "then": {**one["then"], "latency": delay_s}} for one in right(constrained=True)]
    return project({"rules": rules, "default": {"reply": "Hello!", "latency": delay_s}})


def with_one_candidate(project: Make, delay_s: float = 0.0) -> Project:
    """The same with the winner as its only candidate, where how many there are shows nowhere."""
    made = slow(project, delay_s)
    made.configure(TWO_SPECS)
    return made


def cycle(made: Project, width: int, *arguments: str, **environment: str) -> Seen:
    """A cycle on a terminal."""
    command = [warm.python(), "-m", "pytest", *WITHOUT, "--selfopt-cycle", *arguments]
    return on_terminal(command, width=width, cwd=made.path, environment=environment)


def words(lines: list[str]) -> str:
    """Lines as one text, without what folding has done to it."""
    return " ".join(" ".join(lines).split())


def ours(lines: list[str]) -> list[str]:
    """The lines from the announcement to the report."""
    start = next(index for index, line in enumerate(lines) if line.startswith("selfopt cycle 1, phase"))
    end = next(index for index, line in enumerate(lines) if line.startswith("report: "))
    return lines[start : end + 1]


def progress_of(seen: Seen) -> list[str]:
    """The rewritten lines of progress, one after the other."""
    return [line for line in seen.shown if "atomic pass " in line and PROGRESS.search(line)]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_exceeds_the_terminal_width(long_project: Make, width: int) -> None:
    seen = cycle(slow(long_project, 0.1), width, "--selfopt-seed", "1")
    assert seen.status == 0
    assert not set(seen.screen.wrapped) & set(seen.lines[seen.lines.index(ours(seen.lines)[0]) :])
    own = [line for line in ours(seen.lines) if "===" not in line]
    assert max(map(width_of, own)) <= min(width, 100)
    assert (max(map(width_of, own)) > 80) == (width == 200)
    assert seen.screen.foreign == []
    assert words(RESULT) in words(own)
    assert "in force now:scripted/model/atomic/schema/t60/r1/i0(the winner)" in "".join(own).replace("  ", "").replace(
        "now: ", "now:"
    ).replace("i0 (", "i0(")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_progress_is_one_line_finally_cleared(project: Make, width: int) -> None:
    seen = cycle(slow(project, 0.1), width)
    shown = progress_of(seen)
    assert shown
    assert all(width_of(line) < width for line in shown)
    assert all(("in flight" in line) == (width > 40) for line in shown)
    assert not [line for line in seen.lines if re.search(r"calls \d+/", line)]


def test_the_verdict_comes_first_the_report_last(long_project: Make) -> None:
    made = slow(long_project)
    lines = made.run("--selfopt-cycle").outlines
    title = next(index for index, line in enumerate(lines) if "= selfopt cycle 1 =" in line)
    assert lines[title + 1] == "settings: pyproject.toml; state: .selfopt; routing: routing_config.json"
    assert lines[title + 2 : title + 4] == RESULT
    first = [line for line in lines[title + 4 : title + 9] if not line.startswith("    ")]
    assert [line.split(":")[0].strip() for line in first[:3]] == ["why", "in force now", "to take it back"]
    assert first[0].startswith("  why: schema fixed 27 answers, broke 0 in 3 passes; odds 10^6:1 against luck,")
    assert re.match(r"120 calls in [0-9.:]+ (s|min), cost ", first[3])
    assert lines[-2] == "report: .selfopt/reports/cycle-1.html"


@pytest.mark.parametrize(("lines", "times"), [("24", 1), ("200", 0)])
def test_a_low_terminal_ends_with_the_verdict(project: Make, lines: str, times: int) -> None:
    seen = cycle(with_one_candidate(project), 80, LINES=lines)
    assert seen.status == 0
    last = words(seen.lines[-6:])
    assert last.count("report: .selfopt/reports/cycle-1.html") == 1
    assert last.partition("report: ")[2].count("PROMOTE atomic: schema, 24 of 24 answers right") == times


def test_a_hold_says_what_is_needed(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)[:1]})
    text = words(made.run("--selfopt-cycle", "--selfopt-candidates", "2").outlines)
    assert "HOLD atomic: the evidence on schema is short why: furthest ahead, schema fixed " in text
    assert re.search(r"what it takes: at this difference about \d+ more pass(es)?, or \d+ prompts instead of 12", text)


def test_quiet_sessions_say_little_but_the_verdict(long_project: Make) -> None:
    made = slow(long_project)
    lines = made.run("--selfopt-cycle", "-q").outlines
    assert lines[:-1] == [
        "",
        *RESULT,
        "in force now: scripted/model/atomic/schema/t60/r1/i0",
        "report: .selfopt/reports/cycle-1.html",
    ]
    (made.path / "routing_config.json").unlink()
    shutil.rmtree(made.path / ".selfopt")
    shown = [line for line in made.run("--selfopt-cycle", "-qq").outlines if line]
    assert shown == RESULT


def test_quiet_gates_say_little(project: Make) -> None:
    made = with_one_candidate(project)
    made.run("--selfopt-cycle")
    lines = [line for line in made.run("--selfopt-gate", "-qq").outlines if line]
    assert lines == ["pass atomic: scripted/model/atomic/schema/t60/r1/i0"]
    assert "the gate is passed; nothing was written" in made.run("--selfopt-gate", "-q").outlines


def test_quiet_terminals_show_progress_silent_ones_none(project: Make) -> None:
    made = with_one_candidate(project, 0.1)
    quiet = cycle(made, 80, "-q")
    assert progress_of(quiet)
    assert not [line for line in quiet.lines if "calls " in line]
    (made.path / "routing_config.json").unlink()
    assert progress_of(cycle(made, 80, "-qq")) == []


def test_progress_yields_to_pytests_output(project: Make) -> None:
    made = with_one_candidate(project, 0.1)
    made.pytester.makepyfile(test_before=DOTS.format(number=4), test_zero=DOTS.format(number=3))
    seen = cycle(made, 60, "--tb=no", "-p", "no:randomly")
    assert seen.status == 1
    assert progress_of(seen)
    assert [line for line in seen.lines if line.startswith("test_before.py .F..")]
    assert [line for line in seen.lines if line.startswith("test_zero.py .F.")]
    assert [line for line in seen.lines if PROGRESS.search(line) and "%]" in line] == []
    assert seen.screen.wrapped == [] or not [line for line in seen.screen.wrapped if "pass" in line]


def test_a_verbose_terminal_has_item_lines(long_project: Make) -> None:
    seen = cycle(with_one_candidate(long_project, 0.1), 200, "-v")
    items = [line for line in seen.lines if line.startswith("test_items.py::")]
    assert len(items) == 72
    assert all(re.search(r"\] (PASS|MISS) +\[ *\d+%\]$", line) for line in items)
    assert progress_of(seen) == []


@pytest.mark.parametrize("arguments", [("-n2",), ("--no-header",), ("-s",)])
def test_other_run_modes_print_the_same_lines(long_project: Make, arguments: tuple[str, ...]) -> None:
    seen = cycle(with_one_candidate(long_project, 0.1), 80, *arguments, CI="true")
    assert seen.status == 0
    assert progress_of(seen)
    assert [line for line in seen.lines if re.search(r"calls \d+/", line)] == []
    assert len([line for line in seen.lines if line.startswith("  pass ")]) == 3
    assert set(RESULT) <= set(seen.lines)


def test_ctrl_c_leaves_the_line_clean(project: Make) -> None:
    made = with_one_candidate(project, 0.2)
    command = [warm.python(), "-m", "pytest", *WITHOUT, "--selfopt-cycle"]
    seen = on_terminal(command, width=80, cwd=made.path, until=lambda text: "atomic pass 1  calls" in text)
    assert seen.status == 2
    assert progress_of(seen)
    assert not [line for line in seen.lines if re.search(r"calls \d+/", line)]
    assert "no decision: the session was interrupted; nothing was promoted or rewritten" in words(seen.lines)


def test_progress_names_its_cycle_among_several(project: Make) -> None:
    made = slow(project, 0.1)
    command = [warm.python(), "-m", "pytest", *WITHOUT, "--selfopt-cycles=2", "--selfopt-exhaustive"]
    seen = on_terminal(command, width=80, cwd=made.path)
    assert {line.split(",")[0].strip() for line in progress_of(seen)} == {"cycle 1/2", "cycle 2/2"}
    assert "selfopt: cycle 2 of 2" in seen.lines


def test_a_verbose_session_shows_every_gate(project: Make) -> None:
    text = words(slow(project).run("--selfopt-cycle", "-v").outlines)
    assert "FAILED no_regression: fixed 0 answers" in text
    assert text.count("passed restraint: called a tool in 0 of") == 3


def test_disabling_summary_or_terminal_changes_only_that(project: Make) -> None:
    made = with_one_candidate(project)
    for arguments in (("--no-summary",), ("-p", "no:terminal")):
        result = made.run("--selfopt-cycle", *arguments)
        assert result.ret == 0
        assert RESULT[0] not in result.stdout.str()
        assert made.history()[-1]["winner"]
        (made.path / "routing_config.json").unlink()


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_limited_terminals_get_limited_output(long_project: Make, environment: dict[str, str]) -> None:
    seen = cycle(with_one_candidate(long_project, 0.1), 80, **environment)
    assert set(RESULT) <= set(seen.lines)
    if "PYTHONIOENCODING" in environment:
        assert seen.raw.isascii()
        assert "native_api -> schema" in words(seen.lines)
        assert "\\u" not in seen.raw
    if "NO_COLOR" in environment:
        assert "\x1b[3" not in seen.raw
        assert progress_of(seen)
    if environment.get("TERM") == "dumb":
        assert progress_of(seen) == []


def test_colour_options_do_not_change_terminal_detection(project: Make) -> None:
    made = with_one_candidate(project, 0.1)
    text = made.run("--selfopt-cycle", "--color=yes").stdout.str()
    assert "\x1b[" in text
    assert "\r" not in text
    (made.path / "routing_config.json").unlink()
    seen = cycle(made, 80, "--color=no")
    assert "\x1b[" not in seen.raw
    assert progress_of(seen)


def test_the_columns_variable_sets_log_width(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = ours(slow(project).run("--selfopt-cycle").outlines)
    assert max(map(len, lines)) <= 50
    assert "          accuracy  restraint  errors  median" in lines


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202etxt"


@pytest.mark.parametrize("arguments", [("--selfopt-cycle", "-v"), ("-rA",), ()])
def test_foreign_text_does_not_control_the_terminal(project: Make, arguments: tuple[str, ...]) -> None:
    bad = {"when": {"prompt": "item 0."}, "then": {"status": 500, "message": HOSTILE}}
    made = project({"rules": [bad], "default": {"text": f"Hello {HOSTILE}"}})
    text = made.run("--color=no", *arguments).stdout.str()
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    if not arguments:
        assert "⟨U+001B⟩[2J" in text


def selfopt(made: Project, *arguments: str, **environment: str) -> tuple[int, bytes, bytes]:
    """A command with its answer in a pipe."""
    done = subprocess.run(
        [warm.python(), "-m", "pytest_selfopt.cli", *arguments],
        cwd=made.path,
        capture_output=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


COMMANDS = ("history", "report --format md", "why scripted/model atomic", "profile --all", "decide")


def test_commands_fall_back_to_ascii(project: Make) -> None:
    made = slow(project)
    made.run("--selfopt-cycle")
    for command in COMMANDS:
        status, out, err = selfopt(made, *command.split(), PYTHONIOENCODING="ascii")
        assert (status, err) == (0, b""), command
        assert out.isascii()
        assert b"\\u" not in out, command


@pytest.mark.parametrize("width", [40, 80])
def test_commands_fold_on_terminals_only(project: Make, width: int) -> None:
    made = slow(project)
    made.run("--selfopt-cycle")
    for command in ("history", "why scripted/model atomic", "profile --all", "decide", "models --no-ask"):
        cli = [warm.python(), "-m", "pytest_selfopt.cli", *command.split()]
        seen = on_terminal(cli, width=width, cwd=made.path)
        assert seen.status == 0
        assert seen.screen.wrapped == [], command
        assert max(map(width_of, seen.lines)) <= width
    lines = selfopt(made, "decide")[1].decode().splitlines()
    assert max(map(len, lines)) > 100
    parsed = on_terminal([*cli[:3], "decide", "--json"], width=width, cwd=made.path).raw
    assert parsed.replace("\r\n", "\n") == selfopt(made, "decide", "--json")[1].decode()


def test_the_test_screen_detects_its_faults() -> None:
    screen = Screen(4).show("abc\rX\r\n12345\x1b[1mb\x1b[0m\x1b[2J漢")
    assert screen.lines == ["Xbc", "1234", "5b漢"]
    assert screen.wrapped == ["1234"]
    assert screen.foreign == ["\x1b[2J"]
