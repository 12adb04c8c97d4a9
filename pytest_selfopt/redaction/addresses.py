"""Addresses with secrets in them, which are refused, and addresses as they are shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SECRET_PARTS = ("key", "token", "secret", "passw", "credential")
_SECRET_NAMES = frozenset({"auth", "authorization", "bearer", "code", "jwt", "pass", "pwd", "sas", "sig", "signature"})
_SHOWN_NAMES = frozenset({"api-version", "version"})
"""The members of a query whose values are shown: they say which interface is asked."""
_CUT = "…"


def secret_in_address(address: str) -> str:
    """Say which part of an address holds a secret, without it; empty if none seems to."""
    if not address.isascii():
        import unicodedata

        # Signs at full width are what urlsplit refuses, and shows with all that is before them.
        address = unicodedata.normalize("NFKC", address)
    if _has_user(address):
        return "must not contain a password (user:password@host)"
    for name, _ in _members(address):
        if _is_secret(name):
            return f"must not contain a secret (?{name}={_CUT})"
    return ""


def password_in_address(address: str) -> str:
    """Return the password of an address, or the token in place of a user; empty if it has none."""
    authority, _ = _parts(address)
    user, _, _ = authority.rpartition("@")
    name, colon, password = user.partition(":")
    return unquote(password if colon else name)


def shown_address(address: str) -> str:
    """Return an address as it may be shown: without user and password, and without what a query says."""
    where = re.split(r"[?#]", address, maxsplit=1)[0]
    if _has_user(address):
        scheme, slashes, rest = where.partition("//")
        if not slashes:
            scheme, rest = "", where
        where = scheme + slashes + rest.rpartition("@")[2]
    members = [f"{name}={value if name in _SHOWN_NAMES else _CUT}" for name, value in _members(address)]
    if not members:
        return where
    return f"{where}?{'&'.join(members)}"


def _has_user(address: str) -> bool:
    """Whether an address has a user or a password, also one with a slash, which ends what belongs to the host."""
    authority, rest = _parts(address)
    return "@" in authority or ("@" in rest and re.search(r":(?!\d*$)[^\]]*$", authority) is not None)


def _parts(address: str) -> tuple[str, str]:
    """Return the host of an address with what belongs to it, and what follows; `urlsplit` refuses some addresses."""
    _, slashes, rest = address.partition("//")
    if not slashes:
        rest = address
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return authority, rest[len(authority) :]


def _members(address: str) -> list[tuple[str, str]]:
    """Return the names and values behind the path of an address."""
    _, *behind = re.split(r"[?&;#]", address)
    members: list[tuple[str, str]] = []
    for member in filter(None, behind):
        name, _, value = member.partition("=")
        members.append((unquote(name), value))
    return members


def _is_secret(name: str) -> bool:
    name = name.lower()
    return name in _SECRET_NAMES or any(part in name for part in _SECRET_PARTS)
