"""How long a server asks its clients to wait, in all the ways that servers say it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_EPOCH_S = 1e9
"""Numbers from here on are a time since the epoch, in seconds; a wait of that length would be thirty years."""
_EPOCH_MS = 1e12

MOST_WAIT_S = 366 * 86_400.0
"""A longer wait is a slip of the server: nobody waits for it, and it may have no date."""

_RESETS = ("x-ratelimit-reset", "ratelimit-reset", "anthropic-ratelimit-")


def wait_of(headers: Mapping[str, str], details: Any, *, now: float) -> float | None:
    """Return the seconds after which a server wants to be asked again; None if it does not say.

    The plainest word counts: `retry-after-ms`, `Retry-After`, Google's `retryDelay` among the `details` of an error;
    else the time at which the limit that is used up is reset. What no server can mean counts as not said. `now` is in
    seconds since the epoch.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _possible(milliseconds / 1000)
    asked = retry_after(headers.get("Retry-After"), now=now)
    if asked is None:
        asked = _possible(_retry_delay(details))
    if asked is None:
        asked = _possible(_until_reset(headers, now))
    return asked


def _possible(seconds: float | None) -> float | None:
    """Return a wait, 0 for one that is over; None if it is too long for anything that a server can mean."""
    # Written so that NaN is refused, too.
    if seconds is None or not seconds <= MOST_WAIT_S:
        return None
    return max(0.0, seconds)


def retry_after(header: str | None, *, now: float) -> float | None:
    """Read a Retry-After header (seconds or an HTTP date) as seconds to wait; None if missing, invalid or absurd."""
    if header is None:
        return None
    seconds = _number(header)
    if seconds is None:
        seconds = _until_http_date(header, now)
    return _possible(seconds)


def _until_http_date(text: str, now: float) -> float | None:
    import email.utils

    try:
        date = email.utils.parsedate_tz(text)
        if date is None:
            return None
        return email.utils.mktime_tz(date) - now
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # Its year has five digits, or its month thirty-one days too many.


def _retry_delay(details: Any) -> float | None:
    """Read Google's RetryInfo (https://cloud.google.com/apis/design/errors), such as {"retryDelay": "34.07s"}."""
    if not isinstance(details, list):
        return None
    for detail in details:
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            return _duration(detail["retryDelay"])
    return None


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the limits that are used up are reset; the shortest, if no limit is said to be."""
    used_up: list[float] = []
    others: list[float] = []
    for name, wait in _resets(headers, now):
        group = others
        remaining = headers.get(name.replace("reset", "remaining"))
        if remaining is not None and _number(remaining) == 0:
            group = used_up
        group.append(wait)
    if used_up:
        return max(used_up)
    return min(others, default=None)


def _resets(headers: Mapping[str, str], now: float) -> Iterator[tuple[str, float]]:
    """Yield the headers that say when a limit is reset, in lower case, with the seconds until then."""
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith(_RESETS) and "reset" in lower:
            wait = _until(value, now)
            if wait is not None:
                yield lower, wait


def _until(value: str, now: float) -> float | None:
    """Read a duration ("6m0s"), seconds, a time since the epoch (in seconds or milliseconds) or an RFC 3339 date."""
    number = _number(value)
    if number is None:
        return _duration(value) or _until_date(value, now)
    if number >= _EPOCH_MS:
        number = number / 1000
    if number >= _EPOCH_S:
        number = number - now
    return max(0.0, number)


def _duration(text: str) -> float | None:
    """Read a duration such as "6m0s" or "34.07s" as seconds; None if it is none."""
    if not _WHOLE.fullmatch(text.strip()):
        return None
    return sum(float(amount) * _UNITS_S[unit] for amount, unit in _PART.findall(text))


def _until_date(text: str, now: float) -> float | None:
    try:
        date = datetime.fromisoformat(text.strip())
        if date.tzinfo is None:
            return None
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    """Read a finite number; None if it is none."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return number
