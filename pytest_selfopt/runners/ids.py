"""Names on an engine's server."""

from __future__ import annotations

import hashlib
import re


def token(text: str) -> str:
    """A text as a part of a name: itself, or its hash when it has characters that a name may not have."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]
