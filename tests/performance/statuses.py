"""The exit status and the verdict of whole sessions, each without `-n` and with `-n2`: what ends a session, and how.

    python -m tests.performance.statuses [NAME …]

Every situation is a project of its own, run both ways. Its statuses are compared with those that it is said to have, of
which `docs/reference/statuses.md` shows a part; verdicts, and why nothing was decided, have to be the same both ways.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_selfopt.models.scripted import ScriptedServer
from tests import warm
from tests.acceptance.conftest import BODY, MODEL, WITHOUT, right, short_suite
from tests.packages import fetched

ALONE, DISTRIBUTED = (), ("-n2",)
CYCLE, GATE = ("--selfopt-cycle", "--selfopt-seed=3"), ("--selfopt-gate",)
COV = "pytest-cov==7.1.0"
SETTINGS = """
[tool.selfopt]
model = "{model}"
[tool.selfopt.models."{model}"]
base_url = "{url}"
max_concurrency = {at_a_time}
[tool.selfopt.search]
variants = ["native_api", "schema"]
warmup = []
retries = []
timeouts = []
isolation = []
{extra}
"""

BETTER = {"rules": right(constrained=True)}
"""A model that the candidate, and not the baseline, gets right."""
WORSE = {"rules": right(constrained=True)[:3]}
ALL_RIGHT = {"suite": "items.jsonl", "default": {"expected": True}}
ALL_WRONG = {"default": {"text": "No."}}
CANDIDATE_WRONG = {**ALL_RIGHT, "rules": [{"when": {"constrained": True}, "then": {"text": "No."}}]}
TOO_CLOSE = {"rules": [*right()[1:], *right(constrained=True)[:1]]}
UNANSWERED = {"default": {"status": 400}}
PARTLY_UNANSWERED = {**ALL_RIGHT, "rules": [{"when": {"prompt": "item 1."}, "then": {"status": 400}}]}
NO_QUOTA = {"default": {"status": 429, "message": "You exceeded your current quota (insufficient_quota)"}}
SLOW = {**BETTER, "latency": 0.3}

FAILING = {"test_beside.py": "def test_beside():\n    assert False\n"}
FAILING_FIRST = {"test_a.py": "def test_first():\n    assert False\n"}
WARNING = {"test_beside.py": "import warnings\n\n\ndef test_beside():\n    warnings.warn('old', stacklevel=1)\n"}
UNREADABLE = {"test_beside.py": "def test_beside(:\n"}
TEARDOWN = {
    "test_beside.py": "import pytest\n\n\n@pytest.fixture\ndef held():\n    yield\n    1 / 0\n\n\n"
    "def test_beside(held):\n    pass\n"
}
STRICT = {"test_beside.py": "import pytest\n\n\n@pytest.mark.xfail(strict=True)\ndef test_beside():\n    pass\n"}
INTERRUPTING = {"test_a.py": "def test_first():\n    raise KeyboardInterrupt\n"}
EXITING = {"test_a.py": "import pytest\n\n\ndef test_first():\n    pytest.exit('enough')\n"}
EXITING_WITH_7 = {"test_a.py": "import pytest\n\n\ndef test_first():\n    pytest.exit('enough', returncode=7)\n"}
CRASHING = {"test_beside.py": "import os\n\n\ndef test_beside():\n    os._exit(3)\n"}
BROKEN_HOOK = {"conftest.py": "def pytest_runtest_logreport(report):\n    1 / 0\n"}
SETS_9 = {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 9\n"}
NEVER_COVERED = {"never.py": "def never():\n    return 1\n"}
RAISING_BODY = {"test_items.py": BODY.replace("    case.check", "    case.id == 'item-2' and 1 / 0\n    case.check")}
CRASHING_BODY = {
    "test_items.py": BODY.replace(
        "    case.check", "    case.id == 'item-2' and __import__('os')._exit(3)\n    case.check"
    )
}
SKIPPED_BODY = {"test_items.py": BODY.replace("@pytest", "@pytest.mark.skip(reason='later')\n@pytest", 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A session: its arguments, the script of its model, more files, settings and a package; and its statuses.

    `alone` and `distributed` are the statuses without and with `-n2`; None if it is not tried that way. `first` is the
    script of a cycle that goes before, in the same project. What the page on statuses shows has a `verdict`, in words.
    """

    arguments: tuple[str, ...] = CYCLE
    script: Mapping[str, Any] = field(default_factory=lambda: BETTER)
    first: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""
    at_a_time: int = 8
    package: str = ""
    alone: int | None
    distributed: int | None
    verdict: str = ""

    @property
    def ways(self) -> dict[tuple[str, ...], int]:
        """The ways in which it is tried, with the status of each."""
        statuses = {ALONE: self.alone, DISTRIBUTED: self.distributed}
        return {way: status for way, status in statuses.items() if status is not None}


