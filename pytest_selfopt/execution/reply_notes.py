"""Notes on the replies of a session that concern its models, not its answers."""

from __future__ import annotations

from collections import Counter

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.trial import CallResult, Reply


class ReplyNotes:
    """Collects what replies show: copies, sampling not sent as asked, schemas that bind nobody, leaks of isolation."""

    def __init__(self) -> None:
        self._adjusted: dict[str, dict[str, None]] = {}
        self._constrained: Counter[str] = Counter()
        self._off_schema: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._copies: Counter[str] = Counter()
        self._signs: dict[str, str] = {}
        self._isolated_tokens: Counter[str] = Counter()
        self._cached_tokens: Counter[str] = Counter()
        self._shared_tokens: Counter[str] = Counter()
        """The cached prompt tokens of calls at temperature 0 that were not isolated."""

    def add(self, call: Call, result: CallResult) -> None:
        """Take in a finished call."""
        reply = result.received
        if reply is None:
            return
        # The answer that a vote has chosen was counted with the call that asked for it.
        if result.attempts:
            self._answers[call.model] += 1
        if result.attempts and reply.copied:
            self._copies[call.model] += 1
            self._signs.setdefault(call.model, reply.copied)
        for note in reply.adjustments:
            self._adjusted.setdefault(call.model, {})[note] = None
        if call.request.answer_schema is not None:
            self._constrained[call.model] += 1
            self._off_schema[call.model] += reply.off_schema
        if call.request.fresh:
            self._add_isolated(call.model, reply)
        elif not call.request.sampling.temperature:
            self._shared_tokens[call.model] += reply.tokens_cached or 0

    def _add_isolated(self, model: str, reply: Reply) -> None:
        self._isolated_tokens[model] += reply.tokens_in or 0
        self._cached_tokens[model] += reply.tokens_cached or 0

    def lines(self) -> tuple[str, ...]:
        """Return one sentence on each thing that was seen."""
        lines: list[str] = []
        for model, copies in self._copies.items():
            lines.append(
                f"{model}: {copies:,} of {self._answers[model]:,} answers are copies from a cache, which do not count "
                f"({self._signs[model]}); switch the cache off for these calls, and leave out "
                'response_cache = "allow" if it is set'
            )
        for model, notes in self._adjusted.items():
            lines.append(f"{model}: {', '.join(notes)}; the model does not take it otherwise")
        for model, number in self._off_schema.items():
            if number:
                total = self._constrained[model]
                lines.append(
                    f"{model}: {number:,} of {total:,} answers under a schema do not begin as one: "
                    "its server does not constrain them"
                )
        for model, cached in self._cached_tokens.items():
            if cached:
                total = self._isolated_tokens[model]
                lines.append(
                    f"{model}: isolated calls (i1) took {cached:,} of their {total:,} prompt tokens from a cache"
                )
            elif self._shared_tokens[model]:
                lines.append(
                    f"{model}: calls took {self._shared_tokens[model]:,} prompt tokens from a cache, isolated ones "
                    "(i1) none: at temperature 0 a server such as llama.cpp then says other words, so that a "
                    "comparison of isolation compares other words, not noise alone"
                )
        return tuple(lines)
