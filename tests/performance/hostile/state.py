"""Damaged files of the state: cut, flipped, emptied, changed as JSON, or replaced by folders, links and FIFOs.

Each is met by a command or a session. Damaged contents have to survive somewhere, and a changed decisions log has to be
noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_selfopt.commands.common.exit_status import EXIT_USAGE
from pytest_selfopt.models.scripted import ScriptedServer
from tests.acceptance.conftest import MODEL, right
from tests.performance.hostile.documents import changed, changed_bytes
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.mutation import to_json
from tests.performance.hostile.project import COMMAND, SESSION, faults_of, files_of, run
from tests.performance.interrupted_writes import LOG, copied, prepared

KIND = "state files"
INPUTS, FEW_INPUTS = 260, 4
_FILES = (
    "routing_config.json",
    ".selfopt/ledger.sqlite",
    ".selfopt/ledger.sqlite-wal",
    ".selfopt/meta_loop_history.json",
    ".selfopt/harness_feedback.json",
    ".selfopt/LEARNED.md",
    ".selfopt/lock",
    ".selfopt/journal.json",
    ".selfopt/reports",
    ".selfopt",
    LOG,
    LOG,
    LOG,
)
_READING: Sequence[Sequence[str]] = (
    (*COMMAND, "history"),
    (*COMMAND, "verify"),
    (*COMMAND, "verify"),
    (*COMMAND, "why", MODEL, "atomic"),
    (*COMMAND, "decide"),
    (*COMMAND, "resolve", MODEL, "atomic"),
    (*COMMAND, "profile", "--all"),
    (*COMMAND, "export", "csv"),
    (*SESSION, "--selfopt-gate"),
)
_WRITING: Sequence[Sequence[str]] = (
    (*COMMAND, "rollback"),
    (*COMMAND, "enforce"),
    (*COMMAND, "report"),
    (*SESSION, "--selfopt-cycle", "--selfopt-no-prove", "--selfopt-candidates=1"),
    (*SESSION, "--selfopt-cycle", "--selfopt-no-prove", "--selfopt-resume"),
)
_GENESIS = "0" * 64
Damage = Callable[[Path, random.Random], None]


def _cut(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: chance.randint(0, path.stat().st_size)])


def _changed(path: Path, chance: random.Random) -> None:
    path.write_bytes(changed_bytes(path.read_bytes(), chance))


def _flipped(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes() or b" ")
    for _ in range(chance.choice((1, 1, 40))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _emptied(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def _removed(path: Path, _: random.Random) -> None:
    path.unlink()


def _zeros(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(chance.choice((1, 4_096, 30_000_000))))


def _json(path: Path, chance: random.Random) -> None:
    """Change a JSON file, or a line of one with lines, as JSON; anything else becomes JSON."""
    lines = path.read_bytes().splitlines()
    try:
        if path.suffix == ".jsonl":
            where = chance.randrange(len(lines))
            lines[where] = to_json(changed(json.loads(lines[where]), chance))
            path.write_bytes(b"\n".join(lines) + b"\n")
        else:
            path.write_bytes(to_json(changed(json.loads(path.read_bytes()), chance)))
    except (ValueError, RecursionError):
        path.write_bytes(b"[{}, null]")


def _newer(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.choice((b'{"version": 999, "rules": [], "cycles": []}', b'{"version": "1"}', b"null")))


def _folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


def _dangling(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere/at all")


def _circular(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _elsewhere(path: Path, _: random.Random) -> None:
    """Let a link lead to another file of the user's."""
    path.unlink()
    path.symlink_to(_outside(path).absolute())


def _outside(path: Path) -> Path:
    folder = path.parent
    while not (folder / "pyproject.toml").exists():
        folder = folder.parent
    return folder / "diary.txt"


