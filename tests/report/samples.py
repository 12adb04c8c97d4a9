"""Reports as cycles leave them, made by hand: for the pages that are drawn from them."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.bench.expected_failure import ExpectedFailure
from pytest_selfopt.report.document import VERSION, Budget, CurvePoint, CycleLine, Event, Report, RuleReport, Spent
from pytest_selfopt.report.phase_document import (
    Diagnosis,
    Failure,
    Gate,
    Measured,
    PhaseReport,
    SpecReport,
    Strip,
    Try,
    Warmup,
)

MODEL = "embedded/smollm2-135m"


def measured(
    passes: int, *, cases: int = 40, runs: int = 3, latency: float = 3.0, cost: float | None = 0.0
) -> Measured:
    """Numbers of a spec that passed so often in every run."""
    trials = cases * runs
    accuracy = passes / cases
    return Measured(
        trials=trials,
        cases=cases,
        passes=passes * runs,
        misses=trials - passes * runs,
        errors=0,
        accuracy=accuracy,
        weighted=False,
        low=max(0.0, accuracy - 0.14),
        high=min(1.0, accuracy + 0.15),
        run_accuracies=(accuracy,) * runs,
        restraint=1.0,
        restraint_trials=30,
        errors_by_kind={},
        unusual_ends={},
        latency_median_s=latency,
        latency_p95_s=latency * 1.4,
        tokens_in=trials * 210,
        tokens_out=trials * 18,
        cost_usd=None if cost is None else cost * trials / 1000,
        cost_of_1000_usd=cost,
    )


def gate(name: str, *, passed: bool = True, value: float | None = 1.0, limit: float | None = 0.8) -> Gate:
    """A gate; one that fails asks for REJECT."""
    word = "reaches" if passed else "does not reach"
    return Gate(name=name, passed=passed, asks="REJECT", value=value, limit=limit, sentence=f"{name} {word} its limit")


CLAIM = "7 of 40 prompts fixed, 0 broken: shown for these prompts, not for others"


def spec(
    name: str, result: Measured | None, *, verdict: str = "", in_force: bool = False, **more: object
) -> SpecReport:
    """A spec; without a verdict it is the baseline."""
    judged = bool(verdict)
    values: dict[str, object] = {
        "spec": f"{MODEL}/atomic/{'native_api' if name == 'baseline' else name}/t60/r1/i0",
        "name": name,
        "role": "candidate" if judged else "baseline",
        "in_force": in_force,
        "verdict": verdict,
        "sentence": f"{verdict} {name}: fixed 21 answers, broke 0 in 3 passes" if judged else "",
        "comparison": 3 if judged else None,
        "fixed": 21 if judged else None,
        "broken": 0 if judged else None,
        "passes": 3 if judged else None,
        "prompts": 40 if judged else None,
        "prompts_up": 7 if judged else None,
        "prompts_down": 0 if judged else None,
        "claim": CLAIM if verdict == "PROMOTE" else "",
        "odds": 190650.0 if judged else None,
        "needed": 312.0 if judged else None,
        "gates": (
            gate("min_samples", value=3, limit=3),
            gate("variance", value=0.0, limit=0.0025),
            gate("restraint", value=1.0, limit=0.8),
        ),
        "measured": result,
        "front_by_cost": in_force,
        "front_by_latency": in_force,
    }
    return SpecReport(**{**values, **more})  # type: ignore[arg-type]  # keyword by keyword, as the fields are named


def phase(name: str = "atomic") -> PhaseReport:
    """The phase of README's first cycle: few_shot is promoted."""
    specs = (
        spec("baseline", measured(10, latency=3.24)),
        spec("atomic", measured(10, latency=3.55), verdict="REJECT", fixed=0, odds=1.0),
        spec(
            "schema",
            replace(measured(5, latency=2.97), restraint=0.0),
            verdict="REJECT",
            fixed=15,
            broken=30,
            odds=0.01,
            gates=(
                gate("min_samples", value=3, limit=3),
                gate("variance", value=0.0, limit=0.0025),
                gate("restraint", passed=False, value=0.0, limit=0.8),
                gate("veto", passed=False, value=10, limit=0),
            ),
        ),
        spec("few_shot", measured(17, latency=2.42), verdict="PROMOTE", in_force=True),
    )
    strips = (
        Strip(cases=("weather-paris", "files-lease"), count=23, restraint=False, outcomes=("MMM", "MMM", "MMM", "MMM")),
        Strip(cases=("files-invoices",), count=1, restraint=False, outcomes=("MMM", "MMM", "PPP", "EMM")),
        Strip(cases=("meeting-tom",), count=7, restraint=False, outcomes=("MMM", "MMM", "PPP", "PPP")),
        Strip(cases=("hello", "thanks"), count=9, restraint=True, outcomes=("PPP", "PPP", "MMM", "PPP")),
    )
    failures = tuple(
        Failure(
            case=f"weather-{city}",
            failed=3,
            trials=3,
            outcomes="MMM",
            prompt=f"What is the weather in {city.title()}?",
            expected=f'a call of weather(city = "{city.title()}")',
            got='weather(town = "Berlin")\nI think it is sunny.',
            got_length=44,
            reason=f'expected weather(city = "{city.title()}"), got weather(town = "Berlin")',
        )
        for city in ("paris", "berlin", "rome")
    )
    return PhaseReport(
        phase=name,
        cycle=1,
        status="decided",
        proof=False,
        verdict="PROMOTE",
        sentence=f"PROMOTE {name}: fixed 21 answers, broke 0 in 3 passes over the same 40 prompts; odds 190,650:1",
        takes="nothing: it is in force",
        baseline=specs[0].spec,
        in_force=specs[3].spec,
        winner=specs[3].spec,
        in_force_now=specs[3].spec,
        taken_back="",
        cases=40,
        runs=3,
        specs=specs,
        strips=strips,
        strips_left=0,
        failures=failures,
        failures_left=20,
        expected_failures=(ExpectedFailure(case="latin", reason="no Latin yet", passes=0, trials=3),),
        diagnoses=(
            Diagnosis(
                kind="prompts that always fail",
                sentence="23 of 40 prompts fail every time and make 100% of the failures",
                chance=1 / 13_007_279,
                trials=69,
                cases=("weather-paris", "files-lease"),
                runs=(0, 1, 2),
            ),
        ),
        next=(
            Try(spec=f"{MODEL}/atomic/few_shot/t60/r2/i0", change="retries 1 → 2", why="untried"),
            Try(spec=f"{MODEL}/atomic/few_shot/t60/r0/i0", change="retries 1 → 0", why="untried"),
        ),
        next_left=4,
        next_unneeded=0,
        warmups=(Warmup(spec=specs[0].spec, answered=True, latency_s=1.2, error=""),),
    )


