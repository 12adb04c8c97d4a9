"""The engines that carry calls to workers elsewhere; the command line offers them, so this imports nothing."""

from __future__ import annotations

ENGINES = ("nats", "temporal")
