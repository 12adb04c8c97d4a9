"""Regular expressions of JavaScript (ECMA-262), translated to those of Python.

Without the flag u JavaScript sees a text as units of UTF-16: a sign beyond U+FFFF is two of them.
"""

from __future__ import annotations

import re
import sys
import warnings
from array import array
from dataclasses import dataclass

_ANY_BUT_NEWLINE = r"[^\n\r\u2028\u2029]"
_SPACES = r"\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_NO_SPACES = (
    r"\x00-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e"
    r"\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
)
_GROUP = re.compile(r"\(\?(?:[:=!]|<[=!])")
_NAMED = re.compile(r"\(\?<([A-Za-z_][A-Za-z0-9_]*)>")
_LOOKBEHINDS = ("(?<=", "(?<!")
_REFERENCE = re.compile(r"\\k<([A-Za-z_][A-Za-z0-9_]*)>")
_NUMBERED = re.compile(r"\\([1-9][0-9]*)")
_CONTROL = re.compile(r"\\c([A-Za-z])")
_REPEAT = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_CODE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")
_POINT = re.compile(r"\\u\{0*([0-9a-fA-F]{1,6})\}")
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_ANYTHING = r"[\s\S]"
_SETS = {"[^]": _ANYTHING, r"[\s\S]": _ANYTHING, r"[\S\s]": _ANYTHING, "[]": r"(?!)"}
"""Sets with a meaning of their own, or one that would be written at length."""
_CLASSES = (r"\d", r"\D", r"\w", r"\W", _SPACES, _NO_SPACES)
_NO_BOUNDARY = r"(?!\b)"
"""Older Pythons find no `\\B` in an empty text."""
_SAME_ESCAPES = "dDwWbnrtvf"
"""Letters that mean the same behind a backslash, once the pattern's classes are those of ASCII."""


def python_pattern(pattern: str, *, unicode: bool = False) -> str:
    """Translate a regular expression without flags, or with the flag `unicode`, to one that finds the same in Python.

    Without flags it finds the same in the `units` of a text.

    Raises:
        ValueError: with the reason, if there is none.
    """
    translated = _Translator(pattern, unicode=unicode).translate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(translated)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"the pattern {pattern!r} cannot be written in Python: {problem}") from None
    return translated


def units(text: str) -> str:
    """Return a text with each sign beyond U+FFFF as the two surrogates that are its units in UTF-16."""
    if not text or max(text) < "\U00010000":
        return text
    written = array("H")
    written.frombytes(text.encode(f"utf-16-{sys.byteorder[0]}e", "surrogatepass"))
    return "".join(map(chr, written))


@dataclass(slots=True)
class _OpenGroup:
    """A group whose closing bracket is yet to come."""

    first: int
    """The number that the first group inside it has, or it itself if it is numbered."""
    is_numbered: bool
    is_lookbehind: bool


