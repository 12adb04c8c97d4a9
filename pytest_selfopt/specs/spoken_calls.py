"""Tool calls in words: every call that a text holds, as JSON or in the forms that models' own templates teach them.

A text is read once, from its beginning to its end: what a JSON object holds inside is never taken for a mark, and the
time grows with the length of the text only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_selfopt.specs.call_values import Undecodable, calls_in
from pytest_selfopt.specs.json_scan import NoJson, value_at
from pytest_selfopt.specs.pythonic_calls import pythonic_calls
from pytest_selfopt.specs.template_calls import MARKS, UNREAD
from pytest_selfopt.specs.thinking import THOUGHTS, without_thinking
from pytest_selfopt.trial import ToolCall


class SpokenCalls(NamedTuple):
    """What a text says: its words without thoughts, and its calls or why one of them cannot be decoded.

    `reply` is the text in `{"reply": TEXT}`, the form in which our variants ask for words; None without it.
    """

    words: str
    calls: tuple[ToolCall, ...] = ()
    undecodable: str = ""
    reply: str | None = None


_FENCE = "```"
_GEMMA = "tool_code"
"""What Gemma names the code fences of its calls; those that it prints, or works with, are not read."""
_QUOTE = r"\\?[\"'“”]?"
_OPENING = "|".join(map(re.escape, THOUGHTS))
_MARKS = "|".join(map(re.escape, MARKS))
# Braces that cannot begin a call are passed over here, where it costs least.
_TOKEN = re.compile(
    rf"(?P<mark>{_MARKS})|{_FENCE}|(?P<thoughts>{_OPENING})|(?P<unread>{UNREAD})"
    rf"|(?P<json>\{{(?=\s*(?:\"|{_QUOTE}(?:tool|arguments|name){_QUOTE}\s*:))"
    rf"|\[(?=\s*\{{\s*(?:[\"}}]|{_QUOTE}(?:tool|arguments|name))))"
)
_BROKEN = re.compile(
    rf"\[?+\s*+\{{\s*+{_QUOTE}(?:(?:tool|arguments){_QUOTE}\s*(?::|$)|name{_QUOTE}\s*:[^{{}}]{{0,200}}[\"'](?:arg|par))"
)
_CALL_MEMBER = re.compile(r'"(?:tool|arguments)"\s*:')
_NAME_MEMBER = re.compile(r'"(?:name|function)"\s*:')
_PARAMETERS_MEMBER = re.compile(r'"parameters"\s*:')
_CUT_MEMBER = re.compile(r'"(?:arg|par)[a-z]*$')
_INFO = re.compile(r"[\w+#.-]*[ \t]*\r?\n")


def read_spoken(text: str) -> SpokenCalls:
    """Read all calls of a text; one that cannot be decoded makes the whole text undecodable."""
    words = without_thinking(text)
    # No form of a call does without brackets, and most words do.
    if not ("{" in words or "<" in words or "[" in words or "(" in words):
        return SpokenCalls(words)
    reader = _Reader(words)
    try:
        reader.read()
    except Undecodable as problem:
        return SpokenCalls(words, undecodable=f"looks like a tool call but {problem}")
    return SpokenCalls(words, tuple(reader.calls), "", reader.reply)


class _Reader:
    """Goes through a text and collects its calls."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fence_end = -1
        self._last_closing: dict[str, int] = {}
        self.calls: list[ToolCall] = []
        self.reply: str | None = None

    def read(self) -> None:
        """Read the whole text.

        Raises:
            Undecodable: at the first thing that sets out to be a call and cannot be decoded.
        """
        if "(" in self._text:
            self.calls.extend(pythonic_calls(self._text))
            if self.calls:
                return
        position = 0
        while (token := _TOKEN.search(self._text, position)) is not None:
            position = self._read_token(token)

    def _read_token(self, token: re.Match[str]) -> int:
        """Read what begins with a token; return where the search goes on."""
        kind = token.lastgroup
        if kind == "json":
            return self._read_json(token.start())
        if kind == "mark":
            calls, end = MARKS[token[0]](self._text, token.end())
            self.calls.extend(calls)
            return end
        if kind == "thoughts":
            return self._end_of_thoughts(token)
        if kind == "unread":
            raise Undecodable(f"is in a form that is not read: {token[0]}")
        return self._read_fence(token)

    def _read_json(self, start: int) -> int:
        try:
            value, end = value_at(self._text, start)
        except NoJson as problem:
            return self._behind_broken(start, problem)
        calls = calls_in(value)
        if calls:
            self.calls.extend(calls)
        elif self.reply is None and isinstance(value, dict):
            reply = value.get("reply")
            if isinstance(reply, str):
                self.reply = reply
        return end

    def _behind_broken(self, start: int, problem: NoJson) -> int:
        """Return where to go on behind braces that are no JSON, unless they set out to be a call."""
        end = problem.position
        if end is None:
            end = len(self._text)
        if self._sets_out(start, end):
            raise Undecodable(f"is not valid JSON ({problem})")
        return max(end, start + 1)

    def _sets_out(self, start: int, end: int) -> bool:
        """Whether braces set out to be a call; up to `end` they are valid JSON."""
        if _BROKEN.match(self._text, start):
            return True
        valid = self._text[start:end]
        if _CALL_MEMBER.search(valid):
            return True
        if _NAME_MEMBER.search(valid) is None:
            return False
        return bool(_PARAMETERS_MEMBER.search(valid) or _CUT_MEMBER.match(self._text, end))

    def _end_of_thoughts(self, token: re.Match[str]) -> int:
        """Return the end of thoughts that begin in the middle of a line; without one the tag is a word."""
        closing = THOUGHTS[token[0]]
        if closing not in self._last_closing:
            self._last_closing[closing] = self._text.rfind(closing)
        if token.end() > self._last_closing[closing]:
            return token.end()
        return self._text.index(closing, token.end()) + len(closing)

    def _read_fence(self, token: re.Match[str]) -> int:
        """Read Python as the whole content of a code fence; other content is read like the text around it."""
        start = token.end()
        if token.start() == self._fence_end:
            return start
        end = self._text.find(_FENCE, start)
        if end < 0:
            end = len(self._text)
        self._fence_end = end
        info = _INFO.match(self._text, start)
        if info is not None:
            start = info.end()
        is_announced = info is not None and info[0].strip() == _GEMMA
        content = self._text[start:end]
        calls = pythonic_calls(content)
        if not calls:
            if is_announced and "{" not in content:
                raise Undecodable(f"is in a form that is not read: {_FENCE}{_GEMMA}")
            return start
        # A lone call without arguments is an example of code more often than a call.
        if is_announced or len(calls) > 1 or calls[0].arguments:
            self.calls.extend(calls)
        return end