STANDS, INTERRUPTED, UNASKED = "stands", "none: the session was interrupted", "none: no call is made"

DECIDED: Mapping[str, Situation] = {
    "promote": Situation(alone=0, distributed=0),
    "keep": Situation(script=ALL_RIGHT, alone=0, distributed=0),
    "reject": Situation(script=CANDIDATE_WRONG, alone=0, distributed=0),
    "all wrong": Situation(script=ALL_WRONG, alone=0, distributed=0),
    "hold": Situation(script=TOO_CLOSE, alone=10, distributed=10),
    "a gate failed": Situation(extra="[tool.selfopt.gates]\nlatency = 0.000001\n", alone=1, distributed=1),
    "no answers": Situation(script=UNANSWERED, alone=10, distributed=10),
    "some without answer": Situation(script=PARTLY_UNANSWERED, alone=10, distributed=10),
    "no quota": Situation(script=NO_QUOTA, alone=10, distributed=10),
    "the budget is used up": Situation(arguments=(*CYCLE, "--selfopt-max-calls=10"), alone=10, distributed=10),
    "some selected": Situation(arguments=(*CYCLE, "-k", "item-1"), alone=10, distributed=10),
    "all skipped": Situation(files=SKIPPED_BODY, alone=10, distributed=10),
    "a body that raises": Situation(files=RAISING_BODY, alone=1, distributed=1),
    "a test beside that fails": Situation(files=FAILING, alone=1, distributed=1),
    "a teardown beside that fails": Situation(files=TEARDOWN, alone=1, distributed=1),
    "a strict xfail beside": Situation(files=STRICT, alone=1, distributed=1),
    "a suite that cannot be read": Situation(files={"items.jsonl": '{"id": 1}\n'}, alone=4, distributed=4),
    "settings that cannot be used": Situation(extra="[tool.selfopt.budget]\ncolour = 1\n", alone=4, distributed=4),
    "no benchmark": Situation(files={"test_items.py": "def test_it():\n    pass\n"}, alone=4, distributed=4),
    "a dry run": Situation(arguments=(*CYCLE, "--selfopt-dry-run"), alone=0, distributed=0),
    "-x, all right": Situation(arguments=(*CYCLE, "-x"), script=ALL_RIGHT, alone=0, distributed=0),
    "gate, passed": Situation(arguments=GATE, first=BETTER, alone=0, distributed=0),
    "gate, worse": Situation(arguments=GATE, first=BETTER, script=WORSE, alone=1, distributed=1),
    "gate, no configuration": Situation(arguments=GATE, alone=4, distributed=4),
    "gate, some selected": Situation(arguments=(*GATE, "-k", "item-1"), first=BETTER, alone=10, distributed=10),
    "gate, a test beside that fails": Situation(arguments=GATE, first=BETTER, files=FAILING, alone=1, distributed=1),
    "plain, right": Situation(arguments=(), script=ALL_RIGHT, alone=0, distributed=0),
    "plain, wrong": Situation(arguments=(), script=ALL_WRONG, alone=1, distributed=1),
    "plain, no answers": Situation(arguments=(), script=UNANSWERED, alone=1, distributed=1),
}
"""The situations whose status is ours."""

