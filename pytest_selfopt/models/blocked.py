"""Connections that other code of this process forbids, such as pytest-socket and pytest-recording."""

from __future__ import annotations

import sys

from pytest_selfopt.trial import BLOCKED, CallError, ErrorKind

_KNOWN = (sys.stdlib_module_names | {"pytest_selfopt", "requests", "urllib3"}) - {"unittest"}
"""The packages whose exceptions have other reasons."""


def blocked(problem: BaseException) -> CallError | None:
    """Return the error of a connection that was forbidden by an exception; None if the exception has other reasons.

    Such plugins replace `socket.socket` or its `connect`, and raise exceptions of any class: it is told by the module
    that raised it.
    """
    place = problem.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return None
    module = str(place.tb_frame.f_globals.get("__name__", ""))
    if module.partition(".")[0] in _KNOWN:
        return None
    said = " ".join(str(problem).split())
    return CallError(kind=ErrorKind.CONNECTION, message=f"{BLOCKED}{module} ({type(problem).__name__}: {said})")
