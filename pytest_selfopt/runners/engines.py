"""The engines that carry calls to remote workers; the command line offers them, so this module imports nothing."""

from __future__ import annotations

ENGINES = ("nats", "temporal")
