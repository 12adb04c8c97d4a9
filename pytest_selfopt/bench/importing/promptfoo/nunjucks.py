"""Templates of Nunjucks 3.2, as far as they insert values: names, their members, literals, and filters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.javascript import UNDEFINED, WHITE_SPACE, UnquotedDate, javascript_text
from pytest_selfopt.bench.importing.promptfoo.nunjucks_filters import FILTERS
from pytest_selfopt.bench.javascript_patterns import units

_SPACE = r"[ \n\t\r\xa0]*+"
_TAG = re.compile(r"\{\{-?|\{%|\{#-?|#\}")
_RAW = re.compile(rf"\{{%{_SPACE}(raw|verbatim){_SPACE}%\}}")
_COMMENT = re.compile(r"(?s:.)*?(-?)#\}")
_TOKEN = re.compile(
    rf"""{_SPACE}(?:
    (?P<end>-?\}}\}})
    |(?P<name>[^\W\d][\w$]*+)
    |(?P<text>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')
    |(?P<number>[0-9]++(?:\.[0-9]++)?)
    |(?P<sign>[.|,()\[\]])
    )""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
_OPERATORS = ("and", "else", "if", "in", "is", "not", "or")
_GLOBALS = ("cycler", "env", "joiner", "range")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class Filling:
    """Fills templates with variables; `what` names the text in errors."""

    variables: Mapping[str, Any]
    what: str
    missing: dict[str, None] = field(default_factory=dict)
    """Names without a value: nothing is written for them."""

    def fill(self, text: str) -> str:
        """Return a text with its values inserted.

        Raises:
            ValueError: if it needs more than that.
        """
        parts: list[str] = []
        at = 0
        strips = False
        while (tag := _TAG.search(text, at)) is not None:
            parts.append(_stripped(text[at : tag.start()], left=strips, right=tag[0].endswith("-")))
            if tag[0] == "#}":
                raise self._refuse("ends a comment that does not begin")
            if tag[0] == "{%":
                inserted, at, strips = self._raw(text, tag.start())
            elif tag[0].startswith("{#"):
                inserted, at, strips = self._comment(text, tag.end())
            else:
                inserted, at, strips = self._value(text, tag.end())
            parts.append(inserted)
        parts.append(_stripped(text[at:], left=strips, right=False))
        return "".join(parts)

    def _raw(self, text: str, at: int) -> tuple[str, int, bool]:
        raw = _RAW.match(text, at)
        if raw is None:
            tag, end, _ = text[at:].partition("%}")
            raise self._refuse(f"has the tag {show(tag + end)}")
        inside, end, rest = text[raw.end() :].partition(f"{{% end{raw[1]} %}}")
        if not end or _RAW.search(inside):
            raise self._refuse(f"has a part {raw[1]!r} that does not end with {{% end{raw[1]} %}}")
        return inside, len(text) - len(rest), False

    def _comment(self, text: str, at: int) -> tuple[str, int, bool]:
        comment = _COMMENT.match(text, at)
        if comment is None:
            raise self._refuse("has a comment without its end")
        return "", comment.end(), bool(comment[1])

    def _value(self, text: str, at: int) -> tuple[str, int, bool]:
        """Return what an expression writes, where its tag ends, and whether white space behind it is dropped."""
        tokens = list(self._tokens(text, at))
        value = _Expression(self, tokens).value()
        end = tokens[-1]
        return self._written(value, text[at : end.start()]), end.end(), end["end"].startswith("-")

    def _tokens(self, text: str, at: int) -> Iterator[re.Match[str]]:
        while True:
            token = _TOKEN.match(text, at)
            if token is None:
                raise self._refuse("has an expression that does more than name variables, members and filters")
            yield token
            if token["end"]:
                return
            at = token.end()

    def _written(self, value: Any, expression: str) -> str:
        """Return what is written for the value of an expression."""
        if value is UNDEFINED:
            return ""
        writes = f"{self.what} writes {expression.strip()!r}, which is"
        if isinstance(value, UnquotedDate):
            raise ValueError(f"{writes} the date {value} without quotes; promptfoo makes an object of it")
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            raise ValueError(f"{writes} an object, not a text")
        return javascript_text(value)

    def look_up(self, name: str) -> Any:
        """Return the value of a variable."""
        if name in self.variables:
            return self.variables[name]
        if name in _OPERATORS or name in _GLOBALS:
            raise self._refuse(f"uses {name!r}")
        self.missing[name] = None
        return UNDEFINED

    def apply(self, name: str, value: Any, arguments: list[Any]) -> Any:
        """Return what a filter makes of a value."""
        if name not in FILTERS:
            raise self._refuse(f"uses the filter {name!r}")
        try:
            return FILTERS[name](value, *arguments)
        except (TypeError, ValueError, AttributeError):
            raise self._refuse(f"uses the filter {name!r} on {show(value)}") from None

    def member(self, value: Any, key: Any) -> Any:
        """Return a member of an object, a list or a text."""
        if value is UNDEFINED or value is None:
            return UNDEFINED
        if isinstance(value, dict) and isinstance(key, str):
            return value.get(key, UNDEFINED)
        if isinstance(value, str) and key == "length":
            return len(units(value))
        if isinstance(value, list) and key == "length":
            return len(value)
        if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
            return dict(enumerate(value)).get(key, UNDEFINED)
        raise self._refuse(f"asks {show(value)} for the member {key!r}")

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"{self.what} is a template that {what}")


