"""`selfopt models` and the configuration of models and providers, as a user meets them."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_selfopt.cli import main
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from tests.acceptance.conftest import Project, right, said, selfopt

Make = Callable[..., Project]


def models(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return selfopt(folder, "models", *arguments)


def loaded(folder: Path, text: str) -> Settings:
    (folder / "selfopt.toml").write_text(text)
    return load_settings(folder, Mode.CYCLE, Overrides())


def test_models_are_listed_called_and_explained(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESK_KEY", raising=False)
    refused = {"when": {"model": "refused"}, "then": {"status": 401, "message": "no such key"}}
    unknown = {"when": {"model": "unknown"}, "then": {"status": 404, "message": "model 'unknown' not found"}}
    made = project({"rules": [refused, unknown]})
    desk = f'wire = "ollama"\nbase_url = "{made.server.address}"'
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "desk/good"\n[tool.selfopt.providers.desk]\n{desk}\n'
        '[tool.selfopt.models."desk/good"]\nprice_in = 0.5\ntier = "tier3"\ncontext = 8192\n'
        '[tool.selfopt.models."desk/keyless"]\napi_key_env = "DESK_KEY"\n'
        '[tool.selfopt.models."dead/model"]\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    names = ("desk/good", "desk/keyless", "dead/model", "desk/refused", "desk/unknown")
    result = models(made.path, *names)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(names)
    found = dict(zip(names, (line.strip() for line in lines if "answer" in line or "cannot" in line), strict=True))
    assert found["desk/good"].startswith("answers, in 0.")
    assert found["desk/keyless"].endswith("model 'desk/keyless': the environment variable DESK_KEY is not set")
    assert "cannot connect: Connection refused; is the server at http://127.0.0.1:9/v1 running?" in found["dead/model"]
    assert "auth: HTTP status 401: no such key; is the key in api_key_env the right one?" in found["desk/refused"]
    assert found["desk/unknown"].endswith("model 'unknown' not found; get it with `ollama pull unknown`")
    good = "desk (ollama), http://127.0.0.1:"
    assert any(
        good in line and "$0.5 in, unknown out, 8 calls at a time, tier tier3, context 8,192" in line for line in lines
    )


def test_looking_only_makes_no_call(project: Make) -> None:
    made = project({})
    result = models(made.path, "--no-ask", "scripted/model")
    assert result.returncode == 0
    assert "nothing is missing; not asked" in result.stdout
    assert made.server.seen.asked == 0


def test_the_embedded_model_counts_only_where_it_is_used(
    project: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project({})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else find(name))
    for arguments, status in (([], 0), (["embedded/smollm2-135m"], 1)):
        assert main(["models", "--no-ask", *arguments]) == status
        assert "needs the package xllamacpp" in " ".join(capsys.readouterr().out.split())
    (made.path / "pyproject.toml").unlink()
    assert main(["models", "--no-ask"]) == 1


def test_a_wrong_setting_is_one_sentence(project: Make) -> None:
    made = project({})
    unknown = models(made.path, "nobody/knows")
    assert unknown.returncode == 4
    assert unknown.stderr.startswith(
        "selfopt: unknown model 'nobody/knows'; available: embedded/smollm2-135m, scripted"
    )
    made.configure("max_concurrency = 0")
    assert "max_concurrency: 0 is outside" in models(made.path).stderr


@pytest.mark.parametrize("wire", ["ollama", "anthropic"])
def test_a_cycle_is_equal_in_every_format(project: Make, wire: str) -> None:
    made = project({"rules": right(constrained=True), "load": 0.3})
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "scripted/model"\n[tool.selfopt.providers.scripted]\nwire = "{wire}"\n'
        f'base_url = "{made.server.address}"\n'
    )
    result = made.run("--selfopt-cycle", "--selfopt-warmup")
    assert result.ret == 0, said(result)
    assert "PROMOTE schema" in said(result)
    assert ("s of it loading" in said(result)) == (wire == "ollama")


def test_a_known_provider_needs_no_configuration(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    ollama, router = settings.model("ollama/llama3.2:1b"), settings.model("openrouter/meta-llama/llama-3.2-1b-instruct")
    assert (ollama.wire, ollama.name, ollama.max_concurrency, ollama.overlap) == ("ollama", "llama3.2:1b", 4, False)
    assert (router.wire, router.name) == ("openai", "meta-llama/llama-3.2-1b-instruct")
    assert router.provider.api_key_env == "OPENROUTER_API_KEY"
    assert router.overlap is True


def test_another_address_gets_no_key(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        '[models."openai/mine"]\nbase_url = "http://desk:8000/v1"\n'
        '[models."openai/theirs"]\n'
        '[providers.anthropic]\nbase_url = "http://proxy:8080"\n',
    )
    assert settings.model("openai/mine").provider.api_key_env is None
    assert settings.model("openai/theirs").provider.api_key_env == "OPENAI_API_KEY"
    assert settings.model("anthropic/claude").provider.api_key_env is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[models."a/b"]\n', "selfopt.toml models a/b: base_url: is missing"),
        ('[models."a/b"]\nprovider = "openay"\n', "'openay' is not one of embedded, ollama, openai"),
        ('[models."a/b"]\nbase_url = "http://x"\ncontext = 0\n', "context: 0 is outside 1 to"),
        (
            '[models."a/b"]\nbase_url = "http://x"\nprice_in = "cheap"\n',
            "price_in: expected a number, got 'cheap' (str)",
        ),
        ('[models."a/b"]\nbase_url = "http://["\n', "models a/b: base_url: 'http://[' is not a valid address"),
        ("[providers.desk]\n", "selfopt.toml providers desk: base_url: is missing"),
        ('[providers.desk]\nbase_url = "http://x"\nwire = "grpc"\n', "wire: 'grpc' is not one of openai, ollama"),
        ("[budget]\nmax_calls = 0\n", "selfopt.toml budget: max_calls: 0 is outside"),
        ("[budget]\nmax_cost = -1\n", "selfopt.toml budget: max_cost: -1 is outside"),
        ("[budget]\nmax_costs = 1\n", "selfopt.toml budget: unknown key 'max_costs'; did you mean 'max_cost'?"),
    ],
)
def test_wrong_settings_are_refused_with_position(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, text)
    assert sentence in str(refused.value)


def test_models_tells_what_a_server_really_does(project: Make) -> None:
    refused = {"status": 400, "message": "Unsupported parameter: 'temperature' is not supported with this model."}
    lost = {"body": '{"error": "Unexpected endpoint or method. (POST /chat/completions). Returning 200 anyway"}'}
    made = project(
        {
            "served_as": "qwen3-0.6b",
            "rules": [
                {"when": {"has": "temperature", "prompt": "2+2"}, "then": refused},
            ],
            "default": {"finish": "length"},
        }
    )
    lines = models(made.path, "scripted/model").stdout.splitlines()
    assert any(line.endswith(", as 'qwen3-0.6b' (asked for 'model')") for line in lines)
    assert "  temperature is not sent: the model refuses it" in lines
    assert any(line.startswith("  i1 means no more than a connection of its own") for line in lines)
    made.server.play({"default": lost})
    assert "; does base_url lack its /v1?" in models(made.path, "scripted/model").stdout
