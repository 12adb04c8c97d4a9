"""Environments for multi-turn cases: a file system, notes, a calendar, a shop."""

from __future__ import annotations

from pytest_selfopt.bench.worlds.calendar import Calendar
from pytest_selfopt.bench.worlds.files import Files
from pytest_selfopt.bench.worlds.notes import Notes
from pytest_selfopt.bench.worlds.shop import Shop

__all__ = ["Calendar", "Files", "Notes", "Shop"]