class _Translator:
    """Walks over a pattern once."""

    def __init__(self, pattern: str, *, unicode: bool) -> None:
        self._written = pattern
        self._pattern = pattern
        if not unicode:
            self._pattern = units(pattern)
        self._unicode = unicode
        self._at = 0
        self._parts: list[str] = []
        self._of_ascii = False
        """Whether something means other signs than in ASCII unless it is said."""
        self._groups = 0
        self._names: dict[str, int] = {}
        self._open: list[_OpenGroup] = []
        self._closed: _OpenGroup | None = None
        """The group that ends right here."""
        self._referred: set[int] = set()
        self._forgotten: set[int] = set()
        """Groups in a repeated group: JavaScript forgets at each repetition what they matched before."""

    def translate(self) -> str:
        """Return the whole pattern."""
        while self._at < len(self._pattern):
            self._parts.append(self._next())
        if self._referred & self._forgotten:
            raise self._refuse("refers to a group inside a repeated one")
        text = "".join(self._parts)
        if self._of_ascii:
            return f"(?a){text}"
        return text

    def _next(self) -> str:
        closed, self._closed = self._closed, None
        sign = self._pattern[self._at]
        if sign == "\\":
            return self._escape(inside=False)
        if sign == "[":
            return self._class()
        if sign == "(":
            return self._group()
        repeat = _REPEAT.match(self._pattern, self._at)
        if repeat:
            return self._repeat(repeat, closed)
        self._at += 1
        if sign == ")" and self._open:
            self._closed = self._open.pop()
        if sign in "{}":
            return f"\\{sign}"
        if sign == ".":
            return _ANY_BUT_NEWLINE
        if sign == "$":
            return r"\Z"
        return sign

    def _repeat(self, repeat: re.Match[str], closed: _OpenGroup | None) -> str:
        if self._parts and self._parts[-1] == _NO_BOUNDARY:
            raise self._refuse("repeats a place")
        if closed is not None:
            if closed.is_lookbehind:
                raise self._refuse("repeats a look behind")
            self._forgotten.update(range(closed.first + closed.is_numbered, self._groups + 1))
        self._at = repeat.end()
        text = repeat[0]
        if self._pattern.startswith("?", self._at):
            self._at += 1
            text = f"{text}?"
        if _REPEAT.match(self._pattern, self._at):
            raise self._refuse("repeats a repetition")
        return text

    def _group(self) -> str:
        named = _NAMED.match(self._pattern, self._at)
        if named:
            self._at = named.end()
            self._open_group(is_numbered=True)
            self._names[named[1]] = self._groups
            return f"(?P<{named[1]}>"
        known = _GROUP.match(self._pattern, self._at)
        if known:
            self._at = known.end()
            self._open_group(is_lookbehind=known[0] in _LOOKBEHINDS)
            return known[0]
        if self._pattern.startswith("(?", self._at):
            raise self._refuse(f"has a group {self._pattern[self._at : self._at + 4]!r}")
        self._at += 1
        self._open_group(is_numbered=True)
        return "("

    def _open_group(self, *, is_numbered: bool = False, is_lookbehind: bool = False) -> None:
        self._open.append(_OpenGroup(self._groups + 1, is_numbered, is_lookbehind))
        self._groups += is_numbered

    def _reference(self, number: int) -> str:
        """Refer to a group: to nothing if it took no part in the match, as in JavaScript."""
        if number > self._groups or any(group.is_numbered and group.first == number for group in self._open):
            raise self._refuse("refers to a group that has not ended")
        if any(group.is_lookbehind for group in self._open):
            raise self._refuse("refers to a group while it looks behind")
        self._referred.add(number)
        return f"(?:(?({number})\\{number}|))"

    def _class(self) -> str:
        """Translate a set of signs in brackets."""
        for text, meaning in _SETS.items():
            if self._pattern.startswith(text, self._at):
                self._at += len(text)
                return meaning
        parts = ["["]
        self._at += 1
        while not self._pattern.startswith("]", self._at):
            if self._at == len(self._pattern):
                raise self._refuse("has no closing bracket")
            parts.append(self._member(first=len(parts) == 1))
        self._at += 1
        return "".join(parts) + "]"

    def _member(self, *, first: bool) -> str:
        sign = self._pattern[self._at]
        if sign == "\\":
            text = self._escape(inside=True)
            if text in _CLASSES and self._pattern.startswith("-", self._at):
                # A class cannot begin a range, so the hyphen stands for itself.
                self._at += 1
                return f"{text}\\-"
            return text
        self._at += 1
        if sign in "[&~|" or (sign == "^" and not first):
            return f"\\{sign}"
        return sign

    def _escape(self, *, inside: bool) -> str:
        code = self._code(inside=inside)
        if code:
            return code
        sign = self._pattern[self._at + 1 : self._at + 2]
        self._at += 2
        if sign in ("s", "S"):
            return self._spaces(sign, inside=inside)
        if inside and sign in "bB" and sign:
            return {"b": r"\x08", "B": "B"}[sign]
        if sign == "B":
            self._of_ascii = True
            return _NO_BOUNDARY
        if sign and sign in _SAME_ESCAPES:
            self._of_ascii = self._of_ascii or sign in "dDwWb"
            return f"\\{sign}"
        if not sign or sign in "ck" or (self._unicode and sign in "pPxu"):
            raise self._refuse(f"has an escape \\{sign} of which this importer knows no translation")
        if sign.isdigit():
            return self._zero(sign)
        if sign.isalpha() and not self._unicode:
            return sign
        if sign.isalpha():
            raise self._refuse(f"has an escape \\{sign}")
        return f"\\{sign}"

    def _code(self, *, inside: bool) -> str:
        """Translate a sign given by its number, or a reference to a group."""
        control = _CONTROL.match(self._pattern, self._at)
        if control:
            self._at = control.end()
            return f"\\x{ord(control[1]) % 32:02x}"
        if not inside:
            reference = self._group_reference()
            if reference:
                return reference
        if self._unicode:
            point = self._code_point()
            if point:
                return point
        code = _CODE.match(self._pattern, self._at)
        if code is None:
            return ""
        self._at = code.end()
        return code[0]

    def _group_reference(self) -> str:
        named = _REFERENCE.match(self._pattern, self._at)
        if named:
            self._at = named.end()
            return self._reference(self._names.get(named[1], self._groups + 1))
        numbered = _NUMBERED.match(self._pattern, self._at)
        if numbered is None:
            return ""
        self._at = numbered.end()
        return self._reference(int(numbered[1]))

    def _code_point(self) -> str:
        """Translate a sign beyond U+FFFF, as the flag u writes it."""
        pair = _PAIR.match(self._pattern, self._at)
        if pair:
            self._at = pair.end()
            high, low = int(pair[1], 16), int(pair[2], 16)
            point = 0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00
            return f"\\U{point:08x}"
        braced = _POINT.match(self._pattern, self._at)
        if braced is None:
            return ""
        self._at = braced.end()
        return f"\\U{int(braced[1], 16):08x}"

    def _spaces(self, sign: str, *, inside: bool) -> str:
        self._of_ascii = True
        if inside:
            return {"s": _SPACES, "S": _NO_SPACES}[sign]
        return {"s": f"[{_SPACES}]", "S": f"[^{_SPACES}]"}[sign]

    def _zero(self, sign: str) -> str:
        following = self._pattern[self._at : self._at + 1]
        if sign == "0" and not following.isdigit():
            return r"\x00"
        raise self._refuse("has an octal escape")

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"the pattern {self._written!r} {what}, which Python reads otherwise or not at all")
