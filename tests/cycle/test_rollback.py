"""Rolling back after any history: the configuration of before, byte for byte, and no way back by itself."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_selfopt.cycle.rollback import restore, roll_back
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.decision_log import append_decision, verify
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.actions import RuleChange, with_value_of
from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, RETRY, WARM_UP
from pytest_selfopt.loop.enforce import enforce
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import Verdict
from pytest_selfopt.loop.generate import generate
from pytest_selfopt.loop.pick import Pick
from pytest_selfopt.loop.provenance import expire
from pytest_selfopt.loop.undo.logged import read_undo_log
from pytest_selfopt.loop.undo.taken_back import Setting, changed_settings
from pytest_selfopt.planning.past_comparisons import read_taken_back
from pytest_selfopt.routing.atomic_files import to_text
from pytest_selfopt.routing.config import RoutingConfig, read_config, save_config
from pytest_selfopt.routing.decisions import Decision, read_decisions
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.rule import Recommendation, rule_to_json
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.routed import apply_route
from pytest_selfopt.specs.spec import Spec

PHASES = ("atomic", "extended")
# A fallback is not replaced by the model that it stands in for.
SPACES = {"m": SearchSpace(models=("m", "other")), "other": SearchSpace(), "third": SearchSpace()}


@dataclass
class History:
    """A project whose cycles are drawn; a cycle does to the files what a real one does."""

    settings: Settings
    number: int = 0
    before: dict[str, str] = field(default_factory=dict)
    """The rules of a model and phase, as text, before each decision about them, by the decision's id."""
    ticks: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def config(self) -> RoutingConfig:
        return read_config(self.settings.routing_path)

    @property
    def rules(self) -> str:
        """The rules as in the file, without its own timestamp."""
        try:
            document = json.loads(self.settings.routing_path.read_text())
        except FileNotFoundError:
            return to_text([])
        return to_text(document["rules"])

    def log(self) -> list[dict[str, Any]]:
        return read_decisions(self.settings.state_dir / DECISIONS)

    def now(self) -> str:
        moment = next(self.ticks)
        return f"2026-11-30T{moment // 3600:02}:{moment // 60 % 60:02}:{moment % 60:02}Z"

    def cycle(self, draw: Callable[[Any], Any]) -> None:
        self.number += 1
        now = self.now()
        routing, changes = self.config, list[RuleChange]()
        rules = routing.rules
        for phase in draw(st.sampled_from([PHASES, PHASES[:1], PHASES[1:]])):
            routing, of_phase = self._phase(routing, phase, draw, now)
            changes += of_phase
        save_config(self.settings.routing_path, routing, now=now)
        for change in filter(lambda change: change.applied, changes):
            address = (change.model, change.phase)
            about = to_text([rule_to_json(rule) for rule in rules if (rule.model, rule.phase) == address])
            rules = change.apply(rules)
            self._log(change, routing, now)
            self.before[self.log()[-1]["previous"]] = about

    def _log(self, change: RuleChange, routing: RoutingConfig, now: str) -> None:
        decision = Decision(
            timestamp=now,
            cycle=self.number,
            kind=change.kind,
            phase=change.phase,
            model=change.model,
            effective=routing.apply_routing(change.model, change.phase).model,
            reason=change.sentence,
            evidence=change.record,
        )
        append_decision(self.settings.state_dir, None, decision)

    def _phase(
        self, routing: RoutingConfig, phase: str, draw: Callable[[Any], Any], now: str
    ) -> tuple[RoutingConfig, list[RuleChange]]:
        changes: list[RuleChange] = []
        if draw(st.integers(0, 4)) == 0:
            lapsed = expire(
                routing.rules, "m", phase, premises=lambda _: {"digest": now}, matters=lambda _: True, now=now
            )
            routing = routing.with_rules(lapsed.rules)
            changes += lapsed.changes
        start = Spec(model="m", phase=phase, variant="native_api")
        baseline = apply_route(start, routing.without_trials().apply_routing("m", phase))
        taken_back = read_taken_back(self.settings.state_dir)
        candidates = generate(baseline, SPACES[baseline.model], taken_back=taken_back, limit=50).candidates
        trial = winner = None
        rule = routing.get_rule(baseline.model, phase)
        if rule is not None and rule.on_trial:
            spec = apply_route(replace(start, model=baseline.model), routing.apply_routing(baseline.model, phase))
            trial = judged(spec, draw(st.sampled_from(Verdict)))
        if candidates and draw(st.booleans()):
            winner = judged(draw(st.sampled_from(candidates)).spec, Verdict.PROMOTE)
        if trial is not None and trial.verdict is Verdict.PROMOTE:
            winner = trial
        digests = {spec.id: {"digest": "first"} for spec in [baseline, *(one.spec for one in candidates)]}
        if trial is not None:
            digests[trial.spec] = {"digest": "first"}
        done = enforce(
            routing.rules,
            baseline=baseline,
            pick=Pick(winner=winner, sentence="by chance"),
            trial=trial,
            measured=True,
            recommendations=draw(st.lists(recommendations(baseline), max_size=2)),
            premises=digests,
            diagnosed=baseline.id,
            cycle=self.number,
            now=now,
            taken_back=taken_back,
        )
        return routing.with_rules(done.rules), [*changes, *done.changes]


