"""`selfopt swarm` and `selfopt batch`, over real HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import factorial
from typing import Any

import pytest

from pytest_selfopt.cli import main
from tests.acceptance.conftest import CALLS, LONG_CASES, RESTRAINT, Project, call, right, suite_lines
from tests.acceptance.test_swarm import MEMBERS, cheap, rows, wrong_for

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
WRONG = ("x", "y", "z")
SHARE = Fraction(7, 10)
MANY = 200


def command(made: Project, *arguments: str) -> int:
    return main([*arguments, "--suite", str(made.path / "items.jsonl"), "--rootdir", str(made.path)])


def test_a_swarm_is_compared_with_its_members(long_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = cheap(
        long_project, {"rules": [*wrong_for("m1", 0, 1), *wrong_for("m2", 0, 2), *wrong_for("m3", 3), *right()]}
    )
    assert command(made, "swarm", ":10", "--tier", "cheap") == 0
    out, progress = capsys.readouterr()
    assert f"swarm {LONG_CASES} 1.000" in " ".join(out.split())
    assert f"scripted/m1: {LONG_CASES - 2} of {LONG_CASES} right (0.83)" in out
    assert f"the swarm bought nothing: 1.00, no better than scripted/m0 alone (1.00), at {MEMBERS:.1f} calls" in out
    assert f"{MEMBERS * LONG_CASES} calls and {LONG_CASES} votes" in out
    assert f"{LONG_CASES} of {LONG_CASES} answers" in progress
    assert rows(made.path, "count(*)", "purpose = 'trial' AND outcome = 'pass'") == [(LONG_CASES,)]
    assert rows(made.path, "count(*)", "purpose = 'stage' AND outcome IS NOT NULL") == [((MEMBERS + 1) * LONG_CASES,)]
    assert main(["history", "--rootdir", str(made.path)]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("survey"))
    assert line.startswith("survey 1  20")
    assert line.endswith(f"swarm:10@cheap/atomic/native_api/t60/r1/i0: {LONG_CASES} pass")
    result = made.run("--selfopt-cycle", "--selfopt-resume")
    assert result.ret == pytest.ExitCode.USAGE_ERROR  # a survey is nothing that could be gone on with
    assert "--selfopt-resume" in result.stderr.str()


def test_suites_are_found_by_name_or_alone(project: Make) -> None:
    made = cheap(project, {"rules": right()})
    (made.path / "prompts.yaml").write_text("prompt: no suite\n")
    test = made.path / "test_items.py"
    test.write_text(test.read_text().replace('"items.jsonl"', '"items.jsonl", phase="support"'))
    alone = made.selfopt("batch", "CHEAP", "--json")
    assert alone.returncode == 0, alone.stderr
    assert set(rows(made.path, "phase", "purpose = 'trial'")) == {("support",)}
    (made.path / "more").mkdir()
    (made.path / "more" / "Other.jsonl").write_bytes((made.path / "items.jsonl").read_bytes())
    several = made.selfopt("swarm", ":10", "--tier", "cheap")
    assert (several.returncode, several.stderr.strip()) == (
        4,
        "selfopt: there are several suites: items.jsonl, more/Other.jsonl; name one by --suite",
    )
    named = made.selfopt("swarm", ":00", "--tier", "Cheap", "--harness", "other", "--json")
    assert named.returncode == 0, named.stderr
    unknown = made.selfopt("batch", "cheap", "--harness", "nothing")
    assert unknown.stderr.strip().endswith("there is no such file, and no suite of this name; available: items, Other")


def exact(voters: int) -> Fraction:
    """How often the right answer wins a vote, each wrong one being as likely as another, and a tie is split."""
    wrong = (1 - SHARE) / len(WRONG)
    total = Fraction(0)
    for counts in product(range(voters + 1), repeat=len(WRONG)):
        here = voters - sum(counts)
        if here < 0:
            continue
        ways = factorial(voters)
        for count in (here, *counts):
            ways //= factorial(count)
        chance = ways * SHARE**here * wrong ** sum(counts)
        most = max(here, *counts)
        # Who comes first among the members wins a tie; by symmetry each of those who are level is as likely to.
        total += chance / (counts.count(most) + 1) if here == most else 0
    return total


def many_prompts(made: Project) -> None:
    tool, example, first, *_ = [json.loads(line) for line in (made.path / "items.jsonl").read_text().splitlines()]
    made.write_suite(
        [
            tool,
            example,
            *(
                {**first, "id": f"q{n}", "prompt": f"Find item {n}.", "expect": {"call": call(str(n))}}
                for n in range(MANY)
            ),
        ]
    )


def drawn(rng: random.Random) -> str:
    return "right" if rng.random() < SHARE else rng.choice(WRONG)


def answers(item: int, what: str, **when: Any) -> dict[str, Any]:
    return {"when": {"prompt": f"item {item}.", **when}, "then": {"call": call(str(item) if what == "right" else what)}}


def test_independent_errors_let_a_vote_win(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(8)
    said = {(item, member): drawn(rng) for item in range(MANY) for member in range(MEMBERS)}
    made = cheap(project, {"rules": [answers(item, what, model=f"m{member}") for (item, member), what in said.items()]})
    many_prompts(made)
    assert command(made, "swarm", ":10", "--tier", "cheap", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    expected = exact(MEMBERS)
    assert expected >= Fraction(93, 100)
    accuracy = found["specs"][0]["accuracy"]
    # Four standard deviations of so many prompts.
    assert abs(accuracy - float(expected)) <= 4 * float(expected * (1 - expected) / MANY) ** 0.5
    assert accuracy >= 0.93
    assert max(one["accuracy"] for one in found["gain"]["members"]) < 0.85
    assert found["gain"]["sentence"].startswith("the swarm bought +0.")


def test_shared_errors_give_a_vote_no_gain(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    items = list(range(MANY))
    random.Random(8).shuffle(items)
    good = set(items[: int(SHARE * MANY)])
    made = cheap(project, {"rules": [answers(item, "right" if item in good else "x") for item in range(MANY)]})
    many_prompts(made)
    assert command(made, "swarm", ":10", "--tier", "cheap", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["specs"][0]["accuracy"] == pytest.approx(0.70)
    assert found["gain"]["sentence"] == (
        "the swarm bought nothing: 0.70, no better than scripted/m0 alone (0.70), at 8.0 calls per answer"
    )


def test_runs_of_a_batch_overlap(project: Make) -> None:
    """In Ollama's format, too, whose models do not overlap in cycles."""
    made = project({"latency": 0.5, "default": {"text": "no"}})
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "desk/m"\n[tool.selfopt.providers.desk]\nwire = "ollama"\n'
        f'base_url = "{made.server.address}"\nmax_concurrency = 64\n[tool.selfopt.tiers]\none = ["desk/m"]\n'
    )
    found = json.loads(made.selfopt("batch", "one", "--runs", "9", "--yes", "--json").stdout)
    assert found["calls"] == made.server.seen.asked == 9 * CASES
    assert CASES < made.server.seen.most_in_flight <= found["most_in_flight"] <= 64