def rule() -> RuleReport:
    """A rule that a cycle has made, with its life."""
    return RuleReport(
        model=MODEL,
        phase="atomic",
        status="confirmed",
        says=("variant few_shot",),
        reason="fixed 21 answers, broke 0",
        source="cycle",
        cycle=1,
        timestamp="2026-11-27T06:19:23Z",
        evidence=("fixed 21", "broken 0", "passes 3"),
        rests_on=("suite 1f2e3d", "weights 5a6b7c"),
        events=(event(1, "promote"), event(2, "confirmed")),
    )


def event(cycle: int, kind: str) -> Event:
    """A line of the log."""
    return Event(
        timestamp=f"2026-11-27T0{cycle}:19:23Z",
        cycle=cycle,
        kind=kind,
        phase="atomic",
        model=MODEL,
        effective=MODEL,
        reason=f"{kind} few_shot: fixed 21 answers, broke 0",
    )


def curve(cycles: int = 8) -> tuple[CurvePoint, ...]:
    """Accuracy over cycles: promotions, a roll-back, and what is known now."""
    events = {1: "promoted", 3: "promoted", 5: "rolled back", 6: "promoted"}
    shares = [0.425, 0.425, 0.55, 0.55, 0.43, 0.6, 0.6, 0.6]
    return tuple(
        CurvePoint(
            cycle=number,
            phase="atomic",
            spec=f"{MODEL}/atomic/few_shot/t60/r1/i0",
            name=("few_shot", "few_shot", "schema", "schema", "few_shot", "warm-up", "warm-up", "warm-up")[number - 1],
            suite="1f2e3d" if number < 7 else "4d5e6f",
            event=events.get(number, ""),
            believed=shares[number - 1],
            believed_low=shares[number - 1] - 0.12,
            believed_high=shares[number - 1] + 0.12,
            believed_trials=120,
            known=shares[number - 1] - 0.03 if number < cycles else None,
            known_low=shares[number - 1] - 0.09 if number < cycles else None,
            known_high=shares[number - 1] + 0.03 if number < cycles else None,
            known_trials=120 * (cycles - number),
        )
        for number in range(1, cycles + 1)
    )


