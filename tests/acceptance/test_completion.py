"""`selfopt completion`: a real shell completes the commands."""

from __future__ import annotations

import subprocess
import sys


def completed(*words: str) -> set[str]:
    """What bash offers for the last of some words."""
    script = subprocess.run(
        [sys.executable, "-m", "pytest_selfopt.cli", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    line = " ".join(f'"{word}"' for word in words)
    asking = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_selfopt; printf "%s\\n" "${{COMPREPLY[@]}}"'
    found = subprocess.run(["bash", "-c", f"{script}\n{asking}"], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_bash_offers_commands_and_their_options_and_choices() -> None:
    assert completed("selfopt", "sw") == {"swarm"}
    assert {"--tier", "--suite", "--runner"} <= completed("selfopt", "swarm", ":10", "--")
    assert completed("selfopt", "worker", "t") == {"temporal"}
