"""Names on the command line that nothing has are told with the nearest one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_selfopt.cli import main
from pytest_selfopt.suggest import did_you_mean_file

SETTINGS = """
[tool.selfopt]
model = "kettle/small"
[tool.selfopt.models."kettle/small"]
base_url = "http://127.0.0.1:9/v1"
[tool.selfopt.phases.support]
"""
TEST = """
import pytest
SUITE = "computed.jsonl"

@pytest.mark.selfopt("suites/support.jsonl", phase="support")
def test_support(case, reply):
    case.check(reply)

@pytest.mark.selfopt("suites/chat.jsonl")
def test_chat(case, reply):
    case.check(reply)

@pytest.mark.selfopt(SUITE, phase="computed")
def test_computed(case, reply):
    case.check(reply)
"""
CASE = {"id": "a", "prompt": "Say hi.", "expect": {"contains": "hi"}}


@pytest.fixture
def kettle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a phase, a model, a rule of others, and suites beside tests."""
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    rule = {"model": "kettle/retired", "phase": "extended", "allow": True, "variant": "schema"}
    (tmp_path / "routing_config.json").write_text(json.dumps({"version": 1, "rules": [rule]}))
    (tmp_path / "test_kettle.py").write_text(TEST)
    (tmp_path / "suites").mkdir()
    for name in ("support", "chat", "computed"):
        (tmp_path / "suites" / f"{name}.jsonl").write_text(json.dumps(CASE) + "\n")
    (tmp_path / ".selfopt").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("resolve kettle/smal support", "unknown model 'kettle/smal'; did you mean 'kettle/small'?"),
        ("resolve kettle/retire extended", "unknown model 'kettle/retire'; did you mean 'kettle/retired'?"),
        ("resolve kettle/small suport", "unknown phase 'suport'; did you mean 'support'?"),
        ("resolve kettle/small x", "unknown phase 'x'; available: extended, support"),
        ("resolve a b --config rooting_config.json", "no such file; did you mean 'routing_config.json'?"),
        ("why kettle/smal support", "unknown model 'kettle/smal'; did you mean 'kettle/small'?"),
        ("why kettle/small::extendet", "unknown phase 'extendet'; did you mean 'extended'?"),
        ("models kettle/smal --no-ask", "unknown model 'kettle/smal'; did you mean 'kettle/small'? Configure it"),
        ("power suites/support.jsonl --phase suport", "unknown phase 'suport'; did you mean 'support'?"),
        ("power suites/suport.jsonl", "suite file not found; did you mean 'suites/support.jsonl'?"),
        ("cost-estimate :1 --tier best8 --phase suport", "unknown phase 'suport'; did you mean 'support'?"),
        ("batch tier1 --suite suites/chat.jsonl --phase atomc", "unknown phase 'atomc'; did you mean 'atomic'?"),
        ("suite check suites/suport.jsonl", "suite file not found; did you mean 'suites/support.jsonl'?"),
        ("enforce test_kettel.py", "test_kettel.py does not exist; did you mean 'test_kettle.py'?"),
        ("history --rootdir suite", "--rootdir suite: there is no such folder; did you mean 'suites'?"),
        ("verify --state-dir .selfop", "--state-dir .selfop: there is no such folder; did you mean '.selfopt'?"),
    ],
)
@pytest.mark.usefixtures("kettle")
def test_unknown_names(arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 4
    out, errors = capsys.readouterr()
    assert out == ""
    assert sentence in errors


@pytest.mark.usefixtures("kettle")
def test_names_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    """By a rule, by settings, by a provider that has any model; and all phases where nothing names one."""
    for model, phase in (("kettle/retired", "extended"), ("kettle/small", "support"), ("ollama/any", "support")):
        assert main(["resolve", model, phase]) == 0
    Path("routing_config.json").unlink()
    Path("pyproject.toml").write_text(SETTINGS.replace("[tool.selfopt.phases.support]", ""))
    assert main(["resolve", "kettle/small", "support"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("kettle")
def test_the_phase_of_a_suite_is_that_of_its_test(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text(f"{SETTINGS}[tool.selfopt.phases.support.gates]\nmin_samples = 5\n")
    for name, calls in (("support", "8 to 36 calls"), ("chat", "6 to 28 calls")):
        assert main(["power", f"suites/{name}.jsonl"]) == 0
        assert calls in capsys.readouterr().out
    assert main(["power", "suites/chat.jsonl", "suites/support.jsonl"]) == 4
    assert "in several phases: atomic, support; name one by --phase" in capsys.readouterr().err
    assert main(["power", "suites/computed.jsonl"]) == 0


def test_a_common_suffix_is_no_likeness(kettle: Path) -> None:
    assert did_you_mean_file(kettle / "suites" / "nope.jsonl") == ""
    assert did_you_mean_file(kettle / "suites" / "chat.json").endswith("chat.jsonl'?")
