"""The report as Markdown: what SELF_OPTIMIZING_REPORT.md holds, and what goes into the summary of a job.

GitHub shows no more than 1 MiB of a summary, and nobody reads as much: long lists and texts go on in the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from pytest_selfopt.report import formats
from pytest_selfopt.report.document import Budget, CurvePoint, Event, Report, RuleReport
from pytest_selfopt.report.markdown_escape import LONGEST, block, code, cut, paragraph, plain, table, whole
from pytest_selfopt.report.phase_document import Failure, Gate, PhaseReport, SpecReport

MOST_BYTES = 512 * 1024
MOST_CYCLES = 100
MOST_DECISIONS = 100
_LIFE = 10
_NAME = 200
_CURVE = 40
_Item = TypeVar("_Item")
_GLYPHS = str.maketrans({"P": "●", "M": "×", "E": "!", ".": "·"})


def as_markdown(report: Report) -> str:
    """The report on a cycle or over all cycles."""
    lines = [f"# {plain(report.headline)}", "", _place(report), "", *_lead(report)]
    sections = [_phase(phase) for phase in report.phases]
    over = _over_cycles(report)
    for section in [over, *sections] if report.kind == "history" else [*sections, over]:
        lines += ["", *section] if section else []
    lines += ["", "## Rules", "", *_rules(report.rules)]
    if report.budget is not None:
        lines += ["", _budget(report.budget)]
    lines += ["", "## Decisions", "", *_events(report.events)]
    return whole(lines, MOST_BYTES)


def _place(report: Report) -> str:
    which = f"cycle {report.cycle}" if report.kind == "cycle" else "all cycles"
    verdict = report.verdict or (
        "nothing to decide" if report.status == "decided" else f"no decision ({report.status})"
    )
    return f"**{verdict}** · {plain(report.project)} · {which} · {formats.moment(report.ended)}"


def _lead(report: Report) -> list[str]:
    lines = [paragraph(sentence) for sentence in report.why]
    lines += [f"**What comes next:** {' '.join(plain(sentence) for sentence in report.takes)}"]
    spent = report.spent
    lines += [
        (
            f"**What it cost:** {formats.cost(spent)}; {spent.calls:,} calls for {spent.trials:,} trials, "
            f"{spent.tokens:,} tokens, {formats.duration(spent.seconds)}"
        )
    ]
    return [line for sentence in lines for line in (sentence, "")][:-1]


def _phase(phase: PhaseReport) -> list[str]:
    lines = [f"## {plain(phase.phase)}", "", paragraph(phase.sentence) or "Nothing was decided.", ""]
    over = f"{phase.cases:,} prompts, {phase.runs} passes"
    lines += [f"In force after cycle {phase.cycle}: {code(phase.in_force)} ({over})", ""]
    lines += _matrix(phase)
    lines += ["", *_numbers(phase)]
    for spec in phase.specs:
        if spec.sentence:
            lines += ["", f"- **{plain(spec.name)}**: {plain(spec.sentence)}"]
    lines += ["", *_strips(phase)] if phase.strips else []
    lines += ["", *_failures(phase)] if phase.failures else []
    lines += ["", "### Diagnosis", "", *_diagnoses(phase)]
    return [*lines, "", "### What the next cycle tries", "", *_next(phase)]


def _matrix(phase: PhaseReport) -> list[str]:
    names = formats.gate_names(phase)
    rows = []
    for spec in phase.specs:
        gates = {gate.name: gate for gate in spec.gates}
        compared = "-" if spec.fixed is None else f"{spec.fixed} / {spec.broken} in {spec.passes} passes"
        rows.append(
            [
                f"{spec.name} (in force)" if spec.in_force else spec.name,
                spec.verdict or "-",
                _accuracy(spec),
                compared,
                *(_gate(gates[name]) if name in gates else "" for name in names),
            ]
        )
    head = ["configuration", "verdict", "accuracy", "fixed / broke"]
    return table([*head, *(formats.words(name) for name in names)], rows)


def _accuracy(spec: SpecReport) -> str:
    of = spec.measured
    if of is None:
        return "-"
    return f"{of.accuracy:.3f} ({formats.interval(of)}; {of.passes:,} of {of.trials:,} trials)"


def _gate(gate: Gate) -> str:
    mark = "✓" if gate.passed else "?" if gate.asks == "HOLD" else "✗"
    limit = "" if gate.limit is None else f" (limit {formats.number(gate.limit)})"
    return f"{mark} {formats.number(gate.value)}{limit}"


def _numbers(phase: PhaseReport) -> list[str]:
    rows = []
    for spec in phase.specs:
        of = spec.measured
        if of is None:
            continue
        kinds = ", ".join(f"{number} {formats.words(kind)}" for kind, number in of.errors_by_kind.items())
        fronts = [name for name, on in (("cost", spec.front_by_cost), ("latency", spec.front_by_latency)) if on]
        rows.append(
            [
                spec.spec,
                " ".join(f"{share:.3f}" for share in of.run_accuracies),
                f"{formats.share(of.restraint)} of {of.restraint_trials}",
                f"{of.errors} ({kinds})" if kinds else str(of.errors),
                f"{formats.seconds(of.latency_median_s)} / {formats.seconds(of.latency_p95_s)}",
                f"{formats.count(of.tokens_in)} / {formats.count(of.tokens_out)}",
                f"{formats.money(of.cost_usd)} / {formats.money(of.cost_of_1000_usd)}",
                ", ".join(fronts) or "-",
                f"{of.trials:,}",
            ]
        )
    head = ["spec", "accuracy by run", "restraint", "errors", "median / p95", "tokens in / out"]
    return table([*head, "cost / 1,000 answers", "Pareto front by", "trials"], rows)


def _strips(phase: PhaseReport) -> list[str]:
    rows = [[spec.name for spec in phase.specs]]
    rows += [[outcomes.translate(_GLYPHS) for outcomes in strip.outcomes] for strip in phase.strips]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    names = ["", *(_cases(strip.cases, strip.count) for strip in phase.strips)]
    told = [f"{phase.strips_left:,} more prompts are not listed."] if phase.strips_left else []
    legend = "Run by run: ● pass, × miss, ! error, · not run."
    text = "\n".join(f"{line}  {name}".rstrip() for line, name in zip(lines, names, strict=True))
    return ["### How each prompt went", "", " ".join([legend, *told]), "", *block(text)]


def _cases(cases: Sequence[str], count: int) -> str:
    name = cut(cases[0], _NAME)
    return name if count == 1 else f"{count:,} prompts, such as {name}"


def _failures(phase: PhaseReport) -> Iterator[str]:
    yield from ("### What keeps failing", "")
    for one in phase.failures:
        yield f"**{plain(one.case)}**, failed {one.failed} of {one.trials}: {plain(one.reason)}"
        for name, text in (("asked", one.prompt), ("expected", one.expected), ("got", _got(one))):
            if text:
                yield from ("", f"{name}:", "", *block(cut(text, LONGEST)))
        yield ""
    if phase.failures_left:
        yield f"{phase.failures_left:,} more prompts fail."


def _got(failure: Failure) -> str:
    if failure.got_length <= len(failure.got):
        return failure.got
    return f"(the beginning; it has {failure.got_length:,} characters)\n{failure.got}"


def _diagnoses(phase: PhaseReport) -> list[str]:
    lines = []
    for one in phase.diagnoses:
        grounds = ", ".join(filter(None, [f"{one.trials:,} trials", formats.chance(one.chance)]))
        lines.append(f"- **{plain(one.kind)}**: {plain(one.sentence)} ({grounds})")
    for warmup in phase.warmups:
        came = f"answered in {formats.seconds(warmup.latency_s)}" if warmup.answered else f"failed: {warmup.error}"
        lines.append(f"- warm-up of {code(warmup.spec)}: {plain(came)}")
    return lines or ["None."]


def _next(phase: PhaseReport) -> list[str]:
    if not phase.next:
        return [paragraph(phase.takes) or "Nothing untried or undecided is left."]
    lines = [f"- {plain(one.change)}: {plain(one.why)} ({code(one.spec)})" for one in phase.next]
    return [*lines, *([f"- {phase.next_left:,} more are untried"] if phase.next_left else [])]


def _over_cycles(report: Report) -> list[str]:
    if not report.cycles:
        return []
    lines = ["## Over the cycles", ""]
    for phase, points in groupby(report.curve, key=lambda point: point.phase):
        text, left = _last([_bar(point) for point in points], MOST_CYCLES)
        lines += [
            f"Accuracy in {plain(phase)} after each cycle, as believed then and as known now:",
            "",
            *block("\n".join(text)),
            "",
            *left,
        ]
    cycles, left = _last(report.cycles, MOST_CYCLES)
    rows = [
        [
            str(one.cycle),
            one.phase,
            one.verdict or one.status,
            one.name,
            f"{formats.rise(one)} ({formats.rise_rests_on(one)})",
            f"{one.trials:,}",
            f"{one.calls:,}",
            formats.money(one.cost_usd),
            formats.moment(one.ended),
        ]
        for one in reversed(cycles)
    ]
    heads = ["cycle", "phase", "verdict", "of", "accuracy", "trials", "calls", "cost", "ended"]
    return [*lines, *table(heads, rows), "", *left]


def _last(items: Sequence[_Item], most: int) -> tuple[Sequence[_Item], list[str]]:
    """The last of them, and lines that tell how many there are before those."""
    left = len(items) - most
    if left <= 0:
        return items, []
    return items[-most:], [f"{left:,} earlier ones are not listed here; the page and the JSON have them.", ""]


def _bar(point: CurvePoint) -> str:
    event, name = f"  {point.event}" if point.event else "", cut(point.name, _NAME)
    return (
        f"{point.cycle:>4}  {point.believed:.3f}  {'#' * round(point.believed * _CURVE):{_CURVE}}  {name}{event}"
        f"  ({point.believed_trials:,} trials; now: {formats.known(point)})"
    )


def _rules(rules: Sequence[RuleReport]) -> list[str]:
    if not rules:
        return ["There is no rule."]
    rows = [
        [
            rule.model,
            rule.phase,
            rule.status,
            "; ".join(rule.says),
            rule.reason,
            ", ".join(rule.evidence),
            ", ".join(rule.rests_on),
            _life(rule),
        ]
        for rule in rules
    ]
    return table(["model", "phase", "status", "says", "because", "evidence", "rests on", "life"], rows)


def _life(rule: RuleReport) -> str:
    events, left = _last(rule.events, _LIFE)
    told = [f"{event.kind} (cycle {event.cycle})" if event.cycle else event.kind for event in events]
    return ", ".join([f"{len(rule.events) - _LIFE} earlier events", *told] if left else told)


def _budget(budget: Budget) -> str:
    opened = f"{budget.comparisons} comparisons were opened in this history"
    spent = f"have spent {formats.number(budget.spent)} of {formats.number(budget.alpha)}"
    return f"Error budget: {opened} and {spent}; the next one needs odds of {formats.odds(budget.next_odds)}."


def _events(events: Sequence[Event]) -> list[str]:
    if not events:
        return ["None was logged."]
    shown, left = _last(events, MOST_DECISIONS)
    lines = [*left]
    for one in shown:
        when = f"cycle {one.cycle}" if one.cycle else "outside of cycles"
        routed = f" → {one.effective}" if one.effective != one.model else ""
        about = f"{formats.words(one.kind)} {one.model} in {one.phase}{routed}: {one.reason}"
        lines.append(f"- {formats.moment(one.timestamp)}, {when}: {plain(about)}")
    return lines
