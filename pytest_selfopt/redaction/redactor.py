"""Finding secrets in texts, in whatever encoding, and blacking them out."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from pytest_selfopt.redaction.decoding import BASE64, LINE, decoded

MARK = "[key]"
"""What stands in place of a secret."""
WITHHELD = "[withheld: a secret is in it, or it is encoded too often to be sure that none is]"
"""What stands in place of a text out of which a secret cannot be cut."""
MIN_LENGTH = 8
"""The fewest characters of a secret that is blacked out: shorter ones are parts of ordinary words."""

_LEAST_NUMBER = 10 ** (MIN_LENGTH - 1)
_MOST_WORK = 8_000_000
"""The characters that are decoded in search of secrets in one value, a second's work, before texts are withheld."""

_HARMLESS = frozenset({float, bool, type(None)})
_IN_RUN, _BESIDE = b"x", b" "
_RUNS = bytes(_IN_RUN[0] if re.match(f"[{BASE64}]", chr(code)) else _BESIDE[0] for code in range(256))
"""Makes runs of base64 alike, so that a long one is found as a text is, ten times as fast as by a pattern."""

T = TypeVar("T")


class _TooMuchError(Exception):
    """A text has so much in it that is encoded, or so often, that the search was given up."""


class _Work:
    """The work that may still be done."""

    def __init__(self) -> None:
        self._left = _MOST_WORK

    def spend(self, characters: int) -> None:
        """Note that a text is searched.

        Raises:
            _TooMuchError: if that was too much; so is everything after it.
        """
        self._left -= characters
        if self._left < 0:
            raise _TooMuchError


