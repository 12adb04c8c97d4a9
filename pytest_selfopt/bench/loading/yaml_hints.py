"""What to do about the mistakes that people make in YAML."""

from __future__ import annotations

_HINTS = {
    "mapping values are not allowed": "a text with a colon needs quotes, and members of an object the same indentation",
    "could not find expected ':'": "the lines of a text are indented further than its name",
    "did not find expected key": "check the indentation, and the quotes",
    "did not find expected '-'": "check the indentation",
    "unknown escape character": "in double quotes a backslash is written twice, in single quotes once",
    "did not find expected alphabetic": "a text that begins with * or & needs quotes",
    "expected a single document": "write all cases in one, without ---",
}


def hint_on(reason: str, sign: str) -> str:
    """Return the end of a sentence about what a parser found at a sign; empty if there is no advice."""
    if "cannot start any token" in reason and sign == "\t":
        return "; indent with spaces, not with tabs"
    if "cannot start any token" in reason:
        return f"; a text that begins with {sign} needs quotes"
    for found, hint in _HINTS.items():
        if found in reason:
            return f"; {hint}"
    return ""
