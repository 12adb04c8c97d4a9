"""`selfopt completion`: a real shell completes the commands."""

from __future__ import annotations

import re
import subprocess

import pytest

from pytest_selfopt.cli import main
from tests import warm


def completed(*words: str) -> set[str]:
    """What bash offers for the last of some words."""
    script = subprocess.run(
        [warm.python(), "-m", "pytest_selfopt.cli", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    line = " ".join(f'"{word}"' for word in words)
    asking = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_selfopt; printf "%s\\n" "${{COMPREPLY[@]}}"'
    found = subprocess.run(["bash", "-c", f"{script}\n{asking}"], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_bash_completes_commands_options_and_choices() -> None:
    assert completed("selfopt", "sw") == {"swarm"}
    assert {"--tier", "--suite", "--runner"} <= completed("selfopt", "swarm", ":10", "--")
    assert completed("selfopt", "worker", "t") == {"temporal"}


def test_every_commands_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w[\w-]*)", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(commands) > 15
    for command in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = re.search(r"examples?: (.*)", capsys.readouterr().out)
        assert shown is not None
        assert f"selfopt {command}" in shown[1]
