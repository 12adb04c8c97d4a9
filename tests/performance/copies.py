"""Whole cycles through LiteLLM's proxy with its cache on: `python -m tests.performance.copies`, by hand.

The embedded model is behind the proxy, which uv installs into a temporary folder. Each endpoint is asked twice: as
usual, where every answer has to be new although the model at temperature 0 repeats itself, and with
`response_cache = "allow"`, where the gate `independent` has to hold. The status is 1 if either is not so.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.ledger_file import open_ledger
from tests.performance.real_servers.cycles import LEDGER, Route, run_cycle
from tests.performance.real_servers.servers import BRIDGED, LITELLM, PLAIN, litellm_proxy, llama_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a cycle: answers, copies by their sign, and each candidate's verdict and gate `independent`."""

    answers: int
    ids: int
    texts: int
    signs: Counter[str]
    verdicts: tuple[str, ...]
    independent: tuple[tuple[bool, str], ...]


def main() -> None:
    """Run and print."""
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="copies-") as place:
        folder = Path(place)
        with llama_server(folder) as llama, litellm_proxy(folder, llama, caches=True) as (address, key):
            chat = Route(server=LITELLM, tried="chat", wire="openai", base_url=f"{address}/v1", model=PLAIN, key=key)
            messages = replace(chat, tried="messages", wire="anthropic", base_url=address, model=BRIDGED)
            for number, route in enumerate([chat, messages]):
                for setting in ("avoid", "allow"):
                    project = folder / f"project-{number}-{setting}"
                    project.mkdir()
                    run_cycle(project, replace(route, response_cache=setting))
                    told = read(project)
                    print_told(f"{LITELLM}, {route.tried}, response_cache = {setting}", told)
                    found += (f"{route.tried}, {setting}: {problem}" for problem in problems(setting, told))
    for problem in found:
        print(f"PROBLEM: {problem}")
    sys.exit(bool(found))


def read(project: Path) -> Told:
    """Read what came of the cycle of a project."""
    with open_ledger(project / LEDGER) as connection:
        rows = connection.execute("SELECT answer_id, copied, reply FROM call WHERE reply IS NOT NULL").fetchall()
    history = json.loads((project / ".selfopt" / "meta_loop_history.json").read_text())
    verdicts: list[dict[str, Any]] = history["cycles"][0]["verdicts"]
    gates = [gate for verdict in verdicts for gate in verdict["gates"] if gate["name"] == "independent"]
    texts = Counter(json.dumps([json.loads(reply)[name] for name in ("text", "tool_calls")]) for _, _, reply in rows)
    return Told(
        answers=len(rows),
        ids=len({name for name, _, _ in rows}),
        texts=len(texts),
        signs=Counter(copied for _, copied, _ in rows if copied),
        verdicts=tuple(verdict["verdict"] for verdict in verdicts),
        independent=tuple((gate["passed"], gate["sentence"]) for gate in gates),
    )


def print_told(title: str, told: Told) -> None:
    """Print what came of a cycle."""
    print(f"{title}\n  {told.answers} answers with {told.ids} ids and {told.texts} texts; copies: {dict(told.signs)}")
    for verdict, (_, sentence) in zip(told.verdicts, told.independent, strict=True):
        print(f"  {verdict}: independent: {sentence}")
    sys.stdout.flush()


def problems(setting: str, told: Told) -> Iterator[str]:
    """Yield what must not come of a cycle."""
    copies = told.signs.total()
    if setting == "avoid":
        if copies or told.ids != told.answers:
            yield f"{copies} copies came, although none was allowed"
        if told.texts == told.answers:
            yield "the model did not repeat itself, so nothing was shown"
        return
    # More is no fault: until the proxy has named itself, the session before has let it store an answer or two.
    if copies < told.answers - told.ids:
        yield f"{copies} copies were found, but {told.answers - told.ids} ids came again"
    if any(passed for passed, _ in told.independent) or set(told.verdicts) != {"HOLD"}:
        yield "copies were taken for evidence"


if __name__ == "__main__":
    main()
