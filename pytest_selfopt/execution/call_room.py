"""The number of calls at a time for which this process has descriptors and memory: read, and raised, before the first.

A call without them would fail, although its server is well, and what is written at the end could not be opened.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.lookup import LOOPBACK

HELD = 24
"""Descriptors that are held while calls are made, so that what is written at the end can be opened."""
_OTHERS = 40
"""Descriptors for whatever else a session opens meanwhile: modules, captured output, subprocesses of tests."""
_OF_CALL = 2
"""Descriptors of a call: its connection, and one that is kept for the next, or a look-up of the server's address."""
_OF_LOCAL_CALL = 4
"""Of a call to this machine, whose server may be in this process: both ends."""
_MIB = 1024 * 1024
_ARENA = 64 * _MIB
"""Address space that glibc reserves for each of the first threads (8 for each core)."""
_USUAL_STACK = 8 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRoom:
    """The most calls at a time, and a sentence if that is fewer than wanted; None if nothing bounds them."""

    most: int | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process has: descriptors that it may open and has opened, bytes of address space likewise; None: any."""

    descriptors: int | None
    opened: int
    address_space: int | None
    used: int
    stack: int = _USUAL_STACK
    cores: int = 1


def make_room(models: Sequence[ModelConfig], wanted: int) -> CallRoom:
    """Raise the limit of descriptors as far as `wanted` calls at a time need it and the hard limit allows."""
    of_call = max(map(_descriptors_of_call, models), default=_OF_CALL)
    limits = read_limits()
    _raise_descriptors(limits.opened + HELD + _OTHERS + wanted * of_call)
    return room_for(wanted, of_call, read_limits())


def room_for(wanted: int, of_call: int, limits: Limits) -> CallRoom:
    """Return the room for calls, at least one, of `of_call` descriptors each."""
    most, sentence = wanted, ""
    if limits.descriptors is not None:
        free = limits.descriptors - limits.opened - HELD - _OTHERS
        fitting = max(1, free // of_call)
        if fitting < most:
            most = fitting
            sentence = (
                f"at most {counted(most, 'call')} at a time, not {wanted:,}: this process may open "
                f"{limits.descriptors:,} files and connections, and has {limits.opened:,} open (ulimit -n)"
            )
    if limits.address_space is not None:
        fitting = _threads_in(limits.address_space - limits.used, limits)
        if fitting < most:
            most = fitting
            sentence = (
                f"at most {counted(most, 'call')} at a time, not {wanted:,}: this process may use "
                f"{limits.address_space // _MIB:,} MiB of address space, and uses {limits.used // _MIB:,} (ulimit -v)"
            )
    if not sentence:
        return CallRoom()
    return CallRoom(most=most, sentence=sentence)


def _threads_in(free: int, limits: Limits) -> int:
    """Return for how many threads there is address space, if half of it is kept for what they do."""
    free //= 2
    with_arena = min(8 * limits.cores, free // (limits.stack + _ARENA))
    rest = free - with_arena * (limits.stack + _ARENA)
    if with_arena < 8 * limits.cores:
        return max(1, with_arena)
    return with_arena + rest // limits.stack


def _descriptors_of_call(model: ModelConfig) -> int:
    host = urlsplit(model.provider.base_url).hostname
    if model.wire == "embedded" or host in LOOPBACK or host is None:
        return _OF_LOCAL_CALL
    return _OF_CALL


def read_limits() -> Limits:
    """Read what this process has."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return Limits(
        descriptors=_finite(soft),
        opened=_opened(),
        address_space=_finite(address_space),
        used=_used(),
        stack=_finite(stack) or _USUAL_STACK,
        cores=os.cpu_count() or 1,
    )


def _raise_descriptors(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        # Some systems allow less than their hard limit; what is allowed is read after this.
        return


def _finite(limit: int) -> int | None:
    if limit == resource.RLIM_INFINITY:
        return None
    return limit


def _opened() -> int:
    """Return the number of open descriptors; a usual one where the system does not tell."""
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return _OTHERS


def _used() -> int:
    """Return the bytes of address space in use; 0 where the system does not tell, which then has no such limit."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


class HeldDescriptors:
    """Descriptors that are held until `release`, for what is opened after that."""

    def __init__(self) -> None:
        """Hold `HELD` of them, but no more than a third of those that are left."""
        self._held: list[int] = []
        limits = read_limits()
        number = HELD
        if limits.descriptors is not None:
            number = min(HELD, (limits.descriptors - limits.opened) // 3)
        for _ in range(number):
            try:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:
                break

    def release(self) -> None:
        """Release them; a second call is harmless."""
        while self._held:
            os.close(self._held.pop())
