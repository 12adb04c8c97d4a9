"""Texts that make readers of replies slow: families, each of texts of any length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pytest_selfopt.bench.grading.expect import Exact, JsonSchema, Number
from pytest_selfopt.bench.grading.extract import json_in
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.formats import FORMATS
from pytest_selfopt.specs.thinking import without_thinking
from pytest_selfopt.specs.variants import VARIANTS, Variant
from pytest_selfopt.trial import Reply

LONGEST = 8 * 1024 * 1024
"""Bytes that a reply may have."""


@dataclass(frozen=True, slots=True)
class Family:
    """Texts that begin with one part, repeat another, and end with a third."""

    repeated: str
    before: str = ""
    after: str = ""

    def text(self, length: int) -> str:
        """The text of about as many characters."""
        room = length - len(self.before) - len(self.after)
        return self.before + self.repeated * max(1, room // len(self.repeated)) + self.after

    def __str__(self) -> str:
        return ascii((self.before + self.repeated * 2 + "…" + self.after)[:60])


def _each(*parts: str, before: str = "", after: str = "") -> tuple[Family, ...]:
    """A family for each part that is repeated."""
    return tuple(Family(part, before, after) for part in parts)


JSON = (
    *_each("{", "[", "[{", "[ {", "[{}", '{"', '{"a":', '{"a":1,', '{"a":[', '[{"a":1},', '{"\\"'),
    *_each('{"name":"a",', '{"tool":', "{'tool':", "{tool:", '"tool":', '{"reply":"', '"', "'", "\\"),
    *_each("{ ", "[ ", "1,", "[1", "-", "1e", '{"a":"\\u00', '{"a":1}', '{"tool":"a","arguments":{}}'),
    Family("[", '{"tool": "a", "arguments": {"x": ', "]"),
    Family("9", '{"tool": "a", "arguments": {"x": ', "}}"),
    Family("9", "[", "]"),
    Family(" ", "{", '"'),
    Family("a", '{"', ""),
    Family("a", '{"tool": "a', '"'),
)
FENCES = (
    *_each("~", "~~~", "~~~a", "`", "```", "```\n", "```json\n", "~~~\n", "\n```", "```a", "```{", "```a`", " ```\n"),
    *_each("a", " ", "\n", "{", "`a", "``a", "~", before="```"),
    Family("a", "```json\n"),
    Family(" ", "```json\n", "x"),
    Family("```json\n{", "", "```"),
    Family("\n \t", "", "```"),
)
MARKS = (
    *_each("<tool_call>", "<think>", "x<think>", "\n<think>", "</think>", "<think></think>"),
    *_each("[THINK]", "<function=", "<function=a>", "<parameter=b>", "</function>", "<", "</s>"),
    *_each("[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<|channel|>", "<invoke ", "<｜tool"),
    Family("<parameter=b>", "<function=a>"),
    Family("<parameter=b>1", "<function=a>", "</function>"),
    Family("<function=a></function>"),
    Family(" ", "<tool_call>"),
    Family(" ", "[TOOL_CALLS]a"),
    Family("a", "[TOOL_CALLS]"),
    Family("a", "<function="),
    Family(" ", "<function=a>", "<parameter"),
    Family('<tool_call>{"name": "a", "arguments": {}}</tool_call>'),
    Family("<|eot_id|>", "a()"),
)
PYTHON = (
    *_each("f(x=", "(", ")", "a.b(", "a(", "a(x=1)\n", "[a(x=1),", "```\na(x=1)\n```\n", "x=1,"),
    *_each("-", "[", "1+", "'a'", "{1:", "(", "not ", before="f(x=", after=")"),
    Family(".f", "f", "(x=1)"),
    Family(" ", "[", "a("),
)
WORDS = (
    *_each(" ", "\n", "a", "a ", "\t", "\r\n", ".", "#", "\x00", "\ud800", "é", "中", "😀", "’", "ſ"),
    # Marks that belong in another order: each is moved past all before it.
    Family("\u0315\u0323", "a"),
    Family("\u0323", "a" + "\u0315" * 5_000),
    Family("\u0f73\u0f71"),
    Family("\u1100\u1161\u11a8"),
)
NUMBERS = (
    *_each("1", "1 ", "1.", "1,", "1,234", "1 000", "[1,", "(1,2", "1~", "100 ", "1/", "1:", "1-", "²"),
    *_each("²³", "½", "²/", "₂", "1²", "\\$", "$", "$1", "-", "- ", "--", "1 / ", "1e9", "1e+", "+1"),
    *_each("\\frac{1", "\\frac", "\\ln(", "\\log", "\\sqrt{", "\\,", "{,}", "1{,}", "x^{2}", "^{", "_{"),
    *_each("[1] ", "7 [1] ", "[^1]: a\n", "\n[1]: a", "[", "【", "https://", "https://a ", "**", "1**"),
    *_each("1'000", "10×10^", "\\times 10", "1\u00a0", "<sup>", "<sup>1", "minus ", "million ", "{", "}"),
    *(Family("1", before) for before in ("-", "0.", "1e", "[", "x^{")),
    Family("1", after="x"),
    Family(",000", "1", ".5.5"),
    Family(".1", "1", "x"),
)
REPLIES: tuple[Family, ...] = (*JSON, *FENCES, *MARKS, *PYTHON, *WORDS, *NUMBERS)
"""All of them."""

LISTS = _each("{},", "[],", "1,", '"a",', "true,", '{"a":1},', "[[1]],", before="[", after="null]")
"""JSON of many items."""

Reader = Callable[[str], object]


def _judged(expectation: Any, text: str) -> object:
    return expectation.judge(Reply(text=text))


def _calls(variant: Variant, text: str) -> object:
    return variant.read(Reply(text=text))


READERS: dict[str, Reader] = {
    "calls in words": partial(_calls, VARIANTS["few_shot"]),
    "calls beside words": partial(_calls, VARIANTS["native_api"]),
    "thoughts": without_thinking,
    "fold": fold,
    "exact": partial(_judged, Exact(("a",), ignore_case=True)),
    "json": json_in,
    "json_schema": partial(_judged, JsonSchema({"type": "object"})),
    "number": partial(_judged, Number(1)),
}
"""What reads whole replies, by name."""
FORMAT_READERS: dict[str, Reader] = {f"format {name}": check for name, check in FORMATS.items() if name != "regex"}
"""What reads texts inside of JSON."""
