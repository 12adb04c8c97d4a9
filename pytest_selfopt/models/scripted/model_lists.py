"""What the scripted server says of its models, in the shapes of the three formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from pytest_selfopt.models.scripted.responses import Response, json_response
from pytest_selfopt.models.scripted.script import Script
from pytest_selfopt.models.scripted.wire_formats import AnthropicFormat, Format, OllamaFormat, OpenAIFormat

OLLAMA_VERSION = "1.0.0"
"""The version that the server claims to be."""
_BEGINNING = "1970-01-01T00:00:00Z"
_ANTHROPIC_HEADER = "anthropic-version"


class ModelLists:
    """The models of a script, and those that were asked so far."""

    def __init__(self, script: Script, asked: Iterable[str]) -> None:
        """List the models that a script names, then those in `asked`."""
        self._script = script
        self._names = tuple(dict.fromkeys([*script.models, *script.digests, *asked]))

    def look_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response | None:
        """Return what is served at a path; None if it has nothing to do with models.

        OpenAI's and Anthropic's lists are at the same path; requests in Anthropic's format have a header of their own.
        """
        if (method, path) == ("GET", "/api/version"):
            return json_response(200, {"version": OLLAMA_VERSION})
        if (method, path) == ("GET", "/api/tags"):
            return json_response(200, {"models": list(map(self._ollama_entry, self._names))})
        if (method, path) == ("POST", "/api/show"):
            return self._show(body)
        if method != "GET":
            return None
        if path.endswith("/models"):
            return json_response(200, self._list(anthropic=_ANTHROPIC_HEADER in headers))
        _, found, name = path.partition("/models/")
        if not found:
            return None
        return self._retrieve(unquote(name), anthropic=_ANTHROPIC_HEADER in headers)

    def _list(self, *, anthropic: bool) -> dict[str, Any]:
        """Return the whole list, which is one page."""
        if not anthropic:
            return {"object": "list", "data": list(map(self._openai_entry, self._names))}
        page = {"data": list(map(_anthropic_entry, self._names)), "has_more": False, "first_id": None, "last_id": None}
        if self._names:
            page.update(first_id=self._names[0], last_id=self._names[-1])
        return page

    def _retrieve(self, name: str, *, anthropic: bool) -> Response:
        if anthropic:
            return self._known(name, _anthropic_entry(name), AnthropicFormat())
        return self._known(name, self._openai_entry(name), OpenAIFormat())

    def _show(self, body: bytes) -> Response:
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        name = ""
        if isinstance(value, dict):
            name = str(value.get("model", ""))
        return self._known(name, _DETAILS, OllamaFormat())

    def _known(self, name: str, entry: Mapping[str, Any], wire: Format) -> Response:
        """Return an entry; 404 if the script says which models there are, and it is none of them."""
        if name and (name in self._names or not self._script.models):
            return json_response(200, entry)
        return json_response(404, wire.refuse(404, f"model {name!r} not found"))

    def _openai_entry(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": self._script.owned_by}

    def _ollama_entry(self, name: str) -> dict[str, Any]:
        """Return an entry of /api/tags; its digest is None if the script gives none."""
        digest = self._script.digests.get(name)
        return {"name": name, "model": name, "modified_at": _BEGINNING, "size": 0, "digest": digest, "details": {}}


_DETAILS = {
    "modified_at": _BEGINNING,
    "details": {},
    "model_info": {"general.architecture": "scripted"},
    "capabilities": ["completion", "tools"],
}
"""What /api/show says of every model."""


def _anthropic_entry(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": _BEGINNING,
        "lifecycle": "active",
    }
