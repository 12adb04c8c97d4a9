"""Names for use on an engine's server."""

from __future__ import annotations

import hashlib
import re


def token(text: str) -> str:
    """Return a text as part of a name, or its hash if it has characters not allowed in names."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]
