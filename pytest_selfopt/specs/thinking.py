"""Thoughts that a server without a parser for them leaves in a text: they are no part of the answer."""

from __future__ import annotations

import re

from pytest_selfopt.specs.json_scan import spans_of_objects

THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
"""Opening and closing tags: Qwen and DeepSeek, Claude's habit, EXAONE, Magistral, Seed-OSS, Kimi-VL, Command."""

_TAGS = "|".join(map(re.escape, (*THOUGHTS, *THOUGHTS.values())))
_TAG = re.compile(_TAGS)
_OPENING = "|".join(map(re.escape, THOUGHTS))
_AT_ONCE = re.compile(_OPENING)
_AT_LINE_START = re.compile(rf"^[ \t]*(?:{_OPENING})", re.MULTILINE)


def without_thinking(text: str) -> str:
    """Return a text without thoughts: in front of the answer, and where a later line begins with an opening tag.

    Thoughts that never end leave no answer behind them. Some chat templates write the opening tag themselves, so that
    only the closing one comes back. A tag in the middle of a line is a word of the answer.
    """
    if not ("<" in text or "[" in text or "◁" in text):
        return text
    tag = _TAG.search(text)
    if tag is None:
        return text
    if tag[0] not in THOUGHTS and not _is_inside_object(text, tag.start()):
        text = text[tag.end() :].lstrip()
    return _without_blocks(text)


def _is_inside_object(text: str, position: int) -> bool:
    """Whether a position is inside a JSON object, where a tag is part of a value."""
    for start, end in spans_of_objects(text):
        if end > position:
            return start < position
    return False


def _without_blocks(text: str) -> str:
    kept: list[str] = []
    position = 0
    while (opening := _AT_ONCE.match(text, position) or _AT_LINE_START.search(text, position)) is not None:
        kept.append(text[position : opening.start()])
        closing = THOUGHTS[opening[0].strip()]
        end = text.find(closing, opening.end())
        if end < 0:
            position = len(text)
            break
        position = end + len(closing)
        # The answer goes on behind the closing tag, as if its line had begun there.
        while position < len(text) and text[position].isspace():
            position += 1
    kept.append(text[position:])
    return "".join(kept)