def line(cycle: int, verdict: str = "PROMOTE") -> CycleLine:
    """A cycle in the table of all."""
    return CycleLine(
        cycle=cycle,
        phase="atomic",
        status="decided",
        started="2026-11-27T06:19:23Z",
        ended="2026-11-27T06:25:13Z",
        verdict=verdict,
        name="few_shot",
        claim=CLAIM if verdict == "PROMOTE" else "",
        taken_back="",
        accuracy_before=0.25,
        passes_before=30,
        trials_before=120,
        accuracy_after=0.425,
        passes_after=51,
        trials_after=120,
        trials=480,
        calls=480,
        cost_usd=0.0,
        sentence=f"{verdict} few_shot",
    )


def cycle() -> Report:
    """The report of README's first cycle."""
    return Report(
        version=VERSION,
        kind="cycle",
        project="assistant",
        product="pytest-selfopt 0.1.0",
        generated="2026-11-27T06:25:14Z",
        cycle=1,
        started="2026-11-27T06:19:23Z",
        ended="2026-11-27T06:25:13Z",
        status="decided",
        verdict="PROMOTE",
        headline="Promoted few_shot for atomic: 17 of 40 prompts right instead of 10.",
        why=(
            "fixed 21 answers, broke 0 in 3 passes over the same 40 prompts; odds 190,650:1 against luck, 312:1 needed",
        ),
        takes=(
            "Nothing: few_shot is in force; selfopt rollback 1 takes it back.",
            "The next cycle tries retries 1 → 2, retries 1 → 0 beside it.",
        ),
        spent=Spent(calls=480, trials=480, seconds=350.0, tokens=109_440, known_cost_usd=0.0, unpriced=0),
        phases=(phase(),),
        cycles=(line(1),),
        curve=curve(1),
        rules=(rule(),),
        events=(event(1, "promote"),),
        budget=Budget(comparisons=3, spent=0.0123, alpha=0.05, next_odds=364.0),
    )


def history() -> Report:
    """The report over eight cycles."""
    return replace(
        cycle(),
        kind="history",
        cycle=8,
        headline="few_shot is in force for atomic: 0.600 after 8 cycles, 0.250 before.",
        cycles=tuple(line(number, "PROMOTE" if number in (1, 3, 6) else "HOLD") for number in range(1, 9)),
        curve=curve(),
        events=tuple(event(number, kind) for number, kind in enumerate(("promote", "confirmed", "rollback"), 1)),
    )


HOSTILE = (
    '</script><img src=x onerror="alert(1)"><svg onload=alert(2)>\u202etxt.exe\u0007\ud800 '
    "{{ 7 * 7 }} `x` [a](javascript:alert(3))"
)


