"""A machine that others use as well: `python -m tests.performance.shared_machine [NAME …]`.

Whole cycles and commands, each in processes of their own, of which every one has to end with its results or with a
sentence, and none may lose a call: twenty cycles at once in one directory, and in twenty; a cycle that is stopped for a
minute, while another one is tried, and one whose lease runs out meanwhile; a clock that is set (by libfaketime, if it
is installed); a machine without free ports, and one on which another user works (as root, in namespaces). It takes some
four minutes, most of them waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.routing.lease import LEASE_S, Holder, parse_holder
from tests.acceptance.conftest import BODY, MODEL, WITHOUT, right, suite_lines
from tests.ledger_file import open_ledger

ROOT = Path(__file__).parents[2]
CYCLE = (sys.executable, "-m", "pytest", "-q", *WITHOUT, "--selfopt-cycle")
REFUSED = 4
TWENTY = 20
STOPPED_S = 60.0
SECONDS = 240.0
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
JUMPS = ("-3h", "-9y", "+5h", "+9y")
NOBODY = "65534"
_NO_PORTS = "echo 40000 40004 > /proc/sys/net/ipv4/ip_local_port_range; "
_LOOPBACK = (
    "import fcntl, socket, struct; s = socket.socket(); "
    "flags = struct.unpack('16sh', fcntl.ioctl(s, 0x8913, struct.pack('16sh', b'lo', 0)))[1]; "
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', flags | 1))"
)


class SkippedError(Exception):
    """What is tried needs something that is not here."""


def write_project(folder: Path, base_url: str) -> Path:
    """Write a project with a benchmark of the scripted model."""
    folder.mkdir(parents=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in suite_lines()))
    (folder / "test_items.py").write_text(BODY)
    (folder / "selfopt.toml").write_text(f'model = "{MODEL}"\n[models."{MODEL}"]\nbase_url = "{base_url}"\n')
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def start(folder: Path, *before: str, **variables: str) -> subprocess.Popen[str]:
    """Start a cycle in a folder."""
    return subprocess.Popen(
        [*before, *CYCLE],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a cycle; return its status and what it said, in one line."""
    output, _ = process.communicate(timeout=SECONDS)
    assert "Traceback" not in output, output
    return process.returncode, " ".join(output.split())


@contextmanager
def scripted(latency_s: float, port: int = 0) -> Iterator[ScriptedServer]:
    """Serve a model for which one spec is better than the others."""
    script = {"rules": right(constrained=True), "latency": latency_s}
    with ScriptedServer(script, port=port, remember=False) as server:
        yield server


def require_whole(folder: Path) -> None:
    """Make sure that no call of a cycle was lost, and that no time is negative."""
    with open_ledger(folder / ".selfopt" / "ledger.sqlite") as ledger:
        errors, least = ledger.execute(
            "SELECT sum(outcome = 'error'), min(min(latency_s), min(waited_s), min(ended - started)) FROM call"
        ).fetchone()
        status, took = ledger.execute("SELECT status, ended - started FROM cycle ORDER BY id DESC").fetchone()
    assert (errors, status) == (0, "decided"), f"{folder}: {errors} errors, {status}"
    assert min(least, took) >= 0, f"{folder}: a time of {min(least, took)} s"


def holder_of(folder: Path) -> Holder:
    """Wait until a cycle holds the lock of a folder; return who it is."""
    path = folder / ".selfopt" / "lock"
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        holder = parse_holder(path.read_bytes()) if path.exists() else None
        if holder is not None and (folder / ".selfopt" / "ledger.sqlite").exists():
            return holder
        time.sleep(0.05)
    raise AssertionError(f"nobody holds {path}")


def one_directory(folder: Path) -> None:
    """Twenty cycles at once in one directory: one runs, and nineteen name it."""
    with scripted(0.3) as server:
        project = write_project(folder / "project", server.base_url)
        ends = [end(process) for process in [start(project) for _ in range(TWENTY)]]
    refusals = [said for status, said in ends if status == REFUSED]
    assert sorted(status for status, _ in ends) == [0] + [REFUSED] * (TWENTY - 1), ends
    holders = {re.findall(r"another cycle is running in \S+ \(process (\d+) on", said)[0] for said in refusals}
    assert len(holders) == 1, holders
    require_whole(project)


def twenty_directories(folder: Path) -> None:
    """Twenty cycles at once in directories of their own, with the same server."""
    with scripted(0.05) as server:
        projects = [write_project(folder / str(number), server.base_url) for number in range(TWENTY)]
        ends = [end(process) for process in [start(project) for project in projects]]
    assert [status for status, _ in ends] == [0] * TWENTY, ends
    for project in projects:
        require_whole(project)


def stopped(folder: Path) -> None:
    """A cycle that is stopped for a minute keeps its lock and its calls."""
    with scripted(1.0) as server:
        project = write_project(folder / "project", server.base_url)
        process = start(project)
        pid = holder_of(project).pid
        time.sleep(5)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        status, said = end(start(project))
        assert status == REFUSED, said
        assert f"it is stopped: continue it by `kill -CONT {pid}`" in said, said
        os.kill(pid, signal.SIGCONT)
        status, said = end(process)
    assert status == 0, said
    assert "this process was stopped for" in said, said
    require_whole(project)


