"""Mutated files that people write: suites in each form with their tools, settings, routing configurations, feedback."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.performance.hostile import documents
from tests.performance.hostile.documents import changed, changed_bytes
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.mutation import to_json
from tests.performance.hostile.project import (
    COMMAND,
    CYCLE,
    MODEL,
    SESSION,
    faults_of,
    run,
    unreadable,
    write_project,
)
from tests.performance.hostile.server import HostileServer, RawReply

SUITES, SETTINGS = "suites", "settings"
INPUTS, FEW_INPUTS = {SUITES: 240, SETTINGS: 240}, 4
MOST_PRINTED = 40_000
"""Characters of all messages on one file, however many mistakes it has and however long its values are."""
_DRY = (*CYCLE, "--selfopt-dry-run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file, and what is run with it."""

    name: str
    file: str
    content: bytes
    arguments: Sequence[str]
    others: Mapping[str, str]
    """Further files."""


def suites(chance: random.Random) -> Iterator[Input]:
    """Yield mutated suites without end."""
    forms: Sequence[tuple[str, Callable[[object], bytes]]] = (
        ("items.jsonl", documents.as_jsonl),
        ("items.jsonl", documents.as_jsonl),
        ("items.yaml", to_json),
        ("items.csv", documents.as_csv),
    )
    while True:
        file, write = chance.choice(forms)
        if chance.random() < 0.3:
            content = changed_bytes(write(documents.suite()), chance)
        else:
            content = write(changed(documents.suite(), chance))
        arguments: Sequence[str] = chance.choice(
            (
                _DRY,
                _DRY,
                (*COMMAND, "suite", "check", file),
                (*COMMAND, "power", file),
                (*COMMAND, "import", chance.choice(("chat", "csv", "promptfoo")), file),
                (*SESSION, "--collect-only", "--selfopt-cycle"),
                (*SESSION, "--selfopt-cycle", "--selfopt-tags", "slow"),
            )
        )
        module = documents_module(file)
        tools = to_json(list(documents.suite()["tools"])).decode()
        yield Input(
            name=f"{file}, {' '.join(arguments[2:4])}",
            file=file,
            content=content,
            arguments=arguments,
            others={"test_items.py": module, "items.tools.json": tools},
        )


def documents_module(file: str) -> str:
    """Return a test module that takes its cases from a file."""
    return f'import pytest\n\n@pytest.mark.selfopt("{file}")\ndef test_items(case, reply):\n    case.check(reply)\n'


def settings(chance: random.Random, address: str) -> Iterator[Input]:
    """Yield mutated settings, routing configurations and feedback without end."""
    suite = documents.as_jsonl(documents.suite()).decode()
    arguments: Sequence[str]
    while True:
        kind = chance.randrange(3)
        if kind == 0:
            file, arguments = "selfopt.toml", chance.choice((_DRY, CYCLE, (*COMMAND, "models", "--no-ask")))
            # Not in pyproject.toml, which pytest itself reads, too.
            tables = changed(documents.settings(address), chance)
            text = "\n".join(f"{json.dumps(name)} = {documents.to_toml(table)}" for name, table in tables.items())
            content = text.encode("utf-8", "backslashreplace")
        elif kind == 1:
            file = "routing_config.json"
            content = to_json(changed(documents.routing(), chance))
            arguments = chance.choice(
                (
                    _DRY,
                    SESSION,
                    (*SESSION, "--selfopt-gate"),
                    (*COMMAND, "resolve", MODEL, "atomic"),
                    (*COMMAND, "export", "litellm"),
                    (*COMMAND, "enforce", "feedback.json"),
                )
            )
        else:
            file, arguments = "feedback.json", (*COMMAND, "enforce", "feedback.json")
            content = to_json(changed(documents.feedback(), chance))
        if chance.random() < 0.3:
            content = changed_bytes(content, chance)
        others = {"items.jsonl": suite, "feedback.json": to_json(documents.feedback()).decode()}
        others.pop(file, None)
        name = f"{file}, {' '.join(arguments[1:4])}"
        yield Input(name=name, file=file, content=content, arguments=arguments, others=others)


def play_suites(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Try mutated suites."""
    _play(figures, folder, seed, SUITES, short=short)


def play_settings(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Try mutated settings, routing configurations and feedback."""
    _play(figures, folder, seed, SETTINGS, short=short)


def _play(figures: Figures, folder: Path, seed: int, kind: str, *, short: bool) -> None:
    chance = random.Random(f"{seed} {kind}")
    answer = RawReply(name="", pieces=(b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}",))
    with HostileServer(answer) as server:
        inputs = suites(chance) if kind == SUITES else settings(chance, server.address)
        for number in range(FEW_INPUTS if short else INPUTS[kind]):
            tried = next(inputs)
            faults = faults_after(folder / "project", tried, server.address)
            figures.add(kind, f"number {number} of seed {seed}: {tried.name}", faults)
            if faults and not short:
                shutil.copytree(folder / "project", Path(f"hostile-{kind}-{number}"), dirs_exist_ok=True)


def faults_after(project: Path, tried: Input, address: str) -> list[Fault]:
    """Return what is wrong after a run with a file."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    write_project(project, address)
    for name, text in tried.others.items():
        (project / name).write_text(text)
    if tried.file == "selfopt.toml":
        (project / "pyproject.toml").unlink()
    (project / tried.file).write_bytes(tried.content)
    end = run(project, tried.arguments)
    faults = [*faults_of(end, project), *unreadable_but(tried.file, project)]
    if len(end.printed) > MOST_PRINTED:
        detail = f"printed {len(end.printed):,} characters: {end.printed[:300]}"
        faults.append(Fault(figure=Figure.OTHER, detail=detail))
    kept = [path for path in project.iterdir() if path.is_file() and path.read_bytes() == tried.content]
    if not kept and end.status == 4:
        faults.append(Fault(figure=Figure.OTHER, detail=f"{tried.file} was refused, but is gone or changed"))
    return faults


def unreadable_but(file: str, project: Path) -> Iterator[Fault]:
    """Yield the files of the state that are not readable, but for the one that was given so."""
    for fault in unreadable(project):
        if not fault.detail.startswith(file):
            yield fault
