"""`selfopt profile`, as a user meets it: after cycles, of one model and of all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import MODEL, Project, right
from tests.acceptance.test_answers import promoted
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
OTHER = "scripted/other"
LONG = "scripted/a-vendor-with-a-long-name/and-a-model-with-an-even-longer-one-70b-instruct"


def facts(text: str) -> dict[str, str]:
    """The facts of a profile by name, folded lines put together again."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("    ") and name:
            found[name] += f" {line.strip()}"
        elif line.startswith("  "):
            name, _, value = line.strip().partition("  ")
            found[name] = value.strip()
    return found


def three_models(project: Make) -> Project:
    """A project whose model was replaced twice: by a dearer and better one, and by one of a long name."""
    made = project({"rules": [*right(model="other"), *right(model="long")[:5]]})
    for name in (MODEL, OTHER, LONG):
        models = "".join(
            f'[tool.selfopt.models."{one}"]\nbase_url = "{made.server.base_url}"\nname = "{wire}"\n{prices}\n'
            for one, wire, prices in (
                (MODEL, "model", ""),
                (OTHER, "other", "price_in = 0.10\nprice_out = 0.30"),
                (LONG, "long", "price_in = 0.02\nprice_out = 0.04"),
            )
        )
        (made.path / "pyproject.toml").write_text(f'[tool.selfopt]\nmodel = "{name}"\ncandidates = 1\n{models}')
        made.run("--selfopt-cycle", "--selfopt-no-prove", "--selfopt-no-promote")
    return made


def test_a_profile_shows_what_cycles_measured(long_project: Make) -> None:
    made = promoted(long_project)
    shown = made.selfopt("profile", MODEL)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"{MODEL}\n  prices")
    assert f"\n{MODEL} in atomic\n" in shown.stdout
    said = facts(shown.stdout)
    assert said["prices"] == "unpriced, per million tokens unknown in, unknown out"
    assert said["trials"].startswith("72 in 1 cycle, 20")
    assert said["diagnoses"] == "perfect in atomic (once, last in cycle 1)"
    assert said["asked as"] == "schema/t60/r1/i0", "what the cycle promoted"
    assert said["rank"] == "1 of 1, by the intervals 1"
    assert said["latest"] == "1.000 (0.76-1.00), cycle 1"
    assert said["average"] == "1.000 (0.76-1.00), 36 answers of 12 cases"
    assert said["trend"] == "too few evaluations to tell: 0 comparable cycles, at least 5 are needed"
    assert said["restraint"] == "1.000 (0.44-1.00)"
    assert said["errors"] == "none"
    assert said["cost"] == "unknown of 1,000 answers; that of 36 answers is unknown"
    assert said["score per price"] == "unknown"
    assert said["maps"] == "on the Pareto front; elite of unpriced"
    assert said["suite items"] == "1.000 (0.76-1.00), 12 cases"
    assert said["other spec"] == "native_api/t60/r1/i0: 0.250 (0.09-0.54)"
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_all_models_appear_with_the_maps(project: Make) -> None:
    made = three_models(project)
    shown = made.selfopt("profile", "--all")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert max(map(len, lines[: lines.index("Elites: the most accurate model of each phase and cost tier")])) <= 80
    ranking = lines[: lines.index("")]
    assert [line.split()[0] for line in ranking[2:]] == [OTHER, f"…{ranking[3].split()[0][1:]}", MODEL]
    assert LONG.endswith(ranking[3].split()[0][1:])
    assert ranking[0] == "atomic: models by average accuracy, each as it is asked now"
    prices = next(line for line in lines if line.split()[:2] == [OTHER, "tier2"])
    assert prices.split()[2:4] == ["$0.1", "$0.3"]
    value = json.loads(made.selfopt("profile", "--all", "--json").stdout)
    assert value["version"] == 1
    ((front),) = value["fronts"]
    by_name = {one["model"]: one for one in [*front["members"], *front["beaten"]]}
    assert by_name[MODEL]["cost_of_1000_usd"] is None
    assert by_name[MODEL]["compared_on"] == ["accuracy", "latency"]
    assert "compared only on their known numbers: scripted/model" in " ".join(shown.stdout.split())
    assert {one["tier"]: one["model"] for one in value["elites"]} == {"tier1": LONG, "tier2": OTHER, "unpriced": MODEL}
    other = next(one for one in value["profiles"] if one["model"] == OTHER)
    atomic = other["phases"]["atomic"]
    assert atomic["score_per_price"] == pytest.approx(atomic["average"]["accuracy"] / atomic["price_usd_per_million"])
    assert 0.10 < atomic["price_usd_per_million"] < 0.30


def test_every_format_has_the_same_numbers(long_project: Make) -> None:
    made = promoted(long_project)
    value: dict[str, Any] = json.loads(made.selfopt("profile", MODEL, "--format", "json").stdout)
    ((profile),) = value["profiles"]
    assert "fronts" not in value
    assert (profile["model"], profile["trials"], profile["errors"]) == (MODEL, 72, {})
    assert profile["phases"]["atomic"]["average"] == {
        "accuracy": 1.0,
        "low": pytest.approx(0.7575, abs=1e-4),
        "high": 1.0,
        "passes": 36,
        "trials": 36,
        "cases": 12,
    }
    assert profile["phases"]["atomic"]["trend"]["word"] == "unknown"
    page = made.selfopt("profile", MODEL, "--format", "md").stdout
    assert "| average | 1.000 (0.76-1.00), 36 answers of 12 cases |" in page
    assert f"## {MODEL} in atomic" in page


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["scripted/modle"], "no model 'scripted/modle' is in the ledger; did you mean 'scripted/model'?"),
        (["embedded/smollm2-135m"], "embedded/smollm2-135m is configured, but no trial of it is in the ledger"),
        ([MODEL, "--phase", "atomc"], "nothing was measured in phase 'atomc'; did you mean 'atomic'?"),
        ([], "profile: name one model, or give --all"),
        ([MODEL, "--all"], "profile: name one model, or give --all"),
    ],
)
def test_an_unanswerable_question_is_one_sentence(project: Make, arguments: list[str], complaint: str) -> None:
    shown = promoted(project).selfopt("profile", *arguments)
    assert (shown.returncode, shown.stdout, shown.stderr) == (4, "", f"selfopt: {complaint}\n")


def test_without_trials_there_is_no_profile(project: Make) -> None:
    made = project()
    shown = made.selfopt("profile", "--all")
    assert (shown.returncode, shown.stderr.startswith("selfopt: there is no ledger in ")) == (4, True)
    assert not (made.path / ".selfopt").exists()
    (made.path / ".selfopt").mkdir()
    (made.path / ".selfopt" / "ledger.sqlite").write_text("this is no database, however long one looks at it" * 99)
    broken = made.selfopt("profile", "--all")
    assert (broken.returncode, "cannot use the ledger" in broken.stderr, "Traceback" in broken.stderr) == (
        4,
        True,
        False,
    )


def test_an_unreadable_spec_is_one_sentence(project: Make) -> None:
    made = promoted(project)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as connection:
        connection.execute("UPDATE call SET spec = 'by hand' WHERE run = 0")
    shown = made.selfopt("profile", "--all")
    assert (shown.returncode, shown.stdout) == (4, "")
    assert "cannot be used: 'by hand' is not a spec id" in shown.stderr
    assert "Traceback" not in shown.stderr
