"""The examples of README and docs do what the text beside them says."""

from __future__ import annotations

import importlib.resources
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_selfopt.loop.build_gate import GateThresholds
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.models.config import PROVIDERS
from pytest_selfopt.models.parameters import accepted_parameters
from pytest_selfopt.models.scripted import ScriptedServer, Then, When, load_script
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.settings import Mode, Overrides, load_settings
from tests import warm
from tests.docs.blocks import blocks
from tests.packages import ROOT


def test_the_readme_benchmark_runs(pytester: pytest.Pytester) -> None:
    script = {
        "rules": [
            {"when": {"prompt": "item 7"}, "then": {"call": {"name": "look_up", "arguments": {"item": "Seven"}}}},
            {"when": {"prompt": "17 + 25"}, "then": {"text": "That makes 42."}},
        ],
        "default": {"text": "Hello to you."},
    }
    suite, test = blocks("README.md", "json", 1)[0], blocks("README.md", "python", 2)[0]
    folder = pytester.mkdir("benchmarks")
    (folder / "items.jsonl").write_text(suite)
    (folder / "test_items.py").write_text(test)
    with ScriptedServer(script) as server:
        model = f'[tool.selfopt.models."desk/llama"]\nbase_url = "{server.base_url}"\n'
        pytester.makepyprojecttoml(f'[tool.selfopt]\nmodel = "desk/llama"\n{model}')
        warm.run_pytest(pytester, "benchmarks").assert_outcomes(passed=3)


def test_the_readme_application_runs_without_cycles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("README.md", "python", 2)[1], {})  # our own page
    assert capsys.readouterr().out.startswith("embedded/smollm2-135m None None ('routing_config.json does not exist',)")


def test_the_documented_conversations_run(pytester: pytest.Pytester) -> None:
    (suite,), (lights,) = (
        blocks("docs/how-to/conversations.md", "json", 1),
        blocks("docs/how-to/conversations.md", "python", 1),
    )
    lit: dict[str, Any] = {"id": "lit", "environment": "lights:Lights", "turns": ["Light the hall."]}
    lit["expect"] = {"state": {"on": ["hall"]}}
    (pytester.path / "talks.jsonl").write_text(f"{suite}{json.dumps(lit)}\n")
    (pytester.path / "lights.py").write_text(lights)
    test = blocks("README.md", "python", 2)[0].replace(
        '"items.jsonl", phase="atomic"', '"talks.jsonl", phase="extended"'
    )
    pytester.makepyfile(test_talks=test)
    steps = [
        ("Light the hall.", {"name": "switch_on", "arguments": {"room": "hall"}}),
        ("Add butter", {"name": "append_to_note", "arguments": {"title": "Groceries", "text": "butter"}}),
        ("Also add bread", {"name": "append_to_note", "arguments": {"title": "Groceries", "text": "bread"}}),
        ("The one called", {"name": "delete_note", "arguments": {"title": "Groceries"}}),
    ]
    rules = [{"when": {"prompt": prompt, "step": 0}, "then": {"call": call}} for prompt, call in steps]
    with ScriptedServer({"rules": rules, "default": {"text": "Which one?"}}) as server:
        model = f'[tool.selfopt.models."desk/llama"]\nbase_url = "{server.base_url}"\n'
        pytester.makepyprojecttoml(f'[tool.selfopt]\nmodel = "desk/llama"\n{model}')
        warm.run_pytest(pytester).assert_outcomes(passed=3)


def test_the_documented_gate_judges(pytester: pytest.Pytester) -> None:
    suite, test = blocks("README.md", "json", 1)[0], blocks("README.md", "python", 2)[0]
    (gate,) = blocks("docs/explanation/verdicts.md", "python", 1)
    pytester.makepyfile(test_items=test)
    (pytester.path / "items.jsonl").write_text(suite)
    pytester.makeconftest(gate)
    with ScriptedServer({"default": {"text": "Hello to you."}}) as server:
        model = f'[tool.selfopt.models."desk/llama"]\nbase_url = "{server.base_url}"\n'
        pytester.makepyprojecttoml(f'[tool.selfopt]\nmodel = "desk/llama"\n{model}')
        assert warm.run_pytest(pytester, "--selfopt-cycle").ret == 0
    (cycle,) = json.loads((pytester.path / ".selfopt" / "meta_loop_history.json").read_text())["cycles"]
    (found,) = (one for one in cycle["gates"] if one["name"] == "short_answers")
    assert (found["passed"], found["limit"]) == (True, 200)