class Redactor:
    """Blacks secrets out of texts; with no secret it changes nothing.

    `redact` is for what comes from a server: it finds secrets in encodings of encodings. `redact_written` is for what
    is written, where such texts have been searched before: it finds them as they are, and encoded once.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        """Black out `secrets`, each of at least `MIN_LENGTH` characters."""
        self._secrets = tuple(sorted(set(secrets), key=len, reverse=True))
        if not self._secrets:
            return
        self._fewest = min(map(len, self._secrets))
        # Six bits a character.
        self._shortest = min(LINE, math.ceil(self._fewest * 8 / 6))
        self._run = _IN_RUN * self._shortest
        signs = {sign for secret in self._secrets for sign in secret if not sign.isalnum()}
        escaped = "".join(f"|{re.escape(sign)}" for sign in sorted(signs))
        self._marker = re.compile(
            rf"\\(?:u\{{|u00[0-7]|u[fF]{{3}}[dD]|U0000|x[0-7]|[0-7]|N\{{{escaped})"
            r"|%(?:[0-7][0-9a-fA-F]|u00)|&(?:#|[a-zA-Z]{2,24};)"
        )
        self._written = tuple(_written_forms(self._secrets))

    def may_hide(self, text: str) -> bool:
        """Whether a text has a secret, or any encoding in which one could be: quick, and seldom true."""
        if not self._secrets or len(text) < self._fewest:
            return False
        for secret in self._secrets:
            if secret in text:
                return True
        if "\0" in text or "\ufffd" in text:
            return True
        # Looking for single characters first takes a hundredth of the time that the pattern does.
        if ("\\" in text or "%" in text or "&" in text) and self._marker.search(text):
            return True
        return self._run in text.encode("latin-1", "replace").translate(_RUNS)

    def redact(self, text: str) -> str:
        """Return a text with all secrets blacked out, in whatever encoding they are."""
        return self._redact_text(text, _Work())

    def redact_value(self, value: T) -> T:
        """Return a value of texts, lists, dicts, tuples and dataclasses, redacted within; the same one if nothing is.

        Raises:
            RecursionError: if it is nested too deeply.
        """
        if not self._secrets:
            return value
        redacted: T = self._redact_any(value, _Work())
        return redacted

    def redact_written(self, text: str) -> str:
        """Return a text that is about to be written, with secrets blacked out as they are, and encoded once."""
        # No form is shorter; most texts that are written are.
        if not self._secrets or len(text) < MIN_LENGTH:
            return text
        return self._without(text, self._written)

    def _redact_text(self, text: str, work: _Work) -> str:
        if not self.may_hide(text):
            return text
        text = self._without(text, self._secrets)
        try:
            while self._hides(text, work):
                text = self._cut(text, work)
        except _TooMuchError:
            return WITHHELD
        return text

    def _redact_any(self, value: Any, work: _Work) -> Any:
        kind = type(value)
        if kind is str:
            # What is encoded is no shorter; most texts of a reply are.
            if len(value) < self._fewest:
                return value
            return self._redact_text(value, work)
        if kind in _HARMLESS:
            return value
        if kind is int:
            return self._redact_number(value)
        if kind is dict:
            changed = {self._redact_any(name, work): self._redact_any(part, work) for name, part in value.items()}
            return changed if changed != value else value
        if kind is list or kind is tuple:
            parts = kind(self._redact_any(part, work) for part in value)
            return parts if parts != value else value
        if hasattr(kind, "__dataclass_fields__"):
            return self._redact_fields(value, work)
        return value

    def _redact_fields(self, value: Any, work: _Work) -> Any:
        changed = {}
        # Most fields of a reply hold nothing: for them even a call would take too long.
        for name in value.__dataclass_fields__:
            before = getattr(value, name)
            if not before or type(before) in _HARMLESS:
                continue
            after = self._redact_any(before, work)
            if after is not before:
                changed[name] = after
        if not changed:
            return value
        return replace(value, **changed)

    def _redact_number(self, value: int) -> int | str:
        if abs(value) >= _LEAST_NUMBER and str(abs(value)) in self._secrets:
            return MARK
        return value

    def _without(self, text: str, forms: Iterable[str]) -> str:
        for form in forms:
            if form in text:
                text = _black_out(text, form)
        return text

    def _hides(self, text: str, work: _Work) -> bool:
        """Whether a text has a secret, in whatever encoding.

        Raises:
            _TooMuchError: if that takes too much work.
        """
        seen = {text}
        waiting = [text]
        while waiting:
            current = waiting.pop()
            if self._without(current, self._secrets) != current:
                return True
            if not self.may_hide(current):
                continue
            work.spend(len(current))
            for inner in decoded(current, shortest=self._shortest):
                if inner not in seen:
                    work.spend(len(inner))
                    seen.add(inner)
                    waiting.append(inner)
        return False

    def _cut(self, text: str, work: _Work) -> str:
        """Black the first secret out of a text that has one: the shortest part that has one goes."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high) // 2
            if self._hides(text[:middle], work):
                high = middle
            else:
                low = middle + 1
        end = low
        low, high = 0, end
        while low < high:
            middle = (low + high + 1) // 2
            if self._hides(text[middle:end], work):
                low = middle
            else:
                high = middle - 1
        # A backslash of the secret's own escape would now be before the mark.
        return text[:low].rstrip("\\") + MARK + text[end:]


def _black_out(text: str, form: str) -> str:
    if not form.isdecimal():
        return text.replace(form, MARK)
    # Such a key is a part of many numbers.
    return re.sub(rf"(?<!\d)(?<!\d\.){form}(?!\.?\d)", MARK, text)


def _written_forms(secrets: Iterable[str]) -> Iterator[str]:
    """Yield secrets as they are, and in the encodings of files and addresses."""
    # Its tables take long to import, and most processes have no secret.
    import html

    for secret in secrets:
        # The value of a variable may be no UTF-8.
        content = secret.encode("utf-8", "surrogateescape")
        forms = {
            secret: None,
            json.dumps(secret)[1:-1]: None,
            json.dumps(secret)[1:-1].replace("/", "\\/"): None,
            html.escape(secret): None,
            quote(content): None,
            quote(content, safe=""): None,
            re.sub(r"([^\w])", r"\\\1", secret): None,
            re.sub(r"([\W_])", r"\\\1", secret): None,
            content.hex(): None,
        }
        for start in range(3):
            inner = _base64_within(content, start)
            forms[inner] = None
            forms[inner.translate(str.maketrans("+/", "-_"))] = None
        yield from (form for form in forms if len(form) >= MIN_LENGTH)


def _base64_within(secret: bytes, start: int) -> str:
    """Return the characters of base64 that a secret alone determines, if it begins `start` bytes after three."""
    whole = base64.b64encode(bytes(start) + secret).decode()
    return whole[math.ceil(start * 8 / 6) : (start + len(secret)) * 8 // 6]
