"""The plugin's pytest hooks. In a session without benchmarks they import nothing and do nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_selfopt.session.session import SelfoptSession
    from pytest_selfopt.session.xdist.controller import XdistController
    from pytest_selfopt.session.xdist.worker import WorkerSession

SESSION: pytest.StashKey[SelfoptSession | WorkerSession] = pytest.StashKey()
CONTROLLER: pytest.StashKey[XdistController] = pytest.StashKey()

NOTHING = (
    "--selfopt-cycle or --selfopt-gate: no benchmark was collected; mark a test with "
    '@pytest.mark.selfopt("suite.jsonl") or pass the folder with your benchmarks'
)
MARKER = (
    'selfopt(suite, phase="atomic"): ask every case of the suite file (.jsonl, .yaml or .csv, relative to the test '
    "file); the test may take `case`, `spec`, `run` and `reply`, and judges the reply, as by `case.check(reply)`."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("selfopt", "benchmarks of language models that improve what they measure")
    for name, keywords in _OPTIONS.items():
        group.addoption(name, **keywords)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks by which projects extend the plugin."""
    from pytest_selfopt import hookspec

    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run several cycles, each in its own session."""
    count = config.getoption("selfopt_cycles")
    if not count or config.getoption("help") or hasattr(config, "workerinput"):
        return None
    from pytest_selfopt.session.subsessions import CHILD, begin_cycles

    return None if CHILD in os.environ else begin_cycles(config, count)


@pytest.hookimpl(specname="pytest_cmdline_main", tryfirst=True)
def pytest_cmdline_main_dry(config: pytest.Config) -> None:
    """Start no xdist workers for a dry run, nor for a list of fixtures, which this process collects itself."""
    lists = config.getoption("showfixtures", default=False) or config.getoption("show_fixtures_per_test", default=False)
    if (config.getoption("selfopt_dry_run") or (lists and _judges(config))) and not hasattr(config, "workerinput"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []


@pytest.hookimpl(specname="pytest_cmdline_main", tryfirst=True)
def pytest_cmdline_main_once(config: pytest.Config) -> None:
    """Refuse xdist's `--looponfail`, which starts sessions again and again, before it starts the first."""
    if _judges(config) and config.getoption("looponfail", default=False):
        raise pytest.UsageError(
            "--looponfail runs failed tests again until they pass, and would pay for a cycle or gate each time; "
            "remove it, or use it without --selfopt-cycle and --selfopt-gate"
        )