def test_512_calls_survive_five_percent_failures(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    flaky = {"when": {"chance": 0.05}, "then": {"status": 500, "message": "overloaded"}}
    made = cheap(project, {"rules": [flaky, *right()]}, "[tool.selfopt.swarm]\nmax_concurrency = 64\n")
    lines = [json.loads(line) for line in (made.path / "items.jsonl").read_text().splitlines()]
    made.write_suite(lines[:3])
    assert command(made, "swarm", ":3", "--tier", "cheap", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    stages = rows(made.path, "id, reply IS NOT NULL, attempts", "purpose = 'stage'")
    assert len(stages) == 512
    assert len({name for name, *_ in stages}) == 512
    asked = sum(attempts for *_, attempts in stages)
    assert made.server.seen.asked == asked == found["calls"] > 512
    # A call that fails is sent again once, so that one in four hundred has no answer.
    assert sum(answered for _, answered, _ in stages) >= 504
    assert found["specs"][0]["accuracy"] == 1
    assert made.server.seen.most_in_flight <= 64
    assert made.server.seen.most_in_flight <= found["most_in_flight"] <= 64


def test_tier_models_are_called_or_named_unavailable(long_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    down = {"when": {"model": "m4"}, "then": {"status": 400, "message": "no such model"}}
    made = cheap(long_project, {"rules": [down, *wrong_for("m2", 0, 1, 2), *right()]})
    path = made.path / "pyproject.toml"
    keyed = f'base_url = "{made.server.base_url}"\napi_key_env = "NOT_THERE"\n'
    path.write_text(path.read_text().replace('models."scripted/m3"]\n', f'models."scripted/m3"]\n{keyed}'))
    assert command(made, "batch", "cheap", "--runs", "2") == 1
    out = capsys.readouterr().out
    assert "left out: model 'scripted/m3': the environment variable NOT_THERE is not set" in out
    table = {line.split()[0]: line.split()[2] for line in out.splitlines() if line.startswith("scripted/")}
    assert table == {
        **{f"scripted/m{number}": "1.000" for number in (0, 1, 5, 6, 7)},
        "scripted/m2": "0.750",
        "scripted/m4": "-",
    }
    assert list(table)[-2:] == ["scripted/m2", "scripted/m4"]
    assert f"{7 * 2 * LONG_CASES} calls" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("left out"))


def slow_lines() -> list[dict[str, Any]]:
    lines = suite_lines()
    for line in lines:
        if line.get("id") in ("item-0", "item-1"):
            line["tags"] = ["slow"]
    return lines


def test_tags_select_what_a_tier_is_asked(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = cheap(project, {"rules": right()})
    made.write_suite(slow_lines())
    assert command(made, "batch", "cheap", "--tags", "slow", "--yes") == 0
    out, errors = capsys.readouterr()
    assert f"{2 * MEMBERS} calls" in out
    assert f"{2 * MEMBERS} of {2 * MEMBERS} answers" in errors
    assert made.server.seen.asked == 2 * MEMBERS
    assert command(made, "cost-estimate", ":10", "--tier", "cheap", "--tags", "not slow") == 0
    assert f":10 (8 then 1) of cheap: {(CASES - 2) * (8 + 1)} calls" in capsys.readouterr().out


@pytest.mark.parametrize("unpriced", [False, True])
def test_one_unknown_price_makes_the_cost_unknown(
    project: Make, capsys: pytest.CaptureFixture[str], *, unpriced: bool
) -> None:
    made = cheap(project, {"rules": right()})
    if unpriced:
        path = made.path / "pyproject.toml"
        path.write_text(path.read_text().replace('m3"]\nprice_in = 0.02\nprice_out = 0.04\n', 'm3"]\n'))
    assert command(made, "batch", "cheap", "--json", "--yes") == 0
    cost = json.loads(capsys.readouterr().out)["cost_usd"]
    assert (cost is None) == unpriced


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("swarm", ":1x", "--tier", "cheap"), "'x' (character 3) is not one of 0, 1, 2 and 3"),
        (("swarm", ":10", "--tier", "tier3"), "no model is in tier3"),
        (("batch", "chaep"), "did you mean 'cheap'"),
        (("batch", "cheap", "--runs", "0"), "--runs 0: must be at least 1"),
        (("batch", "cheap", "--runner", "nast"), "unknown runner 'nast'"),
        (("batch", "cheap", "--variant", "nativ"), "unknown variant 'nativ'"),
        (("batch", "cheap", "--tags", "slow and"), "--tags: 'slow and': a tag is missing at the end"),
        (("batch", "cheap", "--tags", "slwo"), "--tags: no case has the tag 'slwo'; did you mean 'slow'?"),
        (("batch", "cheap", "--tags", "slow and not slow"), "--tags: 'slow and not slow' is true of no case"),
    ],
)
def test_an_impossible_request_is_one_sentence(
    project: Make, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    made = cheap(project, {})
    made.write_suite(slow_lines())
    assert command(made, *arguments) == 4
    assert sentence in capsys.readouterr().err
    assert made.server.seen.asked == 0