ENDED: Mapping[str, Situation] = {
    "`-x` or `--maxfail` is reached, by wrong answers or other failures": Situation(
        arguments=(*CYCLE, "-x"), alone=1, distributed=2, verdict=INTERRUPTED
    ),
    "`--sw` stops": Situation(
        arguments=(*CYCLE, "-p", "cacheprovider", "-p", "stepwise", "--sw"),
        alone=2,
        distributed=2,
        verdict=INTERRUPTED,
    ),
    "`--session-timeout` of pytest-timeout is exceeded": Situation(
        arguments=(*CYCLE, "--session-timeout=1"),
        script=SLOW,
        at_a_time=1,
        alone=1,
        distributed=2,
        verdict=INTERRUPTED,
    ),
    "a test raises `KeyboardInterrupt`, or calls `pytest.exit`": Situation(
        files=EXITING, alone=2, distributed=2, verdict=INTERRUPTED
    ),
    "a test calls `pytest.exit(…, returncode=7)`": Situation(
        files=EXITING_WITH_7, alone=7, distributed=3, verdict=INTERRUPTED
    ),
    "a hook of another plugin raises": Situation(files=BROKEN_HOOK, alone=3, distributed=3, verdict=INTERRUPTED),
    "more warnings than `--max-warnings`": Situation(
        arguments=(*CYCLE, "--max-warnings=0"), files=WARNING, alone=6, distributed=6, verdict=STANDS
    ),
    "less coverage than `--cov-fail-under` of pytest-cov": Situation(
        arguments=(*CYCLE, "--cov=.", "--cov-fail-under=100"),
        files=NEVER_COVERED,
        package=COV,
        alone=1,
        distributed=1,
        verdict=STANDS,
    ),
    "another plugin sets `session.exitstatus`, to 9 for example": Situation(
        files=SETS_9, alone=9, distributed=9, verdict=STANDS
    ),
    "a worker crashes in a trial": Situation(
        files=CRASHING_BODY, alone=None, distributed=1, verdict="none: the evidence is not whole"
    ),
    "a worker crashes in another test": Situation(files=CRASHING, alone=None, distributed=1, verdict=STANDS),
    "a file cannot be collected": Situation(files=UNREADABLE, alone=2, distributed=2, verdict=UNASKED),
    "the same, with `--continue-on-collection-errors`": Situation(
        arguments=(*CYCLE, "--continue-on-collection-errors"),
        files=UNREADABLE,
        alone=1,
        distributed=1,
        verdict=STANDS,
    ),
    "a path or a test that does not exist, an unknown option": Situation(
        arguments=(*CYCLE, "nowhere.py"), alone=4, distributed=4, verdict=UNASKED
    ),
    "`-k` or `-m` selects nothing": Situation(
        arguments=(*CYCLE, "-k", "nothing_of_it"), alone=5, distributed=5, verdict=UNASKED
    ),
}
"""The situations in which pytest or another plugin ends the session or sets the status, in the words of the page."""

OTHERS: Mapping[str, Situation] = {
    "--maxfail=3": Situation(arguments=(*CYCLE, "--maxfail=3"), alone=1, distributed=2),
    "--maxfail=3, a body that raises": Situation(
        arguments=(*CYCLE, "--maxfail=3"), files=RAISING_BODY, alone=1, distributed=2
    ),
    "-x, another test": Situation(
        arguments=(*CYCLE, "-x"), script=ALL_RIGHT, files=FAILING_FIRST, alone=1, distributed=2
    ),
    "KeyboardInterrupt": Situation(files=INTERRUPTING, alone=2, distributed=2),
    "--session-timeout that is kept": Situation(arguments=(*CYCLE, "--session-timeout=150"), alone=0, distributed=0),
    "--max-warnings, all wrong": Situation(
        arguments=(*CYCLE, "--max-warnings=0"), script=ALL_WRONG, files=WARNING, alone=6, distributed=6
    ),
    "a crash without a restart": Situation(
        arguments=(*CYCLE, "--max-worker-restart=0"), files=CRASHING_BODY, alone=None, distributed=1
    ),
    "a test that does not exist": Situation(arguments=(*CYCLE, "test_items.py::test_no"), alone=4, distributed=4),
    "an unknown option": Situation(arguments=(*CYCLE, "--no-such-option"), alone=4, distributed=4),
    "gate, -x": Situation(arguments=(*GATE, "-x"), first=BETTER, script=WORSE, alone=1, distributed=2),
    "gate, --session-timeout": Situation(
        arguments=(*GATE, "--session-timeout=1"), first=BETTER, script=SLOW, at_a_time=1, alone=1, distributed=2
    ),
    "gate, --max-warnings": Situation(
        arguments=(*GATE, "--max-warnings=0"), first=BETTER, files=WARNING, alone=6, distributed=6
    ),
    "gate, a file that cannot be collected": Situation(
        arguments=GATE, first=BETTER, files=UNREADABLE, alone=2, distributed=2
    ),
    "plain, -x": Situation(arguments=("-x",), script=ALL_WRONG, alone=1, distributed=2),
    "plain, --session-timeout": Situation(
        arguments=("--session-timeout=1",), script=SLOW, at_a_time=1, alone=1, distributed=2
    ),
    "plain, all skipped": Situation(arguments=(), files=SKIPPED_BODY, alone=0, distributed=0),
}
"""Relatives of those."""

