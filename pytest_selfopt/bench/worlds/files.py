"""A file system: folders, text files and a working folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_selfopt.bench.environment import Environment, ToolError, tool


class Files(Environment):
    """Files by path, folders, and the working folder. `start` holds `files` (path to text) and `folders`."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin in `/`, with every folder that a file lies in."""
        self.files: dict[str, str] = dict(start.get("files", {}))
        folders = {"/", *start.get("folders", [])}
        for path in self.files:
            folders.add(_parent(path))
            folders.update(_above(path))
        self.folders: list[str] = sorted(folders)
        self.here = str(start.get("here", "/"))

    @tool
    def list_files(self, folder: str = ".") -> list[str]:
        """List what is in a folder; names of folders end in a slash."""
        path = self._folder(folder)
        names = list(map(_name, _inside(path, self.files)))
        for inner in _inside(path, self.folders):
            # The root is its own parent.
            if inner == "/":
                continue
            names.append(f"{_name(inner)}/")
        return sorted(names)

    @tool
    def change_folder(self, folder: str) -> str:
        """Go to a folder, to work there from now on."""
        self.here = self._folder(folder)
        return self.here

    @tool
    def make_folder(self, folder: str) -> str:
        """Make a folder."""
        path = self._path(folder)
        self._refuse_taken(path)
        self._folder(_parent(path))
        self.folders = sorted([*self.folders, path])
        return f"made {path}"

    @tool
    def read_file(self, file: str) -> str:
        """Read a file."""
        return self.files[self._file(file)]

    @tool
    def write_file(self, file: str, text: str) -> str:
        """Write a file, replacing what was in it."""
        path = self._path(file)
        if path in self.folders:
            raise ToolError(f"{path} is a folder")
        self._folder(_parent(path))
        self.files[path] = text
        return f"wrote {path}"

    @tool
    def move_file(self, file: str, to: str) -> str:
        """Move a file to another name, or into a folder."""
        path, target = self._file(file), self._path(to)
        if target in self.folders:
            target = f"{target.rstrip('/')}/{_name(path)}"
        self._refuse_taken(target)
        self._folder(_parent(target))
        self.files[target] = self.files.pop(path)
        return f"moved to {target}"

    @tool
    def delete_file(self, file: str) -> str:
        """Delete a file for good."""
        path = self._file(file)
        del self.files[path]
        return f"deleted {path}"

    @tool
    def find_text(self, text: str) -> list[str]:
        """Name the files that hold a text."""
        return sorted(path for path, content in self.files.items() if text in content)

    def _path(self, name: str) -> str:
        parts: list[str] = []
        if not name.startswith("/"):
            parts.extend(filter(None, self.here.split("/")))
        for part in name.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def _file(self, name: str) -> str:
        path = self._path(name)
        if path not in self.files:
            raise ToolError(f"there is no file {path}")
        return path

    def _folder(self, name: str) -> str:
        path = self._path(name)
        if path not in self.folders:
            raise ToolError(f"there is no folder {path}")
        return path

    def _refuse_taken(self, path: str) -> None:
        if path in self.files or path in self.folders:
            raise ToolError(f"{path} exists already")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _inside(folder: str, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if _parent(path) == folder]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _above(path: str) -> list[str]:
    """All folders that a path lies in."""
    folders = []
    above = ""
    for part in path.split("/")[1:-1]:
        above = f"{above}/{part}"
        folders.append(above)
    return folders
