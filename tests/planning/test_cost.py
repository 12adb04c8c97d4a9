"""Whether a command may spend: who is asked, and when."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_selfopt.economy.estimate import USUAL, CostPart, Estimate
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.planning.cost import confirm_cost, stages_of
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.swarm.pattern import parse_pattern

ASKS = (
    "from pytest_selfopt.planning.cost import terminal_question\n"
    "ask = terminal_question(); print('SAID', ask and ask('Continue?'))"
)


def cost(usd: float | None) -> Estimate:
    """An estimate of so many USD: 1,000 calls of 1,000 tokens are a million tokens."""
    model = ModelConfig(id="m/a", provider=PROVIDERS["openai"], price_in=usd, price_out=usd)
    return Estimate(parts=(CostPart(model=model, calls=1_000, tokens=USUAL),))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path, Mode.PLAIN, Overrides())


@pytest.mark.parametrize(("usd", "questions"), [(0.4, 0), (0.5, 0), (0.6, 1), (None, 1)])
@pytest.mark.parametrize("answer", [True, False])
def test_confirmation_is_asked_above_the_limit(
    settings: Settings, usd: float | None, questions: int, *, answer: bool
) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    assert confirm_cost(cost(usd), settings, ask) is (answer if questions else True)
    assert len(asked) == questions
    assert confirm_cost(cost(usd), settings, None)


def test_the_question_states_costs_and_unknowns(settings: Settings) -> None:
    asked: list[str] = []

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    for usd in (0.6, None):
        confirm_cost(cost(usd), settings, refuse)
    assert asked == [
        "about $0.6000 at 1,000 tokens per call; that is more than $0.50. Continue?",
        "cost unknown: m/a has no price. Continue?",
    ]


def test_exceeding_the_budget_cannot_be_confirmed(settings: Settings) -> None:
    dear = replace(cost(0.1), surely_usd=0.09)
    assert confirm_cost(dear, replace(settings, max_cost_usd=0.09), None)
    with pytest.raises(SettingsError, match=r"the prompts alone cost \$0\.0900"):
        confirm_cost(dear, replace(settings, max_cost_usd=0.08), lambda _: True)


@pytest.mark.parametrize(("typed", "said"), [("y\n", "True"), ("YES\n", "True"), ("n\n", "False"), ("\n", "False")])
def test_a_person_is_asked_at_a_terminal(typed: str, said: str) -> None:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=theirs, stderr=theirs)
        os.write(ours, typed.encode())
        assert process.wait(timeout=120) == 0
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Continue? [y/N]" in shown
    assert f"SAID {said}" in shown


def test_nothing_is_asked_without_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        for stdin in (subprocess.DEVNULL, theirs):
            found = subprocess.run([sys.executable, "-c", ASKS], stdin=stdin, stdout=subprocess.PIPE, timeout=30)
            assert found.stdout == b"SAID None\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_pattern_stages_know_inputs_and_votes() -> None:
    found = [(stage.calls, stage.sources, stage.vote) for stage in stages_of(parse_pattern(":1010"))]
    assert found == [(8, 0, False), (1, 8, True), (8, 1, False), (1, 8, True)]
