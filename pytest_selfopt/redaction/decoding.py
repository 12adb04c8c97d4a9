"""The texts that a text decodes to, one encoding at a time: escapes, percent, entities, UTF-16, base64, hexadecimal."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable

BASE64 = "A-Za-z0-9+/_-"
"""The characters of base64 in both alphabets; hexadecimal digits are among them."""
LINE = 60
"""Fewer characters than a line of base64 has in a mail (76) or a PEM file (64)."""

_HEX = "[0-9a-fA-F]"
_FEWEST_DIGITS = 16
"""Fewer hexadecimal digits than any secret has."""
_ESCAPE = re.compile(
    rf"\\(?:u({_HEX}{{4}})|u\{{({_HEX}{{1,8}})\}}|U({_HEX}{{8}})|x({_HEX}{{2}})|([0-7]{{1,3}})|N\{{([^}}]{{1,80}})\}}|(.))",
    re.DOTALL,
)
_NUMBER = re.compile(rf"\\(?:u({_HEX}{{4}})|x({_HEX}{{2}}))")
_OCTAL, _NAMED, _SINGLE = 5, 6, 7
"""The groups of an escape that do not hold hexadecimal digits."""
_SINGLES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_PERCENT = re.compile(rf"%(?:u({_HEX}{{4}})|({_HEX}{{2}}))")
_LINE_END = re.compile(rf"(?<=[{BASE64}]{{{LINE}}})(?:\\+[rn]|[\r\n])+")
_TEXT = re.compile(rb"[\x00\t\n\r -~]{8,}")
"""Secrets are printable, and so is what they are encoded as, but for the zeros of UTF-16."""
_STANDARD = str.maketrans("-_", "+/")

Decoder = Callable[[str], str]


def decoded(text: str, *, shortest: int) -> Iterable[str]:
    """Yield what a text decodes to, once in each encoding that it may have; the text itself where it has none.

    `shortest` is the number of characters from which a run of letters and digits is taken for base64 or hexadecimal.
    What is not encoded stays, except beside those runs. Bytes become the characters of the same number.
    """
    for decode in _DECODERS:
        yield decode(text)
    runs = re.findall(rf"[{BASE64}]{{{shortest},}}", text)
    if runs:
        yield from map("\n".join, zip(*map(_run_decoded, runs), strict=True))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_escaped_character, text)


def _with_numbers(text: str) -> str:
    """Undo escapes that give a number, also behind a backslash that is none of theirs."""
    if "\\" not in text:
        return text
    return _NUMBER.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _escaped_character(match: re.Match[str]) -> str:
    digits = match[match.lastindex or 0]
    if match.lastindex == _SINGLE:
        return _SINGLES.get(digits, digits)
    try:
        if match.lastindex == _NAMED:
            import unicodedata

            return unicodedata.lookup(digits)
        base = 8 if match.lastindex == _OCTAL else 16
        return chr(int(digits, base))
    except (KeyError, ValueError, OverflowError):
        return match[0]


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    return _PERCENT.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _without_entities(text: str) -> str:
    if "&" not in text:
        return text
    # Its table of names is large, and few texts have entities.
    import html

    return html.unescape(text)


def _without_zeros(text: str) -> str:
    """Return UTF-16 and UTF-32 that were taken for a text of bytes: all of ASCII has zeros there."""
    # HTML has another character in place of zero.
    return text.replace("\0", "").replace("\ufffd", "")


def _in_one_line(text: str) -> str:
    """Join the lines of base64 that was wrapped."""
    if "\n" not in text and "\\" not in text:
        return text
    return _LINE_END.sub("", text)


_DECODERS: tuple[Decoder, ...] = (_unescaped, _with_numbers, _unquoted, _without_entities, _without_zeros, _in_one_line)


def _run_decoded(run: str) -> list[str]:
    """Decode a run of letters and digits as base64 that began at each of four places, and as hexadecimal at two."""
    standard = run.translate(_STANDARD)
    texts = [_from_base64(standard[start:]) for start in range(4)]
    digits = re.findall(rf"{_HEX}{{{_FEWEST_DIGITS},}}", run)
    texts += ["\n".join(_from_hex(part[start:]) for part in digits) for start in range(2)]
    return texts


def _from_base64(run: str) -> str:
    if len(run) % 4 == 1:
        run = run[:-1]
    return _printable(base64.b64decode(run + "=" * (-len(run) % 4)))


def _from_hex(digits: str) -> str:
    return _printable(binascii.unhexlify(digits[: len(digits) // 2 * 2]))


def _printable(content: bytes) -> str:
    """Return the parts of a content that can have a secret: of pictures, and of what began elsewhere, few are left."""
    return "\n".join(map(bytes.decode, _TEXT.findall(content)))
