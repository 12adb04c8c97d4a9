"""Promptfoo's prompts: texts, and chats in JSON, in the configuration or in files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.promptfoo.prompt_files import is_elsewhere, prompts_in
from pytest_selfopt.bench.importing.promptfoo.templates import Variables
from pytest_selfopt.strict_json import parse_json

_WHAT = "its prompt"


class WrongPrompt(ValueError):
    """A prompt is of a kind that no case can hold, whatever the test."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its number among all, its place, and the names by which tests name it."""

    number: int
    place: str
    """Such as "prompts[0]", or "prompts[0], part 2" of a file."""
    names: tuple[str, ...]
    text: str

    def is_named(self, name: Any) -> bool:
        """Whether a name means this prompt, or a group that it belongs to: `group`, or `group:*`."""
        group = f"{str(name).removesuffix(':*')}:"
        return name in self.names or any(own.startswith(group) for own in self.names)


def read_prompts(value: Any, folder: Path) -> tuple[list[Prompt], list[str]]:
    """Return the prompts of a configuration in `folder`, and a sentence on each that cannot be read."""
    prompts: list[Prompt] = []
    elsewhere: list[str] = []
    for index, entry in enumerate(_entries(value)):
        place = f"prompts[{index}]"
        try:
            names, texts = _named_texts(entry, folder)
        except ValueError as problem:
            elsewhere.append(f"{place}: {problem}")
            continue
        for part, text in enumerate(texts, start=1):
            where = place
            if len(texts) > 1:
                where = f"{place}, part {part}"
            prompts.append(Prompt(len(prompts) + len(elsewhere), where, names, text))
    return prompts, elsewhere


def _entries(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [{"raw": text, "label": label} for text, label in value.items()]
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return [value]


def _named_texts(entry: Any, folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the names by which tests mean an entry, and the prompts that it is or that are in the file it names.

    Raises:
        ValueError: with the reason, if there is none.
    """
    text, names = entry, [entry]
    if isinstance(entry, Mapping):
        text = entry.get("raw") or entry.get("id")
        names = [entry.get("label", text), entry.get("id")]
    if not isinstance(text, str) or not text:
        raise ValueError(f"expected a text, or an object with the text as 'raw', got {show(entry)}")
    known = tuple(str(name) for name in names if name is not None)
    if is_elsewhere(text):
        return known, prompts_in(text, folder)
    return known, [text]


def messages_of(prompt: Prompt, affixes: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
    """Return `prompt` or `messages` of a case; `affixes` has a `prefix` and a `suffix` of the prompt.

    Raises:
        WrongPrompt: with the reason, if no test can change that a case cannot hold it.
        ValueError: with the reason, if a case cannot hold it with this test.
    """
    text = f"{_affix(affixes, 'prefix')}{prompt.text}{_affix(affixes, 'suffix')}"
    if text.lstrip().startswith("- role:"):
        raise WrongPrompt(f"{_WHAT} is a chat in YAML")
    chat = _json(text)
    if isinstance(chat, dict | str):
        raise WrongPrompt(f"{_WHAT} is JSON, but no list of messages")
    if not isinstance(chat, list):
        return _filled(text, variables)
    messages: list[dict[str, str]] = []
    for message in chat:
        if not _is_message(message):
            raise WrongPrompt(f"{_WHAT} has a message that is no text (images and calls cannot be imported)")
        content = variables.fill(message["content"], _WHAT)
        messages.append({"role": _role(message), "content": content})
    return {"messages": messages}


def _filled(text: str, variables: Variables) -> dict[str, Any]:
    """Fill a text, which may become a chat in JSON: promptfoo's providers look for one in what they ask."""
    asked = variables.fill_prompt(text, _WHAT)
    if asked.lstrip().startswith("- role:"):
        raise ValueError(f"{_WHAT} becomes a chat in YAML")
    chat = _json(asked)
    if isinstance(chat, list) and chat and all(map(_is_message, chat)):
        return {"messages": [{"role": _role(message), "content": message["content"]} for message in chat]}
    return {"prompt": asked}


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and isinstance(value.get("content"), str)


def _affix(affixes: Mapping[str, Any], name: str) -> str:
    value = affixes.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"its {name} is no text")
    return value


def _json(text: str) -> Any:
    """Return what a text is in JSON, before its variables are filled; None if it is not."""
    try:
        return parse_json(text)
    except ValueError:
        return None


def _role(message: Mapping[str, Any]) -> str:
    role = message.get("role")
    if role == "developer":
        return "system"
    return str(role)
