"""Why a connection failed, or was not made: the errors of the network as errors of a call."""

from __future__ import annotations

import errno
from collections.abc import Iterable

import urllib3

from pytest_selfopt.trial import CallError, ErrorKind

_NO_CONNECTION = "cannot connect: "
_NO_PORT = (
    "this machine has no free port for another connection; lower max_concurrency, or widen net.ipv4.ip_local_port_range"
)
_NO_FILE = "no more files can be opened here; lower max_concurrency, or raise `ulimit -n`"
_EXHAUSTED = {
    errno.EADDRNOTAVAIL: _NO_PORT,
    errno.EAGAIN: _NO_PORT,
    errno.EMFILE: _NO_FILE,
    errno.ENFILE: _NO_FILE,
    errno.ENOBUFS: "this machine has no memory left for another connection; lower max_concurrency",
}


def failure(problem: Exception, ended: ErrorKind | None, timeout_s: float) -> CallError:
    """Classify a failed exchange; the exception's text may contain the URL but never a key.

    `ended` is the reason why it was ended from outside; None if it was not.
    """
    if ended is ErrorKind.CANCELLED:
        return CallError(kind=ErrorKind.CANCELLED, message="cancelled while it was under way")
    # urllib3 counts refused connections among its timeouts.
    late = isinstance(problem, urllib3.exceptions.TimeoutError)
    if ended is ErrorKind.TIMEOUT or (late and not isinstance(problem, urllib3.exceptions.NewConnectionError)):
        return CallError(kind=ErrorKind.TIMEOUT, message=f"no complete reply within {timeout_s:g} s")
    if isinstance(problem, urllib3.exceptions.DecodeError):
        return CallError(kind=ErrorKind.MALFORMED, message="the reply's content encoding is broken")
    if isinstance(problem, urllib3.exceptions.ProtocolError):
        return CallError(kind=ErrorKind.CONNECTION, message="the connection broke before the reply was complete")
    message = _cause(problem)
    used_up = exhausted(problem)
    if used_up:
        message += f": {used_up}"
    return CallError(kind=ErrorKind.CONNECTION, message=message)


def is_unreached(error: CallError) -> bool:
    """Whether a call found no server, so that nothing was sent; what this machine has no more of is no outage."""
    is_ours = any(map(error.message.endswith, _EXHAUSTED.values()))
    return error.kind is ErrorKind.CONNECTION and error.message.startswith(_NO_CONNECTION) and not is_ours


def exhausted(problem: Exception) -> str:
    """Say what this machine has no more of for a connection, of which nothing was sent; empty for other failures."""
    if not isinstance(problem, urllib3.exceptions.NewConnectionError):
        return ""
    inner = _innermost(problem)
    if not isinstance(inner, OSError) or inner.errno is None:
        return ""
    return _EXHAUSTED.get(inner.errno, "")


def _cause(problem: BaseException) -> str:
    """Return the innermost reason of a connection failure, such as "Connection refused"."""
    last = _innermost(problem)
    if isinstance(last, OSError) and last.strerror:
        return f"{_NO_CONNECTION}{last.strerror}"
    return f"{_NO_CONNECTION}{type(last).__name__}"


def _innermost(problem: BaseException) -> BaseException:
    seen: list[BaseException] = []
    inner: BaseException | None = problem
    while inner is not None and inner not in seen:
        seen.append(inner)
        reason = getattr(inner, "reason", None)
        # Not the context: it goes on to whatever the caller is handling.
        following = (reason, *inner.args[:1], inner.__cause__)
        inner = _first_unseen(following, seen)
    return seen[-1]


def _first_unseen(candidates: Iterable[object], seen: list[BaseException]) -> BaseException | None:
    for candidate in candidates:
        if isinstance(candidate, BaseException) and candidate not in seen:
            return candidate
    return None
