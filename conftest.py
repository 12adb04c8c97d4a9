"""Plugins of the whole repository's test sessions."""

from __future__ import annotations

pytest_plugins = ["pytester"]
