"""The trials of a spec in a cycle as an Inspect log: JSON of version 2, for `inspect view` and `read_eval_log`.

https://inspect.aisi.org.uk/eval-logs.html
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.export.documents import without_none
from pytest_selfopt.export.inspect_sample import iso_time, sample, usage_of
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import CallResult, Outcome, Trial

VERSION = 2
"""The version of Inspect's log format."""

NAME_DIGITS = 22
"""The number of characters in the ids of logs and samples, as in Inspect."""

SCORER = "selfopt"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Document = dict[str, Any]
JudgedCall = tuple[Trial, CallResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTally:
    """The sums over the trials of a spec. Times are seconds since the epoch."""

    trials: int
    passes: int
    errors: int
    restraint_trials: int
    """Answered trials that should call no tool."""
    restraint_calls: int
    unmetered: int
    """Trials without token counts."""
    usage: Mapping[str, float]
    cases: tuple[str, ...]
    epochs: int
    began: float
    ended: float


def tally_of(calls: Iterable[JudgedCall]) -> SampleTally:
    """Add up trials, reading them one at a time."""
    counts: Counter[str] = Counter()
    usage: dict[str, float] = {}
    cases: dict[str, None] = {}
    epochs, began, ended = 0, math.inf, 0.0
    for trial, result in calls:
        used = usage_of(trial, result.reply)
        counts["trials"] += 1
        counts[trial.outcome] += 1
        counts["unmetered"] += used is None
        if trial.restraint and trial.outcome is not Outcome.ERROR:
            counts["restraint"] += 1
            counts["called"] += trial.called
        for name, number in (used or {}).items():
            usage[name] = usage.get(name, 0) + number
        cases[trial.case] = None
        epochs = max(epochs, trial.run + 1)
        began = min(began, trial.started)
        ended = max(ended, trial.ended)
    if not cases:
        began = 0.0
    return SampleTally(
        trials=counts["trials"],
        passes=counts[Outcome.PASS],
        errors=counts[Outcome.ERROR],
        restraint_trials=counts["restraint"],
        restraint_calls=counts["called"],
        unmetered=counts["unmetered"],
        usage=usage,
        cases=tuple(cases),
        epochs=epochs,
        began=began,
        ended=ended,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The trials that a log covers. `run_id` is a unique name of the cycle; `status` is the cycle's."""

    cycle: int
    run_id: str
    status: str
    spec: Spec
    version: str
    """The version of this package."""

    @property
    def eval_id(self) -> str:
        """A unique id of the log."""
        return _digest(self.run_id, self.spec.id)

    def file_name(self, tally: SampleTally) -> str:
        """Return the name of the log as Inspect has it: time, task and a part of the id."""
        began = datetime.fromtimestamp(tally.began, UTC)
        time = began.strftime("%Y-%m-%dT%H-%M-%S")
        phase = self.spec.phase.replace("_", "-")
        asked = re.sub(r"[^A-Za-z0-9.]+", "-", self.spec.id)[:100].strip("-")
        task = f"{phase}-cycle-{self.cycle}-{asked}"
        return f"{time}_{task}_{self.eval_id[:8]}.json"


def inspect_log(
    head: LogHead, tally: SampleTally, calls: Iterable[JudgedCall], cases: Mapping[tuple[str, str], Case]
) -> Iterator[str]:
    """Yield the text of a log, one sample at a time. `cases` are the known cases by key and content hash."""
    # The samples are appended one at a time, so the head is written without its closing brace.
    yield _text(_head(head, tally)).removesuffix("}") + ', "samples": ['
    comma = ""
    for trial, result in calls:
        case = cases.get((trial.case, trial.case_hash))
        document = sample(head.spec.model, SCORER, trial, result, case)
        document["uuid"] = _uuid(head.eval_id, trial)
        yield f"{comma}\n{_text(document)}"
        comma = ","
    yield "\n]}\n"


def _head(head: LogHead, tally: SampleTally) -> Document:
    """Return the log without its samples."""
    status = "cancelled"
    if head.status in ("decided", "partial"):
        status = "success"
    step = {"solver": head.spec.variant, "params": {}}
    return {
        "version": VERSION,
        "status": status,
        "eval": _eval(head, tally),
        # `inspect view` reads only the head, and needs a plan in it, in this order.
        "plan": {"name": "plan", "steps": [step]},
        "results": _results(tally),
        "stats": _stats(head.spec.model, tally),
    }


def _stats(model: str, tally: SampleTally) -> Document:
    model_usage: Document = {}
    if tally.usage:
        model_usage[model] = dict(tally.usage)
    return {
        "started_at": iso_time(tally.began),
        "completed_at": iso_time(tally.ended),
        "model_usage": model_usage,
    }


def _suite(case: str) -> str:
    """Return the suite of a case, which is named SUITE/ID."""
    return case.partition("/")[0]


def _eval(head: LogHead, tally: SampleTally) -> Document:
    spec = head.spec
    suites = sorted(set(map(_suite, tally.cases)))
    settings: Document = {**asdict(spec.sampling), "max_retries": spec.retries}
    return {
        "eval_id": head.eval_id,
        "run_id": head.run_id,
        "created": iso_time(tally.began),
        "task": spec.phase,
        "task_id": spec.phase,
        "solver": spec.variant,
        "dataset": {
            "name": ", ".join(suites),
            "samples": len(tally.cases),
            "sample_ids": list(tally.cases),
        },
        "model": spec.model,
        "model_generate_config": without_none(settings),
        "config": {"epochs": tally.epochs, "epochs_reducer": ["mean"]},
        "packages": {"pytest-selfopt": head.version},
        "metadata": {
            "spec": spec.id,
            "cycle": head.cycle,
            "unmetered": tally.unmetered,
            "selfopt_format": 1,
        },
        "scorers": [{"name": SCORER}],
    }


def _results(tally: SampleTally) -> Document:
    answers = tally.trials - tally.errors
    restrained = tally.restraint_trials - tally.restraint_calls
    shares = {
        "accuracy": (tally.passes, answers),
        "errors": (tally.errors, tally.trials),
        "restraint": (restrained, tally.restraint_trials),
    }
    metrics: Document = {}
    for name, (part, whole) in shares.items():
        if whole:
            metrics[name] = {"name": name, "value": part / whole}
    score = {
        "name": SCORER,
        "scorer": SCORER,
        "scored_samples": answers,
        "unscored_samples": tally.errors,
        "metrics": metrics,
    }
    return {
        "total_samples": tally.trials,
        "completed_samples": answers,
        "scores": [score],
    }


def _uuid(eval_id: str, trial: Trial) -> str:
    return _digest(eval_id, trial.case, trial.run)


def _digest(*parts: object) -> str:
    content = json.dumps(parts).encode()
    return hashlib.sha256(content).hexdigest()[:NAME_DIGITS]


def _text(document: Document) -> str:
    # Inspect's reader refuses lone surrogates, which a hostile reply may hold.
    return _LONE_SURROGATE.sub("\ufffd", json.dumps(document, ensure_ascii=False))
