"""Who holds a state directory, by the text of its lock, and for how long a holder that is not seen is waited for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

LEASE_S = 30.0
"""Seconds without a renewal after which another process may take a lock whose holder it cannot see."""
BEAT_S = 2.0
"""Seconds between renewals."""
SHORTEST_SILENCE_S = 2.5 * BEAT_S
"""Seconds for which a lock is watched in any case: a clock that jumps makes a fresh one look old."""
SLOW_S = 10.0
"""Seconds by which a renewal may be late on a busy machine."""
_SAME_START_S = 2.0
_LATEST_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
MOST_TEXT = 500
"""Characters of a text about a holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds a lock; what its text does not say is 0 or empty."""

    pid: int
    created: float = 0.0
    """When the process began, in seconds since the epoch: ids are used again."""
    host: str = ""
    boot: str = ""
    """The id of the running kernel, where it has one: containers of one machine share it."""
    pid_namespace: str = ""
    """What process ids count in: each container has its own."""
    token: str = ""
    """Tells this hold from any other."""
    since: float = 0.0
    """When it took the lock, in seconds since the epoch by its own clock; nothing is decided by that."""
    renewals: int = 0
    command: str = ""

    def shares_kernel(self, other: Holder) -> bool:
        """Whether both run on one kernel, which keeps one's lock from the other, and ends it with its process."""
        if self.boot and other.boot:
            return self.boot == other.boot
        return self.host == other.host

    def sees(self, other: Holder) -> bool:
        """Whether this process can look the other one up by its id."""
        return self.shares_kernel(other) and self.pid_namespace == other.pid_namespace

    def began_at(self, created: float) -> bool:
        """Whether a process of the same id that began at `created` is this one."""
        return not self.created or abs(created - self.created) < _SAME_START_S

    def __str__(self) -> str:
        """Name the holder, such as "process 7 on host, since 2026-11-21T05:45:03Z, running `pytest`"."""
        who = f"process {self.pid} on {self.host or 'this machine'}"
        if self.since:
            who += f", since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if self.command:
            who += f", running `{self.command}`"
        return who

    def to_text(self) -> bytes:
        """Return the text of the lock."""
        return json.dumps(asdict(self)).encode()


def parse_holder(text: bytes) -> Holder | None:
    """Read the text of a lock; None if it names no process, as when nobody holds it or something else wrote it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or _number(value, "pid", 2**31) < 1:
        return None
    return Holder(
        pid=int(value["pid"]),
        created=_number(value, "created", _LATEST_S),
        host=_text(value, "host"),
        boot=_text(value, "boot"),
        pid_namespace=_text(value, "pid_namespace"),
        token=_text(value, "token"),
        since=_number(value, "since", _LATEST_S),
        renewals=int(_number(value, "renewals", _LATEST_S)),
        command=_text(value, "command"),
    )


def _number(value: Mapping[str, Any], name: str, most: float) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < most:
        return 0.0
    return float(number)


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        return ""
    printable = (character if character.isprintable() else "?" for character in text[:MOST_TEXT])
    return "".join(printable)


def silence_needed(age_s: float) -> float:
    """Return the seconds for which a lock must not be renewed before it may be taken from a holder that is not seen.

    `age_s` is its age by the clock of its file system. It shortens the wait; a lock of the future (a clock that was set
    back, a copied file) is watched for a whole lease, on the watcher's own clock.
    """
    if age_s < 0:
        return LEASE_S
    return max(LEASE_S - age_s, SHORTEST_SILENCE_S)


class Silence:
    """How long a lock was not renewed: pauses between looks are counted, since any clock may jump."""

    def __init__(self, needed_s: float, pause_s: float) -> None:
        self._pauses = math.ceil(needed_s / pause_s)
        self._text: bytes | None = None
        self._seen = 0

    def is_new(self, text: bytes) -> bool:
        """Whether this text was not seen at the look before."""
        return text != self._text

    def is_broken(self, text: bytes) -> bool:
        """Whether the holder of the look before has renewed its lease since."""
        before, now = parse_holder(self._text or b""), parse_holder(text)
        return before is not None and now is not None and before.token == now.token and before.renewals != now.renewals

    def lasts(self, text: bytes) -> bool:
        """Count a look; whether the text has been the same for long enough."""
        if self.is_new(text):
            self._text, self._seen = text, 0
        self._seen += 1
        return self._seen > self._pauses


def still_for(since_last_s: float) -> float:
    """Return the seconds for which a process was stopped between two renewals; 0 if it was only slow."""
    if since_last_s < BEAT_S + SLOW_S:
        return 0.0
    return since_last_s


def pause_note(stood_still_s: float) -> str:
    """Say that a process was stopped while it held a lock; empty if it was not."""
    if not stood_still_s:
        return ""
    return (
        f"this process was stopped for {stood_still_s:.0f} s: the latency of calls that were under way then has that "
        "in it"
    )
