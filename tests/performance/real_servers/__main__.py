"""Whole cycles against real model servers, each through its wire: `python -m tests.performance.real_servers`, by hand.

llama.cpp serves the embedded weights, with a chat template that knows tools; LiteLLM and two proxies that speak
Ollama's API, which uv installs into a temporary folder, are put in front of it. For each wire it prints what was tried
and what came. The status is 1 if a cycle is not decided, or if an outage was judged as an answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from pytest_selfopt.trial import Reply
from tests.performance.real_servers.asking import CUT_TOKENS, ask, describe
from tests.performance.real_servers.cycles import KEY_VARIABLE, Measured, Route, problems, run_cycle
from tests.performance.real_servers.routes import PROXIES, llama_routes
from tests.performance.real_servers.servers import llama_server

COLUMNS = (
    "server",
    "wire",
    "tried",
    "comparisons",
    "trials",
    "native calls",
    "tokens in, out",
    "cached with i0, i1",
    "finish reasons",
    "off schema",
    "answers as",
    "seconds",
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("llama", *PROXIES), help="try this server alone")
    only = parser.parse_args().only
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="real-servers-") as place, ExitStack() as running:
        folder = Path(place)
        with llama_server(folder) as llama:
            routes = start(only, folder, llama, running)
            found += prove_cycles(folder, routes)
            # A route with a candidate that is down is another one's again.
            routes = [route for route in routes if not route.down]
            print(f"\nA call that is cut off after {CUT_TOKENS} tokens:")
            for route in routes:
                found += prove_no_call(route)
        print("\nThe same question with llama.cpp stopped:")
        for route in routes:
            found += prove_no_answer(route)
    print()
    for problem in found:
        print(f"PROBLEM: {problem}")
    sys.exit(bool(found))


def start(only: str | None, folder: Path, llama: str, running: ExitStack) -> list[Route]:
    """Start what is put in front of llama.cpp, and return the ways to the model."""
    routes: list[Route] = []
    if only in (None, "llama"):
        routes += llama_routes(llama)
    for name, start_proxies in PROXIES.items():
        if only in (None, name):
            routes += start_proxies(folder, llama, running)
    return routes


def prove_cycles(folder: Path, routes: Iterable[Route]) -> list[str]:
    """Run a cycle through each route, and print a table; return what must not be."""
    print(row(COLUMNS), row("---" for _ in COLUMNS), sep="\n", flush=True)
    found: list[str] = []
    for number, route in enumerate(routes):
        project = folder / f"project-{number}"
        project.mkdir()
        measured = run_cycle(project, route)
        print(row(cells(route, measured)), flush=True)
        found += (f"{title(route)}: {problem}" for problem in problems(route, measured))
    return found


def prove_no_call(route: Route) -> list[str]:
    """Let the limit of tokens end a call in its middle: half a call is none."""
    os.environ[KEY_VARIABLE] = route.key
    result = ask(route, max_tokens=CUT_TOKENS)
    print(f"- {title(route)}: {describe(result)}", flush=True)
    if isinstance(result, Reply) and result.tool_calls:
        return [f"{title(route)}: half a call was read as a whole one"]
    return []


def prove_no_answer(route: Route) -> list[str]:
    """Ask through a route whose model's server is stopped."""
    os.environ[KEY_VARIABLE] = route.key
    result = ask(route, max_tokens=CUT_TOKENS)
    print(f"- {title(route)}: {describe(result)}", flush=True)
    if isinstance(result, Reply):
        return [f"{title(route)}: an outage was read as an answer"]
    return []


def title(route: Route) -> str:
    """Return the words that name a route."""
    return f"{route.server}, {route.wire}, {route.tried}"


def cells(route: Route, measured: Measured) -> list[str]:
    """Return what is printed of a cycle, in the order of the columns."""
    tokens_in, tokens_out = measured.tokens()
    states = [f"{candidate.partition('/atomic/')[2]} {state}" for candidate, state in measured.states.items()]
    return [
        route.server,
        route.wire,
        route.tried,
        "; ".join(states),
        measured.outcomes,
        str(measured.native_calls),
        f"{tokens_in:,}, {tokens_out:,}",
        f"{measured.cached('i0')}, {measured.cached('i1')}",
        measured.finishes,
        str(measured.off_schema),
        measured.served,
        f"{measured.seconds:.0f}",
    ]


def row(texts: Iterable[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(texts)} |"


if __name__ == "__main__":
    main()
