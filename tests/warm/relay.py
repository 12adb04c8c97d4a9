"""Stands in for a process that starts warm: hands on its streams, signals and status.

Connects to the server, sends one byte with its standard streams and then a JSON line, and gets the pid, and the status
at the end, as signed numbers. Imports little, because it is to start quickly.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType

SOCKET = "SELFOPT_WARM_SOCKET"
"""Names the server's socket."""
COLD = "SELFOPT_COLD_PYTHON"
"""Names the interpreter that starts anew."""
HEEDED_AT_START = {
    "PYTHONDEVMODE",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
}
"""What an interpreter reads when it starts, so that a warm one cannot heed it."""
_NUMBER_BYTES = 4


def main() -> None:
    """Have the process forked that the arguments tell, and end as it ends."""
    if HEEDED_AT_START & os.environ.keys():
        os.execv(os.environ[COLD], [os.environ[COLD], *sys.argv[1:]])
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ[SOCKET])
    socket.send_fds(connection, [b"!"], [0, 1, 2])
    request = {"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109  # pathlib takes as long to import as all else
    connection.sendall(json.dumps(request).encode() + b"\n")
    pid = receive(connection)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        os.kill(pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    status = receive(connection)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def send(connection: socket.socket, number: int) -> None:
    """Send a pid or a status."""
    connection.sendall(number.to_bytes(_NUMBER_BYTES, "big", signed=True))


def receive(connection: socket.socket) -> int:
    """Receive a pid or a status."""
    received = connection.recv(_NUMBER_BYTES)
    if not received:
        raise ConnectionError("the server of warm processes is gone")
    return int.from_bytes(received, "big", signed=True)


if __name__ == "__main__":
    main()