def test_the_documented_settings_are_accepted(tmp_path: Path) -> None:
    (block,), (bars,) = blocks("docs/reference/configuration.md", "toml", 1), blocks("docs/how-to/ci.md", "toml", 1)
    (tmp_path / "pyproject.toml").write_text(block + bars)
    settings = load_settings(tmp_path, Mode.CYCLE, Overrides())
    assert (settings.max_calls, settings.max_cost_usd) == (20_000, 0.5)
    assert settings.phase("atomic").baseline.model == "desk/llama"
    assert settings.model("desk/llama").price_out == 0.10
    assert settings.default_bars == GateThresholds(min_accuracy=0.8, min_restraint=0.9, max_p95_latency=5, max_cost=2.5)
    assert settings.space == type(settings.space)()
    assert replace(settings.default_limits, latency=None, cost=None) == Limits()


def test_the_documented_prices_are_accepted(tmp_path: Path) -> None:
    (block,) = blocks("docs/how-to/costs.md", "toml", 1)
    (tmp_path / "pyproject.toml").write_text(block)
    dear = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    file = tmp_path / "model_prices_and_context_window.json"
    file.write_text(json.dumps({"openrouter/meta-llama/llama-3.2-1b-instruct": dear, "openai/gpt-4o-mini": dear}))
    settings = load_settings(tmp_path, Mode.CYCLE, Overrides())
    assert [(model.price_in, model.price_out) for model in settings.tier("best8")] == [(0.15, 0.6), (1.0, 1.0)]
    assert settings.warn_usd == 0.5


def test_the_documented_models_are_accepted(tmp_path: Path) -> None:
    one, several, cached, thinker = blocks("docs/how-to/models.md", "toml", 4)
    (tmp_path / "pyproject.toml").write_text(one + several + thinker)
    settings = load_settings(tmp_path, Mode.CYCLE, Overrides())
    assert settings.model("desk/llama").name == "llama-3.2-3b"
    assert settings.model("desk/other").provider.max_concurrency == 16
    assert settings.model("ollama/llama3.2:1b").provider.wire == "ollama"
    parameters = accepted_parameters(settings.model("desk/thinker"))
    assert parameters.names == {"temperature": None, "max_tokens": "max_completion_tokens"}
    assert (parameters.object_root, parameters.strict, parameters.extra) == (True, True, {"reasoning_effort": "low"})
    (tmp_path / "pyproject.toml").write_text(cached)
    assert load_settings(tmp_path, Mode.CYCLE, Overrides()).model("desk/llama").response_cache == "allow"


def test_the_documented_providers_are_built_in() -> None:
    page = (ROOT / "docs/how-to/models.md").read_text()
    rows = re.findall(r"^\| `([a-z]+)` \| .*\| (\d+) \|$", page, flags=re.MULTILINE)
    assert {name: int(limit) for name, limit in rows} == {one.name: one.max_concurrency for one in PROVIDERS.values()}


def test_the_documented_script_is_accepted_and_described(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(blocks("README.md", "json", 1)[0])
    (tmp_path / "script.yaml").write_text(blocks("docs/how-to/scripted.md", "yaml", 1)[0])
    script = load_script(tmp_path / "script.yaml")
    assert len(script.rules) == 4
    page = (ROOT / "docs/how-to/scripted.md").read_text()
    described = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| `.*?\|", page, flags=re.MULTILINE))))
    assert {field.name for kind in (When, Then) for field in fields(kind)} <= described


def test_the_example_configuration_routes() -> None:
    path = ROOT / "docs/reference/routing_config.example.json"
    schema = json.loads((importlib.resources.files("pytest_selfopt.routing") / "schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(json.loads(path.read_text()))
    config = read_config(path)
    assert config.apply_routing("lfm2.5-thinking:1.2b", "extended").model == "claude-haiku"
    assert config.apply_routing("lfm2.5-thinking:1.2b", "atomic").enable_warmup is True
    assert config.apply_routing("embedded/smollm2-135m", "atomic").variant == "few_shot"
