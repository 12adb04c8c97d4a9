"""The tutorial, walked through from its first step to its last."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.docs.blocks import Shell, all_blocks, blocks, shows
from tests.packages import ROOT

PAGE = "docs/tutorial.md"
FILES = {"json", "python", "yaml", "toml"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_the_tutorial_shows_actual_output(tmp_path: Path) -> None:
    text = (ROOT / PAGE).read_text()
    shell = Shell(tmp_path, stands_in=("pip",))
    (tmp_path / "benchmarks").mkdir()
    port, printed, place, expected = str(free_port()), "", 0, 0
    with ExitStack() as held:
        for language, block in all_blocks("docs/tutorial.md"):
            start = text.index(f"```{language}\n{block}", place)
            before, place = text[place:start], start + len(block)
            body = block.replace("8765", port)
            if language in FILES:
                name = re.findall(r"`([\w./]+\.\w+)`", before)[-1]
                (tmp_path / name).write_text(body)
            elif language == "sh" and body.rstrip().endswith("&"):
                # In a test nothing is left behind: it ends with the last step.
                held.enter_context(shell.running(body.replace("> /dev/null &", "").strip(), until=f"127.0.0.1:{port}"))
            elif language == "sh":
                printed = shell.run(body)
            else:
                assert shows(printed, body) == [], printed
                expected += 1
    assert expected == 9
    assert shell.called == "pip install pytest-selfopt\n"


def test_medians_mislead_as_often_as_documented(tmp_path: Path) -> None:
    (code,) = blocks("docs/explanation/medians.md", "python", 1)
    (output,) = blocks("docs/explanation/medians.md", "text", 1)
    (tmp_path / "medians.py").write_text(code)
    assert Shell(tmp_path).run("python medians.py") == output
