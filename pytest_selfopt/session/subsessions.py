"""Sessions in a row: `--selfopt-cycles N` until N are done or nothing is left to try, and the proof after a cycle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_selfopt.console.layout import width_for
from pytest_selfopt.console.output import columns_of, laid_out, leave_closed_terminal
from pytest_selfopt.console.verdict_text import describe_plateau
from pytest_selfopt.cycle.exit_status import EXIT_DECIDED, EXIT_GATE_FAILED, EXIT_NOT_ENOUGH_EVIDENCE
from pytest_selfopt.cycle.proof import ProofRun
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.routing.history import HISTORY, read_history

CHILD = "PYTEST_SELFOPT_CYCLE_OF"
"""The environment variable of a subsession, which keeps options in addopts from starting more of them."""
NOTE = "PYTEST_SELFOPT_CYCLE_NOTE"
"""The environment variable with the file in which a subsession notes where its history is; empty for none."""
CONTINUABLE = (0, EXIT_GATE_FAILED, EXIT_NOT_ENOUGH_EVIDENCE)
"""The statuses after which another cycle makes sense: it may improve what failed a gate or is undecided."""


def which_of(environment: Mapping[str, str]) -> str:
    """Return which subsession this is, such as "cycle 2/3" or "proof"; empty for an ordinary session."""
    which = environment.get(CHILD, "")
    if "/" in which:
        return f"cycle {which}"
    return which


def is_followed(which: str) -> bool:
    """Whether further cycles may follow a subsession, such as "cycle 2/3"."""
    _, _, numbers = which.partition("cycle ")
    number, _, count = numbers.partition("/")
    return number != count


def begin_cycles(config: pytest.Config, count: int) -> int:
    """Run the cycles that the command line asks for; return the status of the last one."""
    given = list(map(str, config.invocation_params.args))
    return run_cycles(count, without_cycles(given), make_writer(config))


def make_writer(config: pytest.Config) -> Callable[[str], None]:
    """Return a function that writes between sessions, without a reporter; under -qq it writes nothing."""
    silent = config.get_verbosity() < -1

    def write(text: str) -> None:
        texts: list[str] = []
        if not silent:
            texts.append(text)
        width = width_for(columns_of(sys.stdout))
        encoding = sys.stdout.encoding or "utf-8"
        for line in laid_out(texts, width, encoding):
            sys.stdout.write(f"{line}\n")
        # Before a session of its own writes to the same stream.
        sys.stdout.flush()

    return write


def run_cycles(count: int, arguments: Sequence[str], write: Callable[[str], None]) -> int:
    """Run up to `count` cycles, each in a subsession with these arguments; return the status of the last one.

    A cycle is a whole session, because what is collected in it follows from what the one before decided.
    """
    status = 0
    for number in range(1, count + 1):
        write(f"selfopt: cycle {number} of {count}")
        with tempfile.NamedTemporaryFile(prefix="selfopt-") as note:
            status = run_session(arguments, f"{number}/{count}", note.name)
            entries = _new_entries(note.read())
        why = _why_stopped(status, entries)
        if why and number < count:
            write(f"selfopt: stopped after {number} of {count} cycles: {why}")
            break
    return status


def without_cycles(arguments: Sequence[str]) -> list[str]:
    """Return the arguments for a single cycle."""
    kept: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument == "--selfopt-cycles":
            next(given, None)
        elif not argument.startswith("--selfopt-cycles="):
            kept.append(argument)
    if "--selfopt-cycle" not in kept:
        kept.append("--selfopt-cycle")
    return kept


def run_session(arguments: Sequence[str], which: str, note: str = "") -> int:
    """Run a subsession with these arguments and `which` in its environment; return its status.

    A session that makes a cycle writes into the file `note` where its history is; see `note_history`.
    """
    # In a process group of its own, so that Ctrl-C reaches the session once, from here: a second signal would
    # interrupt it while it writes its results.
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, CHILD: which, NOTE: note}
    with _passing_on_signals() as passing:
        process = subprocess.Popen(command, env=environment, process_group=0)
        passing.begin(process)
        status = process.wait()
    if passing.came:
        leave_closed_terminal()
    if passing.came and status in CONTINUABLE:
        # It was finishing already, and nothing is to follow it.
        return int(pytest.ExitCode.INTERRUPTED)
    if status >= 0:
        return status
    # As shells report it, because a process cannot end with a negative status.
    return 128 - status


class _SignalRelay:
    """Passes signals on to a process; those that come before it exists are passed on once it does."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        """Pass signals on to this process."""
        self._process = process
        for number in self.came:
            process.send_signal(number)

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.came.append(number)
        if self._process is not None:
            self._process.send_signal(number)


@contextlib.contextmanager
def _passing_on_signals() -> Iterator[_SignalRelay]:
    """Pass signals on to a subsession; handlers of others run when it has ended."""
    relay = _SignalRelay()
    before: dict[int, Any] = {}
    number: int
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, relay.receive)
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for came in relay.came:
        handler = before[came]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(came, None)


def note_history(state_dir: Path) -> None:
    """Note for the parent of a subsession where the history is, and how long, before its cycle adds to it.

    Only the subsession knows it, because where settings are looked for depends on the benchmarks that it collects.
    """
    note = os.environ.get(NOTE)
    if note:
        Path(note).write_text(json.dumps([str(state_dir), len(_history(state_dir))]), encoding="utf-8")


def _new_entries(note: bytes) -> list[dict[str, Any]]:
    """Return the entries that a subsession has added to its history; `note` is what it has noted."""
    if not note:
        return []
    state_dir, before = json.loads(note)
    return _history(Path(state_dir))[before:]


def _history(state_dir: Path) -> list[dict[str, Any]]:
    try:
        return read_history(state_dir / HISTORY)
    except SelfoptError:
        return []


def _why_stopped(status: int, entries: Sequence[dict[str, Any]]) -> str:
    """Return why no further cycle is to be run; empty if one is."""
    if status not in CONTINUABLE:
        return f"the session ended with {_name_of(status)}"
    if not entries:
        return "the last cycle recorded nothing"
    for entry in entries:
        if entry.get("status") == "stopped":
            return str(entry["reason"])
    last = {entry["phase"]: entry for entry in entries}
    if not any(map(_has_candidates, last.values())):
        unneeded = sum(entry.get("next", {}).get("unneeded", 0) for entry in last.values())
        return f"plateau, {describe_plateau(unneeded)}"
    return ""


def _name_of(status: int) -> str:
    """Return the name of an exit status of pytest's own, such as "internal error"; the number of any other."""
    if status not in set(pytest.ExitCode):
        return str(status)
    return pytest.ExitCode(status).name.lower().replace("_", " ")


