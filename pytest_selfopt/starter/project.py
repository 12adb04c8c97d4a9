"""The files of a first project, as texts: nothing here reads or writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_selfopt.settings_lookup import CONFIG_FILE
from pytest_selfopt.starter.suites import STARTER_SUITES

SUITE_FOLDER = "benchmarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterChoices:
    """What the user chose: the whole name of a model, its provider's address unless built in, and the answers.

    `answers` is a key of `STARTER_SUITES`; `key_variable` names the environment variable of a key, if one is needed.
    """

    model: str
    base_url: str = ""
    key_variable: str = ""
    answers: str


@dataclass(frozen=True, slots=True)
class StarterFile:
    """A file to be written; its path is relative to the project's folder."""

    path: PurePosixPath
    text: str


def suite_path(choices: StarterChoices) -> PurePosixPath:
    """Return the path of the suite."""
    return PurePosixPath(SUITE_FOLDER, f"first_{choices.answers}.jsonl")


def starter_files(choices: StarterChoices) -> tuple[StarterFile, ...]:
    """Return the suite, its test and the settings."""
    suite = suite_path(choices)
    test = suite.with_name(f"test_{suite.stem}.py")
    return (
        StarterFile(suite, _suite_text(choices)),
        StarterFile(test, _test_text(choices)),
        StarterFile(PurePosixPath(CONFIG_FILE), _settings_text(choices)),
    )


def _suite_text(choices: StarterChoices) -> str:
    lines = STARTER_SUITES[choices.answers].lines
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _test_text(choices: StarterChoices) -> str:
    suite = suite_path(choices)
    phase = STARTER_SUITES[choices.answers].phase
    return f"""import pytest


@pytest.mark.selfopt("{suite.name}", phase="{phase}")
def test_{suite.stem}(case, reply):
    case.check(reply)
"""


def _settings_text(choices: StarterChoices) -> str:
    return "".join(f"{line}\n" for line in _settings_lines(choices))


def _settings_lines(choices: StarterChoices) -> Iterator[str]:
    yield f"model = {_toml(choices.model)}"
    if not choices.base_url:
        return
    provider = choices.model.partition("/")[0]
    yield ""
    yield f"[providers.{provider}]"
    yield f"base_url = {_toml(choices.base_url)}"
    if choices.key_variable:
        yield f"api_key_env = {_toml(choices.key_variable)}"


def _toml(text: str) -> str:
    # Models and addresses are printable ASCII, which TOML's basic strings escape as JSON does.
    return json.dumps(text)