def _fifo(path: Path, _: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _rewritten(path: Path, chance: random.Random) -> None:
    """Change an entry of the decisions log, and all hashes after it, so that the chain holds again."""
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    entry = chance.choice(entries)
    entry[chance.choice(("reason", "effective_model"))] = "forged"
    _write_chain(path, entries)


def _shortened(path: Path, chance: random.Random) -> None:
    """Leave decisions out, at the end or before it, so that the chain holds again."""
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    entries.pop(chance.choice((-1, -1, 0)))
    _write_chain(path, entries)


def _write_chain(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    previous = _GENESIS
    lines: list[bytes] = []
    for entry in entries:
        line = json.dumps({**entry, "previous": previous}, ensure_ascii=False, separators=(", ", ": ")).encode()
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    path.write_bytes(b"".join(lines))


_DAMAGES: Sequence[Damage] = (
    _cut,
    _cut,
    _changed,
    _changed,
    _flipped,
    _flipped,
    _emptied,
    _removed,
    _zeros,
    _json,
    _json,
    _json,
    _newer,
    _folder,
    _dangling,
    _circular,
    _elsewhere,
    _fifo,
    _device,
)
_OF_LOG: Sequence[Damage] = (_rewritten, _rewritten, _shortened, _shortened)


def play(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Damage a file of projects in several states, and run something there."""
    chance = random.Random(f"{seed} state")
    with ScriptedServer({"rules": right(constrained=True)}) as server:
        steps = prepared(folder, server)
        for number in range(FEW_INPUTS if short else INPUTS):
            work = copied(chance.choice(steps).before, folder)
            (work / "diary.txt").write_text("dear diary, nobody overwrites this")
            present = [file for file in _FILES if (work / file).exists()]
            file = chance.choice(present)
            if (work / file).is_dir():
                damage: Damage = _emptied
                shutil.rmtree(work / file)
            else:
                damage = chance.choice((*_DAMAGES, *(_OF_LOG if file == LOG else ())))
            log = _entries(work)
            damage(work / file, chance)
            arguments = chance.choice((*_READING, *_WRITING))
            name = f"number {number} of seed {seed}: {file} {damage.__name__.strip('_')}, {' '.join(arguments[1:])}"
            figures.add(KIND, name, faults_after(work, file, log, arguments))


def _entries(work: Path) -> list[Any] | None:
    """Return the decisions that can be read, in order; None if the log is no regular file."""
    path = work / LOG
    if not path.is_file():
        return None
    entries: list[Any] = []
    for line in path.read_bytes().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            entries.append(line)
    return entries


def faults_after(work: Path, file: str, log: list[Any] | None, arguments: Sequence[str]) -> list[Fault]:
    """Return what is wrong after a run on damaged state; `log` are the decisions from before the damage."""
    # With a journal, the next start undoes or finishes what it names.
    opened = (work / ".selfopt" / "journal.json").exists()
    kept = b"" if opened else _contents(work / file)
    forged = log is not None and _entries(work) != log and not opened
    end = run(work, arguments)
    faults = faults_of(end, work)
    if arguments[-1] == "verify" and end.status == 0 and forged:
        faults.append(Fault(figure=Figure.FORGERIES, detail=f"verify accepts a changed log: {end.printed}"))
    # A ledger may be usable in spite of a changed byte, and is written to then.
    used = file.endswith(".sqlite") and end.status != EXIT_USAGE
    may_change = used or not kept.strip(b"\0") or (arguments in _WRITING and _is_json(kept))
    if kept and not may_change and kept not in _all_contents(work):
        faults.append(Fault(figure=Figure.CALLS, detail=f"the damaged content is gone: {end.printed[-500:]}"))
    if (work / "diary.txt").read_text() != "dear diary, nobody overwrites this":
        faults.append(Fault(figure=Figure.OTHER, detail=f"a file that a link led to is changed: {end.printed[-500:]}"))
    return faults


def _contents(path: Path) -> bytes:
    """Return the content of a regular file of a size that one can look for; empty without one."""
    if path.is_symlink() or not path.is_file() or path.suffix not in (".json", ".jsonl", ".sqlite"):
        return b""
    if path.with_name(f"{path.name}-wal").exists():
        return b""  # SQLite writes the newer pages from there into it.
    return path.read_bytes()


def _is_json(data: bytes) -> bool:
    """Whether the content is JSON, or lines of it, which a rewrite may change."""
    return _parses([data]) or _parses(data.splitlines())


def _parses(texts: Sequence[bytes]) -> bool:
    try:
        for text in texts:
            json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(texts)


def _all_contents(work: Path) -> Iterator[bytes]:
    for path in files_of(work):
        yield path.read_bytes()