@pytest.hookimpl(specname="pytest_cmdline_main", wrapper=True, tryfirst=True)
def pytest_cmdline_main_and_prove(config: pytest.Config) -> Generator[None, int, int]:
    """Prove the rules that a cycle has put on trial, in a second session."""
    status = yield
    session = config.stash.get(CONTROLLER, None) or config.stash.get(SESSION, None)
    return status if session is None else session.run_proof(status)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and reject impossible options before collection."""
    config.addinivalue_line("markers", MARKER)
    if config.getoption("selfopt_gate") and config.getoption("selfopt_cycle"):
        raise pytest.UsageError("--selfopt-gate and --selfopt-cycle exclude each other; give one of them")
    for option in ("resume", "dry_run", "prove"):
        if config.getoption(f"selfopt_{option}") and not config.getoption("selfopt_cycle"):
            name = option.replace("_", "-")
            raise pytest.UsageError(f"--selfopt-{name} needs --selfopt-cycle")
    for option in ("max_calls", "max_cost", "json", "ctrf", "comment"):
        if config.getoption(f"selfopt_{option}") and not _judges(config):
            name = option.replace("_", "-")
            raise pytest.UsageError(f"--selfopt-{name} needs --selfopt-cycle or --selfopt-gate")
    if _judges(config) and not hasattr(config, "workerinput"):
        from pytest_selfopt.deferred_signals import undisturbed

        undisturbed.interrupt_when_ended()
    if config.getoption("dist", "no") != "no" and config.getoption("tx", None) and not config.option.collectonly:
        from pytest_selfopt.session.xdist.plugin import XdistPlugin

        config.pluginmanager.register(
            XdistPlugin(config, CONTROLLER, NOTHING if _judges(config) else ""), "selfopt-distributor"
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Reject a cycle that has nothing to measure, unless its collection was interrupted."""
    try:
        collected = yield
    except pytest.UsageError as problem:
        if hasattr(session.config, "workerinput") and _judges(session.config):
            from pytest_selfopt.session.xdist.plugin import note_refusal

            note_refusal(session.config, problem)
        raise
    # Under xdist, workers collect, and XdistPlugin is told by them.
    distributed = hasattr(session.config, "workerinput") or session.config.pluginmanager.hasplugin("dsession")
    missing = SESSION not in session.config.stash and not session.testsfailed
    if missing and _judges(session.config) and not distributed:
        raise pytest.UsageError(NOTHING)
    return collected


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let a worker of a judging session report no collection that was interrupted."""
    # Pytest calls this hook even then, and xdist would report what was collected so far as if it were everything.
    interruption = sys.exception()
    if interruption is not None and hasattr(session.config, "workerinput") and _judges(session.config):
        raise interruption


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn a marked test into one item for each case, spec and run."""
    marker = metafunc.definition.get_closest_marker("selfopt")
    if marker is not None:
        _session_of(metafunc.config).generate(metafunc, marker)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse the marker on items for which no model would be asked, such as methods of a `unittest.TestCase`."""
    others = [item for item in items if type(item) is not pytest.Function]
    if others:
        from pytest_selfopt.session.neighbours.misplaced_marker import refuse_misplaced

        problems = refuse_misplaced(others)
        if problems:
            _session_of(config).refuse(problems)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Release all resources."""
    session = config.stash.get(CONTROLLER, None) or config.stash.get(SESSION, None)
    if session is not None:
        session.close()
    if session is not None or _judges(config):
        from pytest_selfopt.deferred_signals import undisturbed

        undisturbed.restore()


def _judges(config: pytest.Config) -> bool:
    return bool(config.getoption("selfopt_cycle") or config.getoption("selfopt_gate"))


def _session_of(config: pytest.Config) -> SelfoptSession | WorkerSession:
    """Return the session object, created and registered for the first benchmark."""
    if SESSION not in config.stash:
        config.stash[SESSION] = _new_session(config)
        config.pluginmanager.register(config.stash[SESSION], "selfopt-session")
    return config.stash[SESSION]


def _new_session(config: pytest.Config) -> SelfoptSession | WorkerSession:
    if hasattr(config, "workerinput"):
        from pytest_selfopt.session.xdist.worker import WorkerSession

        return WorkerSession(config)
    from pytest_selfopt.session.session import SelfoptSession

    return SelfoptSession(config)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of at least 1")
    return int(text)


def _dollars(text: str) -> float:
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be an amount in US dollars, such as 0.50")
    return amount


def _tags(text: str) -> str:
    from pytest_selfopt.bench.tag_expression import read_tags

    try:
        read_tags(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r}: {problem}") from None
    # The text, because workers of a distributed session get nothing else.
    return text


