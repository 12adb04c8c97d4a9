"""Answers each line, a JSON list of folders with logs, with what Inspect's own reader finds there, as a line of JSON.

Not a test: it runs in a process of its own, because Inspect is on no other test's path.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from typing import Any

log: Any = importlib.import_module("inspect_ai.log")


def found(info: Any) -> dict[str, Any]:
    one = log.read_eval_log(info)
    (score,) = one.results.scores
    return {
        "version": one.version,
        "status": one.status,
        "task": one.eval.task,
        "model": one.eval.model,
        "epochs": one.eval.config.epochs,
        "dataset": one.eval.dataset.model_dump(),
        "metadata": one.eval.metadata,
        "temperature": one.eval.model_generate_config.temperature,
        "totals": [one.results.total_samples, one.results.completed_samples, score.unscored_samples],
        "metrics": {name: metric.value for name, metric in score.metrics.items()},
        "usage": {name: usage.model_dump() for name, usage in one.stats.model_usage.items()},
        "recounted": recounted(one),
        "heads": heads(info),
        "uuids": len({sample.uuid for sample in one.samples}),
        "samples": [sample_of(sample) for sample in one.samples],
    }


def recounted(one: Any) -> float:
    """The accuracy as Inspect's own metric makes it of the scores."""
    scorer: Any = importlib.import_module("inspect_ai.scorer")
    scores = [
        scorer.SampleScore(score=sample.scores["selfopt"], sample_id=sample.id)
        for sample in one.samples
        if sample.scores
    ]
    value: float = scorer.accuracy()(scores)
    return value


def heads(info: Any) -> list[Any]:
    """Whether the head alone, a sample alone, and the log once it was written in Inspect's own form are the same."""
    one, head = log.read_eval_log(info), log.read_eval_log(info, header_only=True)
    last = one.samples[-1]
    alone = log.read_eval_log_sample(info, id=last.id, epoch=last.epoch)
    with tempfile.TemporaryDirectory() as folder:
        log.write_eval_log(one, f"{folder}/own.eval")
        own = log.read_eval_log(f"{folder}/own.eval")
    same = [head.results == one.results, alone == last, own.samples == one.samples, own.results == one.results]
    return [*same, head.samples]


def sample_of(sample: Any) -> dict[str, Any]:
    choices = sample.output.choices
    score = (sample.scores or {}).get("selfopt")
    return {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": sample.input if isinstance(sample.input, str) else [one.text for one in sample.input],
        "target": sample.target,
        "score": score and [score.value, score.explanation],
        "error": sample.error and sample.error.message,
        "text": choices[0].message.text if choices else None,
        "stop": choices[0].stop_reason if choices else None,
        "calls": [[one.function, one.arguments] for one in (choices[0].message.tool_calls or [])] if choices else [],
        "usage": sample.output.usage and sample.output.usage.model_dump(),
        "messages": [[one.role, one.text] for one in sample.messages],
        "time": [sample.total_time, sample.working_time],
    }


def answered(folders: list[str]) -> list[Any]:
    return [[found(info) for info in log.list_eval_logs(folder, descending=False)] for folder in folders]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), flush=True)