def hostile() -> Report:
    """A report in which every text that others wrote tries to break out."""
    report = cycle()
    ours = report.phases[0]
    failure = replace(
        ours.failures[0],
        case=HOSTILE,
        prompt=HOSTILE,
        expected=HOSTILE,
        got=HOSTILE * 20,
        reason=HOSTILE,
        got_length=1 << 20,
    )
    specs = tuple(replace(one, name=f"{one.name} {HOSTILE}", sentence=HOSTILE) for one in ours.specs)
    told = replace(
        ours,
        sentence=HOSTILE,
        specs=specs,
        failures=(failure,),
        strips=tuple(replace(one, cases=(HOSTILE,)) for one in ours.strips),
        diagnoses=tuple(replace(one, sentence=HOSTILE, cases=(HOSTILE,)) for one in ours.diagnoses),
        next=tuple(replace(one, change=HOSTILE, why=HOSTILE) for one in ours.next),
        warmups=(Warmup(spec=HOSTILE, answered=False, latency_s=None, error=HOSTILE),),
    )
    return replace(
        report,
        project=HOSTILE,
        headline=HOSTILE,
        why=(HOSTILE,),
        takes=(HOSTILE,),
        phases=(told,),
        curve=tuple(replace(one, name=HOSTILE) for one in curve()),
        rules=(replace(rule(), model=HOSTILE, says=(HOSTILE,), reason=HOSTILE),),
        events=(replace(event(1, "promote"), reason=HOSTILE),),
    )


def undecided() -> Report:
    """A cycle that was interrupted before anything could be decided."""
    ours = phase()
    nothing = replace(
        ours,
        status="interrupted",
        verdict="",
        sentence="the session was interrupted",
        takes="--selfopt-cycle --selfopt-resume goes on from there",
        winner=None,
        in_force=ours.baseline,
        specs=(spec("baseline", measured(10), in_force=True), spec("few_shot", None, gates=())),
        strips=(Strip(cases=("hello",), count=1, restraint=True, outcomes=("P.", "..")),),
        failures=(),
        failures_left=0,
        diagnoses=(),
        next=(),
        next_left=0,
        warmups=(),
    )
    return replace(
        cycle(),
        status="interrupted",
        verdict="",
        headline="Nothing was decided in cycle 1: the session was interrupted.",
        why=(),
        takes=("--selfopt-cycle --selfopt-resume makes only the calls that are missing.",),
        phases=(nothing,),
        curve=(),
        rules=(),
        events=(),
        budget=None,
    )


def large() -> Report:
    """As large as a report gets: 24 specs, 150 listed groups of cases, 25 failures with long texts, 200 cycles."""
    report = history()
    ours = report.phases[0]
    many = tuple(
        spec(
            f"warm-up off → on, retries 1 → {number}",
            measured(150 + 3 * number, cases=300, runs=7, latency=1 + number / 10, cost=0.01 * number),
            verdict=("REJECT", "HOLD")[number % 2],
            front_by_cost=number % 5 == 0,
            front_by_latency=number % 7 == 0,
        )
        for number in range(23)
    )
    best = spec("baseline", measured(200, cases=300, runs=7, latency=2.0, cost=0.1), in_force=True)
    names = tuple(f"files-invoices-of-the-year-{number}" for number in range(20))
    strips = tuple(
        Strip(
            cases=tuple(f"{name}-{group}" for name in names),
            count=20 + group,
            restraint=group % 4 == 0,
            outcomes=tuple("".join("PM"[(group >> (run + one) % 8) & 1] for run in range(7)) for one in range(24)),
        )
        for group in range(150)
    )
    failures = tuple(
        replace(ours.failures[0], case=f"case-{number}", prompt="Find it. " * 220, got="word " * 400, got_length=2000)
        for number in range(25)
    )
    told = replace(ours, cases=300, runs=7, specs=(best, *many), strips=strips, strips_left=12, failures=failures)
    return replace(
        report,
        phases=(told,),
        curve=tuple(replace(curve()[number % 8], cycle=number + 1) for number in range(200)),
        cycles=tuple(line(number) for number in range(1, 201)),
        spent=Spent(calls=50_400, trials=50_400, seconds=8000.0, tokens=9_000_000, known_cost_usd=1.25, unpriced=3),
    )
