"""Questions to a model's server that are no calls: what it serves, by GET."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pytest_selfopt.models.wire_format import bearer
from pytest_selfopt.redaction.known import KNOWN

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts for which the environment's proxies and certificates are not used."""

TIMEOUT_S = 2.0


def get_json(base_url: str, path: str, key: str) -> Any:
    """Return what a server says at a path behind its base address, decoded; None if it does not say.

    The query of the base address stays behind the path; the key is shown as a bearer token, and blacked out where the
    server repeats it.
    """
    import requests

    address = urlsplit(base_url)
    url = address._replace(path=address.path.rstrip("/") + path).geturl()
    try:
        with requests.Session() as session:
            session.trust_env = address.hostname not in LOOPBACK
            answer = session.get(url, headers=bearer(key), timeout=TIMEOUT_S).json()
            KNOWN.add(key)
            return KNOWN.redactor.redact_value(answer)
    except (requests.RequestException, ValueError, RecursionError):
        return None
