"""The identity of a model's weights, as far as it is known without calling the model."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.client import missing_key
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.embedded import find_model_file
from pytest_selfopt.models.lookup import get_json

DIGITS = 16


def digest_of(model: ModelConfig) -> str | None:
    """Return a digest of the weights: of an embedded model's file, or from Ollama's list; None if unknown."""
    if model.wire == "embedded":
        return _digest_of_file(model)
    if model.wire == "ollama":
        return _digest_in_list(model)
    return None


def _digest_of_file(model: ModelConfig) -> str | None:
    try:
        path = find_model_file(model)
        state = path.stat()
        return _hashed(path, state.st_size, state.st_mtime_ns)
    except (ModelError, OSError):
        return None


@lru_cache
def _hashed(path: Path, _size: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def _digest_in_list(model: ModelConfig) -> str | None:
    """GET /api/tags (https://docs.ollama.com/api/tags); a server that is down has none, and its calls will fail."""
    if missing_key(model):
        return None
    key = os.environ.get(model.provider.api_key_env or "", "")
    listed = get_json(model.provider.base_url, "/api/tags", key)
    try:
        digest = _digests_by_name(listed["models"]).get(model.name)
    except (LookupError, TypeError, AttributeError):
        return None
    if not isinstance(digest, str):
        return None
    return digest[:DIGITS]


def _digests_by_name(entries: Any) -> dict[str, Any]:
    """Return the digests in Ollama's list; a name that ends in ":latest" is also known without that."""
    digests: dict[str, Any] = {}
    for entry in entries:
        name, digest = entry["name"], entry["digest"]
        digests[name] = digest
        digests[name.removesuffix(":latest")] = digest
    return digests
