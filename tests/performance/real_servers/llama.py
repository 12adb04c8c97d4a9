"""The process of llama.cpp's server: `python -m tests.performance.real_servers.llama PORT`.

Unlike the embedded model's it has a chat template that knows tools, one thread and one slot. It ends as soon as its
standard input does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_selfopt.models.config import EMBEDDED_MODELS
from pytest_selfopt.models.embedded import find_model_file

MODEL = EMBEDDED_MODELS["embedded/smollm2-135m"]
CONTEXT_TOKENS = 2048
TEMPLATE = Path(__file__).with_name("tools.jinja")


def main() -> None:
    """Serve until standard input ends."""
    import xllamacpp

    path = find_model_file(MODEL)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {path.name}
    parameters.chat_template = TEMPLATE.read_text("utf-8")
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    # More threads would spin while other programs need the processor.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(sys.argv[1])
    server = xllamacpp.Server(parameters)
    assert server.listening_address
    sys.stdin.buffer.read()
    # A normal exit would wait for the server's threads, which never end.
    os._exit(0)


if __name__ == "__main__":
    main()