_OPTIONS: dict[str, dict[str, Any]] = {
    "--selfopt-cycle": {
        "action": "store_true",
        "help": "Run one turn of the loop: compare the baseline with candidates, judge, diagnose, promote, "
        "and rewrite the routing configuration.",
    },
    "--selfopt-cycles": {
        "metavar": "N",
        "type": _at_least_one,
        "help": "Run up to N cycles, one after the other, and stop when nothing is left to try.",
    },
    "--selfopt-gate": {
        "action": "store_true",
        "help": "Compare the spec in force with the configured thresholds and its recorded results; write nothing. "
        "The exit status is 0 if it passes, 1 if it fails, 10 if the evidence is insufficient.",
    },
    "--selfopt-json": {
        "metavar": "PATH",
        "help": "Write the result of a cycle or gate as JSON, for other programs.",
    },
    "--selfopt-ctrf": {
        "metavar": "PATH",
        "help": "Write gates and cases as a test report in the Common Test Report Format.",
    },
    "--selfopt-comment": {
        "metavar": "PATH",
        "help": "Write the result as a comment for a pull request: at most 60 lines of Markdown, cases before and now.",
    },
    "--selfopt-no-report": {
        "action": "store_true",
        "help": "Write no report after a cycle; selfopt report writes it later.",
    },
    "--selfopt-dry-run": {
        "action": "store_true",
        "help": "Show what a cycle would do, with how many calls and at what cost; make no calls.",
    },
    "--selfopt-baseline": {
        "metavar": "SPEC",
        "help": "Start from this spec instead of the routed one, such as "
        "embedded/smollm2-135m/atomic/native_api/t60/r1/i0.",
    },
    "--selfopt-force-model": {
        "metavar": "MODEL",
        "help": "Use this model in every phase, whatever the routing configuration says; the choice is logged.",
    },
    "--selfopt-candidates": {
        "metavar": "N",
        "type": _at_least_one,
        "help": "Compare at most N candidates with the baseline in this cycle (default: 3).",
    },
    "--selfopt-tags": {
        "metavar": "EXPRESSION",
        "type": _tags,
        "help": "Ask only cases of whose tags this is true, such as 'slow and not paid'; like every selection, it "
        "decides nothing.",
    },
    "--selfopt-seed": {
        "metavar": "N",
        "type": int,
        "help": "Seed of the order in which specs are asked within a case (default: drawn and recorded).",
    },
    "--selfopt-profile": {
        "choices": ("calibrated", "classic"),
        "help": "Judge by odds against luck with a stated bound on false promotions (calibrated, the default), or by "
        "the median of seven runs, which guarantees nothing (classic).",
    },
    "--selfopt-no-race": {
        "action": "store_true",
        "help": "Give every spec all passes (7) instead of stopping candidates that can no longer win.",
    },
    "--selfopt-exhaustive": {
        "action": "store_true",
        "help": "Once nothing else is left, also try candidates that cure no trouble that was measured.",
    },
    "--selfopt-no-promote": {
        "action": "store_true",
        "help": "Judge the candidates but keep the baseline in force, whatever the verdict.",
    },
    "--selfopt-no-enforce": {
        "action": "store_true",
        "help": "Diagnose and recommend, but put no rule on trial.",
    },
    "--selfopt-prove": {
        "action": "store_true",
        "help": "Try no candidates; only compare rules on trial with their absence, and confirm or roll them back.",
    },
    "--selfopt-no-prove": {
        "action": "store_true",
        "help": "Leave the proof of rules put on trial to the next cycle instead of proving them at once.",
    },
    "--selfopt-resume": {
        "action": "store_true",
        "help": "Resume the last cycle, which was interrupted; no finished call is repeated.",
    },
    "--selfopt-warmup": {
        "dest": "selfopt_warmup",
        "action": "store_true",
        "default": None,
        "help": "Warm up every spec before its first run, whatever the routing configuration says.",
    },
    "--no-selfopt-warmup": {
        "dest": "selfopt_warmup",
        "action": "store_false",
        "default": None,
        "help": "Warm up no spec, whatever the routing configuration says.",
    },
    "--selfopt-max-calls": {
        "metavar": "N",
        "type": _at_least_one,
        "help": "Make at most N calls (attempts, warm-up calls included) in a cycle; then stop with a HOLD.",
    },
    "--selfopt-max-cost": {
        "metavar": "USD",
        "type": _dollars,
        "help": "Spend at most this many US dollars in a cycle, by the configured prices; then stop with a HOLD.",
    },
    "--selfopt-runner": {
        "metavar": "NAME",
        "help": "Where calls are made: in this process (local, the default), by workers that take them from NATS "
        "JetStream (nats) or Temporal (temporal), or by a runner of your own.",
    },
    "--selfopt-state-dir": {
        "metavar": "DIR",
        "help": "Where ledger, history and logs are kept, relative to the folder of the settings (default: .selfopt).",
    },
}