def _has_candidates(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the history has candidates for the next cycle."""
    return bool(entry.get("next", {}).get("candidates"))


_SEVERITY = (EXIT_DECIDED, EXIT_NOT_ENOUGH_EVIDENCE, EXIT_GATE_FAILED)


def run_proof(proof: ProofRun | None, config: pytest.Config, status: int) -> int:
    """Run the proof's session, if there is a proof; return the worse of its status and `status`."""
    if proof is None or status not in CONTINUABLE:
        return status
    write = make_writer(config)
    if undisturbed.told_to_end:
        write(f"selfopt: {proof.what} is left to the next cycle, because the session was told to end")
        return int(pytest.ExitCode.INTERRUPTED)
    write(f"selfopt: proves {proof.what}")
    if config.get_verbosity() >= 0:
        write("  (--selfopt-no-prove leaves that to the next cycle)")
    proven = run_session(_arguments_for(proof, config), "proof")
    if proven not in CONTINUABLE:
        write(f"selfopt: the proof did not finish (status {proven}); the next cycle continues it")
        return proven
    return max(status, proven, key=_SEVERITY.index)


def _arguments_for(proof: ProofRun, config: pytest.Config) -> list[str]:
    """Return the arguments of the proof's session: this session's, with the rest of its budget."""
    given = config.invocation_params.args
    arguments = [str(argument) for argument in given if argument != "--selfopt-resume"]
    arguments.append("--selfopt-prove")
    if proof.max_calls is not None:
        arguments.append(f"--selfopt-max-calls={proof.max_calls}")
    if proof.max_cost_usd is not None:
        arguments.append(f"--selfopt-max-cost={proof.max_cost_usd:.6f}")
    report = config.getoption("xmlpath", None)
    if report:
        stem = Path(report).with_suffix("")
        arguments.append(f"--junitxml={stem}-proof.xml")
    return arguments
