"""A profile says what the ledger holds of a model: counted by hand, and by SQLite."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pytest_selfopt.economy.pareto import elites, fronts
from pytest_selfopt.economy.profile import Observation, PhaseProfile, Profile, profiles_of
from pytest_selfopt.economy.trend import TrendWord
from pytest_selfopt.ledger.aggregates import read_counts
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord
from pytest_selfopt.models.config import EMBEDDED_MODELS, PROVIDERS, ModelConfig
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Json, Outcome, Reply, Trial

BARE = "atomic/native_api/t60/r1/i0"
SCHEMA = "atomic/schema/t60/r1/i0"
PRICED = {
    "desk/a": ModelConfig(id="desk/a", provider=PROVIDERS["openai"], price_in=0.02, price_out=0.08),
    "desk/b": ModelConfig(id="desk/b", provider=PROVIDERS["openai"], price_in=3.0, price_out=9.0),
}


@dataclass
class Book:
    """A ledger that cycles are written into, outcomes given as letters by case: P pass, F miss, T time-out."""

    path: Path
    cycle: int = 0
    number: int = 0
    purpose: Literal["trial", "warmup"] = "trial"
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.path)

    def begin(self, baseline: str = f"desk/a/{BARE}") -> int:
        plan: dict[str, Json] = {"atomic": {"baseline": baseline}}
        self.cycle = self.ledger.start_cycle(started=float(self.number), seed=1, command="pytest", plan=plan)
        return self.cycle

    def ask(
        self,
        spec: str,
        rows: Mapping[str, str],
        *,
        latencies: Sequence[float] = (1.0,),
        cost: float | None = 0.001,
        restraint: bool = False,
        called: bool = False,
        tokens: int | None = 300,
    ) -> None:
        """Book each case of a spec, a letter a run."""
        for case, run, letter in ((case, run, one) for case, row in rows.items() for run, one in enumerate(row)):
            latency = latencies[self.number % len(latencies)]
            error = CallError(kind=ErrorKind.TIMEOUT, message="too slow") if letter == "T" else None
            reply = None if error else Reply(text="so", latency_s=latency, tokens_in=tokens, tokens_out=100)
            self.number += 1
            record = CallRecord(
                id=f"call {self.number}",
                purpose=self.purpose,
                phase=spec.split("/")[2],
                spec=spec,
                case=case,
                case_hash=f"hash of {case}",
                run=run,
                restraint=restraint,
                result=CallResult(reply=reply, error=error, started=float(self.number), ended=self.number + latency),
                cost_usd=None if error else cost,
            )
            outcome = {"P": Outcome.PASS, "F": Outcome.MISS, "T": Outcome.ERROR}[letter]
            kind = ErrorKind.TIMEOUT if error else None
            judged = Trial(
                phase=record.phase, spec=spec, case=case, run=run, outcome=outcome, error_kind=kind, called=called
            )
            self.ledger.record_calls(self.cycle, [record])
            self.ledger.record_outcomes([(record.id, judged)])

    def profiles(self, seen: Sequence[Observation] = ()) -> dict[str, Profile]:
        return {one.model: one for one in profiles_of(read_counts(self.path), seen, PRICED)}

    def atomic(self, model: str = "desk/a") -> PhaseProfile:
        (found,) = (one for one in self.profiles()[model].phases if one.phase == "atomic")
        return found


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "ledger.sqlite")
    made.begin()
    return made


def test_a_model_is_judged_by_its_current_spec(book: Book) -> None:
    book.ask(f"desk/a/{BARE}", {"s/1": "FFF", "s/2": "PPP"})
    book.ask(f"desk/a/{SCHEMA}", {"s/1": "FFF", "s/2": "FFF"})
    book.begin()
    book.ask(f"desk/a/{BARE}", {"s/1": "PPP", "s/2": "PPP"})
    found = book.atomic()
    assert found.spec == f"desk/a/{BARE}"
    assert (found.average.accuracy, found.average.trials, found.average.cases) == (0.75, 12, 2)
    assert (found.latest.accuracy, found.latest_cycle) == (1.0, 2)
    assert {spec: score.accuracy for spec, score in found.others.items()} == {f"desk/a/{SCHEMA}": 0.0}


def test_the_last_spec_in_force_counts_more(book: Book) -> None:
    book.ask(f"desk/a/{BARE}", {"s/1": "PPP"})
    book.ask(f"desk/a/{SCHEMA}", {"s/1": "FFF"})
    book.ledger.store_result(book.cycle, {"in_force": {"atomic": f"desk/a/{SCHEMA}"}})
    assert book.atomic().spec == f"desk/a/{SCHEMA}"


def test_without_promotion_the_surest_spec_counts(book: Book) -> None:
    book.ask(f"desk/b/{BARE}", {"s/1": "P"})
    book.ask(f"desk/b/{SCHEMA}", {f"s/{index}": "PPP" for index in range(9)})
    assert book.atomic("desk/b").spec == f"desk/b/{SCHEMA}"


def test_suites_phases_restraint_and_errors_are_separate(book: Book) -> None:
    book.ask(f"desk/a/{BARE}", {"items/1": "PPFT", "more/1": "FFFF"})
    book.ask(f"desk/a/{BARE}", {"more/quiet": "PPPT"}, restraint=True)
    book.ask(f"desk/a/{BARE}", {"more/wrong": "F"}, restraint=True)
    book.ask(f"desk/a/{BARE}", {"more/loud": "F"}, restraint=True, called=True)
    book.ask("desk/a/extended/extended/t60/r1/i0", {"talks/1": "T"})
    book.purpose = "warmup"
    book.ask(f"desk/a/{BARE}", {"items/1": "P"})
    profile = book.profiles([Observation(kind="flaky", spec=f"desk/a/{BARE}", cycle=one) for one in (1, 2)])["desk/a"]
    atomic, extended = profile.phases
    assert {name: (one.passes, one.trials) for name, one in atomic.suites.items()} == {"items": (2, 3), "more": (3, 9)}
    assert atomic.restraint is not None
    assert (atomic.restraint.passes, atomic.restraint.trials) == (4, 5), (
        "an error is no restraint, and a miss is one if no tool is called"
    )
    assert (atomic.errors, profile.errors, profile.trials) == ({"timeout": 2}, {"timeout": 3}, 15)
    assert (extended.latency_median_s, extended.latency_p95_s, extended.cost, extended.restraint) == (None,) * 4
    ((kind, times, last),) = ((one.kind, one.times, one.last_cycle) for one in profile.findings)
    assert (kind, times, last) == ("flaky", 2, 2)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(latencies=st.lists(st.floats(0.001, 99), min_size=1, max_size=45))
def test_latencies_are_median_and_nearest_rank(
    tmp_path_factory: pytest.TempPathFactory, latencies: list[float]
) -> None:
    book = Book(tmp_path_factory.mktemp("book") / "ledger.sqlite")
    book.begin()
    book.ask(f"desk/a/{BARE}", {"s/1": "P" * len(latencies)}, latencies=latencies)
    found = book.atomic()
    assert found.latency_median_s == pytest.approx(statistics.median(latencies))
    assert found.latency_p95_s == sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1]


def test_the_price_follows_actual_token_use(book: Book) -> None:
    book.ask(f"desk/a/{BARE}", {"s/1": "PPPF"}, cost=0.002)
    found = book.atomic()
    assert found.price == pytest.approx((300 * 0.02 + 100 * 0.08) / 400)
    assert found.score_per_price == pytest.approx(0.75 / 0.035)
    assert found.cost == pytest.approx(2.0)


def test_unknown_costs_stay_unknown(book: Book) -> None:
    book.ask(f"nobody/here/{BARE}", {"s/1": "PPPP"}, cost=None)
    unknown = book.profiles()["nobody/here"]
    assert (unknown.tier, unknown.price_in, unknown.phases[0].cost) == ("unpriced", None, None)
    assert (unknown.phases[0].price, unknown.phases[0].score_per_price) == (None, None)
    book.ask(f"desk/a/{BARE}", {"s/1": "P" * 19}, cost=0.01)
    book.ask(f"desk/a/{BARE}", {"s/1": "P"}, cost=None)
    assert book.atomic().cost == pytest.approx(10.0), "nearly all are known"
    assert book.atomic().unpriced == 1
    book.ask(f"desk/a/{BARE}", {"s/2": "P"}, cost=None)
    assert book.atomic().cost is None
    book.ask(f"desk/b/{BARE}", {"s/1": "P"}, tokens=None)
    assert book.atomic("desk/b").price is None


def test_local_models_are_free_without_score_per_price(book: Book) -> None:
    (name, config), *_ = EMBEDDED_MODELS.items()
    book.ask(f"{name}/{BARE}", {"s/1": "P"}, cost=0.0)
    ((profile),) = profiles_of(read_counts(book.path), (), {name: config})
    assert (profile.tier, profile.free, profile.phases[0].price) == ("free", True, 0.0)
    assert (profile.phases[0].cost, profile.phases[0].score_per_price) == (0.0, None)


def cycles_of(book: Book, letters: Sequence[str], **rows: str) -> None:
    for one in letters:
        book.begin()
        book.ask(f"desk/a/{BARE}", {f"s/{index}": letter for index, letter in enumerate(one)} | rows)


def test_a_trend_compares_like_with_like(book: Book) -> None:
    falling = ["PPPPP", "PPPPF", "PPPFF", "PPFFF", "PFFFF"]
    cycles_of(book, falling)
    assert book.atomic().trend.word is TrendWord.DECLINING
    # Another, easier suite afterwards is no improvement, and no part of the series.
    cycles_of(book, ["P", "P"])
    assert (book.atomic().trend.word, book.atomic().trend.cycles) == (TrendWord.DECLINING, 5)
    # Nor is an outage a decline.
    cycles_of(book, ["FFFFT", "TTTTT"])
    assert book.atomic().trend.cycles == 5


def test_the_promoting_cycle_is_not_in_the_trend(book: Book) -> None:
    spec = f"desk/a/{SCHEMA}"
    for letters in ("PPPPP", "PPPPF", "PPPFF", "PPFFF", "PFFFF"):
        cycle = book.begin(spec)
        book.ask(spec, {f"s/{index}": letter for index, letter in enumerate(letters)})
        if letters == "PPPPP":
            opened = book.ledger.open_comparison(
                phase="atomic", baseline=f"desk/a/{BARE}", candidate=spec, suite_hash="s", cycle=cycle, share_of=None
            )
    assert book.atomic().trend.cycles == 5
    book.ledger.settle_comparison(opened.number, state="promoted", wins=9, losses=0, passes=3, sentence="")
    assert book.atomic().trend.cycles == 4, "it was picked for how well it did there"


def test_models_are_ranked_within_their_intervals(book: Book) -> None:
    cases = [f"s/{index}" for index in range(40)]
    shares = {"desk/a": 40, "desk/b": 36, "desk/c": 4}
    for model, right in shares.items():
        book.ask(f"{model}/{BARE}", {case: "P" if index < right else "F" for index, case in enumerate(cases)})
    ranks = {name: one.phases[0].rank for name, one in book.profiles().items()}
    assert {name: rank and (rank.place, rank.of, rank.best, rank.worst) for name, rank in ranks.items()} == {
        "desk/a": (1, 3, 1, 2),
        "desk/b": (2, 3, 1, 2),
        "desk/c": (3, 3, 3, 3),
    }
    assert all(rank is not None and rank.same_questions for rank in ranks.values())
    book.ask(f"desk/c/{BARE}", {"s/another": "P"})
    changed = book.atomic("desk/a").rank
    assert changed is not None
    assert not changed.same_questions


def test_the_maps_show_tier_winners_and_front(book: Book) -> None:
    cases = [f"s/{index}" for index in range(40)]
    for model, right, cost, latency in (
        ("desk/a", 30, 0.001, 1.0),
        ("desk/b", 39, 0.01, 2.0),
        ("desk/c", 38, None, 3.0),
    ):
        rows = {case: "P" if index < right else "F" for index, case in enumerate(cases)}
        book.ask(f"{model}/{BARE}", rows, cost=cost, latencies=[latency])
    profiles = tuple(book.profiles().values())
    ((front),) = fronts(profiles)
    assert [point.model for point in front.members] == ["desk/b", "desk/a"]
    assert [(point.model, by) for point, by in front.beaten] == [("desk/c", "desk/b")]
    assert [(one.tier, one.model, one.of, one.level) for one in elites(profiles)] == [
        ("above tier3", "desk/b", 1, ()),
        ("tier1", "desk/a", 1, ()),
        ("unpriced", "desk/c", 1, ()),
    ]
    book.ask(f"desk/d/{BARE}", dict.fromkeys(cases, "P"), cost=None)
    last = elites(tuple(book.profiles().values()))[-1]
    assert (last.model, last.of, last.level) == ("desk/d", 2, ("desk/c",))
