"""Promptfoo's prompts: texts, and chats in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.promptfoo_templates import filled
from pytest_selfopt.strict_json import parse_json

_ENDINGS = (
    *(".txt", ".md", ".j2", ".json", ".jsonl", ".yaml", ".yml", ".csv"),
    *(".py", ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".sh", ".rb"),
)
_SCHEMES = ("file://", "exec:", "portkey://", "langfuse://", "helicone://", "package:")
_WHAT = "its prompt"


class WrongPrompt(ValueError):
    """A prompt is of a kind that no case can hold, whatever the test."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its index, and the label by which tests name it."""

    number: int
    label: str
    text: str


def read_prompts(value: Any) -> tuple[list[Prompt], list[str]]:
    """Return the prompts that are in this file, and a sentence on each of the others."""
    entries = value
    if isinstance(value, Mapping):
        entries = list(value)
    elif value is None:
        entries = []
    elif not isinstance(value, list):
        entries = [value]
    prompts: list[Prompt] = []
    elsewhere: list[str] = []
    for number, entry in enumerate(entries):
        prompt = _prompt(number, entry)
        if prompt is None:
            elsewhere.append(f"prompts[{number}]: {_reason(entry)}")
        else:
            prompts.append(prompt)
    return prompts, elsewhere


def _prompt(number: int, entry: Any) -> Prompt | None:
    text, label = entry, entry
    if isinstance(entry, Mapping):
        text = entry.get("raw") or entry.get("id")
        label = entry.get("label", text)
    if not isinstance(text, str) or _is_path(text):
        return None
    return Prompt(number, str(label), text)


def _reason(entry: Any) -> str:
    named = entry
    if isinstance(entry, Mapping):
        named = entry.get("raw") or entry.get("id")
    if isinstance(named, str) and named:
        return f"the prompt {show(entry)} is in another file or is a program"
    return f"expected a text, or an object with the text as 'raw', got {show(entry)}"


def _is_path(text: str) -> bool:
    """Whether a prompt names a file: promptfoo looks for one first."""
    if text.startswith(_SCHEMES):
        return True
    words = text.split()
    if len(words) != 1 or "{{" in text:
        return False
    return text.endswith(_ENDINGS) or text.partition(":")[0].endswith(_ENDINGS)


def messages_of(prompt: Prompt, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return `prompt` or `messages` of a case.

    Raises:
        WrongPrompt: with the reason, if no test can change that a case cannot hold it.
        ValueError: with the reason, if a case cannot hold it with this test.
    """
    text = f"{_affix(options, 'prefix')}{prompt.text}{_affix(options, 'suffix')}"
    if text.lstrip().startswith("- role:"):
        raise WrongPrompt(f"{_WHAT} is a chat in YAML")
    chat = _json(text)
    if isinstance(chat, dict):
        raise WrongPrompt(f"{_WHAT} is JSON, but no list of messages")
    if not isinstance(chat, list):
        return {"prompt": filled(text, variables, _WHAT)}
    messages: list[dict[str, str]] = []
    for message in chat:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise WrongPrompt(f"{_WHAT} has a message that is no text (images and calls cannot be imported)")
        content = filled(message["content"], variables, _WHAT)
        messages.append({"role": _role(message), "content": content})
    return {"messages": messages}


def _affix(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name)
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
