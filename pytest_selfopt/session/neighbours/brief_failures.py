"""Failures without a traceback, in the form that other plugins and conftests read: that of pytest's own.

They read the message and the place of a failure from `report.longrepr.reprcrash`, its entries from `reprtraceback` and
`chain`, and its text from `str`. xdist takes these classes along (pytest 8.4, 9.0 and 9.2).
"""

from __future__ import annotations

from _pytest._code.code import ExceptionChainRepr, ReprEntry, ReprFileLocation, ReprTraceback


def brief_failure(source: str, reason: str, details: str = "") -> ExceptionChainRepr:
    """Return a failure that is shown as one line, `SOURCE: REASON`, or as `details`.

    Args:
        source: File and line of the case, such as "items.jsonl:7".
        reason: What was wrong, in one line.
        details: What is shown instead, such as the traceback of a subtest.
    """
    path, _, line = source.rpartition(":")
    place = ReprFileLocation(path, int(line or 0), reason)
    entry = ReprEntry([], None, None, place, "short")
    if details:
        entry = ReprEntry(details.splitlines(), None, None, None, "value")
    return ExceptionChainRepr([(ReprTraceback([entry], None, "short"), place, None)])
