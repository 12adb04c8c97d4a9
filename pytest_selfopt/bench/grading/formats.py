"""The formats of texts that JSON Schemas can demand. jsonschema checks some of them only with a dozen more packages."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date

from pytest_selfopt.bench.schema_patterns import schema_pattern

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(
    r"(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?"
    r"(?:[zZ]|([-+])(\d{2}):(\d{2}))",
    re.ASCII,
)
_DURATION = re.compile(
    r"P(?:\d+W"
    r"|(?=.)(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?"
    r"(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)",
    re.ASCII,
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_HOST_NAME = 253
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAILBOX = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;="
_ESCAPE = r"%[0-9A-Fa-f]{2}"
_AUTHORITY = (
    rf"//(?:(?:[{_PLAIN}:]|{_ESCAPE})*@)?"
    rf"(?:\[(?P<literal>[^\[\]]*)\]|(?:[{_PLAIN}]|{_ESCAPE})*)"
    r"(?::[0-9]*)?"
)
_SEGMENT = rf"(?:[{_PLAIN}:@]|{_ESCAPE})"
_REST = rf"(?:\?(?:{_SEGMENT}|[/?])*)?(?:\#(?:{_SEGMENT}|[/?])*)?"
_PATH = rf"{_AUTHORITY}(?:/{_SEGMENT}*)*|/(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?"
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:"
    rf"(?:{_PATH}|(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?){_REST}",
)
_RELATIVE = re.compile(
    rf"(?:{_PATH}|(?:(?:[{_PLAIN}@]|{_ESCAPE})+(?:/{_SEGMENT}*)*)?){_REST}",
)
_FUTURE_ADDRESS = re.compile(rf"v[0-9A-Fa-f]+\.[{_PLAIN}:]+")

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_RELATIVE_POINTER = re.compile(r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)")


def is_date(text: str) -> bool:
    """Whether a text is a day of the calendar, as RFC 3339 writes it."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_time(text: str) -> bool:
    """Whether a text is a time with its offset, as RFC 3339 writes it; a leap second ends a day of UTC."""
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    hour, minute, second = map(int, match.group(1, 2, 3))
    offset_hour = int(match[5] or 0)
    offset_minute = int(match[6] or 0)
    if max(hour, offset_hour) > 23 or max(minute, offset_minute) > 59:
        return False
    if second < 60:
        return True
    offset = 60 * offset_hour + offset_minute
    if match[4] == "-":
        offset = -offset
    of_day = (60 * hour + minute - offset) % (24 * 60)
    return second == 60 and of_day == 24 * 60 - 1


def is_date_time(text: str) -> bool:
    """Whether a text is a date and a time with its offset, as RFC 3339 writes them."""
    return is_date(text[:10]) and text[10:11] in ("T", "t") and is_time(text[11:])


def is_duration(text: str) -> bool:
    """Whether a text is a duration, as RFC 3339 writes it in its appendix."""
    return _DURATION.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Whether a text is an address of RFC 5321 in ASCII."""
    mailbox, at, domain = text.rpartition("@")
    if not at or not _MAILBOX.fullmatch(mailbox):
        return False
    if not domain.startswith("["):
        return is_host_name(domain)
    address = domain[1:-1]
    if not domain.endswith("]"):
        return False
    if address.startswith("IPv6:"):
        return is_ipv6(address.removeprefix("IPv6:"))
    return is_ipv4(address)


def is_host_name(text: str) -> bool:
    """Whether a text is the name of a host, of RFC 1123."""
    if len(text) > _LONGEST_HOST_NAME:
        return False
    return _HOST_NAME.fullmatch(text) is not None


def is_ipv4(text: str) -> bool:
    """Whether a text is an address such as 127.0.0.1."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """Whether a text is an address such as ::1, without a zone."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return address.scope_id is None


def is_uri(text: str) -> bool:
    """Whether a text is a URI of RFC 3986: with its scheme, other characters escaped."""
    match = _URI.fullmatch(text)
    return match is not None and _is_address(match["literal"])


def is_uri_reference(text: str) -> bool:
    """Whether a text is a URI, or relative to one."""
    if is_uri(text):
        return True
    match = _RELATIVE.fullmatch(text)
    return match is not None and _is_address(match["literal"])


def _is_address(literal: str | None) -> bool:
    """Whether the text in the brackets of a URI is an address; None stands for a URI without brackets."""
    if literal is None or is_ipv6(literal):
        return True
    return _FUTURE_ADDRESS.fullmatch(literal) is not None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID with its hyphens."""
    return _UUID.fullmatch(text) is not None


def is_pointer(text: str) -> bool:
    """Whether a text is a JSON Pointer of RFC 6901."""
    return _POINTER.fullmatch(text) is not None


def is_relative_pointer(text: str) -> bool:
    """Whether a text is a relative JSON Pointer."""
    return _RELATIVE_POINTER.fullmatch(text) is not None


def is_regex(text: str) -> bool:
    """Whether a text is a regular expression, as the patterns of schemas are."""
    try:
        schema_pattern(text)
    except ValueError:
        return False
    return True


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": is_date,
    "time": is_time,
    "date-time": is_date_time,
    "duration": is_duration,
    "email": is_email,
    "hostname": is_host_name,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "uri": is_uri,
    "uri-reference": is_uri_reference,
    **dict.fromkeys(("uuid", *(f"uuid{version}" for version in range(1, 9))), is_uuid),
    "json-pointer": is_pointer,
    "relative-json-pointer": is_relative_pointer,
    "regex": is_regex,
}
"""The check of each format that is known."""
UNCHECKED = ("idn-email", "idn-hostname", "iri", "iri-reference", "uri-template")
"""Formats of the standard that are not checked."""
