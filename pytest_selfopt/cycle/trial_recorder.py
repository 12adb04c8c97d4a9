"""The recorder that writes finished calls to the ledger at once, and their outcomes in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.copies import CopyWatch
from pytest_selfopt.execution.project_runner import without_secrets
from pytest_selfopt.execution.reply_notes import ReplyNotes
from pytest_selfopt.ledger.ledger import Ledger, Warmup
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.runners.runner import Finished, as_stored
from pytest_selfopt.trial import Trial

OUTCOMES_AT_ONCE = 256
"""The number of outcomes stored at a time; they follow from stored replies, so a crash loses none."""


class TrialRecorder:
    """A recorder of the trials of a cycle; without a ledger, as for a gate, it records nothing."""

    def __init__(
        self,
        ledger: Ledger | None,
        cycle: int,
        calls: CallFactory,
        *,
        stored: Iterable[str] = (),
        copies: CopyWatch,
        redacts: bool = False,
    ) -> None:
        """Record a cycle; `stored` are the ids of calls that are in the ledger already.

        With `redacts`, secrets are blacked out of results first: no built-in runner has done so.
        """
        self._ledger = ledger
        self._cycle = cycle
        self._calls = calls
        self._copies = copies
        self._redacts = redacts
        self._recorded = set(stored)
        """The calls in the ledger whose outcome is not recorded yet."""
        self._judged: list[tuple[str, Trial]] = []
        self.notes = ReplyNotes()
        self.warmups: list[Warmup] = []
        """The warm-up calls that were made, in the order in which they ended."""

    def record_calls(self, finished: Sequence[Finished]) -> Sequence[Finished]:
        """Store finished calls before any thread reads their replies; runs on the dispatcher's thread.

        A call that was cancelled is not finished: it may be made again. Return the calls without secrets, and with
        their copies marked.
        """
        if self._redacts:
            finished = without_secrets(finished)
        finished = self._copies.mark(finished)
        for outcome in finished:
            self.notes.add(outcome.call, outcome.result)
            self._note_warmup(outcome)
        if self._ledger is None:
            return finished
        whole = [outcome for outcome in finished if not outcome.result.cancelled]
        records = [self._calls.record(outcome.call, outcome.result) for outcome in whole]
        replaced = self._ledger.record_calls(self._cycle, records)
        self._recorded.update(outcome.call.id for outcome in whole)
        return as_stored(finished, replaced)

    def _note_warmup(self, outcome: Finished) -> None:
        spec = self._calls.warmed_spec(outcome.call)
        if spec is not None:
            self.warmups.append(Warmup(phase=spec.phase, spec=spec.id, result=outcome.result))

    def record_outcome(self, trial: Trial) -> None:
        """Store a trial's outcome, now or with those that follow."""
        key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
        self._judged.append((self._calls.id_of(key), trial))
        if len(self._judged) >= OUTCOMES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Store pending outcomes; after an interruption, a resumed cycle judges the stored replies again."""
        if self._ledger is None:
            self._judged.clear()
            return
        judged, self._judged = self._judged, []
        ready = []
        for call_id, trial in judged:
            if call_id in self._recorded:
                ready.append((call_id, trial))
            else:
                # A call that its item did not wait for is stored when it has been aborted, a moment later.
                self._judged.append((call_id, trial))
        if ready:
            self._ledger.record_outcomes(ready)
            self._recorded.difference_update(call_id for call_id, _ in ready)