class _Expression:
    """Reads the tokens of an expression."""

    def __init__(self, filling: Filling, tokens: list[re.Match[str]]) -> None:
        self._filling = filling
        self._tokens = iter(tokens)
        self._token = next(self._tokens)

    def value(self) -> Any:
        """Return the value of the whole expression."""
        value = self._filtered()
        if not self._token["end"]:
            raise self._wrong()
        return value

    def _filtered(self) -> Any:
        before = dict(self._filling.missing)
        value = self._primary()
        while self._accept("|"):
            name = self._take("name")
            arguments: list[Any] = []
            if self._accept("("):
                arguments = self._arguments()
            value = self._filling.apply(name, value, arguments)
            if name in ("default", "d"):
                self._filling.missing = before
        return value

    def _arguments(self) -> list[Any]:
        arguments: list[Any] = []
        while not self._accept(")"):
            arguments.append(self._primary())
            if self._token["sign"] != ")" and not self._accept(","):
                raise self._wrong()
        return arguments

    def _primary(self) -> Any:
        if self._token["name"]:
            name = self._take("name")
            if name in _CONSTANTS:
                return _CONSTANTS[name]
            return self._members(self._filling.look_up(name))
        if self._token["number"]:
            return float(self._take("number"))
        return self._text()

    def _text(self) -> str:
        written = self._take("text")[1:-1]
        return re.sub(r"\\(.)", _unescaped, written, flags=re.DOTALL)

    def _members(self, value: Any) -> Any:
        while True:
            if self._accept("."):
                value = self._filling.member(value, self._take("name"))
            elif self._accept("["):
                value = self._filling.member(value, self._key())
                if not self._accept("]"):
                    raise self._wrong()
            else:
                return value

    def _key(self) -> Any:
        if self._token["number"]:
            return int(float(self._take("number")))
        return self._text()

    def _accept(self, sign: str) -> bool:
        if self._token["sign"] != sign:
            return False
        self._token = next(self._tokens)
        return True

    def _take(self, kind: str) -> str:
        text = self._token[kind]
        if not text:
            raise self._wrong()
        self._token = next(self._tokens)
        return str(text)

    def _wrong(self) -> ValueError:
        what = "is a template with an expression that cannot be read, or does more than name variables and filters"
        return ValueError(f"{self._filling.what} {what}")


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[1])


def _stripped(text: str, *, left: bool, right: bool) -> str:
    if left:
        text = text.lstrip(WHITE_SPACE)
    if right:
        text = text.rstrip(WHITE_SPACE)
    return text