def overtaken(folder: Path) -> None:
    """A cycle in another container that is frozen loses its lease, and writes nothing when it comes back."""
    with scripted(1.0) as server:
        project = write_project(folder / "project", server.base_url)
        first = start(project, "unshare", "--pid", "--fork", "--mount-proc", "--uts")
        require_namespaces(first)
        holder_of(project)
        time.sleep(5)
        frozen = session_of(first.pid)
        os.kill(frozen, signal.SIGSTOP)
        time.sleep(LEASE_S + 5)
        second = start(project)
        status, said = end(second)
        os.kill(frozen, signal.SIGCONT)
        late, late_said = end(first)
    assert status == 0, said
    assert "was taken over: it was not renewed any more" in said, said
    assert late == REFUSED, late_said
    assert "has lost the lock" in late_said, late_said
    require_whole(project)


def session_of(pid: int) -> int:
    """Return the only child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def require_namespaces(process: subprocess.Popen[str]) -> None:
    """Skip what needs namespaces if there are none.

    Raises:
        SkippedError: if so.
    """
    time.sleep(1)
    if process.poll() is not None:
        raise SkippedError(f"namespaces: {process.communicate()[0].strip()}")


def clock_jumps(folder: Path) -> None:
    """The clocks are set back and forth, by hours and years, during a pass."""
    if not FAKETIME.exists():
        raise SkippedError("libfaketime (Debian's package faketime)")
    for jump in JUMPS:
        with scripted(0.5) as server:
            project = write_project(folder / jump, server.base_url)
            now = project / "now"
            now.write_text("+0\n")
            # Whoever sets a clock leaves the monotonic one alone; if that jumps, a sleep of 5 ms may last for hours.
            process = start(
                project,
                LD_PRELOAD=str(FAKETIME),
                FAKETIME_TIMESTAMP_FILE=str(now),
                FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )
            holder_of(project)
            time.sleep(3)
            now.write_text(f"{jump}\n")
            status, said = end(process)
            assert status == 0, said
            require_whole(project)
            # What lies in the future, or long ago, hinders nobody.
            status, said = end(start(project))
            assert status in (0, 10), said


def no_ports(folder: Path) -> None:
    """Five ports for eight calls at a time: they wait for each other."""
    command = [sys.executable, "-m", "tests.performance.shared_machine", "--inside", str(folder)]
    script = f'"$0" -c "{_LOOPBACK}" && {_NO_PORTS} exec "$@"'
    run = ["unshare", "--net", "bash", "-c", script, sys.executable, *command]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    if "unshare" in done.stderr:
        raise SkippedError(f"namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    require_whole(folder / "project")


def inside(folder: Path) -> None:
    """Run a cycle in a network of its own; the server's port is none of those that are scarce."""
    with scripted(0.2, port=9_000) as server:
        project = write_project(folder / "project", server.base_url)
        status, said = end(start(project))
    assert status == 0, said


def two_users(folder: Path) -> None:
    """Another user of the machine is told whose the state directory is, and can run plain tests."""
    if os.geteuid() != 0:
        raise SkippedError("root, who can be two users")
    folder.chmod(0o755)
    with scripted(0.0) as server:
        project = write_project(folder / "project", server.base_url)
        status, said = end(start(project))
        assert status == 0, said
        for mode in (0o700, 0o755):
            (project / ".selfopt").chmod(mode)
            for option in ("--selfopt-cycle", "--selfopt-gate"):
                status, said = as_nobody(project, *CYCLE[:-1], option)
                assert status == REFUSED, said
                assert "belongs to user root, and this is user" in said, said
            for command in ("history", "rollback"):
                status, said = as_nobody(project, sys.executable, "-m", "pytest_selfopt.cli", command)
                assert status == REFUSED, said
                assert "belongs to user root" in said, said
            status, said = as_nobody(project, *CYCLE[:-1])
            assert status == 0, said


def as_nobody(folder: Path, *command: str) -> tuple[int, str]:
    """Run a command as another user, who may read this interpreter wherever it is."""
    readable = Path(sys.executable).resolve().parents[1]
    closed = next((parent for parent in reversed(readable.parents) if not parent.stat().st_mode & 0o005), None)
    script = 'exec setpriv --reuid $0 --regid $0 --clear-groups "$@"'
    if closed is not None:
        aside = folder.parent / "aside"
        aside.mkdir(exist_ok=True)
        script = (
            f"mount --bind {readable} {aside} && mount -t tmpfs -o mode=755 tmpfs {closed} && mkdir -p {readable} && "
            f"mount --bind {aside} {readable} && {script}"
        )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, NOBODY, *command],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    return done.returncode, " ".join(output.split())


TRIALS: Sequence[Callable[[Path], None]] = (
    one_directory,
    twenty_directories,
    stopped,
    overtaken,
    clock_jumps,
    no_ports,
    two_users,
)


def main() -> None:
    """Try everything, or what is named; the status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *(trial.__name__ for trial in TRIALS)], metavar="NAME")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        inside(options.inside)
        return
    wrong = False
    for trial in TRIALS:
        if options.names and trial.__name__ not in options.names:
            continue
        folder = Path(tempfile.mkdtemp(prefix="shared-machine-"))
        try:
            trial(folder)
            print(f"{trial.__name__}: as it should be")
        except SkippedError as missing:
            print(f"{trial.__name__}: skipped, needs {missing}")
        except AssertionError as problem:
            wrong = True
            print(f"{trial.__name__}: WRONG: {problem}")
        shutil.rmtree(folder)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
