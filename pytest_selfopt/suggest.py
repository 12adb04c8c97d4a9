"""Suggestions for unknown words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path


def did_you_mean(word: str, known: Sequence[str], *, listing: str = "available:") -> str:
    """Return the end of a sentence about an unknown word: the nearest known word, or all after `listing`."""
    close = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(word.lower(), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; {listing} {', '.join(known)}" if known else "; none is defined"


def did_you_mean_file(path: Path) -> str:
    """Return the end of a sentence about a file or folder that does not exist: the nearest name beside it, if any."""
    try:
        names = sorted(beside.name for beside in path.parent.iterdir())
    except OSError:
        return ""
    # By the stem: a common suffix makes no two names alike.
    near = difflib.get_close_matches(path.stem, {Path(name).stem for name in names}, n=len(names) or 1)
    close = difflib.get_close_matches(path.name, [name for name in names if Path(name).stem in near], n=1)
    return f"; did you mean {str(path.with_name(close[0]))!r}?" if close else ""
