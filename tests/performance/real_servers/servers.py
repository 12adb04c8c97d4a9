"""Real servers on loopback: llama.cpp, and what is put in front of it, each in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.servers import free_port

LITELLM = "litellm[proxy]==1.108.7"
OLLAMA_PROXY_PLUS = "ollama-proxy-plus==0.1.0"
OLLAMA_OPENAI_PROXY = "ollama-openai-proxy==0.7.0"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0

PLAIN, BRIDGED, DOWN = "plain", "bridged", "down"
"""The models of LiteLLM: llama.cpp by the prefix `openai/`, by `hosted_vllm/`, and one whose server is down."""


def llama_version() -> str:
    """The name and version of llama.cpp's server."""
    return f"llama.cpp (xllamacpp {version('xllamacpp')})"


@contextmanager
def llama_server(folder: Path) -> Iterator[str]:
    """Serve the embedded model; yield the server's address without any path."""
    port = free_port()
    command = [sys.executable, "-m", "tests.performance.real_servers.llama", str(port)]
    with _running(command, port, "/health", folder / "llama.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def litellm_proxy(folder: Path, upstream: str, *, caches: bool = False) -> Iterator[tuple[str, str]]:
    """Put LiteLLM in front of a server; yield its address and its key. It may cache answers in its own memory."""
    python = install(folder / "litellm", LITELLM)
    entries = [
        _deployment(PLAIN, f"openai/{PLAIN}", f"{upstream}/v1"),
        _deployment(BRIDGED, f"hosted_vllm/{BRIDGED}", f"{upstream}/v1"),
        _deployment(DOWN, f"hosted_vllm/{DOWN}", f"http://127.0.0.1:{free_port()}/v1"),
    ]
    settings: dict[str, Any] = {"model_list": entries, "router_settings": {"num_retries": 0}}
    if caches:
        settings["litellm_settings"] = {"cache": True, "cache_params": {"type": "local"}}
    config = folder / "litellm.json"
    config.write_text(json.dumps(settings))
    port, key = free_port(), f"sk-{secrets.token_urlsafe(24)}"
    program = str(python.with_name("litellm"))
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    variables = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with _running(command, port, "/health/liveliness", folder / "litellm.log", variables):
        yield f"http://127.0.0.1:{port}", key


@contextmanager
def ollama_proxy_plus(folder: Path, upstream: str) -> Iterator[str]:
    """Put a proxy that speaks Ollama's API in front of a server, whose models are `desk/NAME` there."""
    python = install(folder / "ollama-proxy-plus", OLLAMA_PROXY_PLUS)
    port = free_port()
    command = [str(python.with_name("ollama-proxy")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    variables = {"PROVIDERS_DESK_BASE_URL": f"{upstream}/v1", "PROVIDERS_DESK_API_KEY": "none"}
    with _running(command, port, "/api/version", folder / "ollama-proxy-plus.log", variables):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def ollama_openai_proxy(folder: Path, upstream: str) -> Iterator[str]:
    """Put another proxy that speaks Ollama's API in front of a server."""
    python = install(folder / "ollama-openai-proxy", OLLAMA_OPENAI_PROXY)
    # Its wheel has all modules at the top, but they import each other from a package `src`.
    packages = next((folder / "ollama-openai-proxy").glob("lib/python*/site-packages"))
    (folder / "linked").mkdir()
    (folder / "linked" / "src").symlink_to(packages)
    port = free_port()
    command = [str(python), "-m", "uvicorn", "src.main:app", "--host", "127.0.0.1", "--port", str(port)]
    variables = {
        "OPENAI_API_BASE_URL": f"{upstream}/v1",
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": str(folder / "linked"),
    }
    with _running(command, port, "/api/version", folder / "ollama-openai-proxy.log", variables):
        yield f"http://127.0.0.1:{port}"


def install(environment: Path, requirement: str) -> Path:
    """Install a package with uv into a new virtual environment; return the Python there."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise SystemExit("uv is not installed; it installs the servers")
    python = environment / "bin" / "python"
    # Not in the project's folder, whose settings of uv would count.
    where = environment.parent
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], cwd=where, check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), requirement], cwd=where, check=True)
    return python


def _deployment(name: str, model: str, address: str) -> dict[str, Any]:
    parameters = {"model": model, "api_base": address, "api_key": "none", "max_retries": 0}
    return {"model_name": name, "litellm_params": parameters}


@contextmanager
def _running(
    command: list[str], port: int, path: str, log: Path, variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server until the end of the block, which begins when it answers GET `path`."""
    environment = {**os.environ, **(variables or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}", log)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"{process.args!r} does not answer at {url}:\n{log.read_text(errors='replace')[-2000:]}")
