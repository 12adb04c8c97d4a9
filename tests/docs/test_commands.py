"""The commands and settings that pages show, run as they stand, against a scripted model and real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.settings import Mode, Overrides, load_settings
from tests.acceptance.conftest import BODY, CALLS, RESTRAINT, right, suite_lines
from tests.docs.blocks import Shell, blocks, shows
from tests.packages import ROOT
from tests.servers import free_port

OTHERS = ("pip", "ollama", "litellm", "inspect", "browser")
SUITE, TEST = "benchmarks/atomic.jsonl", "benchmarks/test_items.py"
KEYS = {"OPENROUTER_API_KEY": "planted", "ANTHROPIC_API_KEY": "planted", "BROWSER": "browser"}


class Place(Shell):
    """A project with a benchmark, as a reader of the pages has one, and a scripted model for whoever is asked."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        super().__init__(folder, stands_in=OTHERS, environment=KEYS)
        self.server = server
        (folder / "benchmarks").mkdir()
        (folder / SUITE).write_text("".join(json.dumps(line) + "\n" for line in suite_lines()))
        (folder / TEST).write_text(BODY.replace("items.jsonl", "atomic.jsonl"))

    def configure(self, *parts: str) -> None:
        """Write the settings."""
        (self.folder / "pyproject.toml").write_text("\n".join(parts))

    def providers(self, *names: str) -> str:
        """Settings by which providers are where the scripted model is."""
        addresses = {"openrouter": self.server.base_url}
        return "".join(
            f'[tool.selfopt.providers.{name}]\nbase_url = "{addresses.get(name, self.server.address)}"\n'
            for name in names
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ScriptedServer({"rules": right(constrained=True), "default": {"text": "Hello!"}}) as server:
        yield Place(tmp_path, server)


def decided(place: Place) -> str:
    """What the last cycle left in force."""
    cycles = json.loads((place.folder / ".selfopt/meta_loop_history.json").read_text())["cycles"]
    return str(cycles[-1]["baseline_after"])


def test_ollama(place: Place) -> None:
    start, more = blocks("docs/how-to/ollama.md", "toml", 2)
    assert blocks("README.md", "toml", 1) == [start]
    place.configure(start, place.providers("ollama"), more.partition("\n")[2])
    asks, cycle = blocks("docs/how-to/ollama.md", "sh", 2)
    assert "answers, in" in place.run(asks)
    place.run(cycle)
    assert decided(place) == "ollama/llama3.2:1b/atomic/schema/t60/r1/i0"


def test_openrouter(place: Place) -> None:
    start, prices = blocks("docs/how-to/openrouter.md", "toml", 2)
    place.configure(start, place.providers("openrouter"), prices)
    asks, cycle, bounded = blocks("docs/how-to/openrouter.md", "sh", 3)
    assert "answers, in" in place.run(asks)
    place.run(cycle)
    assert decided(place) == "openrouter/meta-llama/llama-3.2-1b-instruct/atomic/schema/t60/r1/i0"
    assert "cost $" in place.run(bounded)


def test_anthropic(place: Place) -> None:
    (start,) = blocks("docs/how-to/anthropic.md", "toml", 1)
    place.configure(start, place.providers("anthropic"))
    asks, cycle = blocks("docs/how-to/anthropic.md", "sh", 2)
    assert "answers, in" in place.run(asks)
    place.run(cycle)
    assert decided(place).startswith("anthropic/claude-haiku-4-5/atomic/")


def with_ollama(place: Place, *parts: str) -> Place:
    place.configure('[tool.selfopt]\nmodel = "ollama/llama3.2:1b"\n', place.providers("ollama"), *parts)
    return place


def test_looking_judging_again_and_undoing(place: Place) -> None:
    look, undo, accept, again, enforce = blocks("docs/how-to/undo.md", "sh", 5)
    with_ollama(place).run("pytest benchmarks --selfopt-cycle")
    looked = place.run(look)
    assert "variant: schema" in looked
    assert "as it was decided" in looked
    undone = place.run(undo)
    assert "is removed, there was none before" in undone
    assert json.loads((place.folder / "routing_config.json").read_text())["rules"] == []
    with (place.folder / ".selfopt" / "routing_decisions.jsonl").open("a") as log:
        log.write("a line from elsewhere\n")
    assert "lines accepted; the reason is in the log" in place.run(accept)
    assert "as it was before the rollback" in place.run(again)
    assert json.loads((place.folder / "routing_config.json").read_text())["rules"] != []
    assert "0 applied" in place.run(enforce)


def test_reports_and_exports(place: Place) -> None:
    (report,) = blocks("docs/how-to/reports.md", "sh", 1)
    (inspect,) = blocks("docs/how-to/exports.md", "sh", 1)
    (litellm,) = blocks("docs/how-to/litellm.md", "sh", 1)
    with_ollama(place).run("pytest benchmarks --selfopt-cycle")
    assert "index.html" in place.run(report)
    assert len(place.run(inspect).splitlines()) >= 1
    assert list((place.folder / "logs").glob("*.json"))
    place.run(litellm)
    assert "model_list" in (place.folder / "litellm.yaml").read_text()
    called = place.called.splitlines()
    assert called[0].startswith("browser file://")
    assert called[1:] == ["inspect view --log-dir logs", "litellm --config litellm.yaml"]


def test_swarms(place: Place) -> None:
    tiers, search = blocks("docs/how-to/swarms.md", "toml", 2)
    cheap = "".join(
        f'[tool.selfopt.models."ollama/m{number}"]\nprice_in = 0.02\nprice_out = 0.04\n' for number in range(8)
    )
    with_ollama(place, cheap, tiers, search)
    settings = load_settings(place.folder, Mode.CYCLE, Overrides())
    assert [model.id for model in settings.tier("best8")] == ["openrouter/some/model", "ollama/llama3.2:1b"]
    assert settings.space.models == ("swarm:10@tier1",)
    asked, cycle = blocks("docs/how-to/swarms.md", "sh", 2)
    assert "the swarm bought" in place.run(asked)
    place.run(cycle)
    assert decided(place).startswith("swarm:10@tier1/atomic/")


def test_the_estimate_matches_the_documentation(place: Place) -> None:
    prices = '[tool.selfopt.models."scripted/model"]\nprice_in = 0.40\nprice_out = 0.40\n'
    tiers = '[tool.selfopt.tiers]\nmine = ["scripted/model"]\n'
    place.configure(prices, f'base_url = "{place.server.base_url}"\n', tiers)
    (block,) = blocks("docs/how-to/costs.md", "text", 1)
    command, _, output = block.partition("\n")
    assert shows(place.run(command.removeprefix("$ ")), output) == []


def test_models_shows_answering_and_silent_models(place: Place) -> None:
    (block,) = blocks("docs/how-to/models.md", "text", 1)
    command, _, output = block.partition("\n")
    place.configure(
        f'[tool.selfopt.providers.ollama]\nbase_url = "http://127.0.0.1:{free_port()}"\n',
        '[tool.selfopt.models."ollama/llama3.2:1b"]\n',
    )
    printed = place.run(f"{command.removeprefix('$ ')} --no-ask")
    for line in output.splitlines():
        if "answer" not in line and "isolates" not in line and "127.0.0.1" not in line:
            assert line.strip() in printed
    refused = place.run("selfopt models ollama/llama3.2:1b", status=1)
    assert "does not answer: connection: cannot connect: Connection refused; is the server at" in refused


def test_the_scripted_server(place: Place) -> None:
    (command,) = blocks("docs/how-to/scripted.md", "sh", 1)
    port = str(free_port())
    (place.folder / "script.yaml").write_text("default: {text: Hello.}\n")
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    with place.running(command.strip().replace("8000", port), until=f"127.0.0.1:{port}"):
        answer = requests.post(f"http://127.0.0.1:{port}/v1/chat/completions", data=body, timeout=30).json()
    assert answer["choices"][0]["message"]["content"] == "Hello."


def test_a_body_may_request_every_fixture(place: Place) -> None:
    (test,) = blocks("docs/how-to/write-benchmarks.md", "python", 1)
    (place.folder / TEST).write_text(test.replace("items.jsonl", "atomic.jsonl"))
    assert f"{CALLS} failed, {RESTRAINT} passed" in with_ollama(place).run("pytest benchmarks -q || true")


def test_the_hook_recipe_is_a_gate(place: Place) -> None:
    (gate,) = blocks("docs/reference/hooks.md", "python", 1)
    (place.folder / "conftest.py").write_text(gate)
    with_ollama(place).run("pytest benchmarks --selfopt-cycle")
    (cycle,) = json.loads((place.folder / ".selfopt/meta_loop_history.json").read_text())["cycles"]
    assert "short_answers" in {one["name"] for one in cycle["gates"]}


def labels(text: str) -> set[str]:
    """What stands at the beginning of lines, up to two spaces in a row or a number."""
    found = (re.match(r"\s*([A-Za-z][A-Za-z :]*?)(?:  |\s*[\d$(]|$)", line) for line in text.splitlines())
    return {match[1].strip() for match in found if match}


def test_profiles_look_as_they_are_shown(place: Place) -> None:
    one, maps = blocks("docs/how-to/profiles.md", "text", 2)
    with_ollama(place, '[tool.selfopt.models."ollama/llama3.2:1b"]\nprice_in = 0.02\nprice_out = 0.04\n')
    place.run("pytest benchmarks --selfopt-cycle")
    shown = labels(place.run("selfopt profile ollama/llama3.2:1b"))
    assert labels(one) - shown <= {"desk/small", "desk/small in atomic", "suite items", "used"}
    everything = place.run("selfopt profile --all")
    for title in (
        "models by average accuracy",
        "average accuracy per price",
        "Pareto front of accuracy",
        "Elites: the most",
    ):
        assert title in maps
        assert title in everything


def test_a_cycle_looks_as_in_readme(place: Place) -> None:
    (transcript,) = blocks("README.md", "text", 1)
    lines = with_ollama(place).run("pytest benchmarks --selfopt-cycle").splitlines()

    def kinds(of: list[str]) -> set[str]:
        """How lines begin that no other line goes on in."""
        return {
            re.sub(r"=+", "=", re.sub(r"[\d,]+", "9", line.split()[0]))
            for line in of
            if line and not line.startswith(" ")
        }

    # Only whom it is about differs.
    assert kinds(transcript.splitlines()) - kinds(lines) == set()
    result = next(line for line in transcript.splitlines() if line.startswith("PROMOTE"))
    assert re.sub(r"[\d.]+", "9", result) == re.sub(r"[\d.]+", "9", _line_with(lines, "PROMOTE")).replace(
        "schema", "few_shot"
    )


def _line_with(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.startswith(start))


def test_the_build_runs_both_readme_commands(tmp_path: Path) -> None:
    first, second = blocks("README.md", "sh", 2)
    tests, lint, _ = blocks("CONTRIBUTING.md", "sh", 3)
    build = (ROOT / ".ci/run").read_text().splitlines()
    for line in [second.strip(), *tests.strip().split(" && "), *lint.strip().split(" && ")]:
        assert line in build
    install, cycle = first.strip().split(" && ")
    assert install in build
    for name in ("benchmarks", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    planned = Shell(tmp_path).run(f"{cycle.removeprefix('uv run ')} --selfopt-dry-run -n0")
    assert "40 prompts" in planned


ENGINES: dict[str, Callable[[int], dict[str, str]]] = {
    "nats": lambda port: {"NATS_URL": f"nats://127.0.0.1:{port}"},
    "temporal": lambda port: {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}"},
}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_runs_from_server_to_decision(place: Place, name: str) -> None:
    if name == "nats":
        install, engine, worker, cycle = blocks("docs/how-to/nats.md", "sh", 4)
        query = ""
    else:
        install, engine, worker, cycle, query = blocks("docs/how-to/temporal.md", "sh", 5)
    (elsewhere,) = blocks("docs/how-to/workers.md", "sh", 1)
    port = free_port()
    place.environment |= ENGINES[name](port)
    with_ollama(place).run(install)
    assert place.called == f"pip install pytest-selfopt[{name}] {name}-{'server-' if name == 'nats' else ''}bin\n"
    remote = next(line for line in elsewhere.splitlines() if f"worker {name}" in line)
    remote = re.sub(r"(--target (?:nats://)?)\S+", rf"\g<1>127.0.0.1:{port}", remote).replace(",openrouter", "")
    with ExitStack() as held:
        held.enter_context(place.running(f"{engine.strip()} --port {port}", until="Ctrl-C ends it"))
        held.enter_context(place.running(worker.strip(), until="worker"))
        held.enter_context(place.running(remote, until="worker"))
        place.run(cycle)
        assert decided(place) == "ollama/llama3.2:1b/atomic/schema/t60/r1/i0"
        if query:
            with Ledger(place.folder / ".selfopt/ledger.sqlite") as ledger:
                asked = query.strip().replace("CYCLE", ledger.name_of(1))
            assert "under_way" in place.run(asked) or "ended" in place.run(asked)