def judged(spec: Spec, verdict: Verdict) -> CandidateJudgement:
    tally = Tally(cases={}, passes=3, excluded=0)
    return CandidateJudgement(
        spec=spec.id, phase=spec.phase, verdict=verdict, gates=(), tally=tally, bar=None, comparison=1, grounds="x"
    )


@st.composite
def recommendations(draw: Callable[[Any], Any], spec: Spec) -> Recommendation:
    wanted = Recommendation(type="routing", target=f"{spec.model}::{spec.phase}", action=WARM_UP, reason="cold")
    if draw(st.booleans()):
        return wanted
    if draw(st.booleans()):
        return with_value_of(replace(spec, retries=spec.retries + 1), replace(wanted, action=RETRY))
    other = {"m": "other", "other": "third", "third": "fourth"}[spec.model]
    return replace(wanted, action=FALL_BACK, fallback=other)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """New folders, whose files need not survive a loss of power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield lambda: tmp_path_factory.mktemp("history")


def begin(folder: Path) -> History:
    made = load_settings(folder, Mode.CYCLE, Overrides())
    Ledger(made.ledger_path).close()
    return History(made)


def settings_of(made: History, model: str, phase: str) -> tuple[Setting, ...]:
    """What the rule of a model in a phase changes."""
    start = Spec(model=model, phase=phase, variant="native_api")
    rule = made.config.get_rule(model, phase)
    if rule is None:
        return ()
    return changed_settings(start, apply_route(start, RoutingConfig(rules=(rule,)).apply_routing(model, phase)))


@settings(max_examples=40)
@given(data=st.data())
def test_a_rollback_restores_every_byte(folders: Callable[[], Path], data: st.DataObject) -> None:
    made = begin(folders())
    for _ in range(data.draw(st.integers(1, 6))):
        made.cycle(data.draw)
        if data.draw(st.integers(0, 3)) == 0:
            undone(made, data.draw(st.sampled_from([None, str(made.number), "m::atomic"])), further=True)
    before, logged = made.rules, len(made.log())
    what = data.draw(st.sampled_from([None, *map(str, range(1, made.number + 1)), "m::atomic"]))
    standing = read_undo_log(made.log()).standing
    if not undone(made, what, further=True):
        return
    # Once more, by mistake: nothing happens, whatever else could be undone.
    after = made.rules
    assert not undone(made, None)
    assert made.rules == after
    for entry in made.log()[logged:]:
        undoes, address = entry["evidence"]["undoes"], (entry["original_model"], entry["phase"])
        about = [change.id for change in standing if change.address == address]
        if set(about[about.index(undoes[0]) :]) == set(undoes):
            assert to_text(entry["evidence"]["rules_after"]) == made.before[undoes[0]]
        for one in entry["evidence"]["taken_back"]:
            assert (one["setting"], one["value"]) not in settings_of(made, *address)
    restore(made.settings, None, now=made.now(), dry_run=False)
    assert made.rules == before
    assert undone(made, what)
    assert made.rules == after
    assert verify(made.settings.state_dir).ok


@settings(max_examples=40)
@given(data=st.data())
def test_what_was_taken_back_stays_back(folders: Callable[[], Path], data: st.DataObject) -> None:
    made = begin(folders())
    for _ in range(data.draw(st.integers(1, 4))):
        made.cycle(data.draw)
    undone(made, data.draw(st.sampled_from([None, "1", "m::atomic"])))
    left = {phase: settings_of(made, "m", phase) for phase in PHASES}
    for _ in range(3):
        made.cycle(data.draw)
        for one in read_taken_back(made.settings.state_dir):
            brought_back = set(one.settings) & set(settings_of(made, one.model, one.phase))
            assert one.model != "m" or brought_back <= set(left[one.phase])


def undone(made: History, what: str | None, *, further: bool = False) -> bool:
    """Roll back; whether there was something to undo."""
    try:
        roll_back(made.settings, what, now=made.now(), dry_run=False, further=further)
    except StateError as problem:
        assert "nothing to undo" in str(problem)  # noqa: PT017
        return False
    return True
