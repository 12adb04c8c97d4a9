"""How quantities are written wherever people read them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Seconds as minutes and seconds, such as 1:05."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
