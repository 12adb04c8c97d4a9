"""One person's calendar: events by day, with start and end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_selfopt.bench.environment import Environment, ToolError, tool


class Calendar(Environment):
    """Events with title, day (YYYY-MM-DD), start and end (HH:MM) and guests. `start` holds `events` and `today`."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin on a day, with some events."""
        self.today = str(start.get("today", "2026-01-05"))
        events = [{"guests": [], **event} for event in start.get("events", [])]
        self.events: list[dict[str, Any]] = sorted(events, key=_when)

    @tool
    def tell_today(self) -> str:
        """Tell which day it is."""
        return self.today

    @tool
    def list_events(self, day: str) -> list[dict[str, Any]]:
        """List the events of a day (YYYY-MM-DD)."""
        return [event for event in self.events if event["day"] == _day(day)]

    @tool
    def find_event(self, title: str) -> list[dict[str, Any]]:
        """Find events whose title holds these words."""
        words = title.casefold()
        return [event for event in self.events if words in event["title"].casefold()]

    @tool
    def add_event(self, title: str, day: str, start: str, end: str) -> str:
        """Add an event on a day (YYYY-MM-DD), from a start to an end (HH:MM)."""
        for other in self.events:
            if other["title"] == title and other["day"] == day:
                raise ToolError(f"there is an event {title!r} on {day} already")
        event = {
            "title": title,
            "day": _day(day),
            "start": _time(start),
            "end": _time(end),
            "guests": [],
        }
        self._put(event)
        return f"added {title!r} on {day}, {event['start']} to {event['end']}"

    @tool
    def move_event(self, title: str, day: str, start: str, end: str) -> str:
        """Move an event to another day (YYYY-MM-DD) or time (HH:MM)."""
        event = self._event(title)
        moved = {**event, "day": _day(day), "start": _time(start), "end": _time(end)}
        self.events.remove(event)
        try:
            self._put(moved)
        except ToolError:
            self.events = sorted([*self.events, event], key=_when)
            raise
        return f"moved {title!r} to {day}, {moved['start']} to {moved['end']}"

    @tool
    def cancel_event(self, title: str) -> str:
        """Cancel an event."""
        self.events.remove(self._event(title))
        return f"cancelled {title!r}"

    @tool
    def invite(self, title: str, guest: str) -> str:
        """Invite somebody to an event."""
        event = self._event(title)
        event["guests"] = sorted({*event["guests"], guest})
        return f"invited {', '.join(event['guests'])} to {title!r}"

    def _event(self, title: str) -> dict[str, Any]:
        events = [event for event in self.events if event["title"] == title]
        if not events:
            raise ToolError(f"there is no event {title!r}")
        if len(events) > 1:
            raise ToolError(f"there are several events {title!r}")
        return events[0]

    def _put(self, event: dict[str, Any]) -> None:
        if event["end"] <= event["start"]:
            raise ToolError("the end has to be after the start")
        for other in self.events:
            if _overlap(event, other):
                span = f"{event['day']}, {event['start']} to {event['end']}"
                raise ToolError(f"{span} is taken by {other['title']!r}")
        self.events = sorted([*self.events, event], key=_when)


def _when(event: Mapping[str, Any]) -> tuple[str, str, str]:
    return event["day"], event["start"], event["title"]


def _overlap(event: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if event["day"] != other["day"]:
        return False
    return bool(other["start"] < event["end"] and event["start"] < other["end"])


def _day(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ToolError(f"{text!r} is no day; write it as YYYY-MM-DD")
    return text


def _time(text: str) -> str:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if not match or int(match[1]) > 23 or int(match[2]) > 59:
        raise ToolError(f"{text!r} is no time; write it as HH:MM")
    return f"{int(match[1]):02}:{match[2]}"
