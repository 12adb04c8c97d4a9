"""Conversion of rows in the table of calls: from records, and to results and trials."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.trial import (
    CallError,
    CallResult,
    ErrorKind,
    FailedAttempt,
    Json,
    Outcome,
    Reply,
    Trial,
    share_texts,
)
from pytest_selfopt.trial_bounds import MOST_MESSAGE, epoch_s, usage_of
from pytest_selfopt.trial_json import (
    attempt_from_json,
    attempt_to_json,
    error_from_json,
    error_to_json,
    reply_from_json,
    reply_to_json,
)

CallPurpose = Literal["trial", "stage", "warmup", "expected_failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One finished call in stored form, before it is judged.

    `purpose` is "trial", "stage" for a call of a swarm's member, or, for calls that no statistic counts, "warmup" or
    "expected_failure".
    """

    id: str
    purpose: CallPurpose
    phase: str
    spec: str
    case: str
    case_hash: str
    run: int
    restraint: bool
    result: CallResult
    cost_usd: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensOfSpec:
    """The number of a spec's answered calls, and their mean tokens in and out."""

    phase: str
    spec: str
    tokens_in: float
    tokens_out: float
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A reply that an earlier call got, and its cycle."""

    cycle: int
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a case asks and expects, in words, with its content hash."""

    case_hash: str
    prompt: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTotals:
    """CycleTotals of cycles: trials, calls made, tokens, known USD, and duration in seconds.

    Answers to cases that are expected to fail are no trials, but take calls and tokens, and cost.
    """

    trials: int
    calls: int
    tokens: int
    known_cost_usd: float
    unpriced: int
    """The number of answers of unknown cost."""
    seconds: float


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_ERROR_KINDS: dict[str | None, ErrorKind | None] = {None: None}
_ERROR_KINDS |= {kind.value: kind for kind in ErrorKind}
# Only the fields of a trial: replies are most of a ledger, and judging reads none of them.
_OF_TRIALS = """
SELECT cycle, phase, spec, "case", run,
    outcome, restraint, called, error_kind, reason,
    case_hash, started, ended,
    latency_s, load_s, tokens_in, tokens_out, cost_usd,
    attempts, first_try, waited_s, in_flight,
    lane, lane_seq, served_model, finish_reason, weight, copied
FROM call
WHERE cycle IN (SELECT value FROM json_each(?)) AND purpose = 'trial' AND outcome IS NOT NULL
"""
SELECT_TRIALS = f"{_OF_TRIALS} AND phase = ? ORDER BY cycle, started, id"
SELECT_ALL_TRIALS = f"{_OF_TRIALS} ORDER BY cycle, started, id"
SELECT_EXPECTED_FAILURES = """
SELECT "case", sum(outcome = 'pass') AS passes, count(*) AS trials
FROM call
WHERE cycle = ? AND phase = ? AND purpose = 'expected_failure' AND outcome IS NOT NULL
GROUP BY "case"
ORDER BY min(started), "case"
"""
SELECT_JUDGED_CALLS = """
SELECT * FROM call
WHERE cycle = ? AND phase = ? AND spec = ? AND purpose = 'trial' AND outcome IS NOT NULL
ORDER BY run, "case"
"""
# Warm-up calls ask something else, so their tokens say nothing about prompts.
SELECT_TOKENS = """
SELECT phase, spec, avg(tokens_in) AS tokens_in, avg(tokens_out) AS tokens_out, count(*) AS calls
FROM call
WHERE (? IS NULL OR phase = ?) AND tokens_in IS NOT NULL AND tokens_out IS NOT NULL AND copied = ''
    -- The first stage of a swarm is asked the bare question.
    AND (purpose = 'trial' OR (purpose = 'stage' AND id LIKE '%#0.%'))
GROUP BY phase, spec
ORDER BY phase, spec
"""
SELECT_TOTALS = """
SELECT coalesce(sum(purpose = 'trial'), 0) AS trials, coalesce(sum(attempts), 0) AS calls,
    coalesce(sum(coalesce(tokens_in, 0) + coalesce(tokens_out, 0)), 0) AS tokens,
    coalesce(sum(cost_usd), 0) AS known_cost_usd, count(*) - count(cost_usd) AS unpriced,
    (SELECT coalesce(sum(ended - started), 0) FROM cycle WHERE ? IS NULL OR id = ?) AS seconds
FROM call
WHERE purpose IN ('trial', 'expected_failure') AND (? IS NULL OR cycle = ?)
"""
INSERT_CALL = """
INSERT OR IGNORE INTO call (
    id, cycle, purpose, phase, spec, "case", case_hash, run, restraint,
    started, ended, attempts, first_try, waited_s,
    queue_depth, in_flight, lane, lane_seq,
    latency_s, load_s, tokens_in, tokens_out, cost_usd, served_model, finish_reason,
    reply, error, attempt_errors, weight, answer_id, copied
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def result_without_reply(result: CallResult, problem: Exception) -> CallResult:
    """Return the result of a call whose values the ledger cannot hold: an error, with what it used and cost."""
    message = f"the answer cannot be stored: {type(problem).__name__}: {problem}"
    used = None
    if result.received is not None:
        used = usage_of(result.received)
    error = CallError(kind=ErrorKind.MALFORMED, message=cut(message, MOST_MESSAGE), reply=used)
    started = epoch_s(result.started) or 0.0
    return CallResult(error=error, started=started, ended=epoch_s(result.ended) or started, lane=result.lane)


def row_of(cycle: int, record: CallRecord) -> tuple[object, ...]:
    """Return the values of `INSERT_CALL`, in its order."""
    result = record.result
    # What came in place of an answer has its tokens and its end, too.
    reply = result.received or Reply()
    latency_s = reply_text = error_text = None
    answer_id = ""
    if result.reply:
        latency_s = result.reply.latency_s
        reply_text = dump(reply_to_json(result.reply))
    # The answer that a vote has chosen is recorded with the call that asked for it.
    if result.reply and result.attempts:
        answer_id = result.reply.provider_id
    if result.error:
        error_text = dump(error_to_json(result.error))
    return (
        record.id,
        cycle,
        record.purpose,
        text(record.phase),
        text(record.spec),
        text(record.case),
        record.case_hash,
        record.run,
        record.restraint,
        result.started,
        result.ended,
        result.attempts,
        result.first_try,
        result.waited_s,
        result.queue_depth,
        result.in_flight,
        text(result.lane),
        result.lane_seq,
        latency_s,
        reply.load_s,
        reply.tokens_in,
        reply.tokens_out,
        record.cost_usd,
        text(reply.served_model),
        text(reply.finish_reason),
        reply_text,
        error_text,
        dump(list(map(attempt_to_json, result.failed_attempts))),
        record.weight,
        text(answer_id),
        text(reply.copied),
    )


def dump(value: Json | list[dict[str, Any]] | dict[str, Any]) -> str:
    """Return a value as JSON text, without secrets."""
    # ASCII, because a reply may contain lone surrogates, which UTF-8 in SQLite cannot represent.
    return redact_written(json.dumps(value, ensure_ascii=True, sort_keys=True))


def text(value: str) -> str:
    """Return a text without secrets, and with lone surrogates escaped, which UTF-8 in SQLite cannot represent."""
    return redact_written(value.encode("utf-8", "backslashreplace").decode("utf-8"))


def result_of(row: sqlite3.Row) -> CallResult:
    """Return the result of a finished call."""
    failed = json.loads(row["attempt_errors"])
    reply = error = None
    if row["reply"]:
        reply = reply_from_json(json.loads(row["reply"]))
    if row["error"]:
        error = error_from_json(json.loads(row["error"]))
    return CallResult(
        reply=reply,
        error=error,
        started=row["started"],
        ended=row["ended"],
        failed_attempts=tuple(_attempt(entry, row["started"]) for entry in failed),
        cost_usd=row["cost_usd"],
        answers=row["attempts"] - len(failed),
        waited_s=row["waited_s"],
        queue_depth=row["queue_depth"],
        in_flight=row["in_flight"],
        lane=row["lane"],
        lane_seq=row["lane_seq"],
    )


def _attempt(value: dict[str, Any], started: float) -> FailedAttempt:
    """Return a failed attempt; ledgers of version 1 stored only its error."""
    if "error" not in value:
        return FailedAttempt(error=error_from_json(value), started=started, ended=started)
    return attempt_from_json(value)


def answered_of(row: sqlite3.Row) -> tuple[str, Answered]:
    """Return an answer with its id of the server."""
    return row["answer_id"], Answered(cycle=row["cycle"], reply=reply_from_json(json.loads(row["reply"])))


def trial_of_cycle(row: sqlite3.Row) -> tuple[int, Trial]:
    """Return a trial with its cycle."""
    values = dict(row)
    cycle = values.pop("cycle")
    return cycle, make_trial(values)


def judged_call_of(row: sqlite3.Row) -> tuple[Trial, CallResult]:
    """Return the trial in a row of `SELECT_JUDGED_CALLS`, and the call it judges."""
    values = {name: row[name] for name in Trial.__dataclass_fields__}
    return make_trial(values), result_of(row)


def make_trial(values: dict[str, Any]) -> Trial:
    """Return the trial in a row of `SELECT_TRIALS`, without its cycle."""
    share_texts(values)
    values["outcome"] = _OUTCOMES[values["outcome"]]
    values["error_kind"] = _ERROR_KINDS[values["error_kind"]]
    for name in ("restraint", "called", "first_try"):
        values[name] = bool(values[name])
    return Trial(**values)
