"""Conversion of texts to what a terminal can show: in its encoding, on one line, with nothing hidden."""

from __future__ import annotations

from pytest_selfopt.console.sanitize import defused_line, visible
from pytest_selfopt.redaction.known import redact_written

_ASCII = str.maketrans(
    {
        "→": "->",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "✓": "ok",
        "✗": "FAIL",
        "●": "o",
        "·": "-",
        "…": "...",
        "–": "-",
        "—": "-",
        "−": "-",
        "⟨": "<",
        "⟩": ">",
        "α": "alpha",
        "χ": "chi",
        "²": "^2",
        "⁹": "^9",
        "¦": "|",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "\N{NO-BREAK SPACE}": " ",
    }
)


# All blanks but spaces: the number of spaces is layout.
_BLANKS = str.maketrans(dict.fromkeys("\t\n\v\f\r\x85\u2028\u2029", " "))


def in_encoding(text: str, encoding: str) -> str:
    """Replace characters that an encoding lacks: arrows and the like with ASCII, all others with their escapes."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def one_line(text: str) -> str:
    """Put a text on one line: replace tabs and line breaks with blanks, and make hidden characters visible."""
    return visible(text.translate(_BLANKS))


def shown(text: str, encoding: str) -> str:
    """Turn an untrusted text into one line in an encoding, without secrets, hidden characters and commands."""
    return in_encoding(defused_line(one_line(redact_written(text))), encoding)
