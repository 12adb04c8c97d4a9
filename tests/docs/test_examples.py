"""The examples of README and docs do what the text beside them says."""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path

import jsonschema
import pytest

from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.settings import Mode, Overrides, load_settings

ROOT = Path(__file__).parents[2]


def blocks(file: str, language: str) -> list[str]:
    """The code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / file).read_text(), flags=re.DOTALL | re.MULTILINE)


def test_the_benchmark_of_the_readme_runs_as_it_stands(pytester: pytest.Pytester) -> None:
    script = {
        "rules": [
            {"when": {"prompt": "item 7"}, "then": {"call": {"name": "look_up", "arguments": {"item": "Seven"}}}},
            {"when": {"prompt": "17 + 25"}, "then": {"text": "That makes 42."}},
        ],
        "default": {"text": "Hello to you."},
    }
    suite, test = blocks("README.md", "json")[0], blocks("README.md", "python")[0]
    folder = pytester.mkdir("benchmarks")
    (folder / "items.jsonl").write_text(suite)
    (folder / "test_items.py").write_text(test)
    with ScriptedServer(script) as server:
        model = f'[tool.selfopt.models."desk/llama"]\nbase_url = "{server.base_url}"\n'
        pytester.makepyprojecttoml(f'[tool.selfopt]\nmodel = "desk/llama"\n{model}')
        pytester.runpytest_subprocess("benchmarks").assert_outcomes(passed=3)


def test_the_application_of_the_readme_runs_where_no_cycle_ever_did(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("README.md", "python")[1], {})  # our own page
    assert capsys.readouterr().out.startswith("embedded/smollm2-135m None None ('there is no routing_config.json',)")


def test_the_settings_of_the_docs_are_accepted(tmp_path: Path) -> None:
    (block,) = blocks("docs/configuration.md", "toml")
    (tmp_path / "pyproject.toml").write_text(block)
    settings = load_settings(tmp_path, Mode.CYCLE, Overrides())
    assert settings.phase("atomic").baseline.model == "desk/llama"
    assert settings.model("desk/llama").price_out == 0.10
    assert settings.space == type(settings.space)()


def test_the_options_of_the_docs_are_those_of_the_plugin(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| `(--selfopt-[a-z-]+)", page, flags=re.MULTILINE))
    offered = set(
        re.findall(r"^ +(--selfopt-[a-z-]+)", pytester.runpytest_subprocess("--help").stdout.str(), re.MULTILINE)
    )
    assert documented == offered


def test_the_example_configuration_is_valid_and_routes() -> None:
    path = ROOT / "docs" / "routing_config.example.json"
    schema = json.loads((importlib.resources.files("pytest_selfopt.routing") / "schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(json.loads(path.read_text()))
    config = read_config(path)
    assert config.apply_routing("lfm2.5-thinking:1.2b", "extended").model == "claude-haiku"
    assert config.apply_routing("lfm2.5-thinking:1.2b", "atomic").enable_warmup is True
    assert config.apply_routing("embedded/smollm2-135m", "atomic").variant == "few_shot"
