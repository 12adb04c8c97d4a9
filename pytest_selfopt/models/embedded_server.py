"""The process that serves the embedded model: `python -m pytest_selfopt.models.embedded_server FILE PORT SLOTS`.

It prints its address when ready, and ends as soon as its standard input does, so that it cannot be left behind.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

CONTEXT_TOKENS = 2048
"""Tokens of one conversation; each slot reserves memory for this many."""
PROMPT_CACHE_MIB = 256
KEY_VARIABLE = "SELFOPT_EMBEDDED_KEY"


def main() -> None:
    """Serve until standard input ends."""
    import xllamacpp

    path, port, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    # The model name in answers: the path would put details of this machine into records.
    parameters.model_alias = {Path(path).name}
    parameters.n_ctx = CONTEXT_TOKENS * slots
    parameters.n_parallel = slots
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    parameters.api_keys = [os.environ.pop(KEY_VARIABLE)]
    server = xllamacpp.Server(parameters)
    # A parent that dies while the model loads closes both pipes; writing then fails.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{server.listening_address}\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()
    # A normal exit would wait for the server's threads, which never end.
    os._exit(0)


if __name__ == "__main__":
    main()
