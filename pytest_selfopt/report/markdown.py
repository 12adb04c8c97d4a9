"""The report as Markdown, for SELF_OPTIMIZING_REPORT.md and for the summary of a job.

GitHub shows no more than 1 MiB of a summary, and readers stop earlier: long lists and texts continue in the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from pytest_selfopt.console.markdown_escape import LONGEST, block, code, cut, paragraph, plain, table, whole
from pytest_selfopt.console.quantities import counted, format_cost, format_duration
from pytest_selfopt.report import formats
from pytest_selfopt.report.document import Budget, CurvePoint, CycleLine, Event, Report, RuleReport
from pytest_selfopt.report.phase_document import Failure, Gate, Measured, PhaseReport, SpecReport, Warmup

MOST_BYTES = 512 * 1024
MOST_CYCLES = 100
MOST_DECISIONS = 100
_LIFE = 10
_NAME = 200
_CURVE = 40
_Item = TypeVar("_Item")
_GLYPHS = str.maketrans({"P": "●", "M": "×", "E": "!", ".": "·"})


def as_markdown(report: Report) -> str:
    """Render the report on a cycle or over all cycles."""
    lines = [f"# {plain(report.headline)}", "", _status_line(report), "", *_lead(report)]
    phases: list[str] = []
    for phase in report.phases:
        phases += ["", *_phase(phase)]
    cycles = _over_cycles(report)
    if report.kind == "history":
        lines += [*cycles, *phases]
    else:
        lines += [*phases, *cycles]
    lines += ["", "## Rules", "", *_rules(report.rules)]
    if report.budget is not None:
        lines += ["", _budget(report.budget)]
    lines += ["", "## Decisions", "", *_events(report.events)]
    return whole(lines, MOST_BYTES)


def _status_line(report: Report) -> str:
    scope = "all cycles"
    if report.kind == "cycle":
        scope = f"cycle {report.cycle}"
    project = plain(report.project)
    ended = formats.moment(report.ended)
    return f"**{_verdict(report)}** · {project} · {scope} · {ended}"


def _verdict(report: Report) -> str:
    if report.verdict:
        return report.verdict
    if report.status == "decided":
        return "nothing to decide"
    return f"no decision ({report.status})"


def _lead(report: Report) -> Iterator[str]:
    for sentence in report.why:
        yield paragraph(sentence)
        yield ""
    takes = " ".join(map(plain, report.takes))
    yield f"**What comes next:** {takes}"
    yield ""
    spent = report.spent
    cost, duration = formats.cost(spent), format_duration(spent.seconds)
    calls = f"{spent.calls:,} calls for {spent.trials:,} trials"
    yield f"**What it cost:** {cost}; {calls}, {spent.tokens:,} tokens, {duration}"


def _phase(phase: PhaseReport) -> list[str]:
    lines = [f"## {plain(phase.phase)}", "", paragraph(phase.sentence) or "Nothing was decided.", ""]
    over = f"{phase.cases:,} prompts, {counted(phase.runs, 'pass')}"
    lines += [f"In force after cycle {phase.cycle}: {code(phase.in_force)} ({over})", ""]
    if phase.saved:
        lines += [paragraph(phase.saved), ""]
    if phase.has_changed:
        lines += [f"In force now: {code(phase.in_force_now or 'nothing')}{_taken_back(phase.taken_back)}", ""]
    lines += _matrix(phase)
    lines += ["", *_numbers(phase)]
    for spec in phase.specs:
        if spec.sentence:
            lines += ["", f"- **{plain(spec.name)}**: {plain(spec.sentence)}"]
    if phase.strips:
        lines += ["", *_strips(phase)]
    if phase.failures:
        lines += ["", *_failures(phase)]
    if phase.expected_failures:
        lines += ["", *_expected_failures(phase)]
    lines += ["", "### Diagnosis", "", *_diagnoses(phase)]
    return [*lines, "", "### What the next cycle tries", "", *_next(phase)]


def _taken_back(moment: str) -> str:
    """Say when a promotion was rolled back; empty if it was not."""
    if not moment:
        return ""
    return f", rolled back on {formats.moment(moment)}"


def _matrix(phase: PhaseReport) -> list[str]:
    gates = formats.gate_names(phase)
    rows = [_matrix_row(spec, gates, phase.state_of(spec)) for spec in phase.specs]
    head = ["configuration", "verdict", "accuracy", "fixed / broke"]
    head += map(formats.words, gates)
    return table(head, rows)


def _matrix_row(spec: SpecReport, gate_names: Sequence[str], state: str) -> list[str]:
    name = spec.name
    if state:
        name = f"{spec.name} ({state})"
    compared = "-"
    if spec.fixed is not None:
        compared = f"{spec.fixed} / {spec.broken} in {counted(spec.passes or 0, 'pass')}"
    if spec.prompts is not None:
        compared += f"; {spec.prompts_up} of {spec.prompts} prompts up, {spec.prompts_down} down"
    gates = dict.fromkeys(gate_names, "")
    for gate in spec.gates:
        gates[gate.name] = _gate(gate)
    return [name, spec.verdict or "-", _accuracy(spec), compared, *gates.values()]


def _accuracy(spec: SpecReport) -> str:
    measured = spec.measured
    if measured is None:
        return "-"
    interval = formats.interval(measured)
    right = f"{measured.passes:,} of {measured.answers:,} answers"
    if measured.weighted:
        right += ", weighted"
    return f"{formats.share(measured.accuracy)} ({interval}; {right})"


def _gate(gate: Gate) -> str:
    value = formats.number(gate.value)
    if gate.limit is None:
        return f"{_mark(gate)} {value}"
    return f"{_mark(gate)} {value} (limit {formats.number(gate.limit)})"


def _mark(gate: Gate) -> str:
    if gate.passed:
        return "✓"
    if gate.asks == "HOLD":
        return "?"
    return "✗"


def _numbers(phase: PhaseReport) -> list[str]:
    rows = []
    for spec in phase.specs:
        if spec.measured is not None:
            row = _numbers_row(spec, spec.measured)
            rows.append(row)
    head = ["spec", "accuracy by run", "restraint", "errors", "median / p95", "tokens in / out"]
    return table([*head, "cost / 1,000 answers", "Pareto front by", "trials"], rows)


def _numbers_row(spec: SpecReport, measured: Measured) -> list[str]:
    restraint = formats.share(measured.restraint)
    median = formats.seconds(measured.latency_median_s)
    most = formats.seconds(measured.latency_p95_s)
    tokens_in = formats.count(measured.tokens_in)
    tokens_out = formats.count(measured.tokens_out)
    cost = format_cost(measured.cost_usd)
    cost_of_1000 = format_cost(measured.cost_of_1000_usd)
    return [
        spec.spec,
        " ".join(map("{:.3f}".format, measured.run_accuracies)),
        f"{restraint} of {measured.restraint_trials}",
        _errors(measured),
        f"{median} / {most}",
        f"{tokens_in} / {tokens_out}",
        f"{cost} / {cost_of_1000}",
        _fronts(spec),
        f"{measured.trials:,}",
    ]


def _errors(measured: Measured) -> str:
    kinds = []
    for kind, number in measured.errors_by_kind.items():
        name = formats.words(kind)
        kinds.append(f"{number} {name}")
    errors = str(measured.errors)
    if kinds:
        errors = f"{errors} ({', '.join(kinds)})"
    ends = [f"{number} {formats.ended(reason)}" for reason, number in measured.unusual_ends.items()]
    return "; ".join([errors, *ends])


def _fronts(spec: SpecReport) -> str:
    fronts = []
    if spec.front_by_cost:
        fronts.append("cost")
    if spec.front_by_latency:
        fronts.append("latency")
    return ", ".join(fronts) or "-"


def _strips(phase: PhaseReport) -> list[str]:
    rows = [[spec.name for spec in phase.specs]]
    names = [""]
    for strip in phase.strips:
        glyphs = [outcomes.translate(_GLYPHS) for outcomes in strip.outcomes]
        rows.append(glyphs)
        names.append(_cases(strip.cases, strip.count))
    legend = "Run by run: ● pass, × miss, ! error, · not run."
    if phase.strips_left:
        legend += f" {phase.strips_left:,} more prompts are not listed."
    text = "\n".join(_in_columns(rows, names))
    return ["### How each prompt went", "", legend, "", *block(text)]


def _in_columns(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[str]:
    """Align rows in columns, each row followed by its name."""
    columns = zip(*rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    for row, name in zip(rows, names, strict=True):
        cells = "  ".join(map(str.ljust, row, widths))
        yield f"{cells}  {name}".rstrip()


def _cases(cases: Sequence[str], count: int) -> str:
    name = cut(cases[0], _NAME)
    if count == 1:
        return name
    return f"{count:,} prompts, such as {name}"


def _failures(phase: PhaseReport) -> Iterator[str]:
    yield from ("### What keeps failing", "")
    for failure in phase.failures:
        case, reason = plain(failure.case), plain(failure.reason)
        yield f"**{case}**, failed {failure.failed} of {failure.trials}: {reason}"
        texts = {"asked": failure.prompt, "expected": failure.expected, "got": _got(failure)}
        for name, text in texts.items():
            if text:
                yield from ("", f"{name}:", "", *block(cut(text, LONGEST)))
        yield ""
    if phase.failures_left:
        yield f"{phase.failures_left:,} more prompts fail."


def _expected_failures(phase: PhaseReport) -> Iterator[str]:
    yield from ("### What is expected to fail", "", "It counts in no number above.", "")
    for failure in phase.expected_failures:
        case, reason = plain(failure.case), plain(failure.reason)
        yield f"- **{case}**, right {failure.passes} of {failure.trials}: {reason}"


def _got(failure: Failure) -> str:
    if failure.got_length <= len(failure.got):
        return failure.got
    return f"(cut; the answer has {failure.got_length:,} characters)\n{failure.got}"


def _diagnoses(phase: PhaseReport) -> list[str]:
    lines = []
    for diagnosis in phase.diagnoses:
        kind, sentence = plain(diagnosis.kind), plain(diagnosis.sentence)
        grounds = f"{diagnosis.trials:,} trials"
        chance = formats.chance(diagnosis.chance)
        if chance:
            grounds += f", {chance}"
        lines.append(f"- **{kind}**: {sentence} ({grounds})")
    for warmup in phase.warmups:
        result = plain(_warmup_result(warmup))
        lines.append(f"- warm-up of {code(warmup.spec)}: {result}")
    return lines or ["None."]


def _warmup_result(warmup: Warmup) -> str:
    if warmup.answered:
        return f"answered in {formats.seconds(warmup.latency_s)}"
    return f"failed: {warmup.error}"


def _next(phase: PhaseReport) -> list[str]:
    if not phase.next:
        return [paragraph(phase.takes) or "Nothing untried or undecided is left."]
    lines = []
    for candidate in phase.next:
        change, reason = plain(candidate.change), plain(candidate.why)
        lines.append(f"- {change}: {reason} ({code(candidate.spec)})")
    if phase.next_left:
        lines.append(f"- {phase.next_left:,} more are untried")
    return lines


def _over_cycles(report: Report) -> list[str]:
    """Return the section on all cycles, preceded by an empty line; nothing without cycles."""
    if not report.cycles:
        return []
    lines = ["", "## Over the cycles", ""]
    for phase, points in groupby(report.curve, key=attrgetter("phase")):
        bars, left = _last(list(map(_bar, points)), MOST_CYCLES)
        lines += [f"Accuracy in {plain(phase)} after each cycle, as believed then and as known now:", ""]
        lines += [*block("\n".join(bars)), "", *left]
    cycles, left = _last(report.cycles, MOST_CYCLES)
    heads = ["cycle", "phase", "verdict", "of", "accuracy", "trials", "calls", "cost", "ended"]
    return [*lines, *table(heads, map(_cycle_row, reversed(cycles))), "", *left]


def _cycle_row(line: CycleLine) -> list[str]:
    rise, basis = formats.rise(line), formats.rise_rests_on(line)
    return [
        str(line.cycle),
        line.phase,
        f"{line.verdict or line.status}{_taken_back(line.taken_back)}",
        line.name,
        f"{rise} ({basis})",
        f"{line.trials:,}",
        f"{line.calls:,}",
        format_cost(line.cost_usd),
        formats.moment(line.ended),
    ]


def _last(items: Sequence[_Item], most: int) -> tuple[Sequence[_Item], list[str]]:
    """Return the last `most` items, and the lines that give the number of earlier ones."""
    left = len(items) - most
    if left <= 0:
        return items, []
    return items[-most:], [f"{left:,} earlier ones are not listed here; the page and the JSON have them.", ""]


def _bar(point: CurvePoint) -> str:
    bar = "#" * round(point.believed * _CURVE)
    label = cut(point.name, _NAME)
    if point.event:
        label += f"  {point.event}"
    basis = f"{point.believed_trials:,} trials; now: {formats.known(point)}"
    return f"{point.cycle:>4}  {point.believed:.3f}  {bar:{_CURVE}}  {label}  ({basis})"


def _rules(rules: Sequence[RuleReport]) -> list[str]:
    if not rules:
        return ["There are no rules."]
    heads = ["model", "phase", "status", "says", "because", "evidence", "rests on", "life"]
    return table(heads, map(_rule_row, rules))


def _rule_row(rule: RuleReport) -> list[str]:
    return [
        rule.model,
        rule.phase,
        rule.status,
        "; ".join(rule.says),
        rule.reason,
        ", ".join(rule.evidence),
        ", ".join(rule.rests_on),
        _life(rule),
    ]


def _life(rule: RuleReport) -> str:
    events, left = _last(rule.events, _LIFE)
    phrases = list(map(_event, events))
    if left:
        phrases.insert(0, f"{len(rule.events) - _LIFE} earlier events")
    return ", ".join(phrases)


def _event(event: Event) -> str:
    if event.cycle:
        return f"{event.kind} (cycle {event.cycle})"
    return event.kind


def _budget(budget: Budget) -> str:
    opened = f"{counted(budget.comparisons, 'comparison')} opened in this history"
    spent, alpha = formats.number(budget.spent), formats.number(budget.alpha)
    odds = formats.odds(budget.next_odds)
    return f"Error budget: {opened}, {spent} of {alpha} spent; the next one needs odds of {odds}."


def _events(events: Sequence[Event]) -> list[str]:
    if not events:
        return ["No decisions were logged."]
    shown, left = _last(events, MOST_DECISIONS)
    return [*left, *map(_event_line, shown)]


def _event_line(event: Event) -> str:
    when = "outside of cycles"
    if event.cycle:
        when = f"cycle {event.cycle}"
    subject = f"{formats.words(event.kind)} {event.model} in {event.phase}"
    if event.effective != event.model:
        subject += f" → {event.effective}"
    sentence = plain(f"{subject}: {event.reason}")
    return f"- {formats.moment(event.timestamp)}, {when}: {sentence}"
