"""Texts that a reader's terminal can show: in its encoding, on one line, with nothing hidden."""

from __future__ import annotations

from pytest_selfopt.console.sanitize import visible

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


# All blanks but plain ones; how many of those there are is layout.
_BLANKS = str.maketrans(dict.fromkeys("\t\n\v\f\r\x85\u2028\u2029", " "))


def in_encoding(text: str, encoding: str) -> str:
    """The text in signs that an encoding has: arrows and the like are written in ASCII, all else by its escape."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def one_line(text: str) -> str:
    """A text as one line: what would end it, or leave it, is a blank, and what is hidden in it is shown."""
    return visible(text.translate(_BLANKS))


def shown(text: str, encoding: str) -> str:
    """A text of whatever origin as one line that an encoding has, and that controls nothing."""
    return in_encoding(one_line(text), encoding)