SITUATIONS = {**DECIDED, **ENDED, **OTHERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a session came to: its status, and of a cycle or gate the verdicts, or why nothing was decided."""

    status: int
    verdicts: tuple[str, ...]
    why: str
    output: str

    def __str__(self) -> str:
        return f"{self.status:>3}  {'; '.join([*self.verdicts, self.why]).strip('; ') or 'no verdict'}"


def run(situation: Situation, way: tuple[str, ...]) -> Ending:
    """Run a situation in one way, in a folder of its own."""
    with tempfile.TemporaryDirectory() as place, ScriptedServer({}) as server:
        folder, outcome = Path(place), Path(place) / "outcome.json"
        settings = SETTINGS.format(
            model=MODEL, url=server.base_url, at_a_time=situation.at_a_time, extra=situation.extra
        )
        suite = "".join(f"{json.dumps(line)}\n" for line in short_suite())
        files = {"pytest.ini": "[pytest]\n", "pyproject.toml": settings, "items.jsonl": suite, "test_items.py": BODY}
        for name, text in files.items():
            (folder / name).write_text(text)
        if situation.first is not None:
            server.play(_in(folder, situation.first))
            _session(folder, CYCLE)
        for name, text in situation.files.items():
            (folder / name).write_text(text)
        suites = folder / "script"
        suites.mkdir()
        (suites / "items.jsonl").write_text(suite)
        server.play(_in(suites, situation.script))
        arguments = (*situation.arguments, *way)
        if {CYCLE[0], GATE[0]} & {*arguments}:
            arguments = (*arguments, f"--selfopt-json={outcome}")
        status, output = _session(folder, arguments, situation.package)
        return Ending(status=status, output=output, **_told(outcome))


def _in(folder: Path, script: Mapping[str, Any]) -> dict[str, Any]:
    """Return a script that finds its suite in a folder."""
    if "suite" not in script:
        return dict(script)
    return {**script, "suite": str(folder / script["suite"])}


def _session(folder: Path, arguments: Sequence[str], package: str = "") -> tuple[int, str]:
    """Return the status and the output of a session."""
    paths = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    if package:
        paths.insert(0, str(fetched(package, alone=False)))
    done = warm.run(
        folder,
        "-m",
        "pytest",
        *WITHOUT,
        "-c",
        "pytest.ini",
        *arguments,
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
    )
    return done.returncode, done.stdout + done.stderr


def _told(outcome: Path) -> dict[str, Any]:
    """Return the verdicts of an outcome with the gates that failed, the specs in force, and why nothing was decided."""
    if not outcome.exists():
        return {"verdicts": (), "why": ""}
    document = json.loads(outcome.read_text())
    verdicts: list[str] = []
    for phase in document["phases"]:
        for spec in phase["specs"]:
            failed = ", ".join(sorted(gate["name"] for gate in spec["gates"] if not gate["passed"]))
            verdicts.append(f"{spec['spec']} {spec['verdict'] or ''} {failed}".strip())
        verdicts.append(f"in force: {phase['in_force']}")
    return {"verdicts": tuple(verdicts), "why": document["why"]}


def problems(situation: Situation, endings: Mapping[tuple[str, ...], Ending]) -> list[str]:
    """Say what of a situation is otherwise than it should be."""
    found: list[str] = []
    for way, status in situation.ways.items():
        if endings[way].status != status:
            found.append(f"status {endings[way].status} instead of {status} {' '.join(way) or 'without -n'}")
        if "Traceback" in endings[way].output and situation.files != BROKEN_HOOK and status != 3:
            found.append(f"a traceback {' '.join(way) or 'without -n'}")
    if len({(ending.verdicts, ending.why) for ending in endings.values()}) > 1:
        found.append("verdicts differ")
    return found


def main(names: Sequence[str]) -> int:
    """Run the situations and print what each came to; return 1 if anything is otherwise than it should be."""
    asked = {name: one for name, one in SITUATIONS.items() if not names or name in names}
    runs = [(name, way) for name, one in asked.items() for way in one.ways]
    with ThreadPoolExecutor(2) as together:
        endings = dict(zip(runs, together.map(lambda named: run(SITUATIONS[named[0]], named[1]), runs), strict=True))
    wrong = 0
    for name, one in asked.items():
        found = {way: endings[name, way] for way in one.ways}
        wrong += bool(problems(one, found))
        print(name, *problems(one, found), sep="\n  WRONG: ")
        for way, ending in found.items():
            print(f"  {' '.join(way) or 'alone':<6} {ending}")
            if names:
                print(ending.output)
    print(f"{len(asked)} situations in {len(runs)} sessions, {wrong} otherwise than they should be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
