"""A store of notes with labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_selfopt.bench.environment import Environment, ToolError, tool


class Notes(Environment):
    """Notes by title, each with a text and labels. `start` holds `notes`: title to text, or to text and labels."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin with some notes."""
        self.notes: dict[str, dict[str, Any]] = {}
        for title, note in start.get("notes", {}).items():
            if isinstance(note, str):
                self.notes[title] = {"text": note, "labels": []}
            else:
                self.notes[title] = {"labels": [], **note}

    @tool
    def list_notes(self, label: str = "") -> list[str]:
        """List the titles of all notes, or of those with a label."""
        if not label:
            return sorted(self.notes)
        return sorted(title for title, note in self.notes.items() if label in note["labels"])

    @tool
    def read_note(self, title: str) -> str:
        """Read a note."""
        return str(self._note(title)["text"])

    @tool
    def write_note(self, title: str, text: str) -> str:
        """Write a new note."""
        if title in self.notes:
            raise ToolError(f"there is a note {title!r} already")
        self.notes[title] = {"text": text, "labels": []}
        return f"wrote {title!r}"

    @tool
    def append_to_note(self, title: str, text: str) -> str:
        """Add a line at the end of a note."""
        note = self._note(title)
        if note["text"]:
            text = f"{note['text']}\n{text}"
        note["text"] = text
        return f"added to {title!r}"

    @tool
    def rename_note(self, title: str, new_title: str) -> str:
        """Give a note another title."""
        note = self._note(title)
        if new_title in self.notes:
            raise ToolError(f"there is a note {new_title!r} already")
        del self.notes[title]
        self.notes[new_title] = note
        return f"renamed to {new_title!r}"

    @tool
    def label_note(self, title: str, label: str) -> str:
        """Put a label on a note."""
        note = self._note(title)
        note["labels"] = sorted({*note["labels"], label})
        return f"{title!r} is labelled {', '.join(note['labels'])}"

    @tool
    def delete_note(self, title: str) -> str:
        """Delete a note for good."""
        self._note(title)
        del self.notes[title]
        return f"deleted {title!r}"

    def _note(self, title: str) -> dict[str, Any]:
        if title not in self.notes:
            raise ToolError(f"there is no note {title!r}")
        return self.notes[title]
