"""Stands in for a process that starts warm: hands on its streams, signals and status.

Connects to the server, sends its standard streams and the length of what follows, which is what is asked for; gets the
pid, and the status at the end, as signed numbers. It is started a thousand times in a run of the tests, so it takes the
modules of C below those of Python, which take longer to import than all else that it does.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps
import _socket
import array
import marshal
import os
import sys

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
NUMBER_BYTES = 8


def main() -> None:
    """Have the process forked that the arguments tell, and end as it ends."""
    if HEEDED_AT_START & os.environ.keys():
        os.execv(os.environ[COLD], [os.environ[COLD], *sys.argv[1:]])
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    pid = start(connection, sys.argv[1:], dict(os.environ), os.getcwd(), [0, 1, 2])  # noqa: PTH109
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, lambda received, _: os.kill(pid, received))
    status = from_bytes(connection.recv(NUMBER_BYTES))
    if status < 0:
        if -status != _signal.SIGKILL:
            _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def start(
    connection: _socket.socket, arguments: list[str], environment: dict[str, str], folder: str, streams: list[int]
) -> int:
    """Have a process forked, and give its pid; the connection then tells its status, or ends it when it is closed."""
    connection.connect(os.environ[SOCKET])
    request = marshal.dumps((arguments, environment, folder))
    handed_on = array.array("i", streams)
    connection.sendmsg([to_bytes(len(request))], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed_on)])
    connection.sendall(request)
    return from_bytes(connection.recv(NUMBER_BYTES))


def to_bytes(number: int) -> bytes:
    """A pid, a status or a length as it is sent."""
    return number.to_bytes(NUMBER_BYTES, "big", signed=True)


def from_bytes(received: bytes) -> int:
    """The inverse of `to_bytes`."""
    if len(received) != NUMBER_BYTES:
        raise ConnectionError("the server of warm processes is gone")
    return int.from_bytes(received, "big", signed=True)


if __name__ == "__main__":
    main()
